import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { choosePostgresUser } from '#src/store/embedded-user.ts';
import { need } from './need.ts';
import { freePort, type TestPostgres } from './postgres.ts';

/** Debian's PostgreSQL 15, on a free port of 127.0.0.1. Skip with `without('postgres-15')`; call `stop()` in `after`. */
export async function startOlder(): Promise<Pick<TestPostgres, 'url' | 'host' | 'port' | 'stop'>> {
  const program = need('postgres-15');
  if (program === undefined) throw new Error('PostgreSQL 15 is not installed');
  const as = await choosePostgresUser();
  const dir = await mkdtemp(join(tmpdir(), 'countersign-postgres15-'));
  await chmod(dir, 0o700);
  if (as) await chown(dir, as.uid, as.gid);
  const data = join(dir, 'data');
  const who = {
    ...(as && { uid: as.uid, gid: as.gid }),
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  };
  const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'];
  await promisify(execFile)(join(dirname(program), 'initdb'), init, { ...who, cwd: dir });
  const port = await freePort();
  const settings = [
    'fsync=off',
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_prepared_transactions=4',
  ];
  const child = spawn(
    program,
    ['-D', data, '-p', String(port), ...settings.flatMap((one) => ['-c', one])],
    { ...who, cwd: dir, stdio: 'ignore', detached: true },
  );
  const url = `postgres://postgres:none@127.0.0.1:${port}/postgres`;
  await answers(url);
  return {
    url,
    host: '127.0.0.1',
    port,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGQUIT');
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const client = new Client(url);
    try {
      // oxlint-disable-next-line no-await-in-loop
      await client.connect();
      // oxlint-disable-next-line no-await-in-loop
      return await client.end();
    } catch (error) {
      if (tries > 200) throw error;
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
