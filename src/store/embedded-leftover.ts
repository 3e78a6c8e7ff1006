import { mkdir, open, readFile, readlink, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { explain, StartError } from './start-error.ts';

const STOP_MS = 10_000;

/** Makes this process the cluster's only owner, and stops what a killed owner left running. Throws `StartError`. */
export async function takeOver(
  folder: string,
  name: string,
  log: (text: string) => void,
): Promise<void> {
  await claim(join(folder, 'owner'), name);
  const pidFile = join(folder, 'data', 'postmaster.pid');
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 0) return;
  if (await isPostmasterOf(pid, join(folder, 'data'))) {
    log(`stopping the ${name} database that an earlier run left behind (process ${pid})`);
    await stopProcess(pid);
  }
  // After a reboot the number may be another program's, and PostgreSQL would refuse to start.
  await rm(pidFile, { force: true });
}

export async function giveUp(folder: string): Promise<void> {
  await rm(join(folder, 'owner'), { force: true });
}

/** SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one. */
export async function stopProcess(pid: number): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    send(pid, signal);
    for (const end = Date.now() + STOP_MS; Date.now() < end;) {
      if (!(await isAlive(pid))) return;
      await sleep(10);
    }
  }
}

async function claim(path: string, name: string): Promise<void> {
  const me = `${process.pid} ${await startTime(process.pid)}`;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await mkdir(dirname(path), { recursive: true });
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(me);
      await file.close();
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST'))
        throw explain(error, `write ${path}`);
    }
    const owner = await readFile(path, 'utf8').catch(() => '');
    const [pid = 0] = owner.split(' ').map(Number);
    if (owner === me) return;
    if (pid && (await isAlive(pid)) && owner === `${pid} ${await startTime(pid)}`)
      throw new StartError(
        `The ${name} database is already in use by process ${pid}.`,
        'Stop that process first; two cannot share one data folder.',
      );
    await unlink(path).catch(() => undefined);
  }
  throw new StartError(`Cannot take ${path}: another start is under way.`, 'Try again.');
}

async function isPostmasterOf(pid: number, data: string): Promise<boolean> {
  if (!(await isAlive(pid))) return false;
  // A postmaster works in its data folder. Without /proc (macOS), a live process of that number is believed.
  if (process.platform !== 'linux') return true;
  return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === data;
}

/** Tells a process from a later one with the same number; empty where the system does not say. */
async function startTime(pid: number): Promise<string> {
  return (await processFields(pid))[19] ?? '';
}

async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  // In a container nobody may collect an ended process; it keeps its number and holds nothing.
  return (await processFields(pid))[0] !== 'Z';
}

/** /proc/<pid>/stat from the state on; empty elsewhere than on Linux. */
async function processFields(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
