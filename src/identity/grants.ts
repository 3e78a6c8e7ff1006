import type { Database } from '../store/database.ts';
import { personKey } from './people.ts';

/** Roles of a person, and for how long that answer holds: a grant begins or ends then. */
export type Roles = {
  readonly roles: readonly string[];
  /** Of these, the ones that do not wait for their first use. */
  readonly started: readonly string[];
  readonly forMs: number;
};

/**
 * Roles of the person's grants by the database's clock, as `<target>/<role>`, sorted. One that waits for its first use
 * counts: the use that starts it must be permitted.
 */
export async function rolesOf(db: Database, email: string): Promise<Roles> {
  const { rows } = await db.pool.query<{
    role: string;
    live: boolean;
    started: boolean;
    for_ms: number;
  }>(
    `select target || '/' || role as role, coalesce(starts_at <= now, true) as live, coalesce(starts_at <= now, false) as started,
       extract(epoch from case when starts_at > now then starts_at else coalesce(ends_at, use_by) end - now)::float8 * 1000 as for_ms
     from countersign.access_grant, clock_timestamp() as now
     where person = $1 and ended_at is null and revoked_at is null and coalesce(ends_at, use_by) > now`,
    [personKey(email)],
  );
  return {
    roles: [...new Set(rows.flatMap(({ role, live }) => (live ? role : [])))].toSorted(),
    started: [...new Set(rows.flatMap(({ role, started }) => (started ? role : [])))].toSorted(),
    forMs: Math.min(Infinity, ...rows.map(({ for_ms }) => for_ms)),
  };
}

/** As `rolesOf`, for who asks once. */
export async function liveRoles(db: Database, email: string): Promise<readonly string[]> {
  return (await rolesOf(db, email)).roles;
}
