import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../fakes/postgres.ts';

/** Debian's PostgreSQL 15: its suites compare with what this very version says. */
export const BIN = '/usr/lib/postgresql/15/bin';

export type Server = {
  readonly port: number;
  /** Connects without a password. */
  readonly superuser: 'postgres';
  /** The account that its files belong to: the suites' tools must run under it too. */
  readonly account: { readonly uid: number; readonly gid: number } | undefined;
  readonly dir: string;
  sql(database: string, ...statements: readonly string[]): Promise<void>;
  stop(): Promise<void>;
};

/** PostgreSQL 15 in a folder of its own, trusting everybody on this machine. */
export async function startServer(): Promise<Server> {
  const account = process.getuid?.() === 0 ? accountOf('postgres') : undefined;
  const dir = await mkdtemp(join(tmpdir(), 'countersign-suite-'));
  if (account) await chown(dir, account.uid, account.gid);
  const env = { ...process.env, LC_ALL: 'C' };
  const data = join(dir, 'data');
  const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-locale', '-E', 'UTF8', '-N'];
  execFileSync(join(BIN, 'initdb'), init, { ...account, env, stdio: 'ignore', cwd: dir });
  const port = await freePort();
  const settings = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: dir,
    fsync: 'off',
    max_prepared_transactions: '2',
    max_connections: '100',
    wal_level: 'logical',
  };
  const log = await open(join(dir, 'log'), 'w');
  const child: ChildProcess = spawn(
    join(BIN, 'postgres'),
    [
      '-D',
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    { ...account, env, cwd: dir, stdio: ['ignore', log.fd, log.fd] },
  );
  await log.close();
  const ended = once(child, 'exit');
  const server: Server = {
    port,
    superuser: 'postgres',
    account,
    dir,
    async sql(database, ...statements) {
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database });
      await client.connect();
      try {
        for (const statement of statements) await client.query(statement);
      } finally {
        await client.end();
      }
    },
    async stop() {
      child.kill('SIGINT');
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
  for (let tries = 0; ; tries += 1) {
    const up = await server.sql('postgres', 'select 1').then(
      () => true,
      () => false,
    );
    if (up) return server;
    if (tries > 100 || child.exitCode !== null) throw new Error('PostgreSQL 15 did not start');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function accountOf(name: string): { uid: number; gid: number } {
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
