import type { Requests } from '#src/approval/port.ts';
import type { AuditLog, JsonObject } from '#src/audit/log.ts';
import type { Telemetry } from '#src/telemetry/telemetry.ts';
import type { Span } from '#src/telemetry/tracing.ts';
import type { SessionFacts } from '../gate/asked.ts';
import type { Permit } from '../gate/permit.ts';
import { ofSession } from '../gate/record.ts';

export type RecorderDeps = {
  readonly audit: Pick<AuditLog, 'later'>;
  readonly requests: Pick<Requests, 'finish'>;
  readonly onFailure: (error: unknown) => void;
  readonly telemetry: Telemetry;
};

/** What became of one statement that was permitted to run. Exactly one outcome record follows, whatever happens. */
export class Run {
  readonly permit: Permit;
  readonly request: string | undefined;
  readonly #deps: RecorderDeps;
  readonly #session: SessionFacts;
  readonly #started = performance.now();
  readonly #span: Span | undefined;
  #tags: string[] = [];
  #rows = 0;
  #code: string | undefined;
  #ended = false;
  /** Rows that went to the client, counted where a rule limits them; a portal may be executed in pieces. */
  passed = 0;
  /** Rows that it changed, of all the statements of a string. */
  changed = 0;

  constructor(
    deps: RecorderDeps,
    session: SessionFacts,
    permit: Permit,
    request: string | undefined,
  ) {
    this.#deps = deps;
    this.#session = session;
    this.permit = permit;
    this.request = request;
    const { tracing } = deps.telemetry;
    const statement = tracing?.carried(permit);
    this.#span = statement && tracing?.start('run', { target: session.target.name }, statement);
  }

  /** Milliseconds since it was permitted to run. */
  get tookMs(): number {
    return this.#took();
  }

  /** It has completed or failed, so that nothing more comes of it once its pipeline ends. */
  get answered(): boolean {
    return this.#tags.length > 0 || this.#code !== undefined;
  }

  /** One statement of the string is complete. */
  completed(tag: string, rows: number | undefined): void {
    if (this.#tags.length < 100) this.#tags.push(tag);
    this.#rows += rows ?? 0;
  }

  /** The target (or the gateway, in its place) answered with an error. */
  failed(code: string): void {
    this.#code ??= code;
  }

  /** Everything has been answered. */
  end(): void {
    const code = this.#code === undefined ? {} : { code: this.#code };
    const [ok, rows] = [this.#code === undefined, this.#rows];
    const durationMs = this.#took();
    this.#close(
      { ...code, durationMs, ok, rows, tags: this.#tags },
      { ...code, durationMs, ok, rows },
    );
  }

  /** The connection broke while it ran: it may or may not have taken effect. */
  unknown(): void {
    this.#close({ durationMs: this.#took(), ok: false, unknown: true }, 'unknown');
  }

  #took(): number {
    return Math.round((performance.now() - this.#started) * 1000) / 1000;
  }

  /** Keys of the body are in the order in which they are written. */
  #close(body: JsonObject, outcome: Parameters<Requests['finish']>[1]): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#watch(outcome);
    this.#deps.audit.later({
      kind: 'outcome',
      ...ofSession(this.#session),
      statement: this.permit.statement,
      ...(this.request !== undefined && { request: this.request }),
      body,
    });
    if (this.request === undefined) return;
    this.#deps.requests.finish(this.request, outcome).catch(this.#deps.onFailure);
  }

  /** For the operator. A refusal in the target's place (row limits, cancels) counts as an error of the statement. */
  #watch(outcome: Parameters<Requests['finish']>[1]): void {
    const { metrics, tracing } = this.#deps.telemetry;
    const { errors } = metrics.target(this.#session.target.name);
    const ok = outcome !== 'unknown' && outcome.ok;
    if (outcome === 'unknown') errors.unknown += 1;
    else if (!ok) errors.statement += 1;
    const code = outcome === 'unknown' ? 'unknown' : outcome.code;
    this.#span?.end(code === undefined ? {} : { code }, !ok);
    tracing?.carried(this.permit)?.end({}, !ok);
  }
}
