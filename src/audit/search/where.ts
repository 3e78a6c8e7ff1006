import type { Bound, Pattern, Query, Term } from './query.ts';
import { QUALIFIERS, type QualifierName } from './words.ts';

/** Whose acts are searched: everybody's, or one person's only, compared exactly. */
export type Scope = { readonly person?: string };

/** Parts of SQL whose values are parameters; `put` gives one its name. */
export type Put = (value: unknown) => string;

/** Conditions on `search_facet f`; undefined when every facet fits. */
export function facetWhere(query: Query, scope: Scope, put: Put): string | undefined {
  const all = query.terms.flatMap((term) => {
    const condition = term.kind === 'names' ? onFacet(term.name, term.patterns, put) : undefined;
    return condition === undefined ? [] : [signed(term, condition)];
  });
  // In front of everything, and in no term: what a query says can only narrow it.
  if (scope.person !== undefined) all.unshift(`f.person = ${put(scope.person)}`);
  return all.length === 0 ? undefined : all.join(' and ');
}

/** All conditions on `search_record s`. */
export function conditions(
  query: Query,
  facets: readonly number[] | undefined,
  put: Put,
): readonly string[] {
  return [
    `s.at >= ${put(new Date(query.from))}::timestamptz`,
    `s.at < ${put(new Date(query.to))}::timestamptz`,
    ...(facets ? [`s.facet = any(${put(facets)}::integer[])`] : []),
    ...rowWhere(query, put),
  ];
}

/** Conditions on `search_record s`, but for its time and facet. */
export function rowWhere(query: Query, put: Put): readonly string[] {
  return query.terms.flatMap((term) => {
    const condition = onRow(term, put);
    return condition === undefined ? [] : [signed(term, condition)];
  });
}

/** What is not known does not fit, and so fits its negation. */
const signed = ({ not }: Term, condition: string): string =>
  not ? `not coalesce(${condition}, false)` : condition;

const LISTS: Partial<Record<QualifierName, string>> = {
  verdict: 'f.verdicts',
  'decided-by': 'f.decided_by',
  effect: 'f.effects',
  table: 'f.tables',
  masked: 'f.masked',
};
const TEXTS: Partial<Record<QualifierName, string>> = {
  person: 'f.person',
  agent: 'f.agent',
  target: 'f.target',
  kind: 'f.kind',
  decision: 'f.decision',
};

function onFacet(name: QualifierName, patterns: readonly Pattern[], put: Put): string | undefined {
  const text = TEXTS[name];
  const list = LISTS[name];
  if (text === undefined && list === undefined) return undefined;
  const likes = patterns.flatMap((pattern) => likesOf(name, pattern));
  const any = `like any(${put(likes)}::text[])`;
  if (list === undefined) return `lower(${text}) ${any}`;
  return `exists (select from unnest(${list}) as one where one ${any})`;
}

/** A person may be named by what is before the @; a table or column by its end. */
function likesOf(name: QualifierName, pattern: Pattern): readonly string[] {
  const like = likeOf(pattern);
  if (name === 'person' || name === 'decided-by')
    return pattern.includes('@') ? [like] : [like, `${like}@%`];
  if (name === 'table' || name === 'masked') return [like, `%.${like}`];
  return [like];
}

/** `*` is any letters; what LIKE reads specially stands for itself. */
export const likeOf = (pattern: Pattern): string =>
  pattern.replaceAll(/\\([\\*])|[*%_\\]/g, (match, literal: string | undefined) => {
    if (literal !== undefined) return literal === '\\' ? String.raw`\\` : literal;
    return match === '*' ? '%' : `\\${match}`;
  });

/** The text itself, anywhere. */
const within = (text: string): string => `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;

const NUMBERS: Partial<Record<QualifierName, string>> = {
  rows: 's.rows',
  duration: 's.duration_ms',
  waited: 's.waited_ms',
};
const IDS: Partial<Record<QualifierName, string>> = {
  session: 's.session',
  statement: 's.statement',
  request: 's.request',
  record: 's.id',
};

function onRow(term: Term, put: Put): string | undefined {
  if (term.kind === 'text') {
    const pattern = put(within(term.text));
    return `(s.text ilike ${pattern} or s.output ilike ${pattern})`;
  }
  const { name } = term;
  if (term.kind === 'bounds') {
    const column = NUMBERS[name] ?? '';
    return `(${term.bounds.map((bound: Bound) => `${column} ${bound.op} ${put(bound.value)}`).join(' and ')})`;
  }
  const id = IDS[name];
  if (id !== undefined) return `${id} = any(${put(term.patterns)}::uuid[])`;
  if (QUALIFIERS[name].type !== 'code') return undefined;
  const column = name === 'error' ? 's.code' : 's.client';
  return `lower(${column}) like any(${put(term.patterns.map(likeOf))}::text[])`;
}
