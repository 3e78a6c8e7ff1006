import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Database, Sql } from '../store/database.ts';
import type { AuditLog } from './log.ts';

/** Something that went wrong: all that happens on its targets, until it is stopped, is collected. */
export type Incident = {
  readonly id: string;
  readonly name: string;
  /** A target's name, with `*` for any part of it. */
  readonly target: string;
  readonly note: string;
  readonly platform: 'slack' | 'teams';
  /** The platform's id of the channel where it was started. */
  readonly channel: string;
  readonly startedBy: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly stoppedBy?: string;
  readonly stoppedAt?: string;
  readonly stopRecord?: string;
  /** Entries of the tree: the first, and the next to look at. */
  readonly first: number;
  readonly next: number;
  /** How often each kind of thing happened. */
  readonly counts: Readonly<Record<string, number>>;
  /** Entries that stand in the thread, and those that are only in the console. */
  readonly told: number;
  readonly untold: number;
};

export type NewIncident = Pick<Incident, 'name' | 'target' | 'note' | 'platform' | 'channel'>;

/** Thrown where one of this name has not been stopped. */
export class IncidentOpen extends Error {
  override name = 'IncidentOpen';
}

type Parts = { readonly db: Database; readonly audit: Pick<AuditLog, 'append'> };

const COLUMNS = `id, name, target, note, platform, channel, started_by as "startedBy", started_at as "startedAt",
  stopped_by as "stoppedBy", stopped_at as "stoppedAt", stop_record as "stopRecord", first_index::float8 as first,
  next_index::float8 as next, counts, told, untold`;
const time = z.date().transform((at) => at.toISOString());
const row: z.ZodType<Incident> = z
  .object({
    id: z.string(),
    name: z.string(),
    target: z.string(),
    note: z.string(),
    platform: z.enum(['slack', 'teams']),
    channel: z.string(),
    startedBy: z.string(),
    startedAt: time,
    stoppedBy: z.string().nullable(),
    stoppedAt: time.nullable(),
    stopRecord: z.string().nullable(),
    first: z.number(),
    next: z.number(),
    counts: z.record(z.string(), z.number()),
    told: z.number(),
    untold: z.number(),
  })
  .transform(({ stoppedBy, stoppedAt, stopRecord, ...rest }) => ({
    ...rest,
    ...(stoppedBy !== null && { stoppedBy }),
    ...(stoppedAt !== null && { stoppedAt }),
    ...(stopRecord !== null && { stopRecord }),
  }));

/** Begins with what comes into the tree from now on; a record says who started it. Throws IncidentOpen, NotRecorded. */
export async function startIncident(
  { db, audit }: Parts,
  asked: NewIncident,
  by: string,
): Promise<Incident> {
  const id = randomUUID();
  const { name, target, note, platform, channel } = asked;
  const body = {
    via: platform,
    looked: 'incident-started',
    incident: id,
    name,
    target,
    note,
    channel,
  };
  try {
    await audit.append({ kind: 'look', person: by, body }, async (sql) => {
      await sql.query(
        `insert into countersign.incident (id, name, target, note, platform, channel, started_by, first_index, next_index)
         select $1, $2, $3, $4, $5, $6, $7, n, n from (select coalesce(max(index) + 1, 0) as n from countersign.tree_entry) t`,
        [id, name, target, note, platform, channel, by],
      );
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === '23505')
      throw new IncidentOpen(`the incident ${name} is open`, { cause: error });
    throw error;
  }
  const { rows } = await db.pool.query(
    `select ${COLUMNS} from countersign.incident where id = $1`,
    [id],
  );
  return row.parse(rows[0]);
}

/** It ends where the record of its stop stands in the tree. Undefined when none of this name is open. */
export async function stopIncident(
  { db, audit }: Parts,
  name: string,
  { by, via }: { readonly by: string; readonly via: string },
): Promise<Incident | undefined> {
  const { rows } = await db.pool.query<{ id: string }>(
    'select id from countersign.incident where lower(name) = lower($1) and stopped_at is null',
    [name],
  );
  const [open] = rows;
  if (!open) return undefined;
  let stopped: Incident | undefined;
  await audit.append(
    {
      kind: 'look',
      person: by,
      body: { via, looked: 'incident-stopped', name, incident: open.id },
    },
    async (sql, record) => {
      const { rows: ended } = await sql.query(
        `update countersign.incident set stopped_at = clock_timestamp(), stopped_by = $2, stop_record = $3
         where id = $1 and stopped_at is null returning ${COLUMNS}`,
        [open.id, by, record],
      );
      stopped = ended[0] && row.parse(ended[0]);
    },
  );
  return stopped;
}

/** Newest first; those that have not been stopped come before. */
export async function listIncidents(sql: Sql, limit = 100): Promise<readonly Incident[]> {
  const { rows } = await sql.query(
    `select ${COLUMNS} from countersign.incident order by stopped_at is null desc, started_at desc limit $1`,
    [limit],
  );
  return rows.map((one) => row.parse(one));
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Undefined where there is none. */
export async function readIncident(sql: Sql, id: string): Promise<Incident | undefined> {
  if (!UUID.test(id)) return undefined;
  const { rows } = await sql.query(`select ${COLUMNS} from countersign.incident where id = $1`, [
    id,
  ]);
  return rows[0] && row.parse(rows[0]);
}

/** Those of which something may still have to be told. */
export async function collecting(sql: Sql): Promise<readonly string[]> {
  const { rows } = await sql.query<{ id: string }>(
    'select id from countersign.incident where done_at is null order by started_at',
  );
  return rows.map(({ id }) => id);
}

/** Undefined when it is done, or somebody else is at it; nobody else is until the transaction ends. */
export async function takeIncident(sql: Sql, id: string): Promise<Incident | undefined> {
  const { rows } = await sql.query(
    `select ${COLUMNS} from countersign.incident where id = $1 and done_at is null for update skip locked`,
    [id],
  );
  return rows[0] && row.parse(rows[0]);
}

/** Where collecting goes on, and what there is of it; `done`: there will be no more. */
export async function moveIncident(
  sql: Sql,
  { id, next, counts, told, untold }: Pick<Incident, 'id' | 'next' | 'counts' | 'told' | 'untold'>,
  done: boolean,
): Promise<void> {
  await sql.query(
    `update countersign.incident set next_index = $2, counts = $3, told = $4, untold = $5,
       done_at = case when $6 then clock_timestamp() end where id = $1`,
    [id, next, JSON.stringify(counts), told, untold, done],
  );
}
