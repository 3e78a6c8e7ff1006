import type { Client } from 'pg';
import type { Check } from './check.ts';

/** Ways past the rules that the target's own rights could close: SQL that names what the role has, and what to do about it. */
const WAYS: readonly {
  readonly what: string;
  readonly found: string;
  readonly next: string;
  readonly sql: string;
}[] = [
  {
    what: 'own tables',
    found: 'owns',
    next: 'let another role own them: an owner changes definitions, and grants itself what was revoked',
    sql: `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and pg_has_role(c.relowner, 'usage')`,
  },
  {
    what: 'functions of others',
    found: 'may call, with the rights of their owner,',
    next: 'revoke execute on them from public and from this role, or let no rule permit execute on them',
    sql: `select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where p.prosecdef and p.oid >= 16384 and not pg_has_role(p.proowner, 'usage')
        and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')`,
  },
  {
    what: 'ways out',
    found: 'may use',
    next: 'drop what is not needed, or revoke usage and execute: these read other servers, files or SQL given as text',
    sql: `select e.extname as name from pg_extension e where e.extname in
        ('adminpack', 'dblink', 'file_fdw', 'pageinspect', 'postgres_fdw', 'tablefunc', 'xml2', 'pg_walinspect', 'pgrowlocks')
        and exists (select from pg_depend d join pg_proc p on p.oid = d.objid and d.classid = 'pg_proc'::regclass
          where d.refobjid = e.oid and d.deptype = 'e' and has_function_privilege(p.oid, 'execute'))
      union all
      select 'language ' || lanname from pg_language where not lanpltrusted and lanname not in ('c', 'internal')
        and has_language_privilege(oid, 'usage')
      union all
      select 'server ' || srvname from pg_foreign_server where has_server_privilege(oid, 'usage')`,
  },
  {
    what: 'statistics',
    found: 'reads the values and statements of others as a member of',
    next: 'revoke them from this role; the gateway needs neither',
    sql: `select r.rolname as name from pg_roles r where r.rolname in ('pg_monitor', 'pg_read_all_stats', 'pg_read_all_settings', 'pg_stat_scan_tables')
        and pg_has_role(r.oid, 'member') and not (select rolsuper from pg_roles where rolname = current_user)`,
  },
  {
    what: 'new objects',
    found: 'may make objects in',
    next: 'revoke create there, unless rules let people define things in it',
    sql: `select format('schema %I', nspname) as name from pg_namespace
      where nspname !~ '^pg_' and nspname <> 'information_schema' and has_schema_privilege(oid, 'create')`,
  },
];
const SHOWN = 3;

/** What the gateway's role may do at the target beside its work; each is a warning, because rules bind people there. */
export async function checkReach(target: string, user: string, client: Client): Promise<Check[]> {
  const checks: Check[] = [];
  for (const { what, found, next, sql } of WAYS) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    const { rows } = await client.query<{ name: string }>(`${sql} order by 1`);
    if (rows.length === 0) continue;
    const names = rows.slice(0, SHOWN).map(({ name }) => name);
    const more = rows.length > SHOWN ? ` and ${rows.length - SHOWN} more` : '';
    checks.push({
      what: `${target}: ${what}`,
      state: 'warn',
      found: `${user} ${found} ${names.join(', ')}${more}`,
      next,
    });
  }
  if (checks.length > 0) return checks;
  return [
    {
      what: `${target}: reach`,
      state: 'ok',
      found: `${user} owns and may call nothing that goes past the rules`,
    },
  ];
}
