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

const closing = new Set([' ', '\n', '\t', '(', ')', '{', '}']);
const blank = new Set([' ', '\n', '\t']);
type Token = { readonly text: string; readonly escaped: boolean };

class Reader {
  #at = 0;
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }

  /** The next token, or undefined at the end. `escaped` says that it held a backslash, so it is a string and never a number. */
  next(): Token | undefined {
    const text = this.#text;
    let at = this.#at;
    while (blank.has(text[at] ?? '')) at += 1;
    if (at >= text.length) return undefined;
    const first = text[at] ?? '';
    if (closing.has(first)) {
      this.#at = at + 1;
      return { text: first, escaped: false };
    }
    const start = at;
    let escaped = false;
    while (at < text.length && !closing.has(text[at] ?? '')) {
      if (text[at] === '\\') {
        escaped = true;
        at += 1;
      }
      at += 1;
    }
    this.#at = at;
    const raw = text.slice(start, at);
    return { text: escaped ? raw.replace(/\\(.)/gs, '$1') : raw, escaped };
  }

  take(): Token {
    const token = this.next();
    if (token === undefined) throw new NotResolved('the node tree ends early');
    return token;
  }

  value(token: Token): Tree {
    if (token.escaped) return token.text;
    if (token.text === '{') return this.node();
    if (token.text === '(') return this.list();
    if (token.text === ')' || token.text === '}')
      throw new NotResolved('the node tree is unbalanced');
    return scalar(token.text);
  }

  list(): readonly Tree[] {
    const items: Tree[] = [];
    for (;;) {
      const token = this.take();
      if (!token.escaped && token.text === ')') return items;
      items.push(this.value(token));
    }
  }

  node(): TreeNode {
    const tag = this.take().text;
    const fields = new Map<string, Tree>();
    for (;;) {
      const key = this.take();
      if (key.text === '}' && !key.escaped) return { tag: aliases[tag] ?? tag, fields };
      if (!key.text.startsWith(':')) throw new NotResolved(`the node ${tag} has an unknown form`);
      const first = this.take();
      fields.set(
        key.text.slice(1),
        key.text === ':constvalue' ? this.datum(first) : this.value(first),
      );
    }
  }

  /** `<>` or `4 [ 42 0 0 0 … ]`: the bytes of a constant. */
  datum(first: Token): Tree {
    if (first.text === '<>') return null;
    const bytes: Tree[] = [];
    if (this.take().text !== '[') throw new NotResolved('a constant has an unknown form');
    for (let token = this.take(); token.text !== ']'; token = this.take())
      bytes.push(Number(token.text));
    return bytes;
  }
}

function scalar(text: string): Tree {
  if (text === '<>') return null;
  if (/^-?\d+$/.test(text)) return Number(text);
  if (text.length > 1 && text.startsWith('"') && text.endsWith('"')) return text.slice(1, -1);
  return text;
}

/** Parses the DETAIL of PostgreSQL's "rewritten parse tree" message. Throws NotResolved when it is not one. */
export function parseTrees(text: string): readonly TreeNode[] {
  const reader = new Reader(text);
  const value = reader.value(reader.take());
  if (reader.next() !== undefined) throw new NotResolved('the node tree goes on after its end');
  const list = isList(value) ? value : [value];
  return list.map((item) => {
    if (!isNode(item) || item.tag !== 'QUERY')
      throw new NotResolved('the node tree holds no query');
    return item;
  });
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
