import { openDatabase, type Sql } from '../../store/database.ts';
import type { RecordView } from '../reader.ts';
import { readRecords } from '../records.ts';
import { countsOf, type Counts } from './counts.ts';
import { Places, SearchSlow } from './places.ts';
import type { Query } from './query.ts';
import { conditions, facetWhere, type Put, type Scope } from './where.ts';

/** A statement or another act, with what became of it. */
export type Found = {
  /** The record that it begins with. */
  readonly record: RecordView;
  /** Its entry in the tree. */
  readonly index: number;
  readonly verdicts: readonly string[];
  readonly decision?: string;
  readonly decidedBy: readonly string[];
  readonly decidedAt?: string;
  readonly effects: readonly string[];
  readonly tables: readonly string[];
  readonly masked: readonly string[];
  readonly rows?: number;
  readonly durationMs?: number;
  readonly waitedMs?: number;
  readonly code?: string;
};

/** Newest first. Cursors are of the rows beyond this page, where there are any. */
export type FoundPage = {
  readonly found: readonly Found[];
  readonly newer?: string;
  readonly older?: string;
};

export type PageOptions = {
  readonly scope: Scope;
  /** 1 to 500. */
  readonly limit: number;
  /** From a page before; checked by `readCursor`. */
  readonly cursor?: Cursor;
};

export interface Search {
  searchRecords(query: Query, options: PageOptions): Promise<FoundPage>;
  /** What matches, counted by its facts and over time. */
  counts(query: Query, scope: Scope): Promise<Counts>;
  close(): Promise<void>;
}

/** A place between two rows. */
export type Cursor = { readonly newer: boolean; readonly at: number; readonly index: number };

/** Undefined for what `cursorText` did not write. A cursor names a place in time and no row, so it opens nothing. */
export function readCursor(text: string): Cursor | undefined {
  const [, side, at, index] = /^([on])(\d{1,15})\.(\d{1,15})$/.exec(text) ?? [];
  if (side === undefined) return undefined;
  return { newer: side === 'n', at: Number(at), index: Number(index) };
}

const cursorText = (side: 'n' | 'o', { at, index }: Row): string =>
  `${side}${at.getTime()}.${index}`;

const CONNECTIONS = 3;
const WAITING = 12;
const TIMEOUT_MS = 5_000;
/** Rows that are looked at one by one before an index is asked for those that are rare. */
const WINDOW = 20_000;

/** Connections of its own, so that searches keep nothing else of the store waiting. */
export function openSearch(url: string, onError: (error: Error) => void): Search {
  const db = openDatabase(url, { max: CONNECTIONS, onError });
  const places = new Places(CONNECTIONS, WAITING);
  const within = <T>(work: (sql: Sql) => Promise<T>): Promise<T> =>
    places.run(() =>
      db
        .transaction(async (sql) => {
          await sql.query(
            `set transaction read only; set local statement_timeout = ${TIMEOUT_MS}; set local jit = off; set local work_mem = '32MB'`,
          );
          return work(sql);
        })
        .catch((error: unknown) => {
          if (error instanceof Error && 'code' in error && error.code === '57014')
            throw new SearchSlow(error);
          throw error;
        }),
    );
  return {
    searchRecords: (query, options) => within((sql) => pageOf(sql, query, options)),
    counts: (query, scope) =>
      within(async (sql) => countsOf(sql, query, await facetsOf(sql, query, scope))),
    close: () => db.close(),
  };
}

/** Facets that fit; undefined when all of them do. Whoever is told the number of a facet may see its rows. */
export async function facetsOf(
  sql: Sql,
  query: Query,
  scope: Scope,
): Promise<readonly number[] | undefined> {
  const values: unknown[] = [];
  const where = facetWhere(query, scope, (value) => `$${values.push(value)}`);
  if (where === undefined) return undefined;
  const { rows } = await sql.query<{ id: number }>(
    `select id from countersign.search_facet f where ${where}`,
    values,
  );
  return rows.map(({ id }) => id);
}

async function pageOf(
  sql: Sql,
  query: Query,
  { scope, limit, cursor }: PageOptions,
): Promise<FoundPage> {
  const facets = await facetsOf(sql, query, scope);
  if (facets?.length === 0) return { found: [] };
  const most = Math.min(Math.max(1, Math.trunc(limit) || 1), 500);
  const forward = cursor?.newer === true;
  const rows = await rowsAfter(sql, query, facets, most + 1, cursor);
  const shown = rows.slice(0, most);
  const page = forward ? shown.toReversed() : shown;
  const more = rows.length > most;
  const [first, last] = [page[0], page.at(-1)];
  const newer = forward ? more : cursor !== undefined;
  const older = forward || more;
  return {
    found: await withRecords(sql, page),
    ...(newer && first && { newer: cursorText('n', first) }),
    ...(older && last && { older: cursorText('o', last) }),
  };
}

