import type { TransactionStatus } from './codec.ts';
import type { Run } from './recorder.ts';

/** What runs and has no outcome yet. */
export class Runs {
  readonly #runs = new Set<Run>();

  add(run: Run | undefined): void {
    if (run) this.#runs.add(run);
  }

  /** It failed with all of them. */
  failed(code: string): void {
    for (const run of this.#runs) run.failed(code);
  }

  /** Nobody will answer any more. */
  lost(): void {
    for (const run of this.#runs) run.unknown();
    this.#runs.clear();
  }

  /** The target is ready: inside a transaction, what was not answered may go on. */
  end(status: TransactionStatus, answered: Run | undefined): void {
    for (const run of this.#runs)
      if (status !== 'T' || run.answered || run === answered) {
        run.end();
        this.#runs.delete(run);
      }
  }
}
