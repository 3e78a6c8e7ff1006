import { execFile, spawn } from 'node:child_process';
import { access, glob } from 'node:fs/promises';
import { once } from 'node:events';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where a client program connects, as libpq's environment. */
export type Place = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
};

export type Programs = {
  readonly pgbench: string;
  readonly psql: string;
  readonly version: string;
};

export type Load = {
  readonly protocol: 'simple' | 'prepared';
  readonly clients: number;
  readonly seconds: number;
  readonly script: string;
};

/** What one run of pgbench measured; latency in milliseconds. */
export type Measured = { readonly tps: number; readonly latencyMs: number };

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

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Runs pgbench once; rejects when a transaction failed, since a number about errors says nothing. */
export async function runPgbench(programs: Programs, place: Place, load: Load): Promise<Measured> {
  const { protocol, clients, seconds, script } = load;
  const threads = Math.min(clients, 2);
  const flags = ['-n', '-M', protocol, '-c', clients, '-j', threads, '-T', seconds, '-f', script];
  const { stdout } = await run(programs.pgbench, flags.map(String), { env: environment(place) });
  return parsePgbench(stdout);
}

export function parsePgbench(text: string): Measured {
  const value = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  const tps = value(/^tps = ([\d.]+) \(without initial connection time\)$/m);
  const latencyMs = value(/^latency average = ([\d.]+) ms$/m);
  const failed = value(/^number of failed transactions: (\d+)/m);
  if (!(tps > 0) || !(latencyMs > 0) || failed > 0)
    throw new Error(`pgbench did not measure: ${text.trim().split('\n').slice(-12).join(' | ')}`);
  return { tps, latencyMs };
}

/** Runs one statement in psql and counts what it prints, without keeping it. */
export async function drain(
  programs: Programs,
  place: Place,
  sql: string,
): Promise<{ readonly seconds: number; readonly bytes: number }> {
  const begun = performance.now();
  const child = spawn(programs.psql, ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-c', sql], {
    env: environment(place),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let bytes = 0;
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (bytes += chunk.length));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`psql failed: ${said.trim()}`);
  return { seconds: (performance.now() - begun) / 1000, bytes };
}

function environment(place: Place): NodeJS.ProcessEnv {
  return {
    PATH: '/usr/bin:/bin',
    PGHOST: place.host,
    PGPORT: String(place.port),
    PGUSER: place.user,
    PGPASSWORD: place.password,
    PGDATABASE: place.database,
    PGSSLMODE: 'disable',
    PGCONNECT_TIMEOUT: '10',
  };
}
