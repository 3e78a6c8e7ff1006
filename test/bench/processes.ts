import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** USER_HZ: what the kernel counts in towards programs, on every Linux. */
const TICKS_PER_SECOND = 100;

/** CPU seconds (user and system, all threads) that a process has used; undefined where there is no /proc. */
export async function cpuSeconds(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat === undefined ? undefined : cpuOf(stat);
}

/** proc_pid_stat(5): utime and stime are fields 14 and 15; the name before them may hold spaces. */
export function cpuOf(stat: string): number {
  const fields = fieldsOf(stat);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const fieldsOf = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

/** Resident memory in bytes; undefined where there is no /proc. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Runs `work` while looking at a process' memory; by how many bytes it grew at most. */
export async function growthDuring<T>(
  pid: number | undefined,
  work: Promise<T>,
): Promise<{ readonly result: T; readonly bytes?: number }> {
  const before = pid === undefined ? undefined : await residentBytes(pid);
  if (pid === undefined || before === undefined) return { result: await work };
  let peak = before;
  const look = async (): Promise<void> => {
    peak = Math.max(peak, (await residentBytes(pid)) ?? 0);
  };
  const timer = setInterval(() => void look(), 20);
  try {
    const result = await work;
    await look();
    return { result, bytes: peak - before };
  } finally {
    clearInterval(timer);
  }
}

/** Moves processes, with all their threads and children, to one CPU or back to all of them. */
export class Pinning {
  readonly #all: string;
  /** The CPU that pinned cases share. */
  readonly cpu: string;

  private constructor(all: string) {
    this.#all = all;
    this.cpu = /^\d+/.exec(all)?.[0] ?? '0';
  }

  /** Undefined where `taskset` or /proc is missing. */
  static async find(): Promise<Pinning | undefined> {
    const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
    const all = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1];
    const works = await taskset(all ?? '', process.pid);
    return all !== undefined && works ? new Pinning(all) : undefined;
  }

  async pin(roots: readonly number[]): Promise<void> {
    await this.#move(roots, this.cpu);
  }

  async release(roots: readonly number[]): Promise<void> {
    await this.#move(roots, this.#all);
  }

  async #move(roots: readonly number[], cpus: string): Promise<void> {
    // A root first: what it starts from then on is born there.
    await Promise.all(roots.map((pid) => taskset(cpus, pid)));
    const children = await childrenOf(roots);
    // One that ended meanwhile needs no place.
    await Promise.all(children.map((pid) => taskset(cpus, pid)));
  }
}

async function taskset(cpus: string, pid: number): Promise<boolean> {
  return promisify(execFile)('taskset', ['-apc', cpus, String(pid)]).then(
    () => true,
    () => false,
  );
}

async function childrenOf(parents: readonly number[]): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      return parents.includes(Number(fieldsOf(stat)[1])) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}
