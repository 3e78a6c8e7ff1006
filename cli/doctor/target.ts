import pg from 'pg';
import { connectClient } from '#gateway/postgres/analyser/client.ts';
import type { TargetConfig } from '#src/config/config.ts';
import { failed, type Check } from './check.ts';

/** Both roles can sign in, and neither can do more than it is there for. */
export async function checkTarget(target: TargetConfig): Promise<readonly Check[]> {
  const { name, tls } = target;
  const checks = [await gatewayRole(target), await analyserRole(target)];
  if (tls.mode !== 'disable') return checks;
  const local =
    target.host === 'localhost' || target.host.startsWith('127.') || target.host === '::1';
  return [
    ...checks,
    {
      what: `${name}: encryption`,
      state: local ? 'ok' : 'warn',
      found: local ? 'none, on this machine' : 'none',
      ...(!local && { next: `set targets.${name}.tls.mode to verify-full` }),
    },
  ];
}

async function gatewayRole(target: TargetConfig): Promise<Check> {
  const what = `${target.name}: gateway role`;
  const next = `correct targets.${target.name}.url and password, and see that it may log in`;
  try {
    const password = await target.password();
    return await withClient(target, target.user, password, async (client) => {
      const role = await attributes(client);
      if (role.superuser)
        return {
          what,
          state: 'fail' as const,
          found: `${target.user} is a superuser`,
          next: `alter role ${target.user} nosuperuser: rules cannot bind a superuser`,
        };
      const powers = [
        role.bypassrls ? 'bypasses row security' : '',
        role.replication ? 'may replicate' : '',
        role.files ? 'may read or write the server’s files or run its programs' : '',
      ].filter((text) => text !== '');
      return {
        what,
        state: powers.length > 0 ? ('warn' as const) : ('ok' as const),
        found: `${target.user} on PostgreSQL ${role.version}${powers.length > 0 ? `; ${powers.join(', ')}` : ''}`,
        ...(powers.length > 0 && { next: `take from ${target.user} what its people do not need` }),
      };
    });
  } catch (error) {
    return failed(what, error, next);
  }
}

async function analyserRole(target: TargetConfig): Promise<Check> {
  const { user } = target.analyser;
  const what = `${target.name}: analyser role`;
  try {
    const password = await target.analyser.password();
    return await withClient(target, user, password, async (client) => {
      const role = await attributes(client);
      const table = role.superuser ? 'every table' : await readableTable(client);
      if (table !== undefined)
        return {
          what,
          state: 'fail' as const,
          found: `${user} may read ${table}`,
          next: `revoke it: ${user} only parses, and needs CONNECT and USAGE on schemas`,
        };
      await client.query('set log_min_messages = fatal');
      return { what, state: 'ok' as const, found: `${user} reads no table` };
    });
  } catch (error) {
    const denied = error instanceof pg.DatabaseError && error.code === '42501';
    return failed(
      what,
      error,
      denied
        ? `as a superuser: grant set on parameter log_min_messages to ${user}`
        : `correct targets.${target.name}.analyser, and see that it may log in`,
    );
  }
}

type Attributes = {
  readonly version: string;
  readonly superuser: boolean;
  readonly bypassrls: boolean;
  readonly replication: boolean;
  readonly files: boolean;
};

async function attributes(client: pg.Client): Promise<Attributes> {
  const { rows } = await client.query<Attributes>(
    `select current_setting('server_version') as version, rolsuper as superuser, rolbypassrls as bypassrls,
       rolreplication as replication,
       pg_has_role(oid, 'pg_read_server_files', 'member') or pg_has_role(oid, 'pg_write_server_files', 'member')
         or pg_has_role(oid, 'pg_execute_server_program', 'member') as files
     from pg_roles where rolname = current_user`,
  );
  const found = rows[0];
  if (!found) throw new Error('the role is not in pg_roles');
  return found;
}

/** A table outside the system's schemas that this role may read. */
async function readableTable(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and has_any_column_privilege(c.oid, 'select') order by 1 limit 1`,
  );
  return rows[0]?.name;
}

async function withClient<T>(
  target: TargetConfig,
  user: string,
  password: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connectClient(target, {
    database: target.database,
    user,
    password,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
    application_name: 'countersign doctor',
  });
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
