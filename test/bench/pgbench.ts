import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuSeconds } from './processes.ts';
import type { Programs } from './programs.ts';

/** Where a client program connects, as libpq's environment. */
export type Place = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
};

export const PROTOCOLS = ['simple', 'extended', 'prepared'] as const;

export type Load = {
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly clients: number;
  readonly seconds: number;
  readonly script: string;
};

export type Around = {
  /** A folder for the transactions' log; in memory, so that writing it does not disturb the store's disk. */
  readonly scratch: string;
  /** The process in the middle, whose CPU is looked at. */
  readonly pid?: number | undefined;
  /** Where pgbench itself is pinned. */
  readonly cpu?: string | undefined;
};

/** What one run of pgbench measured. */
export type Measured = {
  readonly tps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of the process in the middle, in microseconds a transaction. */
  readonly cpuUs?: number;
};

/** One transaction: when it ended (ms since 1970) and how long it took (ms). */
export type Transaction = { readonly endedAt: number; readonly ms: number };
/** CPU seconds that a process had used at a time (ms since 1970). */
export type CpuSample = { readonly at: number; readonly seconds: number };

const SAMPLE_MS = 50;

/** Runs pgbench once; rejects when a transaction failed, since a number about errors says nothing. */
export async function runPgbench(
  programs: Programs,
  place: Place,
  load: Load,
  { scratch, pid, cpu }: Around,
): Promise<Measured> {
  const { protocol, clients, seconds, script } = load;
  const folder = await mkdtemp(join(scratch, 'run-'));
  const threads = Math.min(clients, 2);
  const flags = ['-n', '-M', protocol, '-c', clients, '-j', threads, '-T', seconds, '-f', script];
  const command = [programs.pgbench, ...flags.map(String), '-l', `--log-prefix=${folder}/log`];
  const pinned = cpu === undefined ? command : ['taskset', '-c', cpu, ...command];
  const samples: CpuSample[] = [];
  const sampler = pid === undefined ? undefined : setInterval(() => void sample(), SAMPLE_MS);
  const sample = async (): Promise<void> => {
    const at = Date.now();
    const used = pid === undefined ? undefined : await cpuSeconds(pid);
    if (used !== undefined) samples.push({ at, seconds: used });
  };
  try {
    const tps = parsePgbench(await output(pinned, place));
    const transactions = await readLogs(folder);
    return { tps, ...percentiles(transactions), ...cpuPerTransaction(transactions, samples) };
  } finally {
    clearInterval(sampler);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Transactions a second, without the time to connect. */
export function parsePgbench(text: string): number {
  const value = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  const tps = value(/^tps = ([\d.]+) \(without initial connection time\)$/m);
  const failed = value(/^number of failed transactions: (\d+)/m);
  // Its clock runs while clients connect.
  if (/^number of transactions actually processed: 0$/m.test(text))
    throw new Error('connecting took pgbench all the time it had: give it more with --seconds');
  if (!(tps > 0) || failed > 0)
    throw new Error(`pgbench did not measure: ${text.trim().split('\n').slice(-12).join(' | ')}`);
  return tps;
}

/** A log line is: client, number, microseconds, script, seconds since 1970, microseconds of that second. */
export function parseLog(text: string): Transaction[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, , took, , seconds, micros] = line.split(' ');
      return {
        endedAt: Number(seconds) * 1000 + Number(micros) / 1000,
        ms: Number(took) / 1000,
      };
    });
}

async function readLogs(folder: string): Promise<Transaction[]> {
  const files = await readdir(folder);
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap(parseLog);
}

export function percentiles(transactions: readonly Transaction[]): {
  readonly p50Ms: number;
  readonly p99Ms: number;
} {
  const sorted = Float64Array.from(transactions, ({ ms }) => ms).toSorted();
  // Nearest rank.
  const at = (part: number): number => sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

/**
 * Between the first and the last look while transactions ran: connecting, which costs a key derivation, is left out,
 * and so is the first tenth.
 */
export function cpuPerTransaction(
  transactions: readonly Transaction[],
  samples: readonly CpuSample[],
): { readonly cpuUs?: number } {
  let [begun, ended] = [Infinity, -Infinity];
  for (const { endedAt } of transactions) {
    begun = Math.min(begun, endedAt);
    ended = Math.max(ended, endedAt);
  }
  const within = samples.filter(({ at }) => at >= begun + (ended - begun) / 10 && at <= ended);
  const [first, last] = [within[0], within.at(-1)];
  if (!first || !last || first === last) return {};
  const count = transactions.filter(
    ({ endedAt }) => endedAt > first.at && endedAt <= last.at,
  ).length;
  return count === 0 ? {} : { cpuUs: ((last.seconds - first.seconds) * 1e6) / count };
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

async function output([program = '', ...flags]: readonly string[], place: Place): Promise<string> {
  const child = spawn(program, flags, {
    env: environment(place),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`pgbench failed: ${said.trim()}`);
  return out;
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
