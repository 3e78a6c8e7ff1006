import { ProtocolViolation } from './bytes.ts';
import { Fifo } from './fifo.ts';

/** What must be held whole may be this large; above it the stream ends with 54000. */
export const WHOLE_LIMIT = 64 * 1024 * 1024;
// PostgreSQL's own PQ_SMALL_MESSAGE_LIMIT, for messages that hold only names and numbers.
const SMALL_LIMIT = 10_000;
const LENGTH_LIMIT = 0x3fff_ffff;
const HEADER = 5;

/** `buffer[start..end)` is one message with its header, or a piece of a streamed one. */
export type Frame = {
  readonly type: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  /** The header is in this piece. Always true unless the type is streamed. */
  readonly first: boolean;
  /** The message ends in this piece. Always true unless the type is streamed. */
  readonly last: boolean;
};

/** The message without its header; a view. */
export function bodyOf(frame: Frame): Buffer {
  return frame.buffer.subarray(frame.start + HEADER, frame.end);
}

/** The message with its header; a view. */
export function bytesOf(frame: Frame): Buffer {
  return frame.buffer.subarray(frame.start, frame.end);
}

function lengthAt(buffer: Buffer, at: number): number {
  const length = buffer.readInt32BE(at + 1);
  if (length < 4 || length > LENGTH_LIMIT)
    throw new ProtocolViolation('invalid message length', '08P01', true);
  return length;
}

function tooLarge(length: number, limit: number): ProtocolViolation {
  return new ProtocolViolation(
    `a message of ${String(length)} bytes is larger than the limit of ${String(limit)} bytes`,
    '54000',
    true,
  );
}

/** Chunks that do not make a message yet, joined once and only when enough of them are there. */
class Tail {
  #chunks: Buffer[] = [];
  #held = 0;
  #need = 0;

