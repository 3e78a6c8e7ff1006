import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { type Parsed, fitsInline, parse, tooDeep } from '#src/statement/sql/parse.ts';

const parseMs = 10_000;
// Characters. Rows in bulk go through COPY.
const longest = 8 << 20;

parseOnce();

/** PostgreSQL's parser: on this thread for what is small, in a worker with a large stack for everything else. */
export class Parser {
  #worker: Worker | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  // The parser on this thread cannot be replaced; once it has failed, only workers are trusted.
  #inlineBroken = false;

  async parse(text: string): Promise<Parsed> {
    if (text.length > longest)
      return {
        refused: { ...tooDeep, message: 'the statement is too long to be judged', code: '54000' },
      };
    if (text.includes('\0'))
      return {
        refused: { ...tooDeep, message: 'the statement holds a NUL character', code: '22021' },
      };
    if (!this.#inlineBroken && fitsInline(text)) {
      try {
        return parse(text);
      } catch {
        this.#inlineBroken = true;
        return { refused: tooDeep };
      }
    }
    const answer = this.#tail.then(() => this.#ask(text));
    this.#tail = answer;
    return answer;
  }

  #ask(text: string): Promise<Parsed> {
    const worker = (this.#worker ??= start());
    const { promise, resolve } = Promise.withResolvers<Parsed>();
    const give = (parsed: Parsed): void => {
      clearTimeout(timer);
      worker.removeAllListeners();
      // A worker that fails between two questions is replaced at the next one.
      worker.on('error', () => undefined);
      worker.once('exit', () => this.#forget(worker));
      resolve(parsed);
    };
    const fail = (): void => {
      this.#forget(worker);
      give({ refused: tooDeep });
      worker.terminate().catch(() => undefined);
    };
    const timer = setTimeout(fail, parseMs);
    worker.removeAllListeners();
    worker.once('message', give);
    worker.once('messageerror', fail);
    worker.once('error', fail);
    worker.once('exit', fail);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
    worker.postMessage(text);
    return promise;
  }

  #forget(worker: Worker): void {
    if (this.#worker === worker) this.#worker = undefined;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}

/**
 * V8 compiles a function at its first call, and again when it is called often; to optimise the grammar, which is one
 * function of 100 kB, it takes 600 MB for half a second, and a parse is 5 us faster then. So the first call comes
 * while V8 may not optimise, which holds for the functions called here, and in every thread.
 */
function parseOnce(): void {
  const flags = ['wasm-tier-up', 'wasm-dynamic-tiering'];
  for (const flag of flags) setFlagsFromString(`--no-${flag}`);
  parse('select 1');
  for (const flag of flags) setFlagsFromString(`--${flag}`);
}

function start(): Worker {
  const worker = new Worker(new URL('parser-worker.ts', import.meta.url), {
    resourceLimits: { stackSizeMb: 64 },
  });
  worker.unref();
  return worker;
}
