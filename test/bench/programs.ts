import { execFile } from 'node:child_process';
import { access, glob } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type Programs = {
  readonly pgbench: string;
  readonly psql: string;
  /** What `pgbench --version` says. */
  readonly version: string;
};

export type Pgbouncer = { readonly path: string; readonly version: string };

/** Debian keeps pgbench outside PATH; throws with the package's name when it is not there. */
export async function findPrograms(): Promise<Programs> {
  const folders = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'];
  for await (const folder of glob('/usr/lib/postgresql/*/bin')) folders.unshift(folder);
  for (const folder of folders) {
    const [pgbench, psql] = [`${folder}/pgbench`, `${folder}/psql`];
    // oxlint-disable-next-line eslint/no-await-in-loop -- the first that is there
    if ((await exists(pgbench)) && (await exists(psql))) {
      const { stdout } = await run(pgbench, ['--version']);
      return { pgbench, psql, version: stdout.trim() };
    }
  }
  throw new Error(
    'the bench needs pgbench and psql: apt-get install postgresql-client postgresql-contrib (pgbench is in the package postgresql-15)',
  );
}

/** Debian's package, installed if we are root and it is missing; undefined, and said why, when it cannot be had. */
export async function findPgbouncer(say: (text: string) => void): Promise<Pgbouncer | undefined> {
  const found = (await pgbouncerHere()) ?? (await installPgbouncer(say));
  if (!found)
    say('pgbouncer is not here, so its column is left out: apt-get install pgbouncer, as root');
  return found;
}

async function installPgbouncer(say: (text: string) => void): Promise<Pgbouncer | undefined> {
  if (process.getuid?.() !== 0 || !(await exists('/usr/bin/apt-get'))) return undefined;
  say('installing pgbouncer with apt-get');
  const flags = ['install', '-y', '--no-install-recommends', 'pgbouncer'];
  try {
    await run('apt-get', flags, { env: { PATH, DEBIAN_FRONTEND: 'noninteractive' } });
  } catch (error) {
    say(`apt-get did not install it: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
  // The package starts a service of its own on the gateway's usual port; the bench starts one itself.
  await run('service', ['pgbouncer', 'stop'], { env: { PATH } }).catch(() => undefined);
  return pgbouncerHere();
}

async function pgbouncerHere(): Promise<Pgbouncer | undefined> {
  const path = '/usr/sbin/pgbouncer';
  if (!(await exists(path))) return undefined;
  const { stdout } = await run(path, ['--version']);
  return { path, version: stdout.split('\n')[0] ?? '' };
}

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