  get held(): number {
    return this.#held;
  }
  keep(rest: Buffer, need: number): void {
    this.#chunks = [rest];
    this.#held = rest.length;
    this.#need = need;
  }
  /** The bytes to go on with, or undefined while too few are there. */
  join(chunk: Buffer): Buffer | undefined {
    if (this.#held === 0) return chunk;
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#need) return undefined;
    const all = Buffer.concat(this.#chunks, this.#held);
    this.#chunks = [];
    this.#held = 0;
    return all;
  }
  /** Takes from a chunk what is still needed; returns where it stopped. */
  fill(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#need - this.#held);
    this.#chunks.push(chunk.subarray(at, end));
    this.#held += end - at;
    return end;
  }
  /** Everything, once it is enough; nothing is held then. */
  full(): Buffer | undefined {
    if (this.#held < this.#need) return undefined;
    const all = this.bytes;
    this.#chunks = [];
    this.#held = 0;
    return all;
  }
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

const COPY_DATA = 0x64;
// Query, Parse, Bind, FunctionCall.
const LARGE = new Set([0x51, 0x50, 0x42, 0x46]);

/**
 * Messages from a client, pulled one at a time, because judging one takes as long as it takes. CopyData comes in
 * pieces, anything else whole: Query, Parse, Bind and FunctionCall up to `limit` bytes, the rest up to 10,000 bytes.
 */
export class Framer {
  readonly #limit: number;
  readonly #tail = new Tail();
  // Complete chunks in order; the first is read at #at.
  readonly #ready = new Fifo<Buffer>();
  #at = 0;
  #bytes = 0;
  #skip = 0;

  constructor(limit = WHOLE_LIMIT) {
    this.#limit = limit;
  }

  /** Bytes that were pushed and not yet handed out. */
  get pending(): number {
    return this.#bytes + this.#tail.held;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    // While chunks wait to be read, a new one cannot belong to the tail yet.
    if (this.#ready.length > 0) {
      this.#ready.push(chunk);
      this.#bytes += chunk.length;
      return;
    }
    const joined = this.#tail.join(chunk);
    if (!joined) return;
    this.#ready.push(joined);
    this.#at = 0;
    this.#bytes = joined.length;
  }

  /** The next message, or undefined until more bytes come. Throws a fatal ProtocolViolation. */
  next(): Frame | undefined {
    for (;;) {
      const buffer = this.#ready.first;
      if (!buffer) return undefined;
      const at = this.#at;
      const left = buffer.length - at;
      if (this.#skip > 0) return this.#piece(buffer, at, Math.min(this.#skip, left), false);
      let need = HEADER;
      if (left >= HEADER) {
        const length = lengthAt(buffer, at);
        if (buffer[at] === COPY_DATA) {
          this.#skip = length + 1;
          return this.#piece(buffer, at, Math.min(length + 1, left), true);
        }
        need = length + 1;
        this.#check(buffer.readUInt8(at), length);
        if (left >= need) {
          this.#advance(buffer, need);
          return whole(buffer, at, at + need);
        }
      }
      this.#park(buffer, need);
    }
  }

  #check(type: number, length: number): void {
    const limit = LARGE.has(type) ? this.#limit : Math.min(this.#limit, SMALL_LIMIT);
    if (length > limit) throw tooLarge(length, limit);
  }

  #piece(buffer: Buffer, at: number, bytes: number, first: boolean): Frame {
    this.#skip -= bytes;
    this.#advance(buffer, bytes);
    const last = this.#skip === 0;
    return { type: COPY_DATA, buffer, start: at, end: at + bytes, first, last };
  }

  #advance(buffer: Buffer, bytes: number): void {
    this.#at += bytes;
    this.#bytes -= bytes;
    if (this.#at < buffer.length) return;
    this.#ready.shift();
    this.#at = 0;
  }

  /** Moves an incomplete message to the tail, and takes the waiting chunks along until it is complete. */
  #park(buffer: Buffer, need: number): void {
    const [, ...waiting] = this.#ready.drain();
    this.#tail.keep(buffer.subarray(this.#at), need);
    this.#at = 0;
    this.#bytes = 0;
    for (const chunk of waiting) this.push(chunk);
  }
}

function whole(buffer: Buffer, start: number, end: number): Frame {
  return { type: buffer.readUInt8(start), buffer, start, end, first: true, last: true };
}

/** Where a StreamFramer puts what it finds, in order. `buffer` is valid as long as the receiver keeps it. */
export type Sink = {
  /** `buffer[start..end)` is one whole message with its header; of a type that is batched, as many as lie side by side. */
  message(type: number, buffer: Buffer, start: number, end: number): void;
  /** Bytes of streamed messages of one type, which may begin and end inside a message; `begun` headers are among them. */
  run(type: number, buffer: Buffer, start: number, end: number, begun: number): void;
};

const modes = ['whole', 'streamed', 'batched'] as const;
export type Mode = (typeof modes)[number];
const [STREAMED, BATCHED] = [modes.indexOf('streamed'), modes.indexOf('batched')];

/** Where the whole messages of one type end that begin at `start`. */
function batchEnd(buffer: Buffer, start: number): number {
  const type = buffer[start];
  let end = start;
  while (buffer.length - end >= HEADER && buffer[end] === type) {
    const next = end + 1 + lengthAt(buffer, end);
    if (next > buffer.length) break;
    end = next;
  }
  return end;
}

/**
 * Messages from a server, pushed as the bytes come. Types that are streamed pass in runs without being looked into
 * or held; all others come whole, up to `limit` bytes: those that are batched as many at a time as are there. Allocates nothing per message.
 */
export class StreamFramer {
  readonly #sink: Sink;
  readonly #limit: number;
  /** By type: one of the modes. */
  readonly #modes = new Uint8Array(256);
  readonly #tail = new Tail();
  #type = 0;
  #skip = 0;

  constructor(sink: Sink, streamed: string, limit = WHOLE_LIMIT) {
    this.#sink = sink;
    this.#limit = limit;
    for (const letter of streamed) this.take(letter, 'streamed');
  }

  /** True when what was pushed so far ends inside a streamed message. */
  get inside(): boolean {
    return this.#skip > 0;
  }

  /** How messages of a type (its letter) are handed out, from the next one on. */
  take(letter: string, mode: Mode): void {
    this.#modes[letter.charCodeAt(0)] = modes.indexOf(mode);
  }

  /** The bytes of a message that is not complete yet. */
  rest(): Buffer {
    return this.#tail.bytes;
  }

  /** Throws a fatal ProtocolViolation, and whatever the sink throws. */
  push(chunk: Buffer): void {
    let at = 0;
    // Only what belongs to a message that began before is copied: first its header, then the rest of it.
    while (this.#tail.held > 0) {
      at = this.#tail.fill(chunk, at);
      const begun = this.#tail.full();
      if (!begun) return;
      this.#read(begun, 0);
    }
    this.#read(chunk, at);
  }

  #read(buffer: Buffer, start: number): void {
    let at = this.#skip > 0 ? this.#continue(buffer, start) : start;
    let need = HEADER;
    while (buffer.length - at >= HEADER) {
      const mode = this.#modes[buffer.readUInt8(at)];
      if (mode === STREAMED) {
        at = this.#run(buffer, at);
        continue;
      }
      const length = lengthAt(buffer, at);
      if (length > this.#limit) throw tooLarge(length, this.#limit);
      need = length + 1;
      if (buffer.length - at < need) break;
      const end = mode === BATCHED ? batchEnd(buffer, at) : at + need;
      this.#sink.message(buffer.readUInt8(at), buffer, at, end);
      at = end;
      need = HEADER;
    }
    if (at < buffer.length) this.#tail.keep(buffer.subarray(at), need);
  }

  #continue(buffer: Buffer, start: number): number {
    const end = Math.min(start + this.#skip, buffer.length);
    this.#skip -= end - start;
    if (end > start) this.#sink.run(this.#type, buffer, start, end, 0);
    return end;
  }

  /** As many messages of the same type as lie one after another; returns where they end. */
  #run(buffer: Buffer, start: number): number {
    const type = buffer.readUInt8(start);
    const size = buffer.length;
    let at = start;
    let begun = 0;
    while (size - at >= HEADER && buffer[at] === type) {
      at += lengthAt(buffer, at) + 1;
      begun += 1;
    }
    const end = Math.min(at, size);
    this.#type = type;
    this.#skip = at - end;
    this.#sink.run(type, buffer, start, end, begun);
    return end;
  }
}
