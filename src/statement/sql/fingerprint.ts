/** A literal of a text: where it stands, quotes included and signs not. */
export type Literal = { readonly start: number; readonly end: number; readonly isText: boolean };

/** A text with its literals left out: texts of one shape are the same, character by character, but for these. */
export type Fingerprint = { readonly shape: string; readonly literals: readonly Literal[] };

// Characters. What is longer is rarely sent often.
const LONGEST = 4096;
const MOST = 50;
// PostgreSQL reads so many digits as int4, whatever they are; more may be of another type.
const DIGITS = /^[0-9]{1,9}$/;

// Other scripts, what can begin a dollar quote or a parameter, escapes, `U&'…'`, comments.
const UNUSUAL = /[^\t\n\r -~]|[$\\&]|--|\/\*/;
// Words; numbers, and whatever follows a dot; strings; quoted names; a quote without its other half.
const TOKEN = /[A-Za-z_]\w*|([0-9.](?:[\w.]|(?<=[eE])[+-])*)|('[^']*')|"[^"]*"|(['"])/g;
const BEFORE = /[\w'"]/;

/**
 * Finds the plain literals of a text: whole numbers of up to 9 digits, and strings without quotes in them. Undefined for a
 * text that holds none, and for every text of which these few patterns might not see what PostgreSQL sees.
 */
export function fingerprint(text: string): Fingerprint | undefined {
  if (text.length > LONGEST || UNUSUAL.test(text)) return undefined;
  const literals = literalsOf(text);
  if (!literals || literals.length === 0 || literals.length > MOST) return undefined;
  let shape = '';
  let at = 0;
  for (const { start, end, isText } of literals) {
    // No text holds a NUL, so that no other text has this shape.
    shape += text.slice(at, start) + (isText ? '\0s' : '\0n');
    at = end;
  }
  return { shape: shape + text.slice(at), literals };
}

function literalsOf(text: string): readonly Literal[] | undefined {
  const literals: Literal[] = [];
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(text); found; found = TOKEN.exec(text)) {
    const [, number, string, stray] = found;
    const { index: start } = found;
    const end = TOKEN.lastIndex;
    const isText = string !== undefined;
    const plain = isText ? isAlone(text, start, end) : !isDoubled(text, start, end);
    if (stray !== undefined || !plain) return undefined;
    if (isText || (number !== undefined && DIGITS.test(number)))
      literals.push({ start, end, isText });
  }
  return literals;
}

/** `"a""b"` is one name. */
const isDoubled = (text: string, start: number, end: number): boolean =>
  text[start] === '"' && text[end] === '"';

/** A string that is neither prefixed (`E'…'`) nor doubled (`'it''s'`) nor goes on after a line break. */
function isAlone(text: string, start: number, end: number): boolean {
  if (start > 0 && BEFORE.test(text.charAt(start - 1))) return false;
  return !text.slice(end).trimStart().startsWith("'");
}
