import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Recordings } from '../../recording/port.ts';
import type { Database, Sql } from '../../store/database.ts';
import type { JsonObject } from '../log.ts';
import { readShared } from '../shared.ts';
import { matchViews, tellMatches, type ScopeOf } from './matches.ts';
import { addOutput } from './output.ts';
import { actRow, statementRow, type Entry, type SearchRow, type Source } from './row.ts';
import { writeRows } from './rows.ts';

export type ProjectionOptions = {
  readonly db: Database;
  readonly onError: (error: Error) => void;
  /** What sessions got back; without it only statements are searched. */
  readonly recordings?: Pick<Recordings, 'readChunk'>;
  /** Owners of saved searches are told of what matches; without it nobody is. */
  readonly scopeOf?: ScopeOf;
  /** How often to look for new records; default half a second. */
  readonly everyMs?: number;
};

const BATCH = 500;
const EVERY_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** Also taken by what erases (0023-search.sql). */
const LOCK = `hashtext('countersign search')`;

/**
 * Keeps what is searched behind the tree, in the tree's order. Every batch, with the cursor and the alerts that come of it, is one
 * transaction, under a lock that one process at a time has: it goes on where it was, whatever breaks, and doubles nothing.
 */
export function startProjection(options: ProjectionOptions): { close(): Promise<void> } {
  const stopping = new AbortController();
  const done = run(options, stopping.signal);
  return {
    async close() {
      stopping.abort();
      await done;
    },
  };
}

async function run(options: ProjectionOptions, signal: AbortSignal): Promise<void> {
  const { everyMs = EVERY_MS, onError } = options;
  let wait = everyMs;
  let said = '';
  while (!signal.aborted) {
    let full = false;
    // oxlint-disable no-await-in-loop -- one batch after the other
    try {
      full = (await projectBatch(options)) === BATCH;
      [wait, said] = [everyMs, ''];
    } catch (cause) {
      wait = Math.min(LONGEST_PAUSE_MS, Math.max(wait * 2, everyMs));
      const message = cause instanceof Error ? cause.message : String(cause);
      // The same again is not news.
      if (message !== said) onError(new Error(`searching is behind: ${message}`, { cause }));
      said = message;
    }
    if (!full) await sleep(wait, undefined, { signal }).catch(() => undefined);
    // oxlint-enable no-await-in-loop
  }
}

/** Projects the next records; resolves with how many, 0 also while another process does it. */
export async function projectBatch(options: Omit<ProjectionOptions, 'everyMs'>): Promise<number> {
  return options.db.transaction(async (sql) => {
    const { rows } = await sql.query<{ mine: boolean }>(
      `select pg_try_advisory_xact_lock(${LOCK}) as mine`,
    );
    if (!rows[0]?.mine) return 0;
    const cursor = await cursorOf(sql);
    const entries = await readEntries(sql, cursor.index);
    const again = await takeAgain(sql);
    const next = (entries.at(-1)?.index ?? cursor.index - 1) + 1;
    if (entries.length + again.length > 0) {
      const written = await writeRows(sql, await rowsOf(sql, entries, again));
      const more = await addOutput(sql, entries, options);
      if (options.scopeOf && next > cursor.alertsFrom)
        await matchViews(sql, [...written, ...more], options.scopeOf, options.onError);
      await moveCursor(sql, next);
    }
    if (options.scopeOf) await tellMatches(sql);
    return entries.length;
  });
}

async function cursorOf(
  sql: Sql,
): Promise<{ readonly index: number; readonly alertsFrom: number }> {
  const { rows } = await sql.query<{ index: string; alerts_from: string }>(
    'select index, alerts_from from countersign.search_cursor',
  );
  return { index: Number(rows[0]?.index ?? 0), alertsFrom: Number(rows[0]?.alerts_from ?? 0) };
}

async function moveCursor(sql: Sql, next: number): Promise<void> {
  await sql.query('update countersign.search_cursor set index = $1, at = clock_timestamp()', [
    next,
  ]);
}

async function takeAgain(sql: Sql): Promise<readonly string[]> {
  const { rows } = await sql.query<{ statement: string }>(
    `delete from countersign.search_again where statement in
       (select statement from countersign.search_again limit ${BATCH}) returning statement`,
  );
  return rows.map(({ statement }) => statement);
}

/** Kinds that tell of a statement: its row is made anew from all of them, so that their order does not matter. */
const OF_STATEMENTS: ReadonlySet<string> = new Set([
  'statement',
  'outcome',
  'claim',
  'decision',
  'request',
]);

