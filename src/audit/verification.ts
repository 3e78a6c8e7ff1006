import { Worker } from 'node:worker_threads';
import type { GitPlace } from './tree/anchor-git.ts';

/** What a verification of the whole log needs. */
export type Task = {
  readonly url: string;
  /** A policy file (C2SP tlog-policy). */
  readonly trust: string;
  readonly anchors: readonly { readonly name: string; readonly place: GitPlace }[];
  /** About how many there are. */
  readonly records: number;
};

export type Progress = {
  readonly phase: 'chains' | 'tree' | 'anchors';
  readonly done: number;
  readonly of: number;
};
export type Verified = {
  readonly phase: 'done';
  readonly records: number;
  readonly erased: number;
  readonly writers: number;
  /** Checkpoints in git that were compared. */
  readonly laidDown: number;
  readonly problems: readonly string[];
};
export type Step = Progress | Verified | { readonly phase: 'failed'; readonly why: string };

export type Run = {
  readonly by: string;
  readonly startedAt: string;
  readonly step: Step | { readonly phase: 'cancelled' };
  readonly endedAt?: string;
};

/** Verifies the whole log in a thread of its own, one at a time in this process. */
export class Verifications {
  #run: Run | undefined;
  #worker: Worker | undefined;

  /** The one that is under way, or the last one. */
  get now(): Run | undefined {
    return this.#run;
  }

  /** False while one is under way. `ended` hears how it ended. */
  start(task: Task, by: string, ended: (run: Run) => void): boolean {
    if (this.#worker) return false;
    const worker = new Worker(new URL('verification-worker.ts', import.meta.url), {
      workerData: task,
    });
    this.#worker = worker;
    const first: Step = { phase: 'chains', done: 0, of: task.records };
    this.#run = { by, startedAt: new Date().toISOString(), step: first };
    const take = (step: Run['step']): void => {
      if (this.#worker !== worker || !this.#run) return;
      const over = step.phase === 'done' || step.phase === 'failed' || step.phase === 'cancelled';
      this.#run = { ...this.#run, step, ...(over && { endedAt: new Date().toISOString() }) };
      if (!over) return;
      this.#worker = undefined;
      ended(this.#run);
    };
    worker.on('message', take);
    worker.on('error', (error) => take({ phase: 'failed', why: error.message }));
    worker.on('exit', () => take({ phase: 'cancelled' }));
    worker.unref();
    return true;
  }

  /** Resolves once nothing is under way. */
  async cancel(): Promise<void> {
    await this.#worker?.terminate();
  }
}
