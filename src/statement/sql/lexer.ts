/** Kinds of tokens that matter here; everything else is one character of `symbol`. */
export type TokenKind =
  | 'word'
  | 'quoted'
  | 'string'
  | 'number'
  | 'parameter'
  | 'symbol'
  | 'comment';
/** `start` and `end` are bytes of the UTF-8 text. */
export type SqlToken = { readonly kind: TokenKind; readonly start: number; readonly end: number };

const ascii = /^[\0-\x7f]*$/;

/** The UTF-8 bytes of a text, one character a byte, so that PostgreSQL's byte offsets are string indexes. */
export function toBytes(text: string): string {
  if (ascii.test(text)) return text;
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function fromBytes(bytes: string): string {
  if (ascii.test(bytes)) return bytes;
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

const commentMark = /\/\*|\*\//g;
const space = /[ \t\n\r\f\v]+/y;
const lineComment = /--[^\n\r]*/y;
const word = /[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*/y;
const numeral =
  /0[xX](?:_?[0-9A-Fa-f])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:[0-9](?:_?[0-9])*(?:\.(?!\.)(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?/y;
const parameter = /\$[0-9]+/y;
const dollarQuote = /\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$/y;
// A string goes on after white space that holds a line break (and line comments).
const continuation =
  /(?:[ \t\f\v]|--[^\n\r]*(?=[\n\r]))*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y;
const plainString = /(?:[bBxXnN]|[uU]&)?'/y;
const escapeString = /[eE]'/y;
const quotedName = /(?:[uU]&)?"/y;

/** Splits SQL into tokens as PostgreSQL does with standard_conforming_strings on. `bytes` comes from `toBytes`; white space is left out. */
export function tokens(bytes: string): readonly SqlToken[] {
  const lexer = new Lexer(bytes);
  lexer.step(Infinity);
  return lexer.found;
}

/** The same in steps, so that a long text does not stop everything else. */
export class Lexer {
  readonly found: SqlToken[] = [];
  readonly #bytes: string;
  #at = 0;
  constructor(bytes: string) {
    this.#bytes = bytes;
  }

  /** Reads so many tokens; true at the end. */
  step(most: number): boolean {
    const until = this.found.length + most;
    while (this.found.length < until) {
      this.#at = match(space, this.#bytes, this.#at);
      if (this.#at >= this.#bytes.length) return true;
      const [kind, end] = tokenAt(this.#bytes, this.#at);
      this.found.push({ kind, start: this.#at, end });
      this.#at = end;
    }
    return false;
  }
}

function tokenAt(bytes: string, at: number): readonly [TokenKind, number] {
  return commentAt(bytes, at) ?? textAt(bytes, at) ?? plainAt(bytes, at) ?? ['symbol', at + 1];
}

function commentAt(bytes: string, at: number): readonly [TokenKind, number] | undefined {
  const line = match(lineComment, bytes, at);
  if (line > at) return ['comment', line];
  return bytes.startsWith('/*', at) ? ['comment', blockCommentEnd(bytes, at)] : undefined;
}

function textAt(bytes: string, at: number): readonly [TokenKind, number] | undefined {
  const escaped = match(escapeString, bytes, at);
  if (escaped > at) return ['string', stringEnd(bytes, escaped, true)];
  const plain = match(plainString, bytes, at);
  if (plain > at) return ['string', stringEnd(bytes, plain, false)];
  const name = match(quotedName, bytes, at);
  if (name > at) return ['quoted', closing(bytes, name, '"', false)];
  const dollar = match(dollarQuote, bytes, at);
  if (dollar === at) return undefined;
  const close = bytes.indexOf(bytes.slice(at, dollar), dollar);
  return ['string', close === -1 ? bytes.length : close + dollar - at];
}

function plainAt(bytes: string, at: number): readonly [TokenKind, number] | undefined {
  for (const [kind, pattern] of [
    ['word', word],
    ['number', numeral],
    ['parameter', parameter],
  ] as const) {
    const end = match(pattern, bytes, at);
    if (end > at) return [kind, end];
  }
  return undefined;
}

function stringEnd(bytes: string, from: number, escapes: boolean): number {
  let end = closing(bytes, from, "'", escapes);
  for (
    let next = match(continuation, bytes, end);
    next > end;
    next = match(continuation, bytes, end)
  )
    end = closing(bytes, next, "'", escapes);
  return end;
}

/** The place after the closing quote; a doubled quote is a quote inside. */
function closing(bytes: string, from: number, quote: string, escapes: boolean): number {
  let at = from;
  while (at < bytes.length) {
    const char = bytes[at];
    if (escapes && char === '\\') at += 2;
    else if (char !== quote) at = escapes ? at + 1 : indexFrom(bytes, quote, at);
    else if (bytes[at + 1] === quote) at += 2;
    else return at + 1;
  }
  return bytes.length;
}

function indexFrom(bytes: string, what: string, from: number): number {
  const found = bytes.indexOf(what, from);
  return found === -1 ? bytes.length : found;
}

function blockCommentEnd(bytes: string, from: number): number {
  let depth = 0;
  commentMark.lastIndex = from;
  for (let found = commentMark.exec(bytes); found; found = commentMark.exec(bytes)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return commentMark.lastIndex;
  }
  return bytes.length;
}

function match(pattern: RegExp, bytes: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(bytes) ? pattern.lastIndex : at;
}