async function rowsOf(
  sql: Sql,
  entries: readonly Entry[],
  again: readonly string[],
): Promise<readonly SearchRow[]> {
  const touched = new Set(again);
  for (const { kind, statement } of entries)
    if (statement !== undefined && OF_STATEMENTS.has(kind)) touched.add(statement);
  const whole = await readStatements(sql, [...touched]);
  const digests = new Set<string>();
  for (const { kind, body } of whole)
    if (kind === 'statement' && typeof body?.['effects'] === 'string') digests.add(body['effects']);
  const shared = await readShared(sql, [...digests]);
  const byStatement = Map.groupBy(whole, ({ statement }) => statement);
  const rows = Array.from(byStatement.values(), (records) => statementRow(records, shared));
  // Statements without an id of their own stand alone.
  const alone = entries.flatMap((entry) =>
    entry.kind === 'statement' && entry.statement === undefined
      ? [statementRow([entry], shared)]
      : [actRow(entry)],
  );
  return [...rows, ...alone].filter((row) => row !== undefined);
}

type Row = {
  readonly index: string | null;
  readonly id: string;
  readonly at: number | null;
  readonly kind: string | null;
  readonly session: string | null;
  readonly statement: string | null;
  readonly request: string | null;
  readonly person: string | null;
  readonly agent: string | null;
  readonly target: string | null;
  readonly verdict: string | null;
  readonly body: string | null;
};

const COLUMNS = `e.index, r.id, floor(extract(epoch from b.at) * 1000)::float8 as at, b.kind, b.session, b.statement, b.request,
  b.person, b.agent, b.target, b.verdict`;
const ABOUT = `'statement', 'outcome', 'claim', 'decision', 'request'`;

async function readEntries(sql: Sql, from: number): Promise<readonly Entry[]> {
  const { rows } = await sql.query<Row>({
    name: 'search-entries',
    // What is read of a whole statement is not read here too. Acts that have a row of their own are.
    text: `select ${COLUMNS}, case when b.statement is null or b.kind not in ('statement', 'outcome') then b.body end as body
      from countersign.tree_entry e join countersign.record r using (writer, seq)
      left join countersign.record_body b using (id) where e.index >= $1 order by e.index limit ${BATCH}`,
    values: [from],
  });
  return rows.map((row) => ({ ...sourceOf(row), index: Number(row.index) }));
}

async function readStatements(sql: Sql, statements: readonly string[]): Promise<readonly Source[]> {
  if (statements.length === 0) return [];
  const { rows } = await sql.query<Row>({
    name: 'search-statements',
    text: `select ${COLUMNS}, b.body from countersign.record_body b join countersign.record r using (id)
      left join countersign.tree_entry e on e.writer = r.writer and e.seq = r.seq
      where b.statement = any($1::uuid[]) and b.kind in (${ABOUT})`,
    values: [statements],
  });
  return rows.map(sourceOf);
}

// What JSON.parse gives is JSON all the way down; to look at each value of it again takes longer than to parse it.
const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const committed = z.object({ body: z.custom<JsonObject>(isObject) });

function sourceOf({ index, at, kind, body, ...row }: Row): Source {
  return {
    id: row.id,
    index: index === null ? undefined : Number(index),
    at: at ?? 0,
    // Of a month that retention has dropped, the place in the tree is left.
    kind: kind ?? '',
    session: row.session ?? undefined,
    statement: row.statement ?? undefined,
    request: row.request ?? undefined,
    person: row.person ?? undefined,
    agent: row.agent ?? undefined,
    target: row.target ?? undefined,
    verdict: row.verdict ?? undefined,
    body: body === null ? undefined : committed.parse(JSON.parse(body)).body,
  };
}

/** How many records of the tree are not searched yet. */
export async function searchLag(db: Pick<Database, 'pool'>): Promise<number> {
  const { rows } = await db.pool.query<{ records: number }>(
    'select greatest(0, size - index)::float8 as records from countersign.search_cursor, countersign.tree_head',
  );
  return rows[0]?.records ?? 0;
}

/** Forgets all of it, so that it is projected anew; nobody is told again of what matched before. As the owner of the tables. */
export async function forgetProjection(db: Database): Promise<void> {
  await db.transaction(async (sql) => {
    await sql.query(`select pg_advisory_xact_lock(${LOCK})`);
    await sql.query(
      'truncate countersign.search_record, countersign.search_facet, countersign.search_tally, countersign.search_again',
    );
    await sql.query(
      `update countersign.search_cursor set index = 0, alerts_from = greatest(alerts_from, index)`,
    );
    await sql.query('select countersign.search_trigrams()');
  });
}
