import { parseDate, parseTimestamp, printDate, printTimestamp } from './time.ts';
import { decimalNumber, wholeNumber } from './number.ts';
import type { Form } from './types.ts';

/** The text of a fixed mask as a value of the type; undefined where it is none, and the mask is NULL. */
export function fixedFor(form: Form, text: string, modifier: number): string | undefined {
  return fitting[form](text, modifier);
}

const asIs = (text: string): string | undefined => (text.includes('\0') ? undefined : text);
const single = (text: string): string | undefined =>
  Math.abs(Number(text)) <= 3e38 ? floating(text) : undefined;

const fitting: Record<Form, (text: string, modifier: number) => string | undefined> = {
  text: asIs,
  bpchar: asIs,
  int2: (text) => wholeNumber(text, 'int2'),
  int4: (text) => wholeNumber(text, 'int4'),
  int8: (text) => wholeNumber(text, 'int8'),
  numeric: decimalNumber,
  float4: single,
  float8: floating,
  bool: (text) => {
    if (/^(?:t|true)$/i.test(text)) return 't';
    return /^(?:f|false)$/i.test(text) ? 'f' : undefined;
  },
  uuid: (text) =>
    /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text) ? text.toLowerCase() : undefined,
  date: (text) => {
    const days = parseDate(text);
    return days === undefined ? undefined : printDate(days);
  },
  timestamp: (text) => time(text, false),
  timestamptz: (text) => time(text, true),
  bytea: (text) =>
    /^\\x(?:[\da-f]{2})*$/i.test(text)
      ? text.toLowerCase()
      : `\\x${Buffer.from(text).toString('hex')}`,
  json,
  jsonb: json,
};

function floating(text: string): string | undefined {
  const value = Number(text);
  return text.trim() !== '' && Number.isFinite(value) ? String(value) : undefined;
}

/** A date alone is midnight; a time without an offset is UTC. */
function time(text: string, zoned: boolean): string | undefined {
  const micros = parseTimestamp(parseDate(text) === undefined ? text : `${text} 00:00:00`);
  return micros === undefined ? undefined : printTimestamp(micros, zoned);
}

// jsonb cannot hold the character zero.
function json(text: string): string | undefined {
  return isJson(text) && !text.includes('\\u0000') ? text : undefined;
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
