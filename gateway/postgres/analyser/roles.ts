import type { Client } from 'pg';
import { z } from 'zod';

/** What a role of the target may do that rules cannot bind. */
export type Role = {
  /** It may do something that lets it past the rules, by itself or as a role that it may become. */
  readonly privileged: boolean;
  /** It may become one of the gateway's own. */
  readonly own: boolean;
};

const roleRow = z.object({ privileged: z.boolean(), own: z.boolean() });

// Member in any way: what a role may not become now it may once somebody grants it the option.
const ROLE = `
  select r.rolcreaterole or r.rolreplication or exists (
      select from pg_catalog.pg_roles s where pg_catalog.pg_has_role(r.oid, s.oid, 'member')
        and (s.rolsuper or s.rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))) as privileged,
    exists (select from pg_catalog.pg_roles o where o.rolname = any ($2) and pg_catalog.pg_has_role(r.oid, o.oid, 'member')) as own
  from pg_catalog.pg_roles r where r.rolname = $1`;

/** Undefined when there is no such role. `own` are the roles that the gateway uses itself. */
export async function roleAt(
  client: Client,
  name: string,
  own: readonly string[],
): Promise<Role | undefined> {
  const { rows } = await client.query(ROLE, [name, own]);
  return roleRow.optional().parse(rows[0]);
}

const USAGE = `
  select n.nspname as name from pg_catalog.pg_namespace n, pg_catalog.pg_roles r
  where r.rolname = $1 and pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')`;
const usageRow = z.object({ name: z.string() });

/** The schemas that a role may look into; none for a role that is not there. */
export async function schemasOfRole(client: Client, name: string): Promise<ReadonlySet<string>> {
  const { rows } = await client.query(USAGE, [name]);
  return new Set(
    z
      .array(usageRow)
      .parse(rows)
      .map((row) => row.name),
  );
}
