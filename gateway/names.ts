import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { CatalogNames } from '#src/statement/sql/catalog.ts';
import type { Rule } from '#src/policy/rule.ts';
import { missingNames } from '#src/policy/check.ts';

export type NamesParts = {
  /** The rules in force. */
  readonly rules: () => Iterable<Rule>;
  /** Every target, and the way to ask it. */
  readonly targets: () => Iterable<{ readonly name: string; names(): Promise<CatalogNames> }>;
  readonly log: Pick<Logger, 'warn' | 'info'>;
};

/** How often the targets are looked at: each look is one query of a few milliseconds. */
const EVERY_MS = 60_000;
/** A target that does not answer is asked again after this. */
const AGAIN_MS = 5_000;

/**
 * Watches that what the rules in force name is still there. A column that was dropped or renamed leaves no hole, because
 * what no rule permits is refused; but whoever wrote the rule meant something by it, and should hear.
 */
export class NamesWatch {
  readonly #parts: NamesParts;
  readonly #end = new AbortController();
  #found: readonly string[] = [];
  #looking: Promise<unknown> = Promise.resolve();

  constructor(parts: NamesParts) {
    this.#parts = parts;
  }

  /** `rule pii-card: there is no column "shop/public/customers/card" (did you mean …?)`, one for each. */
  get missing(): readonly string[] {
    return this.#found;
  }

  /** Looks now and then, until it is closed. */
  start(everyMs = EVERY_MS): () => Promise<void> {
    const { signal } = this.#end;
    const run = async (): Promise<void> => {
      while (!signal.aborted) {
        // oxlint-disable-next-line eslint/no-await-in-loop -- one look after the other
        const silent = await this.look();
        const pause = silent ? Math.min(AGAIN_MS, everyMs) : everyMs;
        // oxlint-disable-next-line eslint/no-await-in-loop
        await setTimeout(pause, undefined, { signal, ref: false }).catch(() => undefined);
      }
    };
    const running = run();
    return async () => {
      this.#end.abort();
      await running;
    };
  }

  /** Resolves with whether some target did not answer; of such a one what was known before stays said. */
  look(): Promise<boolean> {
    const looking = this.#looking.then(() => this.#look());
    this.#looking = looking;
    return looking;
  }

  async #look(): Promise<boolean> {
    const answers = await Promise.all(
      Array.from(this.#parts.targets(), async (target) => ({
        prefix: `${target.name}/`,
        there: await target.names().catch(() => undefined),
      })),
    );
    const rules = [...this.#parts.rules()];
    const found = answers.flatMap(({ there, prefix }) =>
      there
        ? missingNames(rules, there)
        : this.#found.filter((line) => line.includes(`"${prefix}`)),
    );
    const { log } = this.#parts;
    const fresh = found.filter((line) => !this.#found.includes(line));
    if (fresh.length > 0)
      log.warn({ missing: fresh }, 'rules name what a target does not have; correct them');
    else if (found.length === 0 && this.#found.length > 0)
      log.info('everything that the rules name is there again');
    this.#found = found;
    return answers.some(({ there }) => !there);
  }
}
