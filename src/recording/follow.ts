import { setTimeout as sleep } from 'node:timers/promises';
import { Cleaner } from './clean.ts';
import type { RecordingEvent } from './port.ts';
import type { Reader } from './reader.ts';
import type { Buffered } from './session-recording.ts';

/** Events that wait for a viewer that does not read; more are told as a gap. */
const MOST = 10_000;
/** How often the store is asked about a session of another gateway. */
const POLL_MS = 2_000;

/** What this gateway has of a session that goes on here: first what is stored, then the rest as it comes. */
export async function* followHere(
  reader: Reader,
  session: string,
  live: Buffered,
  signal: AbortSignal,
): AsyncGenerator<RecordingEvent> {
  const coming = new Coming();
  const { from, waiting, stop } = live.listen((event) => coming.push(event));
  const aborted = (): void => coming.push(undefined);
  signal.addEventListener('abort', aborted);
  const cleaner = new Cleaner();
  try {
    yield* reader.read(session, 0, from);
    for (const event of waiting) yield cleaner.clean(event);
    for (let event = await coming.next(); event && !signal.aborted; event = await coming.next())
      yield cleaner.clean(event);
  } finally {
    stop();
    signal.removeEventListener('abort', aborted);
  }
}

/** What another gateway seals, as it comes into the store. */
export async function* followThere(
  reader: Reader,
  session: string,
  signal: AbortSignal,
): AsyncGenerator<RecordingEvent> {
  let chunk = 0;
  while (!signal.aborted) {
    // Before the chunks: what is recorded after its end would else be missed.
    // oxlint-disable-next-line no-await-in-loop -- one look after another
    const row = await reader.find(session);
    chunk = yield* reader.read(session, chunk);
    if (row?.state !== 'open') return;
    // oxlint-disable-next-line no-await-in-loop -- one look after another
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Events on their way to one viewer. */
class Coming {
  #queue: RecordingEvent[] = [];
  #dropped = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  push(event: RecordingEvent | undefined): void {
    if (event === undefined) this.#ended = true;
    else if (this.#queue.length >= MOST) this.#dropped += 1;
    else this.#queue.push(event);
    this.#wake?.();
  }

  /** Undefined when nothing more comes. */
  async next(): Promise<RecordingEvent | undefined> {
    for (;;) {
      const event = this.#queue.shift();
      if (event) return event;
      if (this.#dropped > 0) {
        const count = this.#dropped;
        this.#dropped = 0;
        return { t: 0, k: 'gap', reason: 'dropped', count };
      }
      if (this.#ended) return undefined;
      // oxlint-disable-next-line no-await-in-loop -- waits for what comes
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
