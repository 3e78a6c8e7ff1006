// What a small statement costs the gateway in CPU, which is comparable also on a machine that does other things. For one look
// at a change; marks are measured by run.ts. With --profile V8 writes a profile of each gateway into that folder at the end.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './median.ts';
import { type Measured, PROTOCOLS, runPgbench } from './pgbench.ts';
import { findPrograms } from './programs.ts';
import { SELECT_SCRIPT, startStack } from './stack.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1,32' },
    protocols: { type: 'string', default: PROTOCOLS.join() },
    ways: { type: 'string', default: 'wire,gateway' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    profile: { type: 'string' },
    'port-base': { type: 'string', default: '26600' },
  },
});

async function main(): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const programs = await findPrograms();
  const scratch = await mkdtemp('/dev/shm/countersign-cost-');
  opened.defer(() => rm(scratch, { recursive: true, force: true }));
  const script = join(scratch, 'select.sql');
  await writeFile(script, SELECT_SCRIPT);
  if (values.profile !== undefined)
    process.env['NODE_OPTIONS'] = `--cpu-prof --cpu-prof-dir=${values.profile}`;
  const stack = opened.adopt(
    await startStack({
      portBase: Number(values['port-base']),
      pgbouncer: undefined,
      connections: 100,
      small: true,
      say: () => undefined,
    }),
    (it) => it.stop(),
  );
  const ways = stack.ways.filter(({ name }) => values.ways.split(',').includes(name));
  const seconds = Number(values.seconds);
  for (const clients of values.clients.split(',').map(Number))
    for (const protocol of PROTOCOLS.filter((one) => values.protocols.split(',').includes(one)))
      for (const { name, place, pid } of ways) {
        const load = { protocol, clients, seconds, script };
        const rounds: Measured[] = [];
        // The first fills caches and has code compiled.
        for (let round = 0; round <= Number(values.rounds); round++)
          // oxlint-disable-next-line no-await-in-loop -- one after another
          rounds.push(await runPgbench(programs, place, load, { scratch, pid }));
        const of = (pick: (one: Measured) => number | undefined): number =>
          median(rounds.slice(1).map((one) => pick(one) ?? Number.NaN));
        const cpu = Math.min(...rounds.slice(1).map(({ cpuUs }) => cpuUs ?? Number.NaN));
        process.stdout.write(
          `${protocol} ${clients} ${name}: ${of(({ cpuUs }) => cpuUs).toFixed(0)} µs of CPU (least ${cpu.toFixed(0)}), ` +
            `p50 ${of(({ p50Ms }) => p50Ms).toFixed(2)} ms, p99 ${of(({ p99Ms }) => p99Ms).toFixed(1)} ms, ${of(({ tps }) => tps).toFixed(0)} tps\n`,
        );
      }
}

await main();
