import { Fields, Shape } from './fields.ts';

/** PostgreSQL's node tree as text (outfuncs.c), read the way PostgreSQL reads it (read.c): tokens end at white space or a bracket, never at a quote. */
export type Tree = null | number | string | readonly Tree[] | TreeNode;
export type TreeNode = {
  readonly tag: string;
  readonly fields: ReadonlyMap<string, Tree>;
};

/** The statement's meaning could not be established; it is refused, never guessed. */
export class NotResolved extends Error {
  override name = 'NotResolved';
}

// PostgreSQL 15 and before write some nodes under shorter names.
const aliases: Readonly<Record<string, string>> = {
  RTE: 'RANGETBLENTRY',
  ARRAY: 'ARRAYEXPR',
  ROW: 'ROWEXPR',
  ROWCOMPARE: 'ROWCOMPAREEXPR',
  CASE: 'CASEEXPR',
  WHEN: 'CASEWHEN',
  COALESCE: 'COALESCEEXPR',
  MINMAX: 'MINMAXEXPR',
};

const [TAB, LINE, SPACE, OPEN, CLOSE, MINUS, ZERO, NINE, COLON, ESCAPE, OPEN_NODE, CLOSE_NODE] = [
  9, 10, 32, 40, 41, 45, 48, 57, 58, 92, 123, 125,
] as const;
/** Nodes that hold more than a constant; a statement that has more of them is not followed. */
const mostNodes = 60_000;
const safeDigits = 15;
const longDatum = 4096;

/** What is open: a list, or a node whose field `key` comes next. */
type Frame = { readonly items: Tree[]; readonly values?: undefined } | OpenNode;
type OpenNode = {
  readonly tag: string;
  readonly values: Tree[];
  shape: Shape;
  key: string | undefined;
};
/** By the tag of a node, with none of its fields yet; the names are PostgreSQL's own. */
const shapes = new Map<string, Shape>();

/** Reads a tree in steps, so that a large one does not stop everything else. */
export class TreeReader {
  readonly #text: string;
  #at = 0;
  #start = 0;
  #escaped = false;
  readonly #open: Frame[] = [];
  #result: Tree | undefined;
  #nodes = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Reads so many tokens; true at the end. Throws NotResolved for anything but one tree. */
  step(tokens: number): boolean {
    for (let left = tokens; left > 0; left -= 1) {
      if (!this.#token()) return this.#ended();
      if (this.#result !== undefined) throw new NotResolved('the node tree goes on after its end');
      this.#read();
    }
    return false;
  }

  /** The queries, after `step` was true. */
  get trees(): readonly TreeNode[] {
    const value = this.#result;
    const list = isList(value) ? value : [value];
    return list.map((item) => {
      if (!isNode(item) || item.tag !== 'QUERY')
        throw new NotResolved('the node tree holds no query');
      return item;
    });
  }

  #ended(): true {
    if (this.#result === undefined) throw new NotResolved('the node tree ends early');
    return true;
  }

  /** Moves over the next token, from `#start` to `#at`; false at the end. `#escaped`: it held a backslash, so it is a string and never a number. */
  #token(): boolean {
    const text = this.#text;
    let at = this.#at;
    while (isBlank(text.charCodeAt(at))) at += 1;
    if (at >= text.length) return false;
    this.#start = at;
    this.#escaped = false;
    if (isBracket(text.charCodeAt(at))) {
      this.#at = at + 1;
      return true;
    }
    for (; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (isBlank(code) || isBracket(code)) break;
      if (code === ESCAPE) {
        this.#escaped = true;
        at += 1;
      }
    }
    this.#at = at;
    return true;
  }

  #read(): void {
    const frame = this.#open.at(-1);
    if (frame?.values && frame.key === undefined) return this.#key(frame);
    if (frame?.values && frame.key === 'constvalue') return this.#put(this.#datum());
    if (this.#escaped) return this.#put(this.#string());
    this.#value(this.#text.charCodeAt(this.#start), frame);
  }

  #value(code: number, frame: Frame | undefined): void {
    switch (code) {
      case OPEN_NODE:
        return this.#node();
      case OPEN:
        return void this.#open.push({ items: [] });
      case CLOSE:
        if (frame && !frame.values) return this.#close(frame.items);
        throw new NotResolved('the node tree is unbalanced');
      case CLOSE_NODE:
        throw new NotResolved('the node tree is unbalanced');
      default:
        return this.#put(this.#scalar());
    }
  }

  #node(): void {
    this.#take();
    const tag = this.#string();
    let shape = shapes.get(tag);
    if (!shape) shapes.set(tag, (shape = new Shape([])));
    if (tag !== 'CONST') this.#nodes += 1;
    if (this.#nodes > mostNodes) throw new NotResolved('the statement is too complex to follow');
    this.#open.push({ tag: aliases[tag] ?? tag, values: [], shape, key: undefined });
  }

