import type { Range } from './detectors/rule.ts';

/** A value inside a structured text: `[start, end)` with its quotes. */
export type Leaf = {
  readonly start: number;
  readonly end: number;
  readonly quoted: boolean;
  /** Kind of what it is by its key: all that is below `password` is one. */
  readonly secret: string | undefined;
  readonly key: boolean;
};

const passwordKey = /(?:password|passwort|passwd|passphrase|pwd)$/i;
const tokenKey =
  /(?:secret|token|credentials?|(?:api|access|account|auth|private|encryption|signing)[ _-]?key)$/i;
const harmlessKey = /(?:page|next|continuation|cursor|csrf)[ _-]?token$/i;

/** What is under a key that says so itself: a password, a token, or undefined. `key` as it stands in JSON, without quotes. */
export function secretUnder(key: string): string | undefined {
  const name = key
    .slice(-100)
    .replace(/\\u([0-9a-f]{4})/gi, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );
  if (passwordKey.test(name)) return 'password';
  return tokenKey.test(name) && !harmlessKey.test(name) ? 'token' : undefined;
}

/** Strings apart: a bracket, a separator, or a run of anything else but blanks. */
const jsonToken = /[{}[\]:,]|[^\s"{}[\]:,]+/y;

/** The leaves and keys of a JSON text; undefined when it is none. */
export function jsonLeaves(text: string): readonly Leaf[] | undefined {
  if (!/^\s*[[{"]/.test(text) || !isJson(text)) return undefined;
  const reading = new JsonReading(text);
  for (const [start, end] of tokens(text, jsonToken, 0)) {
    if (end - start > 1 || !reading.mark(text[start] ?? '')) reading.value(start, end);
  }
  return reading.leaves;
}

class JsonReading {
  readonly leaves: Leaf[] = [];
  readonly #text: string;
  /** Of each open object or array: what all in it is. */
  readonly #open: (string | undefined)[] = [];
  #secret: string | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** True when the character is one of those that hold the structure together. */
  mark(character: string): boolean {
    switch (character) {
      case '{':
      case '[':
        this.#open.push(this.#secret);
        return true;
      case '}':
      case ']':
        this.#open.pop();
        this.#secret = this.#open.at(-1);
        return true;
      case ',':
        this.#secret = this.#open.at(-1);
        return true;
      case ':':
        this.#key();
        return true;
      default:
        return false;
    }
  }

  value(start: number, end: number): void {
    const quoted = this.#text[start] === '"';
    this.leaves.push({ start, end, quoted, secret: this.#secret, key: false });
  }

  /** What came last was a key. */
  #key(): void {
    const last = this.leaves.pop();
    if (!last) return;
    this.leaves.push({ ...last, key: true, secret: undefined });
    this.#secret ??= secretUnder(this.#text.slice(last.start + 1, last.end - 1));
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const arrayToken = /[{},;]|[^"\\{},;]+/y;

/** The elements of a PostgreSQL array in text form (`{a,"b c",NULL}`, any number of dimensions); undefined when it is none. */
export function arrayLeaves(text: string): readonly Leaf[] | undefined {
  const bounds = opening(text);
  if (bounds === undefined) return undefined;
  const reading = new ArrayReading();
  let last = bounds;
  for (const [start, end] of tokens(text, arrayToken, bounds)) {
    const mark = end - start === 1 ? (text[start] ?? '') : '';
    // Nothing may lie between tokens, nor behind the brace that closes the array.
    if (start !== last || reading.closed) return undefined;
    if (!reading.mark(mark) && !reading.value({ start, end, quoted: text[start] === '"' }))
      return undefined;
    last = end;
  }
  return reading.closed && last === text.length ? reading.leaves : undefined;
}

/** Where the braces begin, behind bounds such as `[0:2]=`. */
function opening(text: string): number | undefined {
  if (!text.endsWith('}')) return undefined;
  return /^(?:(?:\[-?\d+:-?\d+\])+=)?(?=\{)/.exec(text.slice(0, 200))?.[0].length;
}

class ArrayReading {
  readonly leaves: Leaf[] = [];
  #depth = 0;
  #afterValue = false;

  get closed(): boolean {
    return this.#depth === 0 && this.#afterValue;
  }

  /** True when the character is one of those that hold the structure together. */
  mark(character: string): boolean {
    const opens = character === '{';
    const closes = character === '}';
    if (!opens && !closes && character !== ',' && character !== ';') return false;
    this.#depth += opens ? 1 : closes ? -1 : 0;
    this.#afterValue = closes;
    return true;
  }

  /** False when it follows another. */
  value(leaf: Pick<Leaf, 'start' | 'end' | 'quoted'>): boolean {
    if (this.#afterValue) return false;
    this.#afterValue = true;
    this.leaves.push({ ...leaf, secret: undefined, key: false });
    return true;
  }
}

/** Where tokens begin and end: strings in double quotes, and what `other` (sticky) matches; what neither is, is left out. */
function* tokens(text: string, other: RegExp, from: number): Generator<Range> {
  let at = from;
  while (at < text.length) {
    const end = text[at] === '"' ? stringEnd(text, at) : matchEnd(text, other, at);
    if (end > at) yield [at, end];
    at = Math.max(at + 1, end);
  }
}

function matchEnd(text: string, pattern: RegExp, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

/** Behind the quote that ends the string; -1 when none does. */
function stringEnd(text: string, start: number): number {
  let at = text.indexOf('"', start + 1);
  while (at >= 0) {
    let before = at;
    while (text[before - 1] === '\\') before -= 1;
    if ((at - before) % 2 === 0) return at + 1;
    at = text.indexOf('"', at + 1);
  }
  return -1;
}
