import type { Before, Rule } from './detectors/rule.ts';
import { mayBeText } from './encoded.ts';

/** Where rules may match: pairs of a rule's number and the place where its literal begins. */
export type Places = {
  readonly literals: readonly number[];
  /** Runs of digits with single separators among them: start, end, start, end … */
  readonly digits: readonly number[];
  /** Runs of letters, digits and what else base64 has, that may be text in hexadecimal or base64: start, end, start, end … */
  readonly words: readonly number[];
  /** All bytes are ASCII. */
  readonly ascii: boolean;
  /** There are bytes of escapes or other scripts, below which something may hide. */
  readonly disguised: boolean;
};

/** Shorter runs cannot hold a card number. */
const LEAST_DIGITS = 13;
/** The shortest text worth decoding, in base64. */
const LEAST_WORD = 15;

const DIGIT = 1;
const SEPARATOR = 2;
const WORD = 4;
const DISGUISE = 8;
const ALNUM = 16;
const TOKEN = 32;
const LOCAL = 64;
const BEYOND = 128;

const LETTER = 256;
/** The traits are what must stand there, not what must not. */
const WANTED = 1 << 15;

/** What must not stand before a literal, or must. */
const CONDITIONS: Readonly<Record<Before, number>> = {
  anything: 0,
  word: ALNUM,
  token: TOKEN,
  address: LOCAL | WANTED,
  letter: LETTER | WANTED,
};

/** What each byte is. */
const traits = new Uint16Array(256);
for (let byte = 0; byte < 256; byte += 1) traits[byte] = traitsOf(String.fromCharCode(byte));

function traitsOf(character: string): number {
  const beyond = character >= '\x80';
  let trait = 0;
  if (/\d/.test(character)) trait |= DIGIT;
  if (/[ .-]/.test(character)) trait |= SEPARATOR;
  if (/[A-Za-z0-9+/_=-]/.test(character)) trait |= WORD;
  if (beyond) trait |= BEYOND;
  if (beyond || '\x1b\\%&'.includes(character)) trait |= DISGUISE;
  if (/[A-Za-z0-9]/.test(character)) trait |= ALNUM;
  if (/[A-Za-z ]/.test(character)) trait |= LETTER;
  if (/[\w-]/.test(character)) trait |= TOKEN;
  // What is beyond ASCII may be a letter.
  if (beyond || /[\w.%+-]/.test(character)) trait |= LOCAL;
  return trait;
}

/**
 * One pass over the bytes that finds every place where a rule's literal stands (Aho and Corasick, 1975), whatever its
 * case, with any digit for `0`: two look-ups a byte, whatever the bytes are.
 */
export class Gate {
  /** Class of each byte: its column in the table. */
  readonly #classes = new Uint8Array(256);
  readonly #next: Uint16Array;
  readonly #shift: number;
  /** States from this one on end a literal. */
  readonly #accepting: number;
  /** By state, from the first accepting one: rule, length of the literal, and what refuses it, in threes. */
  readonly #outputs: readonly (readonly number[])[];

