import { z } from 'zod';
import type { Database, Sql } from '../store/database.ts';
import type { Json, JsonObject } from './log.ts';

/** A record of a session, as its timeline shows it. `body` is undefined once it has been erased. */
export type TimelineRecord = {
  readonly id: string;
  readonly at: string;
  readonly kind: string;
  readonly statement?: string;
  readonly request?: string;
  readonly person?: string;
  readonly verdict?: string;
  readonly body?: JsonObject;
};

/** A statement (or a sign-in within the session) and everything that the log says of it, in its order. */
export type Step = { readonly first: TimelineRecord; readonly all: readonly TimelineRecord[] };

export type TimelineQuery = {
  /** Only statements that were judged so at first. */
  readonly verdict?: 'allow' | 'hold' | 'deny';
  /** At most one of these, each the id of a step's first record, or with `at` of a statement: from there on. */
  readonly after?: string;
  readonly before?: string;
  readonly at?: string;
  /** The last ones instead of the first. */
  readonly latest?: boolean;
  readonly limit: number;
};

export type TimelinePart = {
  /** Oldest first. */
  readonly steps: readonly Step[];
  /** There are more before and after these. */
  readonly earlier: boolean;
  readonly later: boolean;
};

/** What happened in a session, a part at a time. */
export interface Timeline {
  read(session: string, query: TimelineQuery): Promise<TimelinePart>;
}

type Row = {
  readonly id: string;
  readonly at: Date;
  readonly kind: string;
  readonly body: string | null;
} & { readonly [name in 'statement' | 'request' | 'person' | 'verdict']: string | null };

const TIMEOUT_MS = 5_000;
/** More records of one statement than this are not shown. */
const MOST_RECORDS = 5_000;

/** Two bounded queries a part: the first records of its steps, then all of theirs. */
export function openTimeline(db: Database): Timeline {
  return {
    read: (session, query) =>
      db.transaction(async (sql) => {
        await sql.query(`set local statement_timeout = ${TIMEOUT_MS}`);
        const backwards = query.before !== undefined || query.latest === true;
        const found = await firstRecords(sql, session, query, backwards);
        const more = found.length > query.limit;
        const shown = found.slice(0, query.limit);
        const ids = backwards ? shown.toReversed() : shown;
        const elsewhere = query.before ?? query.after ?? query.at;
        return {
          steps: await stepsOf(sql, ids),
          earlier: backwards ? more : elsewhere !== undefined,
          later: backwards ? query.before !== undefined : more,
        };
      }),
  };
}

type First = { readonly id: string; readonly statement: string | null };

async function firstRecords(
  sql: Sql,
  session: string,
  { verdict, after, before, at, limit }: TimelineQuery,
  backwards: boolean,
): Promise<readonly First[]> {
  const values: unknown[] = [session];
  const put = (value: unknown): string => `$${values.push(value)}`;
  const placeOf = (id: string): string =>
    `(select at, id from countersign.record_body where id = ${put(id)}::uuid)`;
  const where = [
    `b.session = $1`,
    `(b.kind = 'statement' or b.kind = 'sign-in' and b.statement is null or b.kind = 'claim' and not exists (
       select from countersign.record_body o where o.statement = b.statement and o.kind = 'statement'))`,
    verdict !== undefined && `b.verdict = ${put(verdict)}`,
    after !== undefined && `(b.at, b.id) > ${placeOf(after)}`,
    before !== undefined && `(b.at, b.id) < ${placeOf(before)}`,
    at !== undefined &&
      `b.at >= (select min(at) from countersign.record_body where statement = ${put(at)}::uuid)`,
  ].filter((each) => each !== false);
  const direction = backwards ? 'desc' : 'asc';
  const { rows } = await sql.query<First>(
    `select b.id, b.statement from countersign.record_body b where ${where.join(' and ')}
     order by b.at ${direction}, b.id ${direction} limit ${put(limit + 1)}`,
    values,
  );
  return rows;
}

async function stepsOf(sql: Sql, firsts: readonly First[]): Promise<readonly Step[]> {
  const statements = firsts.flatMap(({ statement }) => (statement === null ? [] : [statement]));
  const { rows } = await sql.query<Row>(
    `select id, at, kind, statement, request, person, verdict, body from countersign.record_body
     where statement = any ($1::uuid[]) or id = any ($2::uuid[]) order by at, id limit ${MOST_RECORDS}`,
    [statements, firsts.map(({ id }) => id)],
  );
  const byKey = new Map<string, TimelineRecord[]>();
  for (const row of rows) {
    const key = row.statement ?? row.id;
    const known = byKey.get(key);
    if (known) known.push(recordOf(row));
    else byKey.set(key, [recordOf(row)]);
  }
  return firsts.flatMap(({ id, statement }) => {
    const all = byKey.get(statement ?? id) ?? [];
    const first = all.find((record) => record.id === id);
    return first ? [{ first, all }] : [];
  });
}

const json: z.ZodType<Json> = z.json();
const committed = z.object({ body: z.record(z.string(), json) });

function recordOf({ id, at, kind, statement, request, person, verdict, body }: Row) {
  return {
    id,
    at: at.toISOString(),
    kind,
    ...(statement !== null && { statement }),
    ...(request !== null && { request }),
    ...(person !== null && { person }),
    ...(verdict !== null && { verdict }),
    ...(body !== null && { body: committed.parse(JSON.parse(body)).body }),
  } satisfies TimelineRecord;
}
