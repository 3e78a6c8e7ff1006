import { openDatabase, type Database, type Sql } from '../../store/database.ts';
import { PART, term, valuesOf, type Asked, type Searched } from './part.ts';
import { chartedOf, type Charted } from './charted.ts';
import { brokenGlass, type BrokenGlass } from './break-glass.ts';
import { unusualOf, type Unusual, type WorkingHours } from './unusual.ts';

/** A number with the search that shows what it counts. */
export type Line = { readonly value: string; readonly count: number; readonly query: string };

export type Times = { readonly medianMs: number; readonly p90Ms: number };

/** What happened between two moments, as data: every line says how to search for what it counts. */
export type Summary = {
  /** ISO 8601; what is at `to` is not in it. */
  readonly from: string;
  readonly to: string;
  /** Records of the log that are not counted yet: they are some seconds old at most, unless something is wrong. */
  readonly behind: number;
  readonly statements: number;
  /** The most frequent, 20 at most. */
  readonly targets: readonly Line[];
  readonly people: readonly Line[];
  readonly verdicts: readonly Line[];
  readonly held: {
    readonly count: number;
    readonly query: string;
    /** How the holds have ended; `waiting` for those that have not. */
    readonly decisions: readonly Line[];
    /** From being held to the end of it, of those that were approved or denied; absent when there are none. */
    readonly times?: Times;
    /** Who decided how many, and how fast those were through. */
    readonly approvers: readonly (Line &
      Times & { readonly approved: number; readonly denied: number })[];
  };
  /** What the rules refused, by person and target. */
  readonly refused: readonly (Line & { readonly person: string; readonly target: string })[];
  /** Every time that somebody broke the glass, newest first, 20 at most. */
  readonly breakGlass: readonly BrokenGlass[];
  readonly unusual: readonly Unusual[];
};

export type Summaries = {
  summary(asked: Asked): Promise<Summary>;
  /** The same time as charts show it. */
  charted(asked: Asked): Promise<Charted>;
  close(): Promise<void>;
};

/** It took longer than it may: the time asked for is too long, or the store is busy. */
export class SummarySlow extends Error {
  override name = 'SummarySlow';
}

const TIMEOUT_MS = 10_000;
const TOP = 20;

export type SummaryOptions = {
  readonly url: string;
  /** Undefined: what is outside of working hours is not told. */
  readonly hours?: WorkingHours | undefined;
  readonly onError: (error: Error) => void;
  /** Of each query; default 10 s. */
  readonly timeoutMs?: number;
};

/** Connections of its own, few, so that a summary keeps nobody else waiting. */
export function openSummaries({
  url,
  hours,
  onError,
  timeoutMs = TIMEOUT_MS,
}: SummaryOptions): Summaries {
  const db: Database = openDatabase(url, { max: 2, onError });
  const within = <T>(work: (sql: Sql) => Promise<T>): Promise<T> =>
    db
      .transaction(async (sql) => {
        await sql.query(
          `set transaction read only; set local statement_timeout = ${timeoutMs}; set local jit = off; set local search_path = countersign, pg_catalog, pg_temp`,
        );
        return work(sql);
      })
      .catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === '57014')
          throw new SummarySlow('the summary took too long: ask for a shorter time', {
            cause: error,
          });
        throw error;
      });
  return {
    summary: (asked) => within((sql) => summarise(sql, asked, hours)),
    charted: (asked) => within((sql) => chartedOf(sql, asked)),
    close: () => db.close(),
  };
}

