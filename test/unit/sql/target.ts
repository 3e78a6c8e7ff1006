import { readFile } from 'node:fs/promises';
import { Client } from 'pg';
import type { TargetConfig } from '#src/config/config.ts';
import type { Resource } from '#src/statement/effect.ts';
import type { Analysis, NamedThings, Part, SqlSettings } from '#src/statement/sql/analysis.ts';
import { type Analyser, openAnalyser } from '#gateway/postgres/analyser.ts';
import { startPostgres, type TestPostgres } from '../../fakes/postgres.ts';

/** A small shop with one of everything. */
export const schema = `
  create table customers (id int primary key, name text not null, email text, phone text, ssn text, card text);
  create table orders (id int primary key, customer_id int references customers, status text, total numeric);
  create table payments (id int primary key, order_id int references orders on delete cascade, amount numeric, card text);
  create view contacts as select id, name, email as mail, ssn as nid from customers;
  create view contacts2 as select id, upper(nid) as shout, mail from contacts where nid is not null;
  create view barrier with (security_barrier) as select id, ssn from customers;
  create materialized view copies as select id, ssn as number from customers;
  create table events (id int, secret text) partition by range (id);
  create table events1 partition of events for values from (0) to (10);
  create table animals (id int, secret text);
  create table dogs (breed text) inherits (animals);
  create table people (id int, ssn text, tail text generated always as (right(ssn, 4)) stored);
  create table guarded (id int, owner text);
  alter table guarded enable row level security;
  create policy own on guarded using (owner = current_user);
  create table watched (id int);
  create function loud() returns trigger language plpgsql as 'begin return new; end';
  create trigger watch before insert on watched for each row execute function loud();
  create function get_ssn(i int) returns text language sql as 'select ssn from customers where id = i';
  create function get_secret(i int) returns text language plpgsql security definer as 'begin return (select ssn from customers where id = i); end';
  create function add_text(a text, b text) returns text language sql as 'select $1 || $2';
  create operator public.### (leftarg = text, rightarg = text, function = add_text);
  create procedure clean(i int) language sql as 'delete from orders where id = i';
  create domain positive as int check (value > 0);
  create type mood as enum ('sad', 'glad');
  create sequence numbers;
  create schema other;
  create table other.orders (id int, status text);
  create schema closed;
  create table closed.orders (id int);
  create role app login;
  create role analyser login;
  grant usage on schema other to public;
  grant usage on schema closed to app;
  grant set on parameter log_min_messages to analyser;`;

export type TestTarget = {
  readonly config: TargetConfig;
  readonly analyser: Analyser;
  readonly errors: readonly Error[];
  /** Runs SQL as the owner. */
  sql(text: string): Promise<void>;
  /** The server's log. */
  log(): Promise<string>;
  /** A session of the owner's own, for locks. */
  session(): Promise<Client>;
  analyse(text: string, options?: Partial<AnalyseWith>): Promise<Analysis>;
  close(): Promise<void>;
};
type AnalyseWith = {
  readonly path: string;
  readonly named: NamedThings;
  readonly types: readonly number[];
  readonly fresh: boolean;
};

export const nothingNamed: NamedThings = { prepared: new Map(), cursors: new Map() };

/** A PostgreSQL with a small shop, and an analyser for it. */
export async function startTarget(
  server: TargetServer | Promise<TargetServer> = startPostgres(),
): Promise<TestTarget> {
  return targetOn(await server);
}

type TargetServer = Pick<TestPostgres, 'url' | 'host' | 'port' | 'stop'> & {
  readonly logFile?: string;
};

async function targetOn(server: TargetServer): Promise<TestTarget> {
  const admin = new Client({ connectionString: server.url });
  await admin.connect();
  await admin.query('create database shop');
  await admin.end();
  const url = new URL(server.url);
  const connect = async (): Promise<Client> => {
    const own = new Client({
      host: server.host,
      port: server.port,
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: 'shop',
    });
    own.on('error', () => undefined);
    await own.connect();
    return own;
  };
  const owner = await connect();
  await owner.query(schema);
  await owner.query(`alter role analyser password 'analyser'`);
  const config: TargetConfig = {
    name: 'shop',
    protocol: 'postgres',
    environment: 'test',
    timeZone: 'UTC',
    host: server.host,
    port: server.port,
    user: 'app',
    password: async () => 'app',
    database: 'shop',
    analyser: { user: 'analyser', password: async () => 'analyser' },
    tls: { mode: 'disable' },
    hold: { inTransactionMs: 1000, resendMs: 1000 },
    record: { rows: 10, bytes: 1000 },
  };
  const errors: Error[] = [];
  const analyser = openAnalyser(config, 'shop', { onError: (error) => errors.push(error) });
  await analyser.ready();
  return {
    config,
    analyser,
    errors,
    session: connect,
    log: () => readFile(server.logFile ?? '', 'utf8'),
    async sql(text) {
      await owner.query(text);
    },
    analyse(
      text,
      { path = '"$user", public', named = nothingNamed, types = [], fresh = false } = {},
    ) {
      const settings: SqlSettings = { searchPath: path, user: 'app' };
      return analyser.analyse(text, settings, named, { fresh, parameterTypes: types });
    },
    async close() {
      await analyser.close();
      await owner.end();
      await server.stop();
    },
  };
}

/** The columns that rules hide in these tests. */
export const isRuled = (column: Resource): boolean =>
  ['ssn', 'card', 'secret'].includes(column.path[3] ?? '');

/** Resources without target and, where it is public, schema. */
const short = (resource: Resource): string =>
  resource.path
    .slice(1)
    .join('.')
    .replace(/^public\./, '') || '*';

/** One line a statement: class, accesses, outputs, column uses, flags. */
export function brief(analysis: Analysis): string {
  if (analysis.refused)
    return `refused ${analysis.refused.rule.replace('countersign/', '')} ${analysis.refused.code}`;
  return analysis.parts.map((part) => briefPart(part)).join(' ; ');
}

function briefPart({ effect, ...part }: Part): string {
  const outputs = effect.outputs?.map(
    ({ sources, verbatim }) =>
      `${sources.map((source) => short(source)).join('+') || '-'}${verbatim ? '=' : ''}`,
  );
  const flags = [
    !effect.bounded && 'unbounded',
    effect.opaque && 'opaque',
    effect.upsert && 'upsert',
    part.defines && 'defines',
    part.copy && `copy-${part.copy}`,
    part.touchesRuled(isRuled) && 'ruled',
  ].filter(Boolean);
  return [
    effect.class,
    effect.accesses.map(({ action, resource }) => `${action} ${short(resource)}`).join(', '),
    outputs && `-> ${outputs.join(', ')}`,
    effect.columns.length > 0 &&
      `| ${effect.columns.map(({ action, column }) => `${action} ${short(column)}`).join(', ')}`,
    flags.length > 0 && `! ${flags.join(' ')}`,
  ]
    .filter(Boolean)
    .join(' ');
}
