import { fromBytes } from './lexer.ts';
import { NotResolved } from './nodetree.ts';
import type { Statement } from './part.ts';

/** The tokens of a statement, to find the query inside a wrapper such as EXPLAIN or DECLARE. */
export class Words {
  readonly #statement: Statement;
  constructor(statement: Statement) {
    this.#statement = statement;
  }

  get length(): number {
    return this.#statement.tokens.length;
  }

  /** The token in lower case; a quoted name keeps its quotes, so it is never taken for a keyword. */
  at(index: number): string {
    const token = this.#statement.tokens[index];
    if (!token) return '';
    const raw = this.#statement.bytes.slice(token.start, token.end);
    return token.kind === 'word' ? raw.toLowerCase() : raw;
  }

  /** The index after the bracket that closes the one at `index`. */
  after(index: number): number {
    let depth = 0;
    for (let at = index; at < this.length; at += 1) {
      if (this.at(at) === '(') depth += 1;
      if (this.at(at) === ')') depth -= 1;
      if (depth === 0) return at + 1;
    }
    throw new NotResolved('a bracket is not closed');
  }

  /** The index of the token that starts at this byte of the string. */
  startingAt(byte: number): number {
    const found = this.#statement.tokens.findIndex(({ start }) => start === byte);
    if (found < 0) throw new NotResolved('a name is not where the parser found it');
    return found;
  }

  /** The first keyword `word` outside of brackets, from `index` on. After a dot or AS, it is a name. */
  find(word: string, index: number): number {
    let at = index;
    while (at < this.length) {
      if (this.at(at) === word && !['.', 'as'].includes(this.at(at - 1))) return at;
      at = this.at(at) === '(' ? this.after(at) : at + 1;
    }
    throw new NotResolved(`${word.toUpperCase()} is missing`);
  }

  /** The text of the tokens from `from` up to but not including `to`, and the byte where it begins. */
  slice(from: number, to = this.length): { readonly text: string; readonly start: number } {
    const { bytes, tokens } = this.#statement;
    const start = tokens[from]?.start;
    const end = tokens[to - 1]?.end;
    if (start === undefined || end === undefined || end <= start)
      throw new NotResolved('the inner query is missing');
    return { text: fromBytes(bytes.slice(start, end)), start };
  }

  /** The whole statement with the tokens from `from` up to `to` blanked, so that every byte keeps its place. */
  without(from: number, to: number): { readonly text: string; readonly start: number } {
    const { bytes, tokens, start, end } = this.#statement;
    const gap = tokens[from]?.start ?? start;
    const gapEnd = tokens[to - 1]?.end ?? gap;
    const text = bytes.slice(start, gap) + ' '.repeat(gapEnd - gap) + bytes.slice(gapEnd, end);
    return { text: fromBytes(text), start };
  }

  /** The items of a list in brackets that opens at `index`. */
  list(index: number): readonly string[] {
    const end = this.after(index) - 1;
    const items: string[] = [];
    let from = index + 1;
    for (let at = index + 1; at <= end; at += 1) {
      if (at === end || this.at(at) === ',') {
        items.push(this.slice(from, at).text);
        from = at + 1;
      } else if (this.at(at) === '(') at = this.after(at) - 1;
    }
    return items;
  }
}
