import type { Sql } from '../store/database.ts';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;

/** A card that must be brought up to `version` of its request. `attempts` counts this one. */
export type Due = {
  readonly id: string;
  readonly request: string;
  readonly version: number;
  readonly attempts: number;
};

/** Rows that may be tried now, oldest first; hints that were lost are found here. */
export async function dueOutbox(sql: Sql, limit: number): Promise<readonly string[]> {
  const { rows } = await sql.query<{ id: string }>(
    `select id from countersign.outbox where done_at is null and next_at <= clock_timestamp()
       order by next_at limit $1`,
    [limit],
  );
  return rows.map((row) => row.id);
}

/**
 * Takes a row that is due and puts its next attempt off, doubling up to a minute; so a process that dies while it works
 * only delays the card. Undefined when it is done, or not due yet.
 */
export async function claimOutbox(sql: Sql, id: string): Promise<Due | undefined> {
  const { rows } = await sql.query<Due>(
    `update countersign.outbox set attempts = attempts + 1,
       next_at = clock_timestamp() + least($3, $2 * power(2, least(attempts, 20))) * interval '1 millisecond'
     where id = $1 and done_at is null and next_at <= clock_timestamp()
     returning id, request, version, attempts`,
    [id, FIRST_RETRY_MS, LAST_RETRY_MS],
  );
  return rows[0];
}

/** Marks everything done that chat now shows: this request's rows up to `version`. */
export async function completeOutbox(sql: Sql, request: string, version: number): Promise<void> {
  await sql.query(
    `update countersign.outbox set done_at = clock_timestamp()
       where request = $1 and version <= $2 and done_at is null`,
    [request, version],
  );
}

/** Tries this row again after `ms`, for example because chat said so. */
export async function deferOutbox(sql: Sql, id: string, ms: number): Promise<void> {
  await sql.query(
    `update countersign.outbox set next_at = clock_timestamp() + $2 * interval '1 millisecond'
       where id = $1 and done_at is null`,
    [id, ms],
  );
}
