import type { Sql } from '../../store/database.ts';
import type { Query } from './query.ts';
import { conditions, rowWhere, type Put } from './where.ts';

export const FACETS = ['target', 'person', 'verdict', 'effect', 'kind', 'table'] as const;
export type FacetName = (typeof FACETS)[number];
export type Count = { readonly value: string; readonly count: number };
export type Bin = { readonly at: string; readonly count: number };

/** Counts of what matches. Where `since` is set, it is of what is newer than that only: there is too much to count in time. */
export type Counts = {
  readonly total: number;
  readonly since?: string;
  /** The most frequent values, at most 20 each. */
  readonly facets: Readonly<Record<FacetName, readonly Count[]>>;
  readonly histogram: {
    /** ISO 8601; each bin begins at `at` and is `binMs` long. Empty ones are there too. */
    readonly from: string;
    readonly to: string;
    readonly binMs: number;
    readonly bins: readonly Bin[];
  };
};

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000] as const;
const SIZES = [1, 5, 15, 30]
  .map((minutes) => minutes * MINUTE)
  .concat([1, 3, 6, 12].map((hours) => hours * HOUR))
  .concat([1, 2, 7, 28, 91, 364, 1_820].map((days) => days * DAY));
const MOST_BINS = 62;
/** A Monday, so that weeks begin with one. */
const ORIGIN = Date.UTC(2001, 0, 1);
/** So many of the newest rows tell whether what is searched is rare; if not, this many are counted. */
const SAMPLE = 10_000;
const NEWEST = 30_000;
const RARE = 0.02;
const TOP = 20;
/** Where only the number of conditions counts. */
const NAMELESS: Put = () => '';

export async function countsOf(
  sql: Sql,
  query: Query,
  facets: readonly number[] | undefined,
  now = Date.now(),
): Promise<Counts> {
  if (facets?.length === 0) return nothing(query, now);
  const bounds = await boundsOf(sql, query, facets, now);
  const since = await countedSince(sql, query, facets);
  const values: unknown[] = [];
  const put: Put = (value) => `$${values.push(value)}`;
  const part = since === undefined ? query : { ...query, from: since };
  const binned = (at: string): string =>
    `date_bin('${bounds.binMs} milliseconds', ${at}, timestamptz '${new Date(ORIGIN).toISOString()}')`;
  const { rows } = await sql.query<{ what: string; value: string | null; n: string }>(
    `with m as ${matched(part, facets, { put, binned, now, binMs: bounds.binMs })},
     f as materialized (select c.*, x.n from (select facet, sum(n) as n from m group by facet) x
       join countersign.search_facet c on c.id = x.facet)
     select 'bin' as what, (extract(epoch from bin) * 1000)::bigint::text as value, sum(n)::text as n from m group by bin
     ${FACETS.map((name) => `union all (${counted(name)})`).join('\n')}`,
    values,
  );
  return countsFrom(rows, bounds, since);
}

type Matching = {
  readonly put: Put;
  /** SQL of the beginning of the bin that a time is in. */
  readonly binned: (at: string) => string;
  readonly now: number;
  readonly binMs: number;
};

/** A CTE of `facet, bin, n` of what matches: whole days from the tally where that knows all that is asked, the rest row by row. */
function matched(
  query: Query,
  facets: readonly number[] | undefined,
  { put, binned, now, binMs }: Matching,
): string {
  const byRow = (part: Query): string =>
    `select s.facet, ${binned('s.at')} as bin, count(*)::integer as n from countersign.search_record s
     where ${conditions(part, facets, put).join(' and ')} group by 1, 2`;
  const first = Math.ceil(query.from / DAY) * DAY;
  const last = query.to > now ? query.to : Math.floor(query.to / DAY) * DAY;
  const tallied = binMs % DAY === 0 && rowWhere(query, NAMELESS).length === 0 && first < last;
  if (!tallied) return `materialized (${byRow(query)})`;
  const days = `select t.facet, ${binned('t.day')} as bin, t.n from countersign.search_tally t
    where t.n > 0 and t.day >= ${put(new Date(first))}::timestamptz and t.day < ${put(new Date(last))}::timestamptz
      ${facets ? `and t.facet = any(${put(facets)}::integer[])` : ''}`;
  const edges = [
    { ...query, to: first },
    { ...query, from: last },
  ].filter(({ from, to }) => from < to);
  return `not materialized (${[days, ...edges.map(byRow)].join(' union all ')})`;
}

