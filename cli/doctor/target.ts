import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { connectClient } from '#gateway/postgres/analyser/client.ts';
import type { TargetConfig } from '#src/config/config.ts';
import { failed, type Check } from './check.ts';
import { clock } from './clock.ts';
import { checkReach } from './reach.ts';

/** Both roles can sign in, and neither can do more than it is there for. */
export async function checkTarget(target: TargetConfig): Promise<readonly Check[]> {
  const { name, tls } = target;
  const checks = [
    ...(target.personal ? await personalRoles(target) : await gatewayRole(target)),
    await analyserRole(target),
    await demandsPassword(target),
  ];
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

/** What each role attribute or membership allows; `bad` ones let people past the rules, the others are more than is needed. */
const POWERS = [
  { name: 'superuser', bad: true, says: 'is a superuser', take: 'nosuperuser' },
  {
    name: 'createrole',
    bad: true,
    says: 'may make roles and grant itself others',
    take: 'nocreaterole',
  },
  {
    name: 'replication',
    bad: true,
    says: 'may replicate, and so read everything',
    take: 'noreplication',
  },
  {
    name: 'files',
    bad: true,
    says: 'may read or write the server’s files or run its programs',
    take: 'revoke pg_read_server_files, pg_write_server_files, pg_execute_server_program',
  },
  { name: 'bypassrls', bad: false, says: 'bypasses row security', take: 'nobypassrls' },
  { name: 'createdb', bad: false, says: 'may make databases', take: 'nocreatedb' },
  {
    name: 'everything',
    bad: false,
    says: 'reads or writes every table, also those made later',
    take: 'revoke pg_read_all_data, pg_write_all_data',
  },
  {
    name: 'others',
    bad: false,
    says: 'may end the sessions of others',
    take: 'revoke pg_signal_backend',
  },
] as const;
type Power = (typeof POWERS)[number]['name'];
const OLDEST = 13;

async function gatewayRole(target: TargetConfig): Promise<readonly Check[]> {
  const what = `${target.name}: gateway role`;
  const next = `correct targets.${target.name}.url and password, and see that it may log in`;
  try {
    const password = await target.password();
    return await withClient(target, target.user, password, async (client) => {
      const asked = Date.now();
      const role = await attributes(client);
      return [
        powers(what, target.user, role),
        ...(await checkReach(target.name, target.user, client)),
        version(target.name, role),
        clock(target.name, role.now.getTime(), asked, Date.now()),
      ];
    });
  } catch (error) {
    return [failed(what, error, next)];
  }
}

/** Each person's role is looked at when they connect; here the server is asked as the analyser. */
async function personalRoles(target: TargetConfig): Promise<readonly Check[]> {
  const { name, analyser } = target;
  const what = `${name}: people’s roles`;
  const own = { what, state: 'ok' as const, found: `each person logs in as ${target.user}` };
  try {
    const password = await analyser.password();
    return await withClient(target, analyser.user, password, async (client) => {
      const asked = Date.now();
      const role = await attributes(client);
      return [own, version(name, role), clock(name, role.now.getTime(), asked, Date.now())];
    });
  } catch {
    // The check of the analyser's role says why.
    return [own];
  }
}

export function powers(what: string, user: string, role: Record<Power, boolean>): Check {
  const has = POWERS.filter(({ name }) => role[name]);
  if (has.length === 0)
    return { what, state: 'ok', found: `${user} has no power beyond its tables` };
  return {
    what,
    state: has.some(({ bad }) => bad) ? 'fail' : 'warn',
    found: `${user} ${has.map(({ says }) => says).join(', ')}`,
    next: `take from ${user}: ${has.map(({ take }) => take).join(', ')}; rules cannot bind what these allow`,
  };
}

function version(name: string, { version: found, number }: Attributes): Check {
  const good = number >= OLDEST * 10_000;
  return {
    what: `${name}: server`,
    state: good ? 'ok' : 'fail',
    found: `PostgreSQL ${found}`,
    ...(!good && { next: `use PostgreSQL ${OLDEST} or later` }),
  };
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
      if (!(await handsOutTree(client)))
        return {
          what,
          state: 'fail' as const,
          found: 'the server does not hand out its analysed tree (debug_print_rewritten)',
          next: `let targets.${target.name} reach PostgreSQL itself, without a pooler in between: no statement can be judged now`,
        };
      return powers(what, user, role);
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

/** Whether lineage can be read from this server. */
async function handsOutTree(client: pg.Client): Promise<boolean> {
  let found = false;
  client.on('notice', ({ detail }) => {
    if (detail?.startsWith('(') === true) found = true;
  });
  await client.query('set client_min_messages = log');
  await client.query('set debug_print_rewritten = on');
  await client.query('select 1');
  return found;
}

/** A server that asks for no password lets everybody who reaches it past the gateway. */
async function demandsPassword(target: TargetConfig): Promise<Check> {
  const what = `${target.name}: password`;
  const wrong = randomBytes(16).toString('hex');
  try {
    const user = target.personal ? target.analyser.user : target.user;
    await withClient(target, user, wrong, () => Promise.resolve());
    return {
      what,
      state: 'fail',
      found: 'a wrong password is accepted',
      next: 'pg_hba.conf says trust for this machine: change it to scram-sha-256',
    };
  } catch (error) {
    const refused = error instanceof pg.DatabaseError && error.code === '28P01';
    if (refused) return { what, state: 'ok', found: 'a wrong one is refused' };
    return failed(what, error, 'whether a wrong password is refused could not be seen');
  }
}

type Attributes = Record<Power, boolean> & {
  readonly version: string;
  readonly number: number;
  readonly now: Date;
};

async function attributes(client: pg.Client): Promise<Attributes> {
  const { rows } = await client.query<Attributes>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
       clock_timestamp() as now, rolsuper as superuser, rolcreaterole as createrole, rolcreatedb as createdb,
       rolbypassrls as bypassrls, rolreplication as replication, ${member('files', FILES)},
       ${member('everything', EVERYTHING)}, ${member('others', ['pg_signal_backend'])}
     from pg_roles me where rolname = current_user`,
  );
  const found = rows[0];
  if (!found) throw new Error('the role is not in pg_roles');
  return found;
}

const FILES = ['pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'];
const EVERYTHING = ['pg_read_all_data', 'pg_write_all_data'];

/** Whether this role is in one of these; a server that does not know one of them has nobody in it. */
function member(as: string, roles: readonly string[]): string {
  const names = roles.map((role) => `'${role}'`).join(', ');
  return `exists (select from pg_roles r where r.rolname in (${names}) and pg_has_role(me.oid, r.oid, 'member')) as ${as}`;
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
