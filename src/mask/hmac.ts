const BLOCK = 64;
const STATE = 8;

/**
 * HMAC-SHA-256 (RFC 2104, FIPS 180-4) of many short messages under one key: the two states after the key are kept, and
 * nothing is allocated, so that a message of a cell's size takes about one microsecond.
 */
export class Hmac {
  readonly #inner: Int32Array;
  readonly #outer: Int32Array;
  readonly #state = new Int32Array(STATE);
  readonly #block = new Uint8Array(BLOCK);
  /** Of the last message; overwritten by the next. */
  readonly digest = Buffer.alloc(32);

  /** The key has at most 64 bytes. */
  constructor(key: Buffer) {
    if (key.length > BLOCK) throw new RangeError('a key of at most 64 bytes');
    this.#inner = after(key, 0x36);
    this.#outer = after(key, 0x5c);
  }

  /** `digest`, of the bytes from `start` to `end`. */
  of(bytes: Uint8Array, start = 0, end = bytes.length): Buffer {
    const state = this.#state;
    const block = this.#block;
    const { digest } = this;
    state.set(this.#inner);
    let at = start;
    for (; end - at >= BLOCK; at += BLOCK) compress(state, bytes, at);
    this.#last(bytes, at, end, BLOCK + end - start);
    write(state, digest);
    block.set(digest);
    state.set(this.#outer);
    this.#pad(digest.length, BLOCK + digest.length);
    compress(state, block, 0);
    write(state, digest);
    return digest;
  }

  #last(bytes: Uint8Array, start: number, end: number, length: number): void {
    const block = this.#block;
    const left = end - start;
    for (let i = 0; i < left; i += 1) block[i] = bytes[start + i] ?? 0;
    if (left < BLOCK - 8) this.#pad(left, length);
    else {
      block[left] = 0x80;
      block.fill(0, left + 1);
      compress(this.#state, block, 0);
      this.#pad(-1, length);
    }
    compress(this.#state, block, 0);
  }

  /** The end of the message is at `at` of this block, or was in the block before. */
  #pad(at: number, length: number): void {
    const block = this.#block;
    if (at >= 0) block[at] = 0x80;
    block.fill(0, at + 1, BLOCK - 4);
    const bits = length * 8;
    // The high word of the length too: 8 bytes, big endian.
    const high = Math.floor(bits / 2 ** 32);
    for (let i = 0; i < 4; i += 1) {
      block[BLOCK - 8 + i] = (high >>> (24 - 8 * i)) & 0xff;
      block[BLOCK - 4 + i] = (bits >>> (24 - 8 * i)) & 0xff;
    }
  }
}

function after(key: Buffer, pad: number): Int32Array {
  const block = new Uint8Array(BLOCK).map((_, i) => (key[i] ?? 0) ^ pad);
  const state = Int32Array.from(initial);
  compress(state, block, 0);
  return state;
}

function write(state: Int32Array, to: Buffer): void {
  for (let i = 0; i < STATE; i += 1) {
    const word = state[i] ?? 0;
    to[4 * i] = word >>> 24;
    to[4 * i + 1] = word >>> 16;
    to[4 * i + 2] = word >>> 8;
    to[4 * i + 3] = word;
  }
}

const primes = (() => {
  const found: number[] = [];
  for (let n = 2; found.length < 64; n += 1) if (found.every((one) => n % one !== 0)) found.push(n);
  return found;
})();
const fraction = (value: number): number => Math.floor((value - Math.floor(value)) * 2 ** 32) | 0;
const initial = Int32Array.from(primes.slice(0, STATE), (prime) => fraction(Math.sqrt(prime)));
const constants = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const schedule = new Int32Array(64);

const word = (array: Int32Array, at: number): number => array[at] ?? 0;

/** FIPS 180-4 section 6.2.2, over the 64 bytes from `at`. */
function compress(state: Int32Array, bytes: Uint8Array, at: number): void {
  const w = schedule;
  for (let i = 0, j = at; i < 16; i += 1, j += 4)
    w[i] =
      ((bytes[j] ?? 0) << 24) |
      ((bytes[j + 1] ?? 0) << 16) |
      ((bytes[j + 2] ?? 0) << 8) |
      (bytes[j + 3] ?? 0);
  for (let i = 16; i < 64; i += 1) {
    const x = word(w, i - 15);
    const y = word(w, i - 2);
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (word(w, i - 16) + s0 + word(w, i - 7) + s1) | 0;
  }
  let a = word(state, 0);
  let b = word(state, 1);
  let c = word(state, 2);
  let d = word(state, 3);
  let e = word(state, 4);
  let f = word(state, 5);
  let g = word(state, 6);
  let h = word(state, 7);
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t = (h + s1 + ((e & f) ^ (~e & g)) + word(constants, i) + word(w, i)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const u = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t) | 0;
    d = c;
    c = b;
    b = a;
    a = (t + u) | 0;
  }
  state[0] = word(state, 0) + a;
  state[1] = word(state, 1) + b;
  state[2] = word(state, 2) + c;
  state[3] = word(state, 3) + d;
  state[4] = word(state, 4) + e;
  state[5] = word(state, 5) + f;
  state[6] = word(state, 6) + g;
  state[7] = word(state, 7) + h;
}
