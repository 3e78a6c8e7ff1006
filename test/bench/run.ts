import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { measureAudit } from './audit.ts';
import { measureDetectors } from './detectors.ts';
import { type Idle, measureIdle } from './idle.ts';
import { type Bulk, marksOf } from './marks.ts';
import { drain, type Load, type Measured, PROTOCOLS, runPgbench } from './pgbench.ts';
import { growthDuring, Pinning } from './processes.ts';
import { findPgbouncer, findPrograms, type Programs } from './programs.ts';
import { auditReport, machine, report } from './report.ts';
import {
  BULK_BYTES,
  BULK_ROWS,
  MASKED_COLUMNS,
  SELECT_SCRIPT,
  type Stack,
  startStack,
  type Way,
  type WayName,
} from './stack.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    idle: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    records: { type: 'string' },
    'port-base': { type: 'string', default: '26400' },
  },
});
const { quick } = values;
const ROUNDS = Number(values.rounds ?? (quick ? 1 : 3));
const SECONDS = Number(values.seconds ?? (quick ? 2 : 4));
const IDLE = Number(values.idle ?? (quick ? 200 : 2000));
const CLIENTS = quick ? [1, 32] : [1, 8, 32];
/** Of the log: how many are verified. */
const RECORDS = Number(values.records ?? (quick ? 20_000 : 1_000_000));

type Rounds<T> = Partial<Record<WayName, T[]>>;
type LoadCase = {
  readonly load: Load;
  readonly pinned: boolean;
  readonly rounds: Rounds<Measured>;
};
type BulkCase = {
  readonly name: string;
  readonly sql: string;
  /** How many bytes must come; undefined where a gateway masks them. */
  readonly bytes: number | undefined;
  readonly rounds: Rounds<Bulk>;
};
type Bench = {
  readonly programs: Programs;
  readonly stack: Stack;
  readonly pinning: Pinning | undefined;
  /** For pgbench's files. */
  readonly scratch: string;
};

async function main(): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const programs = await findPrograms();
  const pgbouncer = await findPgbouncer(say);
  const pinning = await Pinning.find();
  if (!pinning) say('nothing is pinned: that needs taskset and /proc');
  const scratch = await mkdtemp(join(await memoryFolder(), 'countersign-bench-'));
  opened.defer(() => rm(scratch, { recursive: true, force: true }));
  const portBase = Number(values['port-base']);
  const stack = opened.adopt(
    await startStack({ portBase, pgbouncer, connections: IDLE, say }),
    (it) => it.stop(),
  );
  opened.defer(stopAtSignal(stack, scratch));
  const bench = { programs, stack, pinning, scratch };
  const script = join(scratch, 'select.sql');
  await writeFile(script, SELECT_SCRIPT);
  const [loads, bulks] = [loadCases(script, pinning !== undefined), bulkCases()];
  await warmUp(bench, loads, bulks);
  for (let round = 0; round < ROUNDS; round++) await measureAll(bench, loads, bulks, round);
  const idle = await idleConnections(stack);
  say('looking for sensitive values');
  const detectors = measureDetectors();
  const results = {
    loads: loads.map(({ load: { protocol, clients }, pinned, rounds }) => ({
      protocol,
      clients,
      pinned,
      rounds,
    })),
    bulks: bulks.map(({ name, rounds }) => ({ name, rounds })),
    idle,
    detectors,
  };
  const marks = marksOf(results);
  await write({ ...results, marks }, report(results), {
    postgres: stack.postgres,
    pgbench: programs.version,
    pgbouncer: pgbouncer?.version ?? 'not installed',
    storeFdatasyncMs: stack.fdatasyncMs,
  });
}

/** `--only audit`: the log alone. */
async function auditOnly(): Promise<void> {
  const audit = await measureAudit({ rounds: ROUNDS, seconds: SECONDS, records: RECORDS, say });
  await write({ audit }, auditReport(audit), {});
}

/**
 * The databases are of another process group, and would outlive us. Returns what ends it: whoever listens for the end of
 * the process that started this one keeps its own process going.
 */
function stopAtSignal(stack: Stack, scratch: string): () => void {
  const stop = async (): Promise<void> => {
    await stack.stop();
    await rm(scratch, { recursive: true, force: true });
  };
  const listener = (): void => void stop().finally(() => process.exit(1));
  const events = ['SIGINT', 'SIGTERM', 'disconnect'] as const;
  for (const event of events) process.once(event, listener);
  return () => {
    for (const event of events) process.off(event, listener);
  };
}

function loadCases(script: string, canPin: boolean): LoadCase[] {
  return CLIENTS.flatMap((clients) =>
    PROTOCOLS.map((protocol) => ({
      load: { protocol, clients, seconds: SECONDS, script },
      // Wake-ups between CPUs vary more than what is measured; on one CPU latency is the cost of a transaction.
      pinned: canPin && clients === 1,
      rounds: {},
    })),
  );
}

