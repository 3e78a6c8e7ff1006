import type { TargetConfig } from '#src/config/config.ts';
import { openAnalyser, type Analyser } from './analyser.ts';

/** One analyser for each database of each target, opened when it is first asked for. */
export class Analysers {
  readonly #onError: (error: Error) => void;
  readonly #open = new Map<TargetConfig, Map<string, Analyser>>();

  constructor(onError: (error: Error) => void) {
    this.#onError = onError;
  }

  /** However somebody logs in to the target: its definitions are the same for all. */
  of(config: TargetConfig, database: string): Analyser {
    const target = config.shared ?? config;
    const known = this.#open.get(target) ?? new Map<string, Analyser>();
    this.#open.set(target, known);
    const analyser =
      known.get(database) ?? openAnalyser(target, database, { onError: this.#onError });
    known.set(database, analyser);
    return analyser;
  }

  /** Closes those of targets that are in use no more: taken out of the configuration, or changed in it. */
  async closeUnused(used: (target: TargetConfig) => boolean): Promise<void> {
    const unused = [...this.#open].filter(([target]) => !used(target));
    for (const [target] of unused) this.#open.delete(target);
    const analysers = unused.flatMap(([, byDatabase]) => [...byDatabase.values()]);
    await Promise.all(analysers.map((analyser) => analyser.close()));
  }

  async close(): Promise<void> {
    await this.closeUnused(() => false);
  }
}
