import type { Database } from '../store/database.ts';
import { personKey } from './people.ts';

/** Roles of the person's grants that are live by the database's clock, as `<target>/<role>`, sorted. */
export async function liveRoles(db: Database, email: string): Promise<string[]> {
  const { rows } = await db.pool.query<{ role: string }>(
    `select distinct target || '/' || role as role from countersign.access_grant
     where person = $1 and revoked_at is null and starts_at <= clock_timestamp() and ends_at > clock_timestamp()
     order by role`,
    [personKey(email)],
  );
  return rows.map(({ role }) => role);
}
