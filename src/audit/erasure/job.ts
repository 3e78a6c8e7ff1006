import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Sql } from '../../store/database.ts';
import { installationSecret } from '../../store/secrets.ts';
import type { AuditLog, JsonObject } from '../log.ts';
import type { Counts } from './beside.ts';
import { committed, type Filter } from './filter.ts';
import { ErasureRefused } from './plan.ts';

export type EraseParts = {
  /** As the owner of the tables: the role that the gateway runs as cannot erase. */
  readonly owner: Database;
  readonly audit: AuditLog;
  /** Keys of the people that the configuration names. */
  readonly configured: readonly string[];
  /** Removes the chunks of a recording that lie outside the store. */
  readonly removeChunks: (session: string) => Promise<void>;
  /** Between two batches; default none. */
  readonly pauseMs?: number;
  /** Tests: a step is about to be done, or was. */
  readonly failpoint?: (point: string) => void | Promise<void>;
};

export type Asked = {
  readonly filter: Filter;
  readonly reason: string;
  /** Key of the person who asks; undefined for a rule of the configuration. */
  readonly by?: string;
};

/** `asked`: a second person has to confirm it. */
export type Erased = {
  readonly erasure: string;
  readonly state: 'asked' | 'done' | 'stopped';
  readonly records: number;
  readonly counts: Counts;
  /** The holds that stopped it. */
  readonly holds?: string;
};

/** A row of `erasure`. */
export type Job = {
  readonly id: string;
  readonly state: string;
  readonly filter: Filter | null;
  readonly reason: string;
  readonly by: string | null;
  readonly confirmed_by: string | null;
  readonly pseudonym: string;
  readonly counts: Counts;
};

/** Whoever erases holds it, so that one erasure is under way at a time. */
const LOCK = 0x6572_6173;
const PATIENCE_MS = 30_000;
export class Busy extends ErasureRefused {}

/** Runs `job` while no other process erases. Rejects with ErasureRefused when another one does for `patienceMs`. */
export async function alone<T>(
  owner: Database,
  job: () => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const client = await owner.connect();
  try {
    for (const until = performance.now() + patienceMs; ;) {
      // oxlint-disable-next-line no-await-in-loop -- until it is free
      const { rows } = await client.query<{ locked: boolean }>(
        `select pg_try_advisory_lock(${LOCK}) as locked`,
      );
      if (rows[0]?.locked) return await job();
      if (performance.now() > until)
        throw new Busy('another erasure is under way: try again when it is done');
      // oxlint-disable-next-line no-await-in-loop
      await sleep(200);
    }
  } finally {
    await client.end();
  }
}

/** In the transaction that did the work, so that nothing is counted twice. */
export async function addCounts(sql: Sql, id: string, more: Counts): Promise<void> {
  await sql.query(
    `update countersign.erasure set counts = (
       select coalesce(jsonb_object_agg(key, total), '{}') from (
         select key, sum(value::float8) as total from (
           select * from jsonb_each_text(counts) union all select * from jsonb_each_text($2::jsonb)) both_ group by key) sums)
     where id = $1`,
    [id, JSON.stringify(more)],
  );
}

/** A record of this erasure; resolves with its id. */
export async function tell(
  { owner, audit }: EraseParts,
  row: Job,
  said: JsonObject,
): Promise<string> {
  const key = await installationSecret(owner.pool, 'erasure');
  const receipt = await audit.append({
    kind: 'erasure',
    ...(row.by !== null && { person: row.by }),
    body: {
      ...said,
      erasure: row.id,
      filter: committed(row.filter ?? {}, key),
      reason: row.reason,
      ...(row.confirmed_by !== null && { confirmedBy: row.confirmed_by }),
    },
  });
  return receipt.record;
}

export async function jobsOf(
  owner: Database,
  where: string,
  values: readonly unknown[] = [],
): Promise<readonly Job[]> {
  const { rows } = await owner.pool.query<Job>(
    `select id, state, filter, reason, by, confirmed_by, pseudonym, counts from countersign.erasure where ${where} order by at`,
    [...values],
  );
  return rows;
}
