import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Binaries, findBinaries } from './embedded-binaries.ts';
import { clusterFolder } from './embedded-home.ts';
import { giveUp, stopProcess, takeOver } from './embedded-leftover.ts';
import { choosePostgresUser, type RunAs } from './embedded-user.ts';
import { explain, StartError } from './start-error.ts';

export { StartError } from './start-error.ts';

export type ClusterOptions = {
  /** The installation's data folder; the cluster lies in it, or where PostgreSQL's user can reach it. */
  readonly dir: string;
  readonly name: string;
  readonly port: number;
  readonly log: (text: string) => void;
  /** Server settings beside our own, for example `fsync: 'off'` in tests. */
  readonly settings?: Readonly<Record<string, string>>;
};

export type Cluster = {
  /** Superuser, database `postgres`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly logFile: string;
  /** Ends every connection and stops the server; data stays. */
  stop(): Promise<void>;
};

type Place = {
  readonly folder: string;
  readonly data: string;
  readonly binaries: Binaries;
  readonly as: RunAs | undefined;
};

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;

/** How long a start may take: after a crash the write-ahead log is replayed first. */
const START_MS = 120_000;
/** What initdb writes, and some room. */
const CLUSTER_BYTES = 64 * 1024 * 1024;

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  max_connections: '200',
  // Statements and details carry values, which must not reach the server's log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
};

/** Creates the cluster's files if they are not there, and returns its folder. Throws `StartError`. */
export async function createCluster(options: Omit<ClusterOptions, 'port'>): Promise<string> {
  const place = await findPlace(options);
  await initialise(place, options);
  return place.folder;
}

/** Deletes a cluster and its data; stops what a killed run left of it. Throws `StartError` while it is in use. */
export async function removeCluster(options: Omit<ClusterOptions, 'port'>): Promise<void> {
  const as = await choosePostgresUser();
  const folder = await clusterFolder(options.dir, options.name, as);
  await takeOver(folder, options.name, options.log);
  await rm(folder, { recursive: true, force: true });
}

/** Starts (and first creates) a cluster in its own process group, scram-sha-256 on loopback only. Throws `StartError`. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { port, name } = options;
  const place = await findPlace(options);
  await takeOver(place.folder, name, options.log);
  try {
    await initialise(place, options);
    const logFile = join(place.folder, 'log');
    const child = await startServer(place, options, logFile);
    const password = await readFile(join(place.folder, 'password'), 'utf8');
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      port,
      pid: child.pid ?? 0,
      logFile,
      async stop() {
        if (child.exitCode === null && child.signalCode === null && child.pid)
          await stopProcess(child.pid);
        await giveUp(place.folder);
      },
    };
  } catch (error) {
    await giveUp(place.folder);
    throw explain(error, `start the ${name} database`);
  }
}

async function findPlace(options: Pick<ClusterOptions, 'dir' | 'name'>): Promise<Place> {
  const as = await choosePostgresUser();
  const folder = await clusterFolder(options.dir, options.name, as);
  return { folder, data: join(folder, 'data'), binaries: await findBinaries(as), as };
}

async function initialise(
  place: Place,
  options: Pick<ClusterOptions, 'name' | 'log' | 'settings'>,
): Promise<void> {
  const { folder, data, as } = place;
  if (await stat(data).catch(() => undefined)) return;
  options.log(`creating the ${options.name} database in ${data}`);
  const fresh = `${data}.new`;
  const passwordFile = join(folder, 'password');
  await rm(fresh, { recursive: true, force: true });
  await writeAnew(passwordFile, randomBytes(32).toString('base64url'), as);
  const flags = [
    `--pgdata=${fresh}`,
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    ...(options.settings?.['fsync'] === 'off' ? ['--no-sync'] : []),
  ];
  const child = run(place, 'initdb', flags, ['ignore', 'pipe', 'pipe']);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  if (child.exitCode !== 0)
    throw (await isNearlyFull(folder))
      ? explain(Object.assign(new Error(), { code: 'ENOSPC' }), `create ${data}`)
      : describe(output, `create ${data}`, 0);
  // Only a whole cluster gets the name that the next start looks for.
  await rename(fresh, data);
}

/** initdb only says that its child aborted; what it had written is gone again by the time that it ends. */
async function isNearlyFull(folder: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize < CLUSTER_BYTES;
}

async function startServer(
  place: Place,
  options: ClusterOptions,
  logFile: string,
): Promise<ChildProcess> {
  const settings = { ...SETTINGS, port: String(options.port), ...options.settings };
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  for (const end = Date.now() + START_MS; ;) {
    const log = await openLog(logFile);
    const from = (await log.stat()).size;
    const child = run(place, 'postgres', ['-D', place.data, ...flags], ['ignore', log.fd, log.fd]);
    const failed = once(child, 'error').then(([error]: unknown[]) => {
      throw explain(error, 'start PostgreSQL');
    });
    const ready = await Promise.race([waitUntilReady(child, place.data, end), failed]);
    await log.close();
    child.unref();
    if (ready) return child;
    const said = (await readFile(logFile, 'utf8')).slice(from);
    // The children of a killed server take a moment to notice and let its memory go.
    const lingering = /shared memory block .* is still in use/.test(said);
    if (!lingering || Date.now() > end)
      throw describe(said, `start the ${options.name} database`, options.port);
    await sleep(50);
  }
}

async function openLog(path: string) {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size > 16 * 1024 * 1024) await rename(path, `${path}.1`);
  return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
}

/**
 * A new file that belongs to `as`. The folder is theirs, so as root nothing in it may be followed or taken over: a link
 * that was put there would have us write, and give away, a file elsewhere.
 */
async function writeAnew(path: string, text: string, as: RunAs | undefined): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    if (as) await file.chown(as.uid, as.gid);
  } finally {
    await file.close();
  }
}

/** The server writes its state into postmaster.pid; false when it ended instead. */
async function waitUntilReady(child: ChildProcess, data: string, end: number): Promise<boolean> {
  while (Date.now() < end) {
    if (child.exitCode !== null || child.signalCode !== null) return false;
    const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split(
      '\n',
    );
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return true;
    await sleep(10);
  }
  if (child.pid) await stopProcess(child.pid);
  return false;
}

function run(
  place: Place,
  program: string,
  flags: readonly string[],
  stdio: ('ignore' | 'pipe' | number)[],
): ChildProcess {
  const { as, folder, binaries } = place;
  return spawn(join(binaries.folder, 'bin', program), flags, {
    cwd: folder,
    // Nothing of our environment (PGPORT, secrets, a foreign locale) is the server's business.
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    // A terminal's Ctrl-C reaches the whole group; the store must outlive the gateway's last withdrawal.
    detached: true,
    stdio,
    ...(as && { uid: as.uid, gid: as.gid }),
  });
}

function describe(said: string, doing: string, port: number): StartError {
  if (/Address already in use|could not create any TCP\/IP sockets/.test(said))
    return new StartError(
      `Cannot ${doing}: port ${port} on 127.0.0.1 is taken.`,
      'Stop what listens there, or move all ports with --port-base N.',
    );
  if (/No space left on device/.test(said))
    return explain(Object.assign(new Error(), { code: 'ENOSPC' }), doing);
  if (/Permission denied/.test(said))
    return explain(Object.assign(new Error(), { code: 'EACCES' }), doing);
  const lines = said.trim().split('\n').slice(-3).join(' | ');
  return new StartError(`Cannot ${doing}: PostgreSQL said: ${lines}`, 'See its log file.');
}
