import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../fakes/postgres.ts';
import { type Program, startProgram } from '../fakes/terminal.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OWN = [
  'src',
  'gateway',
  'bot',
  'cli',
  'package.json',
  'package-lock.json',
  'countersign.mjs',
];
const PORTS = 4;

/** A copy of the clone with the same packages, so that what a demo does there stays there. */
export async function startDemoKit() {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-demo-'));
  await Promise.all(OWN.map((one) => cp(join(ROOT, one), join(folder, one), { recursive: true })));
  await linkPackages(folder);
  const programs: Program[] = [];
  const env = { PATH: process.env['PATH'], HOME: folder, PAGER: '' };
  const kit = {
    folder,
    facts: join(folder, '.countersign', 'demo.json'),
    /** The launcher, in a process group of its own. */
    launch(...args: string[]): Program {
      const argv = [join(folder, 'countersign.mjs'), 'demo', ...args];
      const program = startProgram(process.execPath, argv, { env, cwd: folder, detached: true });
      programs.push(program);
      return program;
    },
    /** A line pasted into a shell at the clone's root. */
    paste(line: string): Program {
      const program = startProgram('bash', ['-c', line], { env, cwd: folder });
      programs.push(program);
      return program;
    },
    /** Command lines of processes that still work for this copy. */
    async processes(): Promise<string[]> {
      const found: string[] = [];
      for (const pid of await readdir('/proc')) {
        if (!/^\d+$/.test(pid)) continue;
        const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
        if (line.includes(folder) || cwd.startsWith(folder)) found.push(line.replaceAll('\0', ' '));
      }
      return found;
    },
    async stop() {
      for (const { child } of programs) if (child.exitCode === null) child.kill('SIGTERM');
      await Promise.all(programs.map(({ done }) => done));
      await rm(folder, { recursive: true, force: true });
    },
  };
  return kit;
}

export type DemoKit = Awaited<ReturnType<typeof startDemoKit>>;

/** The packages by links, and the stamp by which the launcher knows that they are the lockfile's. */
async function linkPackages(folder: string): Promise<void> {
  const packages = join(folder, 'node_modules');
  await mkdir(packages);
  for (const name of await readdir(join(ROOT, 'node_modules')))
    await symlink(join(ROOT, 'node_modules', name), join(packages, name));
  await rm(join(packages, '.countersign-stamp'), { force: true });
  const hash = createHash('sha256').update(await readFile(join(ROOT, 'package-lock.json')));
  const stamp = `${hash.digest('hex')} ${process.platform}-${process.arch}`;
  await writeFile(join(packages, '.countersign-stamp'), stamp);
}

/** The first of four ports in a row that are free now. */
export async function freeBase(): Promise<number> {
  for (;;) {
    const base = await freePort();
    const free = await Promise.all(Array.from({ length: PORTS }, (_, n) => isFree(base + n)));
    if (free.every(Boolean)) return base;
  }
}

export async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
