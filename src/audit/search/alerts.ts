import type { Sql } from '../../store/database.ts';

/** A message that a channel is to get. */
export type Alert = {
  readonly id: string;
  readonly view: string;
  /** Name in the configuration. */
  readonly channel: string;
  readonly name: string;
  readonly matches: number;
  readonly attempts: number;
};

const MOST_ATTEMPTS = 30;
const LONGEST_S = 300;

/** Takes what is due for a minute: longer than any post, so that a bot that dies only delays it. */
export async function claimAlerts(sql: Sql): Promise<readonly Alert[]> {
  const { rows } = await sql.query<Alert>(
    `update countersign.search_alert a set attempts = attempts + 1, next_at = clock_timestamp() + interval '1 minute'
     where id in (select id from countersign.search_alert where done_at is null and next_at <= clock_timestamp()
       order by next_at limit 10 for update skip locked)
     returning id, view, channel, name, matches, attempts`,
  );
  return rows;
}

export async function finishAlert(sql: Sql, id: string): Promise<void> {
  await sql.query('update countersign.search_alert set done_at = clock_timestamp() where id = $1', [
    id,
  ]);
  await sql.query(
    `delete from countersign.search_alert where done_at < clock_timestamp() - interval '7 days'`,
  );
}

/** Tried again after so many seconds, else after a pause that doubles; in the end it is let go. */
export async function deferAlert(
  sql: Sql,
  { id, attempts }: Alert,
  seconds?: number,
): Promise<void> {
  const pause = seconds ?? Math.min(LONGEST_S, 2 ** Math.min(attempts, 10));
  await sql.query(
    `update countersign.search_alert set next_at = clock_timestamp() + $2 * interval '1 second',
       done_at = case when attempts >= ${MOST_ATTEMPTS} then clock_timestamp() end where id = $1`,
    [id, pause],
  );
}
