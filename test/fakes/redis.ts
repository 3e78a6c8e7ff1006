import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { need, type Tool, without } from './need.ts';
import { freePort } from './postgres.ts';

export type TestRedis = {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Asks for this password from now on; `command` knows it. */
  protect(password: string): Promise<void>;
  /** Runs one command, as the default user. */
  command(name: string, ...args: (string | number)[]): Promise<any>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again, empty, on its port. */
  start(): Promise<void>;
  /** SIGSTOP and SIGCONT: connections stay open and nobody answers. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
};

const live = new Set<ChildProcess>();
process.on('exit', () => live.forEach((child) => child.kill('SIGKILL')));

let everywhere = false;
/** Runs a test file, named from test/, with the queue on Redis wherever it starts a gateway and names no queue. */
export async function onRedis(file: string, ...tools: readonly Tool[]): Promise<void> {
  const skip = without('redis-server', ...tools);
  everywhere = true;
  if (skip) test(`${file} with the queue on Redis`, { skip });
  else await import(`../${file}`);
}
export const usualQueue = (): 'postgres' | 'redis' => (everywhere ? 'redis' : 'postgres');

/** A Redis of its own on a free port of 127.0.0.1, that keeps nothing on disk. Settings are those of redis.conf. */
export async function startRedis(
  settings: Readonly<Record<string, string>> = {},
): Promise<TestRedis> {
  const port = await freePort();
  const all = { port: String(port), save: '""', appendonly: 'no', ...settings };
  return await startServer(port, all, []);
}

/** A Sentinel that sees after this master, called `mymaster`; a master that is away for half a second is replaced. */
export async function startSentinel(
  master: TestRedis,
  more: Readonly<Record<string, string>> = {},
): Promise<TestRedis> {
  const port = await freePort();
  const settings = {
    port: String(port),
    'sentinel monitor': `mymaster 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds': 'mymaster 500',
    'sentinel failover-timeout': 'mymaster 2000',
    ...more,
  };
  return await startServer(port, settings, ['--sentinel']);
}

async function startServer(
  port: number,
  settings: Readonly<Record<string, string>>,
  flags: readonly string[],
): Promise<TestRedis> {
  const file = need('redis-server');
  if (file === undefined) throw new Error('redis-server is not installed');
  const dir = await mkdtemp(join(tmpdir(), 'countersign-redis-'));
  const conf = join(dir, 'redis.conf');
  const own = { bind: '127.0.0.1', dir, logfile: join(dir, 'log'), ...settings };
  const lines = Object.entries(own).map(([key, value]) => `${key} ${value}\n`);
  await writeFile(conf, lines.join(''));
  let child: ChildProcess;
  let password: string | undefined;
  const redis: TestRedis = {
    url: `redis://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    async protect(wanted) {
      await redis.command('acl', 'setuser', 'default', 'resetpass', `>${wanted}`);
      password = wanted;
    },
    async command(name, ...args) {
      const client = new Redis({
        host: '127.0.0.1',
        port,
        ...(password !== undefined && { password }),
        lazyConnect: true,
        retryStrategy: null,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return await client.call(name, ...args);
      } finally {
        client.disconnect();
      }
    },
    async kill() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      live.delete(child);
    },
    async start() {
      child = spawn(file, [conf, ...flags], { stdio: 'ignore' });
      live.add(child);
      for (const until = AbortSignal.timeout(10_000); ; until.throwIfAborted()) {
        if (await redis.command('ping').catch(() => undefined)) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      if (live.has(child)) await redis.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
  await redis.start();
  return redis;
}