  #key(frame: OpenNode): void {
    const code = this.#text.charCodeAt(this.#start);
    if (code === CLOSE_NODE && !this.#escaped)
      return this.#close({ tag: frame.tag, fields: new Fields(frame.shape, frame.values) });
    if (code !== COLON) throw new NotResolved(`the node ${frame.tag} has an unknown form`);
    const known = frame.shape.lastName;
    const from = this.#start + 1;
    const same = known.length === this.#at - from && this.#text.startsWith(known, from);
    frame.key = same ? known : this.#string().slice(1);
    frame.shape = frame.shape.with(frame.key);
  }

  #close(value: Tree): void {
    this.#open.pop();
    this.#put(value);
  }

  #put(value: Tree): void {
    const frame = this.#open.at(-1);
    if (!frame) this.#result = value;
    else if (!frame.values) frame.items.push(value);
    else {
      frame.values.push(value);
      frame.key = undefined;
    }
  }

  #take(): void {
    if (!this.#token()) throw new NotResolved('the node tree ends early');
  }

  /** `<>` or `4 [ 42 0 0 0 … ]`: the bytes of a constant. */
  #datum(): Tree {
    if (this.#string() === '<>') return null;
    this.#take();
    if (this.#string() !== '[') throw new NotResolved('a constant has an unknown form');
    const end = this.#text.indexOf(']', this.#at);
    // What is that long is only ever compared as a whole.
    if (end - this.#at > longDatum) {
      const whole = this.#text.slice(this.#at, end);
      this.#at = end + 1;
      return [whole];
    }
    const bytes: Tree[] = [];
    for (this.#take(); this.#string() !== ']'; this.#take()) bytes.push(Number(this.#scalar()));
    return bytes;
  }

  #string(): string {
    const raw = this.#text.slice(this.#start, this.#at);
    return this.#escaped ? raw.replace(/\\(.)/gs, '$1') : raw;
  }

  #scalar(): Tree {
    const whole = this.#number();
    if (whole !== undefined) return whole;
    const text = this.#string();
    if (text === '<>') return null;
    if (/^-?\d+$/.test(text)) return Number(text);
    if (text.length > 1 && text.startsWith('"') && text.endsWith('"')) return text.slice(1, -1);
    return text;
  }

  /** A whole number that is not too long to be added up; most tokens are such. */
  #number(): number | undefined {
    const negative = this.#text.charCodeAt(this.#start) === MINUS;
    const from = negative ? this.#start + 1 : this.#start;
    if (from === this.#at || this.#at - from > safeDigits) return undefined;
    let value = 0;
    for (let at = from; at < this.#at; at += 1) {
      const code = this.#text.charCodeAt(at);
      if (code < ZERO || code > NINE) return undefined;
      value = value * 10 + code - ZERO;
    }
    return negative ? -value : value;
  }
}

function isBlank(code: number): boolean {
  return code === SPACE || code === LINE || code === TAB;
}

function isBracket(code: number): boolean {
  return code === OPEN || code === CLOSE || code === OPEN_NODE || code === CLOSE_NODE;
}

/** Parses the DETAIL of PostgreSQL's "rewritten parse tree" message. Throws NotResolved when it is not one. */
export function parseTrees(text: string): readonly TreeNode[] {
  const reader = new TreeReader(text);
  reader.step(Infinity);
  return reader.trees;
}

export function isList(value: Tree | undefined): value is readonly Tree[] {
  return Array.isArray(value);
}

export function isNode(value: Tree | undefined): value is TreeNode {
  return typeof value === 'object' && value !== null && !isList(value);
}

/** A number field; throws NotResolved when it is missing, because every caller decides by it. */
export function number(node: TreeNode, key: string): number {
  const value = node.fields.get(key);
  if (typeof value !== 'number') throw new NotResolved(`${node.tag} has no ${key}`);
  return value;
}

/** A number field, or 0 where this version of PostgreSQL does not have it. */
export function numberOr0(node: TreeNode, key: string): number {
  const value = node.fields.get(key);
  return typeof value === 'number' ? value : 0;
}

export function flag(node: TreeNode, key: string): boolean {
  return node.fields.get(key) === 'true';
}

export function string(node: TreeNode, key: string): string {
  const value = node.fields.get(key);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

export function child(node: TreeNode, key: string): TreeNode | undefined {
  const value = node.fields.get(key);
  return isNode(value) ? value : undefined;
}

/** The nodes of a list field; empty for `<>`. */
export function children(node: TreeNode, key: string): readonly TreeNode[] {
  const value = node.fields.get(key);
  return isList(value) ? value.filter((item) => isNode(item)) : [];
}

// FirstLowInvalidHeapAttributeNumber: a bitmap of columns starts at the lowest system column.
const lowestAttribute = -7;

/** Attribute numbers of a bitmap such as `selectedCols`. */
export function attributes(node: TreeNode, key: string): readonly number[] {
  const value = node.fields.get(key);
  if (!isList(value) || value[0] !== 'b') return [];
  return value.slice(1).map((bit) => Number(bit) + lowestAttribute);
}