const COLUMNS: Readonly<Record<FacetName, string>> = {
  target: 'target',
  person: 'person',
  verdict: 'unnest(verdicts)',
  effect: 'unnest(effects)',
  kind: 'kind',
  table: 'unnest(tables)',
};

const counted = (name: FacetName): string =>
  `select '${name}', value, sum(n)::text from (select ${COLUMNS[name]} as value, n from f) x
   where value is not null group by value order by sum(n) desc, value limit ${TOP}`;

type Bounds = { readonly from: number; readonly to: number; readonly binMs: number };

/** Where the query gives no time, where its rows begin and end. */
async function boundsOf(
  sql: Sql,
  query: Query,
  facets: readonly number[] | undefined,
  now: number,
): Promise<Bounds> {
  if (query.usual !== 'all') return binsOf(query.from, Math.min(query.to, now));
  const values: unknown[] = [];
  const where = conditions(query, facets, (value) => `$${values.push(value)}`).join(' and ');
  const { rows } = await sql.query<{ first: Date | null; last: Date | null }>(
    `select min(s.at) as first, max(s.at) as last from countersign.search_record s where ${where}`,
    values,
  );
  const [{ first, last } = { first: null, last: null }] = rows;
  return binsOf(first?.getTime() ?? now - HOUR, (last?.getTime() ?? now) + 1);
}

/** Over eight days, bins are whole days. */
function binsOf(from: number, to: number): Bounds {
  const end = Math.max(to, from + 1);
  const least = end - from > 8 * DAY ? DAY : MINUTE;
  const fits = (size: number): boolean => size >= least && (end - from) / size <= MOST_BINS - 2;
  const binMs = SIZES.find(fits) ?? 10 * 364 * DAY;
  return { from, to: end, binMs };
}

/** Undefined when all that matches can be counted in time: there are few, or an index has all it takes. */
async function countedSince(
  sql: Sql,
  query: Query,
  facets: readonly number[] | undefined,
): Promise<number | undefined> {
  if (query.usual === 'all' || rowWhere(query, NAMELESS).length === 0) return undefined;
  const values: unknown[] = [];
  const [from, to, ...rest] = conditions(query, facets, (value) => `$${values.push(value)}`);
  const { rows } = await sql.query<{ hits: number; seen: number }>(
    `select count(*) filter (where ${rest.join(' and ')})::int as hits, count(*)::int as seen from
       (select * from countersign.search_record s where ${from} and ${to} order by s.at desc, s.index desc limit ${SAMPLE}) s`,
    values,
  );
  const { hits = 0, seen = 0 } = rows[0] ?? {};
  if (seen < SAMPLE || hits < seen * RARE) return undefined;
  const { rows: edge } = await sql.query<{ at: Date }>(
    `select s.at from countersign.search_record s where s.at >= $1 and s.at < $2
     order by s.at desc, s.index desc offset ${NEWEST} limit 1`,
    [new Date(query.from), new Date(query.to)],
  );
  return edge[0]?.at.getTime();
}

function countsFrom(
  rows: readonly { readonly what: string; readonly value: string | null; readonly n: string }[],
  { from, to, binMs }: Bounds,
  since: number | undefined,
): Counts {
  const bins = new Map<number, number>();
  const facets: Record<FacetName, Count[]> = emptyFacets();
  let total = 0;
  for (const { what, value, n } of rows) {
    const name = FACETS.find((each) => each === what);
    if (value !== null && name) facets[name].push({ value, count: Number(n) });
    if (what !== 'bin') continue;
    total += Number(n);
    bins.set(Number(value), Number(n));
  }
  return {
    total,
    ...(since !== undefined && { since: new Date(since).toISOString() }),
    facets,
    histogram: histogramOf(bins, { from, to, binMs }),
  };
}

const emptyFacets = (): Record<FacetName, Count[]> => ({
  target: [],
  person: [],
  verdict: [],
  effect: [],
  kind: [],
  table: [],
});

function histogramOf(
  counts: ReadonlyMap<number, number>,
  { from, to, binMs }: Bounds,
): Counts['histogram'] {
  const bins: Bin[] = [];
  const first = ORIGIN + Math.floor((from - ORIGIN) / binMs) * binMs;
  for (let at = first; at < to && bins.length <= MOST_BINS; at += binMs)
    bins.push({ at: new Date(at).toISOString(), count: counts.get(at) ?? 0 });
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), binMs, bins };
}

function nothing(query: Query, now: number): Counts {
  const from = query.usual === 'all' ? now - HOUR : query.from;
  const bounds = binsOf(from, Math.min(query.to, now));
  return { total: 0, facets: emptyFacets(), histogram: histogramOf(new Map(), bounds) };
}
