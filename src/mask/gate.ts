import type { Before, Rule } from './detectors/rule.ts';

/** Where rules may match: pairs of a rule's number and the place where its literal begins. */
export type Places = {
  readonly literals: readonly number[];
  /** Runs of digits with single separators among them: start, end, start, end … */
  readonly digits: readonly number[];
  /** Runs of letters, digits and what else base64 has: start, end, start, end … */
  readonly words: readonly number[];
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

/** What must not stand before a literal, as traits; for addresses, what must. */
const REFUSED: Readonly<Record<Before, number>> = {
  anything: 0,
  word: ALNUM,
  token: TOKEN,
  address: LOCAL,
};

/** What each byte is. */
const traits = new Uint8Array(256);
for (let byte = 0; byte < 256; byte += 1) traits[byte] = traitsOf(String.fromCharCode(byte));

function traitsOf(character: string): number {
  const beyond = character >= '\x80';
  let trait = 0;
  if (/\d/.test(character)) trait |= DIGIT;
  if (/[ .-]/.test(character)) trait |= SEPARATOR;
  if (/[A-Za-z0-9+/_=-]/.test(character)) trait |= WORD;
  if (beyond || '\x1b\\%&'.includes(character)) trait |= DISGUISE;
  if (/[A-Za-z0-9]/.test(character)) trait |= ALNUM;
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
            (literal) => [fold(literal), index, REFUSED[rule.before ?? 'word']] as const,
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
  scan(bytes: Uint8Array, length: number): Places | undefined {
    const literals = this.#literals(bytes, length);
    const runs = new Runs();
    runs.read(bytes, length);
    const { digits, words, disguised } = runs;
    if (!literals && !digits && !words && !disguised) return undefined;
    return {
      literals: literals ?? nothing,
      digits: digits ?? nothing,
      words: words ?? nothing,
      disguised,
    };
  }

  #literals(bytes: Uint8Array, length: number): number[] | undefined {
    const next = this.#next;
    const classes = this.#classes;
    const shift = this.#shift;
    const accepting = this.#accepting;
    let found: number[] | undefined;
    let state = 0;
    for (let at = 0; at < length; at += 1) {
      state = next[(state << shift) | (classes[bytes[at] ?? 0] ?? 0)] ?? 0;
      if (state >= accepting) this.#ended(state, bytes, at, (found ??= []));
    }
    return found && found.length > 0 ? found : undefined;
  }

  #ended(state: number, bytes: Uint8Array, at: number, into: number[]): void {
    const output = this.#outputs[state - this.#accepting] ?? nothing;
    for (let index = 0; index < output.length; index += 3) {
      const begin = at + 1 - (output[index + 1] ?? 0);
      const before = begin === 0 ? 0 : (traits[bytes[begin - 1] ?? 0] ?? 0);
      if (begins(output[index + 2] ?? 0, before)) into.push(output[index] ?? 0, begin);
    }
  }
}

const nothing: readonly number[] = [];

/** Runs of digits, runs of what words are made of, and whether anything else may hide something. */
class Runs {
  digits: number[] | undefined;
  words: number[] | undefined;
  disguised = false;

  // oxlint-disable-next-line eslint/complexity -- sees every byte of every cell, and calls would cost more than they say
  read(bytes: Uint8Array, length: number): void {
    let disguises = 0;
    let word = 0;
    let run = 0;
    let digits = 0;
    let separated = false;
    for (let at = 0; at < length; at += 1) {
      const trait = traits[bytes[at] ?? 0] ?? 0;
      if ((trait & DIGIT) !== 0) {
        if (digits === 0) run = at;
        digits += 1;
        separated = false;
      } else if (digits > 0) {
        if (separated || (trait & SEPARATOR) === 0) {
          if (digits >= LEAST_DIGITS) this.#digits(run, at);
          digits = 0;
        }
        separated = true;
      }
      if ((trait & WORD) === 0) {
        if (at - word >= LEAST_WORD) this.#word(word, at);
        word = at + 1;
        disguises |= trait;
      }
    }
    if (digits >= LEAST_DIGITS) this.#digits(run, length);
    if (length - word >= LEAST_WORD) this.#word(word, length);
    this.disguised = (disguises & DISGUISE) !== 0;
  }

  #digits(start: number, end: number): void {
    (this.digits ??= []).push(start, end);
  }

  #word(start: number, end: number): void {
    (this.words ??= []).push(start, end);
  }
}

/** Whether a literal counts behind a byte of these traits. */
const begins = (refused: number, before: number): boolean =>
  (refused === LOCAL) === ((before & refused) !== 0);

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
