import type { Counts } from '#src/audit/search/counts.ts';
import { searchInRecord } from '#src/audit/search/in-record.ts';
import { SearchBusy, SearchSlow } from '#src/audit/search/places.ts';
import type { Problem as QueryProblem } from '#src/audit/search/lexer.ts';
import { parseQuery, type Query } from '#src/audit/search/query.ts';
import { readCursor, type FoundPage, type Search } from '#src/audit/search/search.ts';
import type { Scope } from '#src/audit/search/where.ts';
import type { Person } from '#src/identity/person.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './problem.ts';
import { recordLook, type Reader } from './reading.ts';
import { maySeeAllRecords } from './rights.ts';

/** A page reloaded, or its counts asked for beside it, is the same look for so long. */
const SAME_LOOK_MS = 60_000;
const LOOKS_KEPT = 1_000;

/** Whoever reads their own acts only finds those, however the query is written. */
export const scopeOf = (person: Person): Scope =>
  maySeeAllRecords(person) ? {} : { person: person.email };

/** Throws the 422 that says what in the query cannot be read, and where. */
export function readQuery(q: string, now = Date.now()): Query {
  const parsed = parseQuery(q, now);
  if (parsed.ok) return parsed.query;
  const errors = parsed.problems.map(problemLine);
  throw new Problem(422, 'bad-search', `The search cannot be read: ${errors.join('; ')}.`, errors);
}

export const problemLine = ({ at, message }: QueryProblem): string =>
  `at character ${at + 1}: ${message}`;

/** Throws the 503 of a gateway that keeps no tree, since nothing is projected then. */
export function searchOf({ search }: Pick<HttpDeps, 'search'>): Search {
  if (search) return search;
  throw new Problem(
    503,
    'no-search',
    'This gateway keeps no tree over its records, so they cannot be searched like this.',
  );
}

/** What searching needs, in the console, the API and chat. */
export type Searching = Pick<HttpDeps, 'audit' | 'search'>;

export type Asked = { readonly q: string; readonly limit: number; readonly cursor?: string };

/** Newest first; recorded as a look before anything is read. */
export async function findRecords(
  deps: Searching,
  reader: Reader,
  { q, limit, cursor }: Asked,
): Promise<FoundPage> {
  const query = readQuery(q);
  const place = cursor === undefined ? undefined : readCursor(cursor);
  if (cursor !== undefined && !place)
    throw new Problem(
      422,
      'bad-cursor',
      'This page is not to be found. Search again from its start.',
    );
  const search = searchOf(deps);
  await lookOnce(deps, reader, q, { limit, ...(cursor !== undefined && { cursor }) });
  const options = { scope: scopeOf(reader.person), limit, ...(place && { cursor: place }) };
  return answered(() => search.searchRecords(query, options));
}

export async function countRecords(deps: HttpDeps, reader: Reader, q: string): Promise<Counts> {
  const query = readQuery(q);
  const search = searchOf(deps);
  await lookOnce(deps, reader, q, {});
  return answered(() => search.counts(query, scopeOf(reader.person)));
}

const looked = new WeakMap<Searching, Map<string, number>>();

/** The same search by the same person within a minute is written once, wherever in its pages they begin. */
async function lookOnce(
  deps: Searching,
  reader: Reader,
  q: string,
  more: { readonly limit?: number; readonly cursor?: string },
): Promise<void> {
  const known = looked.get(deps) ?? new Map<string, number>();
  looked.set(deps, known);
  const { person, agent, via } = reader;
  const key = JSON.stringify([person.email, agent, via, q, more.cursor]);
  const now = performance.now();
  const last = known.get(key);
  if (last !== undefined && now - last < SAME_LOOK_MS) return;
  await recordLook(deps, reader, { ...searchInRecord(q), ...more });
  known.delete(key);
  known.set(key, now);
  for (const first of known.keys()) {
    if (known.size <= LOOKS_KEPT) return;
    known.delete(first);
  }
}

/** What stands in the way of an answer, as one. */
export async function answered<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SearchBusy) throw new Problem(429, 'search-busy', sentence(error));
    if (error instanceof SearchSlow) throw new Problem(503, 'search-slow', sentence(error));
    throw error;
  }
}

const sentence = ({ message }: Error): string =>
  `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
