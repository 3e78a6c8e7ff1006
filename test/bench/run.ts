import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import {
  drain,
  findPrograms,
  runPgbench,
  type Load,
  type Place,
  type Programs,
} from './pgbench.ts';
import { machine, summarise, table, type Pair } from './report.ts';
import { BULK_BYTES, BULK_ROWS, SELECT_SCRIPT, startStack, type Stack } from './stack.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    'port-base': { type: 'string', default: '26400' },
  },
});
const ROUNDS = Number(values.rounds);
const SECONDS = Number(values.seconds);

type Case = { readonly pair: Pair & { readonly direct: number[]; readonly gateway: number[] } } & (
  | { readonly load: Load }
  | { readonly sql: string }
);

/** Direct and gateway take turns within a round, so that a slow minute of the machine hits both. */
async function main(): Promise<void> {
  const programs = await findPrograms();
  const scratch = await mkdtemp(join(tmpdir(), 'countersign-bench-script-'));
  const script = join(scratch, 'select.sql');
  await writeFile(script, SELECT_SCRIPT);
  const stack = await startStack(Number(values['port-base']), say);
  try {
    const cases = casesFor(script);
    await warmUp(programs, stack, cases);
    const idle = process.memoryUsage.rss();
    let peak = idle;
    // The gateway runs in this process, and this process does nothing else.
    const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 50);
    for (let round = 1; round <= ROUNDS; round++)
      for (const one of cases) {
        say(`round ${round} of ${ROUNDS}: ${one.pair.name}`);
        // oxlint-disable-next-line eslint/no-await-in-loop -- never two loads at a time
        await measure(programs, stack, one, round);
      }
    clearInterval(sampler);
    await report(stack, programs, cases, { idle, peak });
  } finally {
    await stack.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}

function casesFor(script: string): Case[] {
  const loads = (['simple', 'prepared'] as const).flatMap((protocol) =>
    [1, 32].map((clients) => ({ protocol, clients, seconds: SECONDS, script })),
  );
  const bulk = `${BULK_ROWS.toLocaleString('en')} rows of ${BULK_BYTES} bytes`;
  return [
    ...loads.map((load) => ({
      pair: {
        name: `pgbench select-only, ${load.protocol}, ${load.clients} client${load.clients > 1 ? 's' : ''}`,
        unit: 'tps' as const,
        direct: [],
        gateway: [],
        latencyMs: { direct: [], gateway: [] },
      },
      load,
    })),
    ...(
      [
        ['select', 'select line from bench.bulk'],
        ['copy', 'copy (select line from bench.bulk) to stdout'],
      ] as const
    ).map(([name, sql]) => ({
      pair: { name: `psql ${name}, ${bulk}`, unit: 'seconds' as const, direct: [], gateway: [] },
      sql,
    })),
  ];
}

/** One second of everything: caches filled, code compiled, both ways proven to work. */
async function warmUp(programs: Programs, stack: Stack, cases: readonly Case[]): Promise<void> {
  say('warming up');
  for (const one of cases)
    for (const place of [stack.direct, stack.gateway])
      if ('load' in one) await runPgbench(programs, place, { ...one.load, seconds: 1 });
      else await bulkSeconds(programs, place, one.sql);
}

async function measure(programs: Programs, stack: Stack, one: Case, round: number): Promise<void> {
  const ways = ['direct', 'gateway'] as const;
  for (const way of round % 2 === 1 ? ways : ways.toReversed()) {
    if ('load' in one) {
      const { tps, latencyMs } = await runPgbench(programs, stack[way], one.load);
      one.pair[way].push(tps);
      (one.pair.latencyMs?.[way] as number[] | undefined)?.push(latencyMs);
    } else one.pair[way].push(await bulkSeconds(programs, stack[way], one.sql));
  }
}

async function bulkSeconds(programs: Programs, place: Place, sql: string): Promise<number> {
  const { seconds, bytes } = await drain(programs, place, sql);
  if (bytes !== BULK_ROWS * BULK_BYTES)
    throw new Error(`${bytes} bytes came instead of ${BULK_ROWS * BULK_BYTES}: ${sql}`);
  return seconds;
}

async function report(
  stack: Stack,
  programs: Programs,
  cases: readonly Case[],
  memory: { idle: number; peak: number },
): Promise<void> {
  const summaries = cases.map((one) => summarise(one.pair));
  const at = new Date();
  const result = {
    at: at.toISOString(),
    commit: await commit(),
    machine: { ...machine(), postgres: stack.postgres, pgbench: programs.version },
    settings: { rounds: ROUNDS, secondsEach: SECONDS, tls: false },
    gatewayMemoryBytes: { afterWarmUp: memory.idle, peak: memory.peak },
    results: summaries,
  };
  const folder = join(import.meta.dirname, 'results');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${at.toISOString().slice(0, 19).replaceAll(':', '')}Z.json`);
  await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
  say(`\n${table(summaries)}\n`);
  say(`gateway memory: ${mib(memory.idle)} MiB after warming up, ${mib(memory.peak)} MiB at most`);
  say(`written to ${file}`);
}

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** Undefined outside a clone. */
async function commit(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('git', ['rev-parse', 'HEAD'], {
      cwd: import.meta.dirname,
    });
    return stdout.trim();
  } catch {
    return undefined;
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
