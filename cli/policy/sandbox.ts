import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import type { TargetConfig } from '#src/config/config.ts';
import { type Cluster, startCluster, StartError } from '#src/store/embedded.ts';
import { databaseExists, ensureRole, urlFor, withClient } from '#src/store/embedded-database.ts';
import { usageFailure } from '../failure.ts';

/** A server of our own that holds schemas only; statements are parsed on it and never run. */
export type Sandbox = AsyncDisposable & {
  /** A target of that name with the tables of this SQL, which is loaded once and kept. Rejects when it does not load. */
  target(facts: Facts, schema: string): Promise<TargetConfig>;
};
type Facts = Pick<TargetConfig, 'name' | 'environment' | 'timeZone'>;

/** Of how the databases are prepared: another number, and kept ones are made anew. */
const VERSION = 1;
/** When there are more, all of them go. */
const MOST = 32;
const NAME = 'policy-test';
const SETTINGS = { fsync: 'off', shared_buffers: '32MB', max_connections: '40' };

/** Starts the server that is kept for this, or another one while a second test run uses that. */
export async function openSandbox(): Promise<Sandbox> {
  await using opened = new AsyncDisposableStack();
  const cluster = await start(opened);
  const password = randomBytes(24).toString('base64url');
  await withClient(cluster.url, async (client) => {
    await ensureRole(client, 'gateway', password);
    await ensureRole(client, 'analyser', password);
    await client.query('grant set on parameter log_min_messages to analyser');
    await tidy(client);
  });
  const parts = opened.move();
  return {
    async target(facts, schema) {
      const database = await load(cluster, schema);
      return { ...facts, ...REST, port: cluster.port, database, ...roles(password) };
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

const REST = {
  protocol: 'postgres',
  host: '127.0.0.1',
  tls: { mode: 'disable' },
  hold: { inTransactionMs: 300_000, resendMs: 900_000 },
  record: { rows: 0, bytes: 0 },
} as const;

function roles(password: string): Pick<TargetConfig, 'user' | 'password' | 'analyser'> {
  const secret = (): Promise<string> => Promise.resolve(password);
  return { user: 'gateway', password: secret, analyser: { user: 'analyser', password: secret } };
}

async function start(opened: AsyncDisposableStack): Promise<Cluster> {
  const kept = join(homedir(), '.cache', 'countersign');
  try {
    await mkdir(kept, { recursive: true });
    return await open(kept, opened);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // In use by another run, or a home that cannot be written: one for this run only.
    const dir = await mkdtemp(join(tmpdir(), 'countersign-policy-'));
    await chmod(dir, 0o711);
    opened.defer(() => rm(dir, { recursive: true, force: true }));
    return open(dir, opened);
  }
}

const log = (): void => undefined;

async function open(dir: string, opened: AsyncDisposableStack): Promise<Cluster> {
  const port = await freePort();
  const cluster = await startCluster({ dir, name: NAME, port, log, settings: SETTINGS });
  opened.defer(() => cluster.stop());
  stopWithUs(cluster, opened);
  return cluster;
}

/** It runs in a process group of its own, so Ctrl-C does not reach it. */
function stopWithUs({ pid }: Cluster, opened: AsyncDisposableStack): void {
  const stop = (): void => {
    // PostgreSQL's fast shutdown.
    if (pid > 0) process.kill(pid, 'SIGINT');
    process.exit(130);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, stop);
    opened.defer(() => void process.off(signal, stop));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new StartError('no free port', '');
  return address.port;
}

/** The name of the database that has this schema, and nothing else. */
async function load(cluster: Cluster, schema: string): Promise<string> {
  // psql's own commands, which pg_dump writes.
  const sql = schema.replaceAll(/^\\(?:un)?restrict .*$/gm, '');
  const hash = createHash('sha256').update(`${VERSION}\0${sql}`).digest('hex');
  const name = `schema_${hash.slice(0, 24)}`;
  if (await withClient(cluster.url, (client) => databaseExists(client, name))) return name;
  const filling = `filling_${process.pid}`;
  await withClient(cluster.url, async (client) => {
    await client.query(`drop database if exists ${filling}`);
    await client.query(`create database ${filling}`);
  });
  await withClient(within(cluster, filling), async (client) => {
    await client.query(sql).catch((error: unknown) => {
      throw usageFailure(
        `the schema does not load: ${error instanceof Error ? error.message : String(error)}`,
        'pg_dump --schema-only --no-owner --no-privileges writes one that does; roles are not needed',
      );
    });
    await client.query(RIGHTS);
  });
  await withClient(cluster.url, (client) =>
    client.query(`alter database ${filling} rename to ${name}`),
  );
  return name;
}

// The analyser resolves names in every schema; nobody reads a row.
const RIGHTS = `do $$ declare name text; begin
  for name in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
    execute format('grant usage on schema %I to gateway, analyser', name);
  end loop; end $$`;

async function tidy(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select datname as name from pg_database where datname ~ '^schema_' or datname ~ '^filling_'`,
  );
  if (rows.length <= MOST) return;
  for (const { name } of rows)
    // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other on one connection
    await client.query(`drop database ${client.escapeIdentifier(name)}`);
}

function within(cluster: Cluster, database: string): string {
  const { username, password } = new URL(cluster.url);
  return urlFor(cluster.url, username, password, database);
}