  constructor(rules: readonly Rule[]) {
    const literals = rules.flatMap((rule, index) =>
      rule.literals === 'digits'
        ? []
        : rule.literals.map(
            (literal) => [fold(literal), index, CONDITIONS[rule.before ?? 'word']] as const,
          ),
    );
    const columns = [...new Set(literals.flatMap(([literal]) => Array.from(literal)))];
    for (let byte = 0; byte < 256; byte += 1)
      this.#classes[byte] = columns.indexOf(fold(String.fromCharCode(byte))) + 1;
    this.#shift = Math.ceil(Math.log2(columns.length + 1));
    const trie = new Trie(columns.length + 1);
    for (const [literal, rule, refused] of literals)
      trie.add(
        Array.from(literal).map((character) => columns.indexOf(character) + 1),
        [rule, literal.length, refused],
      );
    const { next, accepting, outputs } = trie.automaton(this.#shift);
    this.#next = next;
    this.#accepting = accepting;
    this.#outputs = outputs;
  }

  /** Where to look in `bytes[0..length)`; undefined: nowhere. Characters beyond ASCII may be given as any bytes ≥ 0x80. */
  // oxlint-disable-next-line eslint/complexity -- sees every byte of every cell: one loop, flat, is twice as fast as parts
  scan(bytes: Uint8Array, length: number): Places | undefined {
    const next = this.#next;
    const classes = this.#classes;
    const shift = this.#shift;
    const accepting = this.#accepting;
    let found: Found | undefined;
    let disguises = 0;
    let state = 0;
    let word = 0;
    let run = 0;
    let digits = 0;
    let separated = false;
    for (let at = 0; at < length; at += 1) {
      const byte = bytes[at] ?? 0;
      const trait = traits[byte] ?? 0;
      state = next[(state << shift) | (classes[byte] ?? 0)] ?? 0;
      if (state >= accepting) this.#ended(state, bytes, at, (found ??= new Found()));
      if ((trait & DIGIT) !== 0) {
        if (digits === 0) run = at;
        digits += 1;
        separated = false;
      } else if (digits > 0) {
        if (separated || (trait & SEPARATOR) === 0) {
          if (digits >= LEAST_DIGITS) (found ??= new Found()).digits.push(run, at);
          digits = 0;
        }
        separated = true;
      }
      if ((trait & WORD) === 0) {
        if (at - word >= LEAST_WORD) (found ??= new Found()).word(bytes, word, at);
        word = at + 1;
        disguises |= trait;
      }
    }
    if (digits >= LEAST_DIGITS) (found ??= new Found()).digits.push(run, length);
    if (length - word >= LEAST_WORD) (found ??= new Found()).word(bytes, word, length);
    if ((disguises & DISGUISE) !== 0) (found ??= new Found()).disguised = true;
    if (!found?.any) return undefined;
    found.ascii = (disguises & BEYOND) === 0;
    return found;
  }

  #ended(state: number, bytes: Uint8Array, at: number, found: Found): void {
    const output = this.#outputs[state - this.#accepting] ?? [];
    for (let index = 0; index < output.length; index += 3) {
      const begin = at + 1 - (output[index + 1] ?? 0);
      const before = begin === 0 ? 0 : (traits[bytes[begin - 1] ?? 0] ?? 0);
      if (begins(output[index + 2] ?? 0, before)) found.literals.push(output[index] ?? 0, begin);
    }
  }
}

class Found implements Places {
  readonly literals: number[] = [];
  readonly digits: number[] = [];
  readonly words: number[] = [];
  ascii = true;
  disguised = false;

  get any(): boolean {
    return this.disguised || this.literals.length + this.digits.length + this.words.length > 0;
  }

  word(bytes: Uint8Array, start: number, end: number): void {
    if (mayBeText(bytes, start, end)) this.words.push(start, end);
  }
}

/** Whether a literal counts behind a byte of these traits. */
const begins = (condition: number, before: number): boolean =>
  ((condition & WANTED) !== 0) === ((before & condition) !== 0);

/** Lower case, any digit as 0, and what is not ASCII as one and the same character. */
const fold = (text: string): string =>
  text
    .toLowerCase()
    .replace(/\d/g, '0')
    .replace(/[^\0-\x7f]/gu, '\x80');

type Node = { readonly to: Map<number, Node>; fail?: Node; output: number[]; state: number };

class Trie {
  readonly #width: number;
  readonly #root: Node = { to: new Map(), output: [], state: 0 };
  readonly #nodes: Node[] = [this.#root];

  constructor(width: number) {
    this.#width = width;
  }

  add(path: readonly number[], output: readonly number[]): void {
    let node = this.#root;
    for (const step of path) {
      let child = node.to.get(step);
      if (!child) {
        child = { to: new Map(), output: [], state: 0 };
        node.to.set(step, child);
        this.#nodes.push(child);
      }
      node = child;
    }
    node.output.push(...output);
  }

  /** Rows of `2^shift` next states; the states that end a literal come last. */
  automaton(shift: number) {
    const order = this.#linked();
    const silent = order.filter((node) => node.output.length === 0);
    const ending = order.filter((node) => node.output.length > 0);
    const states = [...silent, ...ending];
    if (states.length > 0xffff)
      throw new Error('the detectors have more literals than states can be numbered');
    for (const [state, node] of states.entries()) node.state = state;
    const next = new Uint16Array(states.length << shift);
    // In breadth-first order, so that the row of where it falls back to is there.
    for (const node of order)
      for (let step = 0; step < this.#width; step += 1)
        next[(node.state << shift) | step] =
          node.to.get(step)?.state ??
          (node.fail ? (next[(node.fail.state << shift) | step] ?? 0) : 0);
    return { next, accepting: silent.length, outputs: ending.map(({ output }) => output) };
  }

  /** All nodes, breadth first, each with the longest proper suffix that is a node too. */
  #linked(): readonly Node[] {
    const order: Node[] = [this.#root];
    for (const node of order)
      for (const [step, child] of node.to) {
        let fail = node.fail;
        while (fail && !fail.to.has(step)) fail = fail.fail;
        child.fail = fail?.to.get(step) ?? this.#root;
        child.output = [...child.output, ...child.fail.output];
        order.push(child);
      }
    return order;
  }
}
