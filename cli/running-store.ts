import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '#src/config/config.ts';
import { clusterFolder } from '#src/store/embedded-home.ts';
import { RUNNER } from '#src/store/embedded-store.ts';
import { choosePostgresUser } from '#src/store/embedded-user.ts';

/** Where the embedded store is of a gateway that runs on this machine; undefined when none does. */
export async function runningStore(
  config: Config,
): Promise<{ readonly url: string; readonly ownerUrl: string } | undefined> {
  if (config.store.postgres !== 'embedded') return undefined;
  const folder = await clusterFolder(config.dataDir, 'store', await choosePostgresUser());
  const text = await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '');
  const port = readyPort(text, (pid) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'EPERM';
    }
  });
  const password = await readFile(join(config.dataDir, 'store-password'), 'utf8').catch(() => '');
  if (port === undefined || password === '') return undefined;
  const url = (role: string): string =>
    `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:${port}/countersign`;
  return { url: url(RUNNER), ownerUrl: url('countersign') };
}

/** PostgreSQL's postmaster.pid: process id on line 1, port on line 4, state on line 8. */
export function readyPort(text: string, isAlive: (pid: number) => boolean): number | undefined {
  const lines = text.split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (!(pid > 0) || !(port > 0) || lines[7]?.trim() !== 'ready') return undefined;
  return isAlive(pid) ? port : undefined;
}