/** What is common is among the newest rows; what is rare is found by an index. Neither reads all rows. */
async function rowsAfter(
  sql: Sql,
  query: Query,
  facets: readonly number[] | undefined,
  limit: number,
  cursor: Cursor | undefined,
): Promise<readonly Row[]> {
  if (query.usual !== 'all') {
    const near = await select(sql, query, { facets, limit, cursor, window: WINDOW });
    if (near.length >= limit) return near;
  }
  return select(sql, query, { facets, limit, cursor });
}

type Selection = {
  readonly facets: readonly number[] | undefined;
  readonly limit: number;
  readonly cursor: Cursor | undefined;
  readonly window?: number;
};

async function select(
  sql: Sql,
  query: Query,
  { facets, limit, cursor, window }: Selection,
): Promise<readonly Row[]> {
  const values: unknown[] = [];
  const put: Put = (value) => `$${values.push(value)}`;
  const [from, to, ...rest] = conditions(query, facets, put);
  const times = [from, to, ...beyond(cursor, put)].join(' and ');
  const order = (alias: string): string =>
    cursor?.newer ? `${alias}.at, ${alias}.index` : `${alias}.at desc, ${alias}.index desc`;
  const where = rest.length === 0 ? 'true' : rest.join(' and ');
  const found =
    window === undefined
      ? `select s.at, s.id, s.index from countersign.search_record s where ${times} and ${where}`
      : `select s.at, s.id, s.index from (select * from countersign.search_record s where ${times}
           order by ${order('s')} limit ${window}) s where ${where}`;
  // Materialized: with the limit in sight, the planner would read rows in their order until it has enough of a rare one.
  const { rows } = await sql.query<Row>(
    `with m as materialized (${found}), page as materialized (select * from m order by ${order('m')} limit ${limit})
     select s.id, s.at, s.index, f.verdicts, f.decision, f.decided_by, f.effects, f.tables, f.masked, s.decided_at, s.rows,
       s.duration_ms, s.waited_ms, s.code
     from page join countersign.search_record s on s.id = page.id and s.at = page.at
     join countersign.search_facet f on f.id = s.facet order by ${order('s')}`,
    values,
  );
  return rows;
}

function beyond(cursor: Cursor | undefined, put: Put): readonly string[] {
  if (!cursor) return [];
  const at = `${put(new Date(cursor.at))}::timestamptz`;
  const index = `${put(cursor.index)}::bigint`;
  return cursor.newer
    ? [`s.at >= ${at} and (s.at, s.index) > (${at}, ${index})`]
    : [`s.at <= ${at} and (s.at, s.index) < (${at}, ${index})`];
}

type Row = {
  readonly id: string;
  readonly at: Date;
  readonly index: string;
  readonly verdicts: string[];
  readonly decision: string | null;
  readonly decided_by: string[];
  readonly effects: string[];
  readonly tables: string[];
  readonly masked: string[];
  readonly decided_at: Date | null;
  readonly rows: string | null;
  readonly duration_ms: number | null;
  readonly waited_ms: number | null;
  readonly code: string | null;
};

async function withRecords(sql: Sql, rows: readonly Row[]): Promise<readonly Found[]> {
  const records = await readRecords(
    sql,
    rows.map(({ id }) => id),
  );
  const byId = new Map(records.map((record) => [record.id, record]));
  return rows.flatMap((row) => {
    const record = byId.get(row.id);
    // What was erased since is on its way out of the projection as well.
    return record?.body ? [foundOf(row, record)] : [];
  });
}

function foundOf(row: Row, record: RecordView): Found {
  return {
    record,
    index: Number(row.index),
    verdicts: row.verdicts,
    ...(row.decision !== null && { decision: row.decision }),
    decidedBy: row.decided_by,
    ...(row.decided_at !== null && { decidedAt: row.decided_at.toISOString() }),
    effects: row.effects,
    tables: row.tables,
    masked: row.masked,
    ...(row.rows !== null && { rows: Number(row.rows) }),
    ...(row.duration_ms !== null && { durationMs: row.duration_ms }),
    ...(row.waited_ms !== null && { waitedMs: row.waited_ms }),
    ...(row.code !== null && { code: row.code }),
  };
}