async function summarise(
  sql: Sql,
  asked: Asked,
  hours: WorkingHours | undefined,
): Promise<Summary> {
  const [from, to] = [asked.from, asked.to].map((at) => new Date(at).toISOString());
  const searched: Searched = (...terms) =>
    [
      'kind:statement',
      ...terms,
      terms.some((each) => each?.startsWith('target:')) ? undefined : term('target', asked.target),
      terms.some((each) => each?.startsWith('person:')) ? undefined : term('person', asked.person),
      `after:${from}`,
      `before:${to}`,
    ]
      .filter((each) => each !== undefined)
      .join(' ');
  const counts = await countsOf(sql, asked);
  const lines = (what: string, name: string): readonly Line[] =>
    counts
      .filter((one) => one.what === what)
      .map(({ value, n }) => ({ value, count: Number(n), query: searched(term(name, value)) }))
      .slice(0, TOP);
  const decisions = lines('decision', 'decision');
  return {
    from: from ?? '',
    to: to ?? '',
    behind: await behind(sql),
    statements: Number(counts.find(({ what }) => what === 'all')?.n ?? 0),
    targets: lines('target', 'target'),
    people: lines('person', 'person'),
    verdicts: lines('verdict', 'verdict'),
    held: {
      count: decisions.reduce((sum, { count }) => sum + count, 0),
      query: searched('verdict:hold'),
      decisions,
      ...(await decidedOf(sql, asked, searched)),
    },
    refused: await refusedOf(sql, asked, searched),
    breakGlass: await brokenGlass(sql, asked),
    unusual: await unusualOf(sql, asked, searched, hours),
  };
}

async function countsOf(
  sql: Sql,
  asked: Asked,
): Promise<readonly { readonly what: string; readonly value: string; readonly n: string }[]> {
  const { rows } = await sql.query<{ what: string; value: string; n: string }>(
    `with part as materialized (${PART}),
       facts as (select id, target, person, verdicts, decision, count(*) as n from part group by 1, 2, 3, 4, 5)
     select 'all' as what, '' as value, coalesce(sum(n), 0) as n from facts
     union all select 'target', coalesce(target, ''), sum(n) from facts where target is not null group by target
     union all select 'person', person, sum(n) from facts where person is not null group by person
     union all select 'verdict', verdict, sum(n) from facts, unnest(verdicts) verdict group by verdict
     union all select 'decision', decision, sum(n) from facts where decision is not null group by decision
     order by n desc, value`,
    [...valuesOf(asked)],
  );
  return rows;
}

/** Entries of the tree that the projection has still to take. */
async function behind(sql: Sql): Promise<number> {
  const { rows } = await sql.query<{ n: string }>(
    'select greatest(0, h.size - c.index) as n from tree_head h, search_cursor c',
  );
  return Number(rows[0]?.n ?? 0);
}

type Decided = {
  who: string | null;
  approved: string;
  denied: string;
  median: number;
  p90: number;
};

async function decidedOf(
  sql: Sql,
  asked: Asked,
  searched: Searched,
): Promise<Pick<Summary['held'], 'times' | 'approvers'>> {
  const { rows } = await sql.query<Decided>(
    `with part as materialized (select * from (${PART}) p where decision in ('approved', 'denied') and waited_ms is not null),
       one as (select null::text as who, decision, waited_ms from part
         union all select who, decision, waited_ms from part, unnest(decided_by) who)
     select who, count(*) filter (where decision = 'approved') as approved, count(*) filter (where decision = 'denied') as denied,
       percentile_cont(0.5) within group (order by waited_ms) as median,
       percentile_cont(0.9) within group (order by waited_ms) as p90
     from one group by who order by count(*) desc, who`,
    [...valuesOf(asked)],
  );
  const timesOf = ({ median, p90 }: Decided): Times => ({
    medianMs: Math.round(median),
    p90Ms: Math.round(p90),
  });
  const all = rows.find(({ who }) => who === null);
  return {
    ...(all && { times: timesOf(all) }),
    approvers: rows
      .flatMap((row) => {
        const [approved, denied] = [Number(row.approved), Number(row.denied)];
        return row.who === null
          ? []
          : [
              {
                value: row.who,
                count: approved + denied,
                approved,
                denied,
                ...timesOf(row),
                query: searched(term('decided-by', row.who)),
              },
            ];
      })
      .slice(0, TOP),
  };
}

async function refusedOf(sql: Sql, asked: Asked, searched: Searched): Promise<Summary['refused']> {
  const { rows } = await sql.query<{ person: string; target: string; n: string }>(
    `select coalesce(person, '') as person, coalesce(target, '') as target, count(*) as n from (${PART}) p
     where 'deny' = any (verdicts) group by 1, 2 order by n desc, 1, 2 limit ${TOP}`,
    [...valuesOf(asked)],
  );
  return rows.map(({ person, target, n }) => ({
    person,
    target,
    value: `${person} on ${target}`,
    count: Number(n),
    query: searched(term('person', person), term('target', target), 'verdict:deny'),
  }));
}
