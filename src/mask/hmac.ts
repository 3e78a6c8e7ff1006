import { initial, type Sha256, sha256 } from './sha256.ts';

const BLOCK = 64;
const STATE = 8;
/** Where the state and the block lie in the words of `sha256`; everything there is of one message and gone with the next. */
const [STATE_AT, BLOCK_AT] = [0, 16];

/**
 * HMAC-SHA-256 (RFC 2104, FIPS 180-4) of many short messages under one key: the two states after the key are kept, and
 * nothing is allocated, so that a message of a cell's size takes about half a microsecond.
 */
export class Hmac {
  readonly #sha: Sha256 = sha256();
  readonly #inner: Int32Array;
  readonly #outer: Int32Array;
  /** Of the last message of `of`; overwritten by the next. */
  readonly digest = Buffer.alloc(32);

  /** The key has at most 64 bytes. */
  constructor(key: Buffer) {
    if (key.length > BLOCK) throw new RangeError('a key of at most 64 bytes');
    this.#inner = after(this.#sha, key, 0x36);
    this.#outer = after(this.#sha, key, 0x5c);
  }

  /** `digest`, of the bytes from `start` to `end`. */
  of(bytes: Uint8Array, start = 0, end = bytes.length): Buffer {
    const words = this.words(bytes, start, end);
    const { digest } = this;
    for (let i = 0; i < STATE; i += 1) digest.writeInt32BE(words[i] ?? 0, 4 * i);
    return digest;
  }

  /** The same as eight words, which the next message of any key overwrites. */
  words(bytes: Uint8Array, start: number, end: number): Int32Array {
    const sha = this.#sha;
    const { words } = sha;
    put(words, this.#inner);
    let at = start;
    for (; end - at >= BLOCK; at += BLOCK) {
      load(words, bytes, at, BLOCK);
      compress(sha);
    }
    const left = end - at;
    load(words, bytes, at, left);
    pad(words, left);
    if (left > BLOCK - 9) {
      compress(sha);
      words.fill(0, BLOCK_AT, BLOCK_AT + 16);
    }
    length(words, BLOCK + end - start);
    compress(sha);
    this.#outside();
    return words;
  }

  #outside(): void {
    const { words } = this.#sha;
    for (let i = 0; i < STATE; i += 1) words[BLOCK_AT + i] = words[STATE_AT + i] ?? 0;
    for (let i = STATE; i < 16; i += 1) words[BLOCK_AT + i] = 0;
    pad(words, 4 * STATE);
    length(words, BLOCK + 4 * STATE);
    put(words, this.#outer);
    compress(this.#sha);
  }
}

const compress = (sha: Sha256): void => sha.compress(4 * STATE_AT, 4 * STATE_AT, 4 * BLOCK_AT);

function put(words: Int32Array, state: Int32Array): void {
  for (let i = 0; i < STATE; i += 1) words[STATE_AT + i] = state[i] ?? 0;
}

/** At most a block, and zeros behind it. */
function load(words: Int32Array, bytes: Uint8Array, start: number, count: number): void {
  const whole = count >> 2;
  let at = start;
  for (let i = 0; i < whole; i += 1, at += 4)
    words[BLOCK_AT + i] =
      ((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0);
  for (let i = whole; i < 16; i += 1) words[BLOCK_AT + i] = 0;
  for (let i = 4 * whole; i < count; i += 1, at += 1) or(words, i, bytes[at] ?? 0);
}

/** The bit behind the message, which has that many bytes in this block. */
const pad = (words: Int32Array, at: number): void => or(words, at, 0x80);

function or(words: Int32Array, at: number, byte: number): void {
  const word = BLOCK_AT + (at >> 2);
  words[word] = (words[word] ?? 0) | (byte << (24 - 8 * (at & 3)));
}

/** Of all blocks, in bits. */
function length(words: Int32Array, bytes: number): void {
  words[BLOCK_AT + 14] = Math.floor(bytes / 2 ** 29);
  words[BLOCK_AT + 15] = bytes << 3;
}

function after(sha: Sha256, key: Buffer, byte: number): Int32Array {
  const padded = new Uint8Array(BLOCK).map((_, i) => (key[i] ?? 0) ^ byte);
  put(sha.words, Int32Array.from(initial));
  load(sha.words, padded, 0, BLOCK);
  compress(sha);
  return sha.words.slice(STATE_AT, STATE_AT + STATE);
}
