import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, open, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { choosePostgresUser } from '#src/store/embedded-user.ts';
import type { Place } from './pgbench.ts';
import type { Pgbouncer } from './programs.ts';

/** A process between client and target. */
export type Middle = { readonly place: Place; readonly pid: number; stop(): Promise<void> };

const GATEWAY = new URL('gateway-process.ts', import.meta.url);

export type GatewayOptions = {
  readonly config: string;
  readonly name: string;
  readonly logFile: string;
  readonly auditLog: 'real' | 'faked';
};

/** Rejects with the gateway's own words, which it writes to our standard error, when it does not start. */
export async function startGateway(options: GatewayOptions): Promise<Middle> {
  const { config, name, logFile, auditLog } = options;
  const child = fork(GATEWAY, [config, name, logFile, auditLog]);
  const ended = once(child, 'exit');
  const ready = once(child, 'message').then(([message]: unknown[]) => message);
  const message = await Promise.race([ready, ended.then(() => undefined)]);
  if (!isReady(message)) throw new Error(`the gateway ${name} ended while it started`);
  return {
    place: {
      host: '127.0.0.1',
      port: message.port,
      user: 'engineer@example.com',
      password: message.token,
      database: 'shop',
    },
    pid: child.pid ?? 0,
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

function isReady(message: unknown): message is { port: number; token: string } {
  return typeof message === 'object' && message !== null && 'port' in message && 'token' in message;
}

/** pgbouncer in session pooling, with SCRAM on both sides, as its users set it up in front of a single server. */
export async function startPgbouncer(
  { path }: Pgbouncer,
  { folder, port, target }: { folder: string; port: number; target: Place },
): Promise<Middle> {
  const as = await choosePostgresUser();
  const home = join(folder, 'pgbouncer');
  await mkdir(home);
  const [config, users] = [join(home, 'pgbouncer.ini'), join(home, 'users')];
  await writeFile(users, `"${target.user}" "${target.password}"\n`, { mode: 0o600 });
  await writeFile(config, pgbouncerConfig(users, port, target), { mode: 0o600 });
  // It refuses to run as root, as PostgreSQL does.
  if (as) for (const file of [users, config]) await chown(file, as.uid, as.gid);
  await chmod(home, 0o711);
  const log = await open(join(home, 'log'), 'w');
  const child = spawn(path, ['-q', config], {
    cwd: home,
    env: {},
    stdio: ['ignore', log.fd, log.fd],
    ...(as && { uid: as.uid, gid: as.gid }),
  });
  const ended = once(child, 'exit');
  await log.close();
  await listening(port, child);
  return {
    place: { ...target, port },
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function pgbouncerConfig(users: string, port: number, target: Place): string {
  return `[databases]
${target.database} = host=${target.host} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = session
default_pool_size = 64
max_client_conn = 200
`;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (const until = Date.now() + 10_000; child.exitCode === null && Date.now() < until;) {
    const socket = connect(port, '127.0.0.1');
    const answers = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (answers) return;
    await sleep(20);
  }
  throw new Error(`pgbouncer does not listen on port ${port}; is it taken?`);
}
