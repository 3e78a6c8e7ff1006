import { bad } from './error.ts';
import { parseFilter, type Filter } from './filter.ts';
import { matches, mustEqual } from './matches.ts';
import { attributeOf, type Attributes, type Complex, type Schema, type Value } from './schema.ts';

/** What a GET asks for (RFC 7644 section 3.4.2). */
export type Query = {
  readonly filter?: Filter;
  /** From 1. */
  readonly startIndex: number;
  readonly count: number;
  /** True for what is left out of the answer. */
  readonly hidden: (attribute: string, sub?: string) => boolean;
};

const lower = (text: string): string => text.toLowerCase();
export const BY_ID: Narrowing = { sql: 'id::text = $2', form: lower };
export const BY_EXTERNAL_ID: Narrowing = { sql: 'external_id = $2' };
export const byName = (column: string): Narrowing => ({ sql: `${column} = $2`, form: lower });

export type Page = { readonly total: number; readonly resources: readonly Attributes[] };

export const MOST_RESULTS = 200;
const USUAL = 100;
/** A filter without an index looks at so many resources at most. */
export const MOST_LOOKED_AT = 5_000;

/** Reads the parameters of a GET; throws ScimError. What is not a text counts as not given. */
export function readQuery(schema: Schema, raw: Readonly<Record<string, unknown>>): Query {
  const text = (name: string): string | undefined => {
    const value = raw[name];
    return typeof value === 'string' && value.trim() !== '' ? value : undefined;
  };
  const filter = text('filter');
  return {
    ...(filter !== undefined && { filter: parseFilter(schema, filter) }),
    startIndex: Math.max(1, numberOf(text('startIndex'), 1)),
    count: Math.min(MOST_RESULTS, Math.max(0, numberOf(text('count'), USUAL))),
    hidden: hiding(schema, text('attributes'), text('excludedAttributes')),
  };
}

function numberOf(text: string | undefined, usual: number): number {
  if (text === undefined) return usual;
  if (!/^-?\d{1,9}$/u.test(text))
    throw bad('invalidValue', 'startIndex and count must be whole numbers.');
  return Number(text);
}

/** `id` and `schemas` are always in the answer (RFC 7643 section 7, returned). */
function hiding(
  schema: Schema,
  wanted: string | undefined,
  unwanted: string | undefined,
): Query['hidden'] {
  const only = wanted === undefined ? undefined : namesIn(schema, wanted);
  const not = unwanted === undefined ? new Set<string>() : namesIn(schema, unwanted);
  return (attribute, sub) => {
    if (attribute === 'id') return false;
    const whole = `${attribute}.${sub}`;
    if (sub !== undefined && not.has(whole)) return true;
    if (not.has(attribute)) return true;
    if (!only || only.has(attribute)) return false;
    return sub === undefined
      ? ![...only].some((name) => name.startsWith(`${attribute}.`))
      : !only.has(whole);
  };
}

/** Canonical; what the schema does not know is left out. */
function namesIn({ id, attributes }: Schema, list: string): ReadonlySet<string> {
  const names = list.split(',', 100).flatMap((written) => {
    const bare = written.trim();
    const own = bare.toLowerCase().startsWith(`${id.toLowerCase()}:`)
      ? bare.slice(id.length + 1)
      : bare;
    const [name = '', part] = own.split('.');
    const attribute = attributeOf(attributes, name);
    if (!attribute) return [];
    if (part === undefined) return [attribute.name];
    const sub = attributeOf(attribute.subAttributes, part);
    return sub ? [`${attribute.name}.${sub.name}`] : [];
  });
  return new Set(names);
}

/** A condition in SQL over `$2` that holds wherever an attribute equals a text, and the text in the form it compares. */
export type Narrowing = { readonly sql: string; readonly form?: (text: string) => string };

/** What the store can look up, so that the filter is decided for few. The same number of parameters in any case. */
export function narrowed(
  filter: Filter | undefined,
  columns: ReadonlyMap<string, Narrowing>,
): { readonly condition: string; readonly value: string | null } {
  for (const [attribute, { sql, form }] of columns) {
    const value = filter && mustEqual(filter, attribute);
    if (value !== undefined) return { condition: sql, value: form ? form(value) : value };
  }
  return { condition: '$2::text is null', value: null };
}

/** One page of those for which the filter holds. Throws `tooMany` when more were looked at than the service does. */
export function pageOf(all: readonly Attributes[], { filter, startIndex, count }: Query): Page {
  if (all.length > MOST_LOOKED_AT)
    throw bad('tooMany', 'The filter looks at too many; ask for userName, externalId or id.');
  const found = filter ? all.filter((each) => matches(filter, each)) : all;
  return {
    total: found.length,
    resources: found.slice(startIndex - 1, startIndex - 1 + count),
  };
}

/** The resource without what was not asked for, as it goes out. */
export function shownResource(
  schema: Schema,
  resource: Attributes,
  hidden: Query['hidden'],
): object {
  const shown = Object.entries(resource).flatMap(([name, value]) =>
    hidden(name) ? [] : [[name, parts(value, (sub) => hidden(name, sub))] as const],
  );
  return { schemas: [schema.id], ...Object.fromEntries(shown) };
}

function parts(value: Value, hidden: (sub: string) => boolean): Value {
  const some = (each: Complex): Complex =>
    Object.fromEntries(Object.entries(each).filter(([name]) => !hidden(name)));
  if (typeof value !== 'object') return value;
  return isList(value) ? value.map(some) : some(value);
}

const isList = (value: Complex | readonly Complex[]): value is readonly Complex[] =>
  Array.isArray(value);
