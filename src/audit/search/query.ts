import { lexed, type Lexeme, type Problem } from './lexer.ts';
import { nearest } from './nearest.ts';
import { lengthOf, momentOf } from './times.ts';
import {
  DEFAULT_DAYS,
  isQualifier,
  QUALIFIERS,
  TIMES,
  type Qualifier,
  type QualifierName,
} from './words.ts';

/** A value with `*` for any letters; lower case, as it is compared. */
export type Pattern = string;
export type Bound = { readonly op: '>' | '>=' | '<' | '<=' | '='; readonly value: number };

export type Term =
  | { readonly kind: 'text'; readonly not: boolean; readonly text: string }
  | {
      readonly kind: 'names';
      readonly not: boolean;
      readonly name: QualifierName;
      /** One of them is enough. */
      readonly patterns: readonly Pattern[];
    }
  | {
      readonly kind: 'bounds';
      readonly not: boolean;
      readonly name: QualifierName;
      /** All of them hold. */
      readonly bounds: readonly Bound[];
    };

/** All terms hold together, in the time from `from` until before `to` (milliseconds since 1970). */
export type Query = {
  readonly terms: readonly Term[];
  readonly from: number;
  readonly to: number;
  /** Nothing in the query says where time begins: it is the usual 30 days, or all of it beside an id. */
  readonly usual: 'days' | 'all' | undefined;
};

export type Parsed =
  | { readonly ok: true; readonly query: Query }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const MOST_TERMS = 40;
const MOST_CHARACTERS = 1_000;
const DAY_MS = 86_400_000;
/** The end of time, as JavaScript and PostgreSQL both know it. */
const END = Date.UTC(9999, 0);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads a search. Pure: `now` (milliseconds since 1970) is what relative times are counted from. */
export function parseQuery(text: string, now: number): Parsed {
  const problems: Problem[] = [];
  if (text.length > MOST_CHARACTERS)
    problems.push({
      at: MOST_CHARACTERS,
      length: text.length - MOST_CHARACTERS,
      message: `a search has at most ${MOST_CHARACTERS} characters; leave something out`,
    });
  const found = problems.length > 0 ? [] : lexed(text, problems);
  if (found.length > MOST_TERMS)
    problems.push({
      at: found[MOST_TERMS]?.at ?? 0,
      length: 1,
      message: `a search has at most ${MOST_TERMS} terms; leave something out`,
    });
  const times: { after?: number; before?: number } = {};
  const terms: Term[] = [];
  for (const lexeme of found) {
    const read = readTerm(lexeme, now, times);
    if ('message' in read) problems.push({ at: lexeme.at, length: lexeme.length, ...read });
    else if ('kind' in read) terms.push(read);
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, query: { terms, ...timesOf(times, terms, now) } };
}

function timesOf(
  { after, before = END }: { readonly after?: number; readonly before?: number },
  terms: readonly Term[],
  now: number,
): Omit<Query, 'terms'> {
  if (after !== undefined) return { from: after, to: before, usual: undefined };
  // An id names few rows, however old they are.
  const named = terms.some(
    (term) => term.kind === 'names' && !term.not && QUALIFIERS[term.name].type === 'uuid',
  );
  if (named) return { from: 0, to: before, usual: 'all' };
  const end = Math.min(before, now);
  return { from: Math.max(0, end - DEFAULT_DAYS * DAY_MS), to: before, usual: 'days' };
}

type Wrong = { readonly message: string };
type Nothing = { readonly none: true };
const NOTHING: Nothing = { none: true };

