import { Worker } from 'node:worker_threads';
import { linesOf } from './lines.ts';
import type { RecordingEvent } from './port.ts';

/** Characters; what is smaller is done here sooner than it is handed over. */
const SMALL = 16_384;
const PATIENCE_MS = 60_000;

type Asked = {
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
};

/** Writes events as lines: large lots in a thread of their own, since detectors look at every character. */
export class Scribe {
  #worker: Worker | undefined;
  #next = 0;
  readonly #asked = new Map<number, Asked>();

  /** `size` is about how many characters the events have. Rejects when the thread fails. */
  write(events: readonly RecordingEvent[], size: number): Promise<string> {
    if (size <= SMALL) return Promise.resolve(linesOf(events));
    const worker = (this.#worker ??= this.#start());
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const id = (this.#next += 1);
    const timer = setTimeout(() => {
      this.#failed(worker, new Error('events were not written as lines in time'));
    }, PATIENCE_MS);
    this.#asked.set(id, { resolve, reject, timer });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
    worker.postMessage([id, events]);
    return promise;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('lines-worker.ts', import.meta.url));
    worker.unref();
    worker.on('message', ([id, text]: [number, string]) => {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      clearTimeout(asked?.timer);
      asked?.resolve(text);
    });
    worker.on('error', (error: Error) => this.#failed(worker, error));
    worker.on('exit', () => this.#failed(worker, new Error('the thread has ended')));
    return worker;
  }

  /** What it was asked for is rejected; the next asks a new one. */
  #failed(worker: Worker, error: Error): void {
    if (this.#worker === worker) this.#worker = undefined;
    worker.terminate().catch(() => undefined);
    for (const { reject, timer } of this.#asked.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#asked.clear();
  }
}
