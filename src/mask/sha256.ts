/**
 * The compression function of SHA-256 (FIPS 180-4 section 6.2.2) as a WebAssembly module that is put together here: all
 * 64 rounds one after another with everything in local variables take half the time of a loop in JavaScript, and a call
 * costs a hundredth of one into node:crypto, which is what counts for messages of a cell's size.
 */
export type Sha256 = {
  /** What addresses point into, in 32-bit words. */
  readonly words: Int32Array;
  /** From the state at one address and the block of 16 words at another makes the state at `to`; in bytes, multiples of 4. */
  readonly compress: (from: number, to: number, block: number) => void;
};

const primes = (() => {
  const found: number[] = [];
  for (let n = 2; found.length < 64; n += 1) if (found.every((one) => n % one !== 0)) found.push(n);
  return found;
})();
const fraction = (value: number): number => Math.floor((value - Math.floor(value)) * 2 ** 32) | 0;
export const initial: readonly number[] = primes
  .slice(0, 8)
  .map((prime) => fraction(Math.sqrt(prime)));
const constants = primes.map((prime) => fraction(Math.cbrt(prime)));

type Code = readonly number[];

/** LEB128, of the WebAssembly core specification section 5.2.2. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}
function signed(value: number): Code {
  return value >= -0x40 && value < 0x40
    ? [value & 0x7f]
    : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}

// Instructions on 32-bit integers, section 5.4.
const [ADD, AND, XOR, SHR_U, ROTR] = [0x6a, 0x71, 0x73, 0x76, 0x78];
const I32 = 0x7f;
const get = (local: number): Code => [0x20, ...unsigned(local)];
const set = (local: number): Code => [0x21, ...unsigned(local)];
const tee = (local: number): Code => [0x22, ...unsigned(local)];
const constant = (value: number): Code => [0x41, ...signed(value)];
const load = (local: number, word: number): Code => [...get(local), 0x28, 2, ...unsigned(4 * word)];
const store = (word: number): Code => [0x36, 2, ...unsigned(4 * word)];
const rotated = (local: number, by: number): Code => [...get(local), ...constant(by), ROTR];

/** Parameters come first, then the eight letters of the state, the last 16 words of the schedule, and one to spare. */
const [FROM, TO, BLOCK, LETTERS, SCHEDULE] = [0, 1, 2, 3, 11];
const SPARE = SCHEDULE + 16;
const EIGHT = Array.from({ length: 8 }, (_, i) => i);
const scheduled = (i: number): number => SCHEDULE + (i & 15);

function extended(i: number): Code {
  const [x, y] = [scheduled(i - 15), scheduled(i - 2)];
  const sigma0 = [...rotated(x, 7), ...rotated(x, 18), XOR, ...get(x), ...constant(3), SHR_U, XOR];
  const sigma1 = [
    ...rotated(y, 17),
    ...rotated(y, 19),
    XOR,
    ...get(y),
    ...constant(10),
    SHR_U,
    XOR,
  ];
  const before = [...get(scheduled(i)), ...get(scheduled(i - 7)), ADD];
  return [...before, ...sigma0, ADD, ...sigma1, ADD, ...set(scheduled(i))];
}

/** Letters do not move: in each round they have other names, the one that is `h` becoming `a`. */
function round(i: number): Code {
  const letter = (name: number): number => LETTERS + ((name - i) & 7);
  const [a, b, c, d] = [letter(0), letter(1), letter(2), letter(3)];
  const [e, f, g, h] = [letter(4), letter(5), letter(6), letter(7)];
  const sum1 = [...rotated(e, 6), ...rotated(e, 11), XOR, ...rotated(e, 25), XOR];
  const choice = [...get(f), ...get(g), XOR, ...get(e), AND, ...get(g), XOR];
  const given = [...constant(constants[i] ?? 0), ...get(scheduled(i)), ADD];
  const sum0 = [...rotated(a, 2), ...rotated(a, 13), XOR, ...rotated(a, 22), XOR];
  const majority = [...get(a), ...get(b), XOR, ...get(c), AND, ...get(a), ...get(b), AND, XOR];
  const first = [...get(h), ...sum1, ADD, ...choice, ADD, ...given, ADD, ...tee(SPARE)];
  const [toE, toA] = [
    [...first, ...get(d), ADD, ...set(d)],
    [...get(SPARE), ...sum0, ADD, ...majority, ADD, ...set(h)],
  ];
  return [...(i < 16 ? [] : extended(i)), ...toE, ...toA];
}

function body(): Code {
  const code = [
    ...EIGHT.flatMap((i) => [...load(FROM, i), ...set(LETTERS + i)]),
    ...Array.from({ length: 16 }, (_, i) => [...load(BLOCK, i), ...set(SCHEDULE + i)]).flat(),
    ...constants.flatMap((_, i) => round(i)),
    ...EIGHT.flatMap((i) => [...get(TO), ...load(FROM, i), ...get(LETTERS + i), ADD, ...store(i)]),
  ];
  const END = 0x0b;
  return [1, SPARE - BLOCK, I32, ...code, END];
}

/** Sections of a module: a type, a function of it, one page of memory, both exported, the function's body. */
function assembled(): Uint8Array<ArrayBuffer> {
  const section = (id: number, bytes: Code): Code => [id, ...unsigned(bytes.length), ...bytes];
  const code = body();
  return Uint8Array.from([
    ...Buffer.from('\0asm\x01\0\0\0', 'latin1'),
    ...section(1, [1, 0x60, 3, I32, I32, I32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, 1, ...Buffer.from('m'), 2, 0, 1, ...Buffer.from('c'), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

/** The little of its JavaScript interface that is needed here, and that no library of types for Node.js has. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => {
    readonly exports: Readonly<Record<string, unknown>>;
  };
  readonly Memory: new () => { readonly buffer: ArrayBuffer };
};

let made: Sha256 | undefined;

/** One for the process: making it takes some milliseconds, which only who hashes cells should pay. */
export function sha256(): Sha256 {
  return (made ??= instantiated());
}

function instantiated(): Sha256 {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assembled()));
  const { m: memory, c: compress } = exports;
  if (!(memory instanceof WebAssembly.Memory) || typeof compress !== 'function')
    throw new Error('the module of SHA-256 has other exports than it was given');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the function was put together above
  return { words: new Int32Array(memory.buffer), compress: compress as Sha256['compress'] };
}
