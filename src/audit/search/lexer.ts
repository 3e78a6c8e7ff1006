/** What cannot be read, where, and what to write instead. */
export type Problem = {
  /** Of the first character, from 0, in UTF-16 code units; `length` is at least 1. */
  readonly at: number;
  readonly length: number;
  readonly message: string;
};

/** A piece of a query: `-name:value,value`, `"words"` or a word. `at` and `length` are in UTF-16 code units. */
export type Lexeme = {
  readonly at: number;
  readonly length: number;
  readonly not: boolean;
  readonly name?: string;
  /** One or more; in a word without a name exactly one. */
  readonly values: readonly Value[];
};
export type Value = { readonly text: string; readonly quoted: boolean };

const NAME = /([a-z][a-z-]*):/iy;
const BLANK = /\s+/y;
const BARE = /\S+/y;
const BARE_VALUE = /[^\s,"]+/y;
const QUOTED = /"((?:[^"\\]|\\[^])*)"/y;
const NO_VALUE: Value = { text: '', quoted: false };

/** Cuts a query into its pieces; what cannot be read is told in `problems`. */
export function lexed(text: string, problems: Problem[]): readonly Lexeme[] {
  const reader = new Reader(text);
  const found: Lexeme[] = [];
  for (;;) {
    reader.take(BLANK);
    if (reader.ended) break;
    const lexeme = reader.piece();
    if (!lexeme) {
      problems.push(reader.unclosed());
      return [];
    }
    found.push(lexeme);
    problems.push(...unfindable(lexeme));
  }
  return found;
}

class Reader {
  readonly #text: string;
  #at = 0;
  #start = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get ended(): boolean {
    return this.#at >= this.#text.length;
  }

  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text) ?? undefined;
    if (match) this.#at += match[0].length;
    return match;
  }

  /** Undefined where a quotation mark is not closed, or not followed by a blank. */
  piece(): Lexeme | undefined {
    this.#start = this.#at;
    const not = this.#next === '-' && /\S/.test(this.#text[this.#at + 1] ?? ' ');
    if (not) this.#at += 1;
    const name = this.take(NAME)?.[1]?.toLowerCase();
    const values = name === undefined ? this.#word() : this.#values();
    if (values.length === 0 || !(this.ended || /\s/.test(this.#next))) return undefined;
    const piece = { at: this.#start, length: this.#at - this.#start, not, values };
    return name === undefined ? piece : { ...piece, name };
  }

  unclosed(): Problem {
    const message =
      this.#next === '"'
        ? 'a quotation mark has no other one; close it, or write \\" inside quotation marks'
        : 'a blank belongs behind a quotation mark';
    return { at: this.#start, length: Math.max(1, this.#text.length - this.#start), message };
  }

  get #next(): string {
    return this.#text[this.#at] ?? '';
  }

  #word(): readonly Value[] {
    if (this.#next === '"') return this.#quoted();
    const word = this.take(BARE);
    return word ? [{ text: word[0], quoted: false }] : [];
  }

  #quoted(): readonly Value[] {
    const match = this.take(QUOTED);
    return match ? [{ text: (match[1] ?? '').replaceAll(/\\([^])/g, '$1'), quoted: true }] : [];
  }

  #values(): readonly Value[] {
    const list: Value[] = [];
    do {
      const bare = this.take(BARE_VALUE);
      const read = bare ? [{ text: bare[0], quoted: false }] : this.#quoted();
      list.push(read[0] ?? NO_VALUE);
    } while (this.take(/,/y));
    return list;
  }
}

/** What no text in the store holds. */
function unfindable({ at, length, name, values }: Lexeme): readonly Problem[] {
  if (values.some(({ text }) => text.includes('\0') || !text.isWellFormed()))
    return [{ at, length, message: 'a character of this cannot be in any record; leave it out' }];
  if (name === undefined && values[0]?.text === '')
    return [{ at, length, message: 'there is nothing between these quotation marks' }];
  return [];
}
