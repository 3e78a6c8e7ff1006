import { bad } from './error.ts';
import {
  attributeOf,
  type Attribute,
  type Attributes,
  type Complex,
  type Schema,
  type Value,
} from './schema.ts';

const LONGEST = 1_000;
const MOST_VALUES = 20_000;
// oxlint-disable-next-line eslint/no-control-regex -- what they would do to a log or a terminal is the point
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u;

export type JsonMap = Readonly<Record<string, unknown>>;

export const isMap = (value: unknown): value is JsonMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * What a provider sent, as the schema knows it: canonical names, texts that are texts, "False" as false, what the schema
 * does not know and what is read-only left out. Throws ScimError. Only names of the schema become keys of the result.
 */
export function readAttributes(schema: Schema, raw: unknown): Attributes {
  if (!isMap(raw)) throw bad('invalidSyntax', 'The body is no JSON object.');
  const result: Record<string, Value> = {};
  for (const [key, each] of Object.entries(raw)) {
    const attribute = attributeOf(schema.attributes, key);
    if (!attribute || attribute.readOnly) continue;
    once(result, attribute);
    const value = readValue(attribute, each);
    if (value !== undefined) result[attribute.name] = value;
  }
  return result;
}

/** `{"active": true, "Active": false}` would mean whatever the reader likes. */
function once(result: object, { name }: Attribute): void {
  if (Object.hasOwn(result, name))
    throw bad('invalidSyntax', `${name} is there twice; names differ by more than case.`);
}

/** Undefined for what is unassigned: null, an empty text, an empty list, an object without members (RFC 7643 section 2.5). */
export function readValue(attribute: Attribute, raw: unknown): Value | undefined {
  if (raw === null || raw === undefined) return undefined;
  if (attribute.multiValued) return readList(attribute, raw);
  if (attribute.type === 'complex') return readComplex(attribute, raw);
  return readSimple(attribute, raw);
}

function readSimple({ name, type }: Attribute, raw: unknown): string | boolean | undefined {
  if (type === 'boolean') return readBoolean(name, raw);
  if (typeof raw !== 'string') throw bad('invalidValue', `${name} must be a text.`);
  if (raw.length > LONGEST)
    throw bad('invalidValue', `${name} is longer than ${LONGEST} characters.`);
  if (CONTROL.test(raw) || !raw.isWellFormed())
    throw bad('invalidValue', `${name} holds a character that no name has.`);
  const text = raw.trim();
  return text === '' ? undefined : text;
}

/** Entra ID sends the texts "True" and "False". */
function readBoolean(name: string, raw: unknown): boolean {
  const text = typeof raw === 'string' ? raw.toLowerCase() : raw;
  if (text === true || text === 'true') return true;
  if (text === false || text === 'false') return false;
  throw bad('invalidValue', `${name} must be true or false.`);
}

function readComplex(attribute: Attribute, raw: unknown): Complex | undefined {
  if (!isMap(raw)) throw bad('invalidValue', `${attribute.name} must be an object.`);
  const result: Record<string, string | boolean> = {};
  for (const [key, each] of Object.entries(raw)) {
    const sub = attributeOf(attribute.subAttributes, key);
    if (!sub || sub.readOnly || each === null || each === undefined) continue;
    once(result, sub);
    const value = readSimple(sub, each);
    if (value !== undefined) result[sub.name] = value;
  }
  return Object.keys(result).length > 0 ? result : undefined;
}

/** One value may come without its list. */
function readList(attribute: Attribute, raw: unknown): readonly Complex[] | undefined {
  const list: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  if (list.length > MOST_VALUES)
    throw bad('invalidValue', `${attribute.name} has more than ${MOST_VALUES} values.`);
  const read = list
    .map((each) => readComplex(attribute, typeof each === 'string' ? { value: each } : each))
    .filter((each) => each !== undefined);
  const missing = read.some(({ value }) => value === undefined);
  if (missing) throw bad('invalidValue', `A value of ${attribute.name} lacks its "value".`);
  if (read.filter(({ primary }) => primary === true).length > 1)
    throw bad('invalidValue', `More than one of ${attribute.name} is primary.`);
  return read.length > 0 ? distinct(read) : undefined;
}

/** The last of those with one `value`, at the place of the first. */
export function distinct(list: readonly Complex[]): readonly Complex[] {
  return [...new Map(list.map((each) => [each['value'], each])).values()];
}
