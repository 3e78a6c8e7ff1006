import type { Range } from './detectors/rule.ts';

/** A stretch of a view that does not stand in the original as it is. */
type Edit = {
  /** In the view. */
  readonly at: number;
  readonly to: number;
  /** In the original. */
  readonly start: number;
  readonly end: number;
};

/** A text as a reader would take it, and where in the original each part of it lies. */
export class View {
  readonly text: string;
  readonly #edits: readonly Edit[];
  readonly #below: View | undefined;

  constructor(text: string, edits: readonly Edit[], below?: View) {
    this.text = text;
    this.#edits = edits;
    this.#below = below;
  }

  /** The stretch of the original that shows as this one. */
  original([start, end]: Range): Range {
    const range: Range = [this.#start(start), this.#end(end)];
    return this.#below ? this.#below.original(range) : range;
  }

  #start(index: number): number {
    const edit = this.#lastUpTo(index);
    if (!edit) return index;
    return index < edit.to ? edit.start : edit.end + (index - edit.to);
  }

  #end(index: number): number {
    const edit = this.#lastUpTo(index - 1);
    if (!edit) return index;
    return index <= edit.to ? edit.end : edit.end + (index - edit.to);
  }

  /** The last edit that begins at this place of the view or before. */
  #lastUpTo(index: number): Edit | undefined {
    let low = 0;
    let high = this.#edits.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#edits[middle]?.at ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return this.#edits[low - 1];
  }
}

/** The text with every match of `pattern` read as what `read` says; undefined where nothing reads otherwise. */
function viewed(
  below: View | string,
  pattern: RegExp,
  read: (raw: string) => string,
): View | undefined {
  const text = typeof below === 'string' ? below : below.text;
  const edits: Edit[] = [];
  const parts: string[] = [];
  let length = 0;
  let last = 0;
  for (const { 0: raw, index } of text.matchAll(pattern)) {
    const shown = read(raw);
    if (shown === raw) continue;
    parts.push(text.slice(last, index), shown);
    length += index - last;
    last = index + raw.length;
    edits.push({ at: length, to: length + shown.length, start: index, end: last });
    length += shown.length;
  }
  if (edits.length === 0) return undefined;
  parts.push(text.slice(last));
  return new View(parts.join(''), edits, typeof below === 'string' ? undefined : below);
}

/**
 * What can stand for a character: terminal sequences (ECMA-48), percent-encoding (RFC 3986), escapes of JSON and
 * JavaScript, numeric references of HTML, invisible and compatibility characters (NFKC). Each alternative begins with a
 * character of its own and ends at the next, so that the whole is linear.
 */
const disguise =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- terminal sequences begin with one; marks are meant one by one
  /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])|%[2-7][0-9A-Fa-f]|\\(?:u[0-9A-Fa-f]{4}|x[0-7][0-9A-Fa-f]|["'/\\nrtbf])|&#(?:x[0-9A-Fa-f]{1,6}|\d{1,7});|[\p{Cf}\p{Mn}\u034f\u115f\u1160\u17b4\u17b5\u3164]|[\u00a0-\u00bf\u017f\u0660-\u0669\u06f0-\u06f9\u2000-\u2bff\u3000\u3200-\u33ff\ufb00-\ufb06\ufe10-\ufe6f\uff00-\uffef]|[\u{1d400}-\u{1d7ff}\u{1f100}-\u{1f1ff}]/gu;

const controls: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

function plainly(raw: string): string {
  switch (raw.charAt(0)) {
    case '\x1b':
      return '';
    case '%':
      return String.fromCharCode(Number.parseInt(raw.slice(1), 16));
    case '\\':
      return unescaped(raw);
    case '&':
      return referenced(raw);
    default:
      return folded(raw);
  }
}

function unescaped(raw: string): string {
  const letter = raw[1] ?? '';
  if (letter === 'u' || letter === 'x')
    return String.fromCharCode(Number.parseInt(raw.slice(2), 16));
  return controls[letter] ?? letter;
}

function referenced(raw: string): string {
  const code =
    raw[2] === 'x' ? Number.parseInt(raw.slice(3), 16) : Number.parseInt(raw.slice(2), 10);
  return code <= 0x10ffff ? String.fromCodePoint(code) : raw;
}

/** Arabic-Indic digits as ASCII ones; nothing for what cannot be seen; else the compatibility form. */
function folded(raw: string): string {
  if (/\p{Nd}/u.test(raw) && raw.codePointAt(0) !== undefined && raw < '\u0700')
    return String((raw.charCodeAt(0) & 0xf) % 10);
  // oxlint-disable-next-line no-misleading-character-class -- one by one
  return /[\p{Cf}\p{Mn}\u034f\u115f\u1160\u17b4\u17b5\u3164]/u.test(raw)
    ? ''
    : raw.normalize('NFKC');
}

/** ASCII without what begins an escape, and the letters of scripts in which each is what it seems. */
const bare =
  // oxlint-disable-next-line no-control-regex -- all but one of them begin nothing
  /^[\0-\x1a\x1c-$'-[\]-\x7f\u00c0-\u017e\u0180-\u02af\u0370-\u0482\u048a-\u0590\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]*$/;

/** The text without its disguises, or undefined when it wears none. */
export const undisguised = (below: View | string): View | undefined =>
  bare.test(typeof below === 'string' ? below : below.text)
    ? undefined
    : viewed(below, disguise, plainly);

/** Strings of JSON read as what they say. */
export const unescapedJson = (text: string): View | undefined =>
  viewed(text, /\\(?:u[0-9A-Fa-f]{4}|["/\\nrtbf])/g, unescaped);

/** Quoted elements of PostgreSQL's arrays read as what they say. */
export const unescapedArray = (text: string): View | undefined =>
  viewed(text, /\\[^]/g, (raw) => raw.slice(1));