function bulkCases(): BulkCase[] {
  const bytes = BULK_ROWS * BULK_BYTES;
  const rows = `${BULK_ROWS.toLocaleString('en')} rows of ${BULK_BYTES} bytes`;
  return [
    { name: `SELECT, ${rows}`, sql: 'select line from bench.bulk', bytes, rounds: {} },
    {
      name: `COPY, ${rows}`,
      sql: 'copy (select line from bench.bulk) to stdout',
      bytes,
      rounds: {},
    },
    {
      name: `SELECT, ${BULK_ROWS.toLocaleString('en')} rows of ${MASKED_COLUMNS} masked columns`,
      sql: 'select * from bench.masked',
      bytes: undefined,
      rounds: {},
    },
  ];
}

/** Two seconds of everything: caches filled, code compiled, every way proven to work. */
async function warmUp(
  bench: Bench,
  loads: readonly LoadCase[],
  bulks: readonly BulkCase[],
): Promise<void> {
  for (const way of bench.stack.ways) {
    say(`warming up: ${way.name}`);
    for (const { load } of loads.filter((one) => one.load.clients === CLIENTS.at(-1)))
      await runPgbench(bench.programs, way.place, { ...load, seconds: 2 }, bench);
    for (const one of bulks) await readBulk(bench, way, one);
  }
}

/** The ways take turns within a case, in another order each time, so that a slow minute of the machine hits all. */
async function measureAll(
  bench: Bench,
  loads: readonly LoadCase[],
  bulks: readonly BulkCase[],
  round: number,
): Promise<void> {
  const inTurn = (turn: number): Way[] => rotate(bench.stack.ways, round + turn);
  for (const [turn, one] of loads.entries()) {
    sayCase(round, `pgbench ${one.load.protocol}, ${one.load.clients} clients`);
    for (const way of inTurn(turn)) keep(one.rounds, way, await measureLoad(bench, one, way));
  }
  for (const [turn, one] of bulks.entries()) {
    sayCase(round, one.name);
    for (const way of inTurn(turn)) keep(one.rounds, way, await readBulk(bench, way, one));
  }
}

async function measureLoad(bench: Bench, one: LoadCase, way: Way): Promise<Measured> {
  const { programs, stack, pinning, scratch } = bench;
  const around = { scratch, pid: way.pid };
  if (!pinning || !one.pinned) return runPgbench(programs, way.place, one.load, around);
  await pinning.pin(stack.pids);
  try {
    return await runPgbench(programs, way.place, one.load, { ...around, cpu: pinning.cpu });
  } finally {
    await pinning.release(stack.pids);
  }
}

async function readBulk({ programs }: Bench, way: Way, one: BulkCase): Promise<Bulk> {
  const { result, bytes: grown } = await growthDuring(way.pid, drain(programs, way.place, one.sql));
  const { seconds, bytes } = result;
  if (one.bytes !== undefined && bytes !== one.bytes)
    throw new Error(`${bytes} bytes came instead of ${one.bytes}: ${one.sql}`);
  return { seconds, ...(grown !== undefined && { rssGrowthBytes: grown }) };
}

async function idleConnections(stack: Stack): Promise<Idle> {
  say(`opening ${IDLE} idle connections`);
  const gateway = await stack.freshGateway();
  try {
    return await measureIdle(gateway, IDLE);
  } finally {
    await gateway.stop();
  }
}

async function write(
  results: Readonly<Record<string, unknown>>,
  text: string,
  facts: Readonly<Record<string, string | number>>,
): Promise<void> {
  const at = new Date();
  const result = {
    at: at.toISOString(),
    ...(await source()),
    machine: { ...machine(), ...facts },
    settings: { rounds: ROUNDS, secondsEach: SECONDS, quick, tls: false, idleConnections: IDLE },
    ...results,
  };
  const folder = join(import.meta.dirname, 'results');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${at.toISOString().slice(0, 19).replaceAll(':', '')}Z.json`);
  await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
  say(`\n${text}\n`);
  say(
    Object.entries(result.machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
  );
  say(`\nwritten to ${file}`);
}

/** Commit, and whether files differ from it; neither outside a clone. */
async function source(): Promise<{ readonly commit?: string; readonly changed?: boolean }> {
  try {
    const commit = await git('rev-parse', 'HEAD');
    return { commit, changed: (await git('status', '--porcelain', '-uno')) !== '' };
  } catch {
    return {};
  }
}

async function git(...flags: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', flags, { cwd: import.meta.dirname });
  return stdout.trim();
}

/** pgbench's logs must not disturb the disk that the store syncs. */
async function memoryFolder(): Promise<string> {
  return access('/dev/shm').then(
    () => '/dev/shm',
    () => tmpdir(),
  );
}

function rotate<T>(all: readonly T[], by: number): T[] {
  const from = by % all.length;
  return [...all.slice(from), ...all.slice(0, from)];
}

function keep<T>(rounds: Rounds<T>, { name }: Way, measured: T): void {
  (rounds[name] ??= []).push(measured);
}

const sayCase = (round: number, text: string): void =>
  say(`round ${round + 1} of ${ROUNDS}: ${text}`);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

if (values.only === 'audit') await auditOnly();
else if (values.only === undefined) await main();
else throw new Error(`--only is audit, not ${values.only}`);
