import type { Database } from '../store/database.ts';
import { GRANT, GrantRow } from './grant-rows.ts';
import type { Grant } from './request.ts';

const BATCH = 100;
const LEAD = `least(interval '15 minutes', greatest(interval '2 minutes', (g.ends_at - g.starts_at) / 10))`;

/**
 * Live ones that end soon, and whose person was not told so: a tenth of their time before, at least 2 and at most 15
 * minutes. One that lasts no longer than that begins with its warning, so there is none.
 */
const ENDS_SOON = `g.ended_at is null and g.warned_at is null and g.starts_at <= clock_timestamp()
  and g.ends_at > clock_timestamp() and g.ends_at - ${LEAD} <= clock_timestamp() and g.ends_at - ${LEAD} > g.starts_at`;

/** Break-glass that ended an hour ago and waits for its review; then once a day. */
const UNREVIEWED = `g.kind = 'break-glass' and g.reviewed_at is null and g.ended_at <= clock_timestamp() - interval '1 hour'
  and (g.reminded_at is null or g.reminded_at <= clock_timestamp() - interval '1 day')`;

type Told = { readonly where: string; readonly mark: string };
export const WARNING: Told = { where: ENDS_SOON, mark: 'warned_at = clock_timestamp()' };
export const REMINDER: Told = {
  where: UNREVIEWED,
  mark: 'reminders = reminders + 1, reminded_at = clock_timestamp()',
};

/** `reminders`: how often reviewers were reminded before. */
export type DueGrant = { readonly grant: Grant; readonly reminders: number };

/** Grants about which this is due, the most urgent first. */
export async function dueGrants(db: Database, { where }: Told): Promise<readonly DueGrant[]> {
  const { rows } = await db.pool.query<{ id: string; reminders: number }>(
    `select g.id, g.reminders from countersign.access_grant g where ${where} order by g.ends_at limit ${BATCH}`,
  );
  if (rows.length === 0) return [];
  const told = new Map(rows.map(({ id, reminders }) => [id, reminders]));
  const found = await db.pool.query(`${GRANT} where g.id = any($1) order by g.ends_at`, [
    [...told.keys()],
  ]);
  return found.rows.map((row) => {
    const grant = GrantRow.parse(row);
    return { grant, reminders: told.get(grant.id) ?? 0 };
  });
}

/**
 * Marks it as told. Several processes may have found the same to be due: each says it under the same key, which makes one
 * message, and one of them marks it.
 */
export async function markTold(
  db: Database,
  { grant, reminders }: DueGrant,
  { mark }: Told,
): Promise<void> {
  await db.pool.query(
    `update countersign.access_grant set ${mark} where id = $1 and reminders = $2`,
    [grant.id, reminders],
  );
}
