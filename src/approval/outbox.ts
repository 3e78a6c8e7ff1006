import type { Sql } from '../store/database.ts';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;

/** A request whose card is behind. `attempts` counts this one. */
export type Due = { readonly request: string; readonly attempts: number };

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
 * Takes all open rows of this row's request, for a minute: longer than any delivery, so that no two bots work on one
 * card, and a bot that dies only delays it. Undefined when it is done, taken, or waiting for its next attempt.
 */
export async function claimOutbox(sql: Sql, id: string): Promise<Due | undefined> {
  const { rows } = await sql.query<Due>(
    `with open as (
       select id, next_at from countersign.outbox where done_at is null
         and request = (select request from countersign.outbox where id = $1) order by id for update)
     update countersign.outbox o set attempts = attempts + 1, next_at = clock_timestamp() + interval '1 minute'
       from open where o.id = open.id and not exists (select from open where next_at > clock_timestamp())
       returning o.request, o.attempts`,
    [id],
  );
  return rows.toSorted((a, b) => b.attempts - a.attempts)[0];
}

/** Marks everything done that chat now shows: the request's rows up to `version`. */
export async function completeOutbox(sql: Sql, request: string, version: number): Promise<void> {
  await sql.query(
    `update countersign.outbox set done_at = clock_timestamp()
       where request = $1 and version <= $2 and done_at is null`,
    [request, version],
  );
}

/** Lets go of a request; it is tried again after `ms`, else after a pause that doubles up to a minute. */
export async function deferOutbox(sql: Sql, due: Due, ms?: number): Promise<void> {
  const pause = ms ?? Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (due.attempts - 1));
  await sql.query(
    `update countersign.outbox set next_at = clock_timestamp() + $2 * interval '1 millisecond'
       where request = $1 and done_at is null`,
    [due.request, pause],
  );
}
