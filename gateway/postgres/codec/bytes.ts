/**
 * The bytes break the protocol. `fatal` means that the stream cannot be followed any more (a wrong length, too large);
 * otherwise only this message is bad, and the connection can go on after an ErrorResponse.
 */
export class ProtocolViolation extends Error {
  override name = 'ProtocolViolation';
  readonly sqlstate: string;
  readonly fatal: boolean;
  constructor(reason: string, sqlstate = '08P01', fatal = false) {
    super(reason);
    this.sqlstate = sqlstate;
    this.fatal = fatal;
  }
}

// ignoreBOM keeps a leading U+FEFF: what is judged must be the text that the server sees.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Strict UTF-8; throws ProtocolViolation 22021 as PostgreSQL does. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ProtocolViolation('invalid byte sequence for encoding "UTF8"', '22021');
  }
}

/** Bytes. No longer than PostgreSQL's names. */
const SHORT = 64;

/** Reads one message body from front to back and never past its end. */
export class Reader {
  readonly #body: Buffer;
  #at: number;

  constructor(body: Buffer, at = 0) {
    this.#body = body;
    this.#at = at;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes < 0 || bytes > this.#body.length - at)
      throw new ProtocolViolation('insufficient data left in message');
    this.#at = at + bytes;
    return at;
  }

  byte(): number {
    return this.#body.readUInt8(this.#take(1));
  }
  uint16(): number {
    return this.#body.readUInt16BE(this.#take(2));
  }
  int16(): number {
    return this.#body.readInt16BE(this.#take(2));
  }
  uint32(): number {
    return this.#body.readUInt32BE(this.#take(4));
  }
  int32(): number {
    return this.#body.readInt32BE(this.#take(4));
  }
  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#body.subarray(at, at + length);
  }
  /** Everything up to the terminating zero byte, undecoded. */
  cstringBytes(): Buffer {
    const zero = this.#body.indexOf(0, this.#at);
    if (zero < 0) throw new ProtocolViolation('invalid string in message');
    const bytes = this.bytes(zero - this.#at);
    this.#at = zero + 1;
    return bytes;
  }
  cstring(): string {
    return this.#shortAscii() ?? decodeText(this.cstringBytes());
  }
  /** Most strings are short names, and of ASCII; a decoder and a view of their own would cost more than the rest of the message. */
  #shortAscii(): string | undefined {
    const body = this.#body;
    const from = this.#at;
    const limit = Math.min(body.length, from + SHORT);
    for (let at = from; at < limit; at++) {
      const byte = body[at] ?? 0;
      if (byte > 0x7f) return undefined;
      if (byte !== 0) continue;
      this.#at = at + 1;
      return at === from ? '' : body.toString('latin1', from, at);
    }
    return undefined;
  }
  rest(): Buffer {
    return this.bytes(this.#body.length - this.#at);
  }
  get atEnd(): boolean {
    return this.#at === this.#body.length;
  }
  /** Throws when bytes are left over: a longer message than its fields say is as wrong as a shorter one. */
  end(): void {
    if (!this.atEnd) throw new ProtocolViolation('invalid message format');
  }
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Throws on a zero byte, which would end the string early and move every field behind it. */
export function cstring(text: string): Buffer {
  if (text.includes('\0')) throw new ProtocolViolation('a protocol string cannot hold a zero byte');
  return Buffer.from(`${text}\0`);
}

/** Length and body, without a type byte: what a connection begins with. */
export function untyped(...parts: readonly Buffer[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  return Buffer.concat([int32(length), ...parts], length);
}

export function message(type: number, ...parts: readonly Buffer[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const head = Buffer.allocUnsafe(5);
  head[0] = type;
  head.writeInt32BE(length, 1);
  return Buffer.concat([head, ...parts], length + 1);
}
