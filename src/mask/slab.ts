const SIZE = 64 * 1024;

/**
 * Bytes on their way out, appended one item (a row) after another into large buffers. Full buffers are handed out as
 * they are and never used again: what was handed out may still wait in a socket.
 */
export class Slab {
  buffer = Buffer.allocUnsafe(SIZE);
  at = 0;
  #begin = 0;

  /** A new item begins here; what was appended before is finished. */
  begin(): void {
    this.#begin = this.at;
  }

  /** Where the item that is being written began. It moves when `reserve` has to take a larger buffer. */
  get start(): number {
    return this.#begin;
  }

  /** Takes back what was appended to the item after `at`, an offset from its start. */
  cut(at: number): void {
    this.at = this.#begin + at;
  }

  /** Room for that many bytes at `at`. */
  reserve(bytes: number): void {
    if (this.buffer.length - this.at >= bytes) return;
    const written = this.at - this.#begin;
    const next = Buffer.allocUnsafe(Math.max(SIZE, 2 * (written + bytes)));
    this.buffer.copy(next, 0, this.#begin, this.at);
    this.buffer = next;
    this.#begin = 0;
    this.at = written;
  }

  append(bytes: Buffer, start = 0, end = bytes.length): void {
    this.reserve(end - start);
    this.at += bytes.copy(this.buffer, this.at, start, end);
  }

  text(text: string): void {
    this.reserve(3 * text.length);
    this.at += this.buffer.write(text, this.at);
  }

  /** What was written of the item, as a view. */
  item(): Buffer {
    return this.buffer.subarray(this.#begin, this.at);
  }
}
