import type { Duplex } from 'node:stream';
import { ClientMessage } from './codec.ts';
import { GoneAway } from './reading.ts';

/** What a client may send ahead; then it is not read until it is let in. */
const MOST = 64 * 1024;

/** A client that is kept waiting: what it sends is kept unread, and it is noticed when it goes away. */
export class Waiting {
  readonly #socket: Duplex;
  readonly #over = new AbortController();
  readonly #onFirst: () => void;
  #kept: Buffer;

  /** `onFirst` is called when it sends something. */
  constructor(socket: Duplex, head: Buffer, onFirst: () => void) {
    this.#socket = socket;
    this.#kept = head;
    this.#onFirst = onFirst;
    socket.on('data', this.#heard);
    for (const event of ['end', 'close', 'error']) socket.on(event, this.#gone);
    if (socket.destroyed || socket.readableEnded) this.#gone();
    else socket.resume();
  }

  /** Aborted when it has gone away, or with what `end` was given. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  end(reason: Error): void {
    this.#over.abort(reason);
  }

  /** Pauses it again; gives everything that it has sent. */
  release(): Buffer {
    this.#socket.off('data', this.#heard);
    for (const event of ['end', 'close', 'error']) this.#socket.off(event, this.#gone);
    this.#socket.pause();
    return this.#kept;
  }

  readonly #heard = (chunk: Buffer): void => {
    const first = this.#kept.length === 0;
    this.#kept = Buffer.concat([this.#kept, chunk]);
    if (this.#kept[0] === ClientMessage.Terminate) this.#gone();
    else if (first) this.#onFirst();
    if (this.#kept.length > MOST) this.#socket.pause();
  };

  readonly #gone = (): void => this.end(new GoneAway('the client went away'));
}
