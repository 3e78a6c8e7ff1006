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
  const found: SqlToken[] = [];
  let at = 0;
  while (at < bytes.length) {
    const blank = match(space, bytes, at);
    if (blank > at) {
      at = blank;
      continue;
    }
    const [kind, end] = tokenAt(bytes, at);
    found.push({ kind, start: at, end });
    at = end;
  }
  return found;
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
    else if (char !== quote) at += 1;
    else if (bytes[at + 1] === quote) at += 2;
    else return at + 1;
  }
  return bytes.length;
}

function blockCommentEnd(bytes: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    if (bytes.startsWith('/*', at)) {
      depth += 1;
      at += 2;
    } else if (bytes.startsWith('*/', at)) {
      depth -= 1;
      at += 2;
      if (depth === 0) return at;
    } else at += 1;
  }
  return bytes.length;
}

function match(pattern: RegExp, bytes: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(bytes) ? pattern.lastIndex : at;
}
