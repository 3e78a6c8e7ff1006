import type { RequestState } from '#src/approval/request.ts';
import type { Telemetry } from '#src/telemetry/telemetry.ts';
import type { Facts, Span } from '#src/telemetry/tracing.ts';

/** A hold as the operator sees it: open until it is decided or given up, and how long that took. */
export class Wait {
  readonly #telemetry: Telemetry;
  readonly #target: string;
  readonly #span: Span | undefined;
  #since: number | undefined;

  constructor(telemetry: Telemetry, facts: Facts & { readonly target: string }, parent?: Span) {
    this.#telemetry = telemetry;
    this.#target = facts.target;
    this.#span = parent && telemetry.tracing?.start('hold', facts, parent);
  }

  /** Goes with the request, so that the card and the click belong to the same trace. */
  get traceparent(): string | undefined {
    return this.#span?.traceparent;
  }

  opened(): void {
    this.#since = performance.now();
    this.#telemetry.metrics.target(this.#target).holdsOpen += 1;
  }

  /** Only the first end counts. */
  ended(state: RequestState): void {
    this.#span?.end({ state });
    if (this.#since === undefined) return;
    const { metrics } = this.#telemetry;
    metrics.target(this.#target).holdsOpen -= 1;
    metrics.decided(this.#target, state, (performance.now() - this.#since) / 1_000);
    this.#since = undefined;
  }
}
