/** What becomes of the leaves of a JSON value; undefined makes null of a leaf. */
export type Leaves = {
  readonly string: (value: string) => string | undefined;
  /** As it was written. */
  readonly number: (text: string) => string | undefined;
  readonly boolean: (text: string) => string | undefined;
};

const token = /\s+|[{}[\],:]|"(?:[^"\\]|\\[^])*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** The JSON text with its leaves replaced; its keys, their order and the white space stay as they were written. Undefined for what is no JSON. */
export function maskJson(text: string, leaves: Leaves): string | undefined {
  let made = '';
  let at = 0;
  while (at < text.length) {
    token.lastIndex = at;
    const found = token.exec(text)?.[0];
    if (found === undefined) return undefined;
    at += found.length;
    const piece = replaced(found, text, at, leaves);
    if (piece === undefined) return undefined;
    made += piece;
  }
  return made;
}

const isKey = /\s*:/y;

function replaced(found: string, text: string, end: number, leaves: Leaves): string | undefined {
  if (found.startsWith('"')) return replacedString(found, text, end, leaves);
  if (/^[tf]/.test(found)) return leaves.boolean(found) ?? 'null';
  return /^[-\d]/.test(found) ? (leaves.number(found) ?? 'null') : found;
}

function replacedString(
  found: string,
  text: string,
  end: number,
  leaves: Leaves,
): string | undefined {
  const value = stringOf(found);
  if (value === undefined) return undefined;
  isKey.lastIndex = end;
  if (!isKey.test(text)) return JSON.stringify(leaves.string(value) ?? null);
  return found;
}

function stringOf(literal: string): string | undefined {
  try {
    const value: unknown = JSON.parse(literal);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
