import { z } from 'zod';
import type { TargetConfig } from '#src/config/config.ts';
import { analyserClient } from './connection.ts';

// What is set for the role in this database, for the role, for the database, for everybody; else the server's own.
const SQL = `
  select coalesce((
    select substr(one, length('search_path=') + 1) from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) one
    where one like 'search\\_path=%'
      and s.setrole in (0, (select oid from pg_catalog.pg_roles where rolname = $1))
      and s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
    order by s.setrole = 0, s.setdatabase = 0 limit 1),
    pg_catalog.current_setting('search_path')) as path`;
const row = z.object({ path: z.string() });

/** The search path that a new session of this role has. Rejects when the target cannot be asked. */
export async function searchPathOf(
  target: TargetConfig,
  database: string,
  role: string,
): Promise<string> {
  const client = await analyserClient(target, database, {});
  try {
    const { rows } = await client.query(SQL, [role]);
    return row.parse(rows[0]).path;
  } finally {
    await client.end();
  }
}
