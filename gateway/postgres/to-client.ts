import type { Duplex } from 'node:stream';
import type { Piece } from './masker.ts';

/** Bytes on their way to the client: what lies side by side is one write, and the writes of one turn go out together. */
export class ToClient {
  readonly #client: Duplex;
  #out: Piece | undefined;
  #corked = false;

  constructor(client: Duplex) {
    this.#client = client;
  }

  /** False when the client cannot take more now. */
  get ready(): boolean {
    return !this.#client.writableNeedDrain;
  }

  /** Goes out with `flush` at the latest. */
  put(piece: Piece): void {
    const out = this.#out;
    if (out?.buffer === piece.buffer && out.end === piece.start)
      this.#out = { buffer: out.buffer, start: out.start, end: piece.end };
    else {
      if (out && !this.#corked) {
        this.#client.cork();
        this.#corked = true;
      }
      this.#write();
      this.#out = piece;
    }
  }

  /** True when everything has gone out already, so that none of its bytes are needed any more. */
  flush(): boolean {
    this.#write();
    if (this.#corked) this.#client.uncork();
    this.#corked = false;
    return this.#client.writableLength === 0;
  }

  #write(): void {
    const out = this.#out;
    this.#out = undefined;
    if (out) this.#client.write(out.buffer.subarray(out.start, out.end));
  }
}

export const whole = (bytes: Buffer): Piece => ({ buffer: bytes, start: 0, end: bytes.length });