function readTerm(
  lexeme: Lexeme,
  now: number,
  times: { after?: number; before?: number },
): Term | Wrong | Nothing {
  const { name, not, values } = lexeme;
  const [first] = values;
  if (name === undefined) return { kind: 'text', not, text: first?.text ?? '' };
  if (name === 'after' || name === 'before') return readTime(name, lexeme, now, times);
  if (!isQualifier(name)) return unknown(name);
  if (values.some(({ text }) => text === ''))
    return { message: `${name}: needs a value, such as ${QUALIFIERS[name].example}` };
  const qualifier: Qualifier = QUALIFIERS[name];
  if (qualifier.type === 'number' || qualifier.type === 'length')
    return readBounds(name, qualifier, lexeme);
  const patterns: Pattern[] = [];
  for (const { text, quoted } of values) {
    const read = readPattern(name, qualifier, text.toLowerCase(), quoted);
    if (typeof read !== 'string') return read;
    patterns.push(read);
  }
  return { kind: 'names', not, name, patterns };
}

function unknown(name: string): Wrong {
  const meant = nearest(name, [...Object.keys(QUALIFIERS), ...Object.keys(TIMES)]);
  const maybe = meant === undefined ? '' : `did you mean ${meant}: ? `;
  return {
    message: `there is no ${name}: to search by; ${maybe}Quote it to find it as text: "${name}:…"`,
  };
}

function readTime(
  name: 'after' | 'before',
  { not, values }: Lexeme,
  now: number,
  times: { after?: number; before?: number },
): Wrong | Nothing {
  const other = name === 'after' ? 'before' : 'after';
  if (not) return { message: `-${name}: is ${other}: with the same time; write that` };
  if (times[name] !== undefined) return { message: `${name}: is there twice; leave one out` };
  const at = values.length === 1 ? momentOf(values[0]?.text ?? '', now) : undefined;
  if (at === undefined)
    return {
      message: `${name}: needs a time: 7d (days ago; also m, h, w), today, 2026-11-20 or 2026-11-20T14:03Z`,
    };
  times[name] = at;
  return NOTHING;
}

/** `>` and its like compare; `a..b` is from a to b, both with it. */
function readBounds(
  name: QualifierName,
  { type, example }: Qualifier,
  { not, values }: Lexeme,
): Term | Wrong {
  const read = type === 'number' ? numberOf : lengthOf;
  const wrong = {
    message: `${name}: needs ${type === 'number' ? 'a number' : 'a time with its unit (ms, s, m, h)'}, such as ${example}, or a range such as ${type === 'number' ? '10..100' : '1s..1m'}`,
  };
  if (values.length !== 1) return wrong;
  const text = values[0]?.text ?? '';
  const range = /^([^.<>=].*?)\.\.(.+)$/.exec(text);
  const parts: readonly (readonly [Bound['op'], string])[] = range
    ? [
        ['>=', range[1] ?? ''],
        ['<=', range[2] ?? ''],
      ]
    : [compared(text)];
  const bounds: Bound[] = [];
  for (const [op, part] of parts) {
    const value = read(part);
    if (value === undefined) return wrong;
    bounds.push({ op, value });
  }
  return { kind: 'bounds', not, name, bounds };
}

function compared(text: string): readonly [Bound['op'], string] {
  const [, op = '', rest = ''] = /^([<>]?=?)([^]*)$/.exec(text) ?? [];
  return [op === '>' || op === '>=' || op === '<' || op === '<=' ? op : '=', rest];
}

const numberOf = (text: string): number | undefined =>
  /^\d{1,15}$/.test(text) ? Number(text) : undefined;

function readPattern(
  name: QualifierName,
  { type, words, also = {} }: Qualifier,
  text: string,
  quoted: boolean,
): Pattern | Wrong {
  if (type === 'uuid')
    return UUID.test(text)
      ? text
      : { message: `${name}: needs an id, 36 characters as the console shows it` };
  if (!words)
    return quoted ? text.replaceAll(/[\\*]/g, String.raw`\$&`) : text.replaceAll('\\', '\\\\');
  const word = also[text] ?? text;
  if (words.includes(word)) return word;
  if (/^[a-z*-]*\*[a-z*-]*$/.test(text) && !quoted) return text;
  const meant = nearest(text, [...words, ...Object.keys(also)]);
  return {
    message: `${name}: is never ${text}; ${meant === undefined ? `it is one of ${words.join(', ')}` : `did you mean ${name}:${meant} ?`}`,
  };
}
