// What column masks cost, beside the target itself: a million rows of eight masked columns, read by psql in turns, and
// the CPU that the gateway used meanwhile, which other work on the machine changes less than seconds.
// Options: --rounds N, --port-base N.
import { parseArgs } from 'node:util';
import { median } from './median.ts';
import { drain } from './pgbench.ts';
import { cpuSeconds } from './processes.ts';
import { findPrograms } from './programs.ts';
import { BULK_ROWS, MASKED_COLUMNS, startStack, type Way } from './stack.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    'port-base': { type: 'string', default: '26500' },
  },
});

type Read = { readonly way: string; readonly seconds: number; readonly cpu: number | undefined };

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const programs = await findPrograms();
const stack = await startStack({
  portBase: Number(values['port-base']),
  pgbouncer: undefined,
  connections: 10,
  say,
});

async function read({ name, place, pid }: Way): Promise<Read> {
  const before = pid === undefined ? undefined : await cpuSeconds(pid);
  const { seconds } = await drain(programs, place, 'select * from bench.masked');
  const after = pid === undefined ? undefined : await cpuSeconds(pid);
  const cpu = before === undefined || after === undefined ? undefined : after - before;
  return { way: name, seconds, cpu };
}

try {
  const reads: Read[] = [];
  // The first round compiles, and does not count.
  for (let round = 0; round <= Number(values.rounds); round += 1)
    for (const way of stack.ways) {
      // oxlint-disable-next-line no-await-in-loop -- in turns, or they would measure each other
      const one = await read(way);
      if (round > 0) reads.push(one);
    }
  say(`${BULK_ROWS} rows of ${MASKED_COLUMNS} masked columns (median, and the least)`);
  for (const { name } of stack.ways) {
    const own = reads.filter(({ way }) => way === name);
    const seconds = own.map((one) => one.seconds);
    const cpus = own.flatMap(({ cpu }) => cpu ?? []);
    const cpu =
      cpus.length === 0
        ? ''
        : `, CPU of the gateway ${median(cpus)?.toFixed(2)} (${Math.min(...cpus).toFixed(2)}) s`;
    say(`${name}: ${median(seconds)?.toFixed(2)} (${Math.min(...seconds).toFixed(2)}) s${cpu}`);
  }
} finally {
  await stack.stop();
}
