const SIZE = 64 * 1024;
/** What the first one takes: small results need no more. */
const FIRST = 2 * 1024;
/** Bytes up to which a loop is faster than a call that copies. */
const FEW = 64;

/**
 * Bytes on their way out, appended one item (rows that came at once) after another into large buffers. What was handed
 * out may still wait in a socket, and is not touched again before `reuse`.
 */
export class Slab {
  buffer = Buffer.allocUnsafe(FIRST);
  at = 0;
  #begin = 0;

  /** A new item begins here; what was appended before is finished. */
  begin(): void {
    this.#begin = this.at;
  }

  /** Nobody needs what was handed out any more: the next item takes its place, and no new memory. */
  reuse(): void {
    this.at = 0;
    this.#begin = 0;
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
    const { buffer } = this;
    let { at } = this;
    if (end - start > FEW) at += bytes.copy(buffer, at, start, end);
    else for (let i = start; i < end; i += 1) buffer[at++] = bytes[i] ?? 0;
    this.at = at;
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

/** Big endian; of bytes that are there. Reading them with checks of its own costs more than a mask does. */
export const int32 = (bytes: Buffer, at: number): number =>
  ((bytes[at] ?? 0) << 24) |
  ((bytes[at + 1] ?? 0) << 16) |
  ((bytes[at + 2] ?? 0) << 8) |
  (bytes[at + 3] ?? 0);

export function setInt32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
