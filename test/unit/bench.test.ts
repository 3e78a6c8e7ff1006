import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureDetectors } from '../bench/detectors.ts';
import { type LoadResult, marksOf, medianOf, type Results } from '../bench/marks.ts';
import { median } from '../bench/median.ts';
import { cpuPerTransaction, parseLog, parsePgbench, percentiles } from '../bench/pgbench.ts';
import { cpuOf } from '../bench/processes.ts';
import { report } from '../bench/report.ts';

const OUTPUT = `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: select.sql
scaling factor: 1
query mode: prepared
number of clients: 32
number of threads: 2
maximum number of tries: 1
duration: 4 s
number of transactions actually processed: 86432
number of failed transactions: 0 (0.000%)
latency average = 1.480 ms
initial connection time = 12.345 ms
tps = 21621.123456 (without initial connection time)
`;

test('the output of pgbench gives transactions a second', () => {
  assert.equal(parsePgbench(OUTPUT), 21621.123456);
});

test('a run of pgbench with failed transactions, or without numbers, is no measurement', () => {
  assert.throws(() => parsePgbench(OUTPUT.replace('transactions: 0', 'transactions: 3')));
  assert.throws(() => parsePgbench(OUTPUT.replace('86432', '0')), /--seconds/);
  assert.throws(() => parsePgbench('pgbench: error: connection to server failed'));
});

test('the log of pgbench gives the end and the length of each transaction', () => {
  assert.deepEqual(parseLog('0 1 512 0 1763733600 250000\n7 12 2048 0 1763733601 1000\n'), [
    { endedAt: 1763733600250, ms: 0.512 },
    { endedAt: 1763733601001, ms: 2.048 },
  ]);
});

test('percentiles are by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => ({ endedAt: 0, ms: 100 - i }));
  assert.deepEqual(percentiles(hundred), { p50Ms: 50, p99Ms: 99 });
});

test('CPU is divided by the transactions that ended between the looks, without the time to connect', () => {
  const transactions = Array.from({ length: 1000 }, (_, i) => ({ endedAt: 5001 + i, ms: 1 }));
  const samples = [
    // While clients connect: a second of CPU that is nobody's transaction.
    { at: 4000, seconds: 1 },
    { at: 5000, seconds: 2 },
    { at: 5200, seconds: 2.02 },
    { at: 5700, seconds: 2.07 },
    // After the last.
    { at: 6100, seconds: 3 },
  ];
  const { cpuUs } = cpuPerTransaction(transactions, samples);
  assert.equal(cpuUs?.toFixed(3), '100.000');
  assert.deepEqual(cpuPerTransaction(transactions, samples.slice(0, 3)), {});
  assert.deepEqual(cpuPerTransaction([], samples), {});
});

test('the CPU of a process is read past a name with blanks and brackets', () => {
  const stat = '42 (no) de (x) S 1 42 42 0 -1 4194560 9 0 0 0 250 50 7 7 20 0 11 0 100 1 2';
  assert.equal(cpuOf(stat), 3);
});

test('a median is of all rounds or of none', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([1, 2, 3, 10]), 2.5);
  const half: { us?: number }[] = [{ us: 1 }, {}];
  assert.equal(
    medianOf(half, ({ us }) => us),
    undefined,
  );
  assert.equal(
    medianOf<{ us: number }>(undefined, ({ us }) => us),
    undefined,
  );
});

const round = (tps: number, p50Ms: number, cpuUs?: number) => ({
  tps,
  p50Ms,
  p99Ms: p50Ms * 2,
  ...(cpuUs !== undefined && { cpuUs }),
});
const load = (clients: number, rounds: LoadResult['rounds']): LoadResult => ({
  protocol: 'simple',
  clients,
  pinned: clients === 1,
  rounds,
});
const RESULTS: Results = {
  loads: [
    load(1, {
      direct: [round(20_000, 0.05)],
      pgbouncer: [round(15_000, 0.07, 20)],
      wire: [round(9_000, 0.1, 81)],
      gateway: [round(2_000, 0.54, 399)],
    }),
    load(32, {
      direct: [round(40_000, 0.8), round(41_000, 0.8), round(1, 90)],
      pgbouncer: [round(30_000, 1, 20), round(30_000, 1, 20), round(30_000, 1, 20)],
      wire: [round(20_000, 1.5, 60), round(20_000, 1.5, 60), round(20_000, 1.5, 60)],
      gateway: [round(9_000, 3, 131), round(9_000, 3, 131), round(99_000, 3, 1)],
    }),
  ],
  bulks: [
    { name: 'SELECT', rounds: { direct: [{ seconds: 0.4 }], gateway: [{ seconds: 0.5 }] } },
    { name: 'COPY', rounds: { direct: [{ seconds: 0.4 }], gateway: [{ seconds: 0.6 }] } },
  ],
  idle: { connections: 2000, bytesBefore: 1e8, bytesAfter: 3e8, bytesEach: 1e5, answered: 2000 },
  detectors: [
    { engine: 're2js', megabytesPerSecond: 24, found: 1 },
    { engine: 're2', megabytesPerSecond: 24, found: 1 },
  ],
};

test('each mark is held against the medians of the same run', () => {
  const told = marksOf(RESULTS).map(({ name, value, met }) => [name, value?.toFixed(2), met]);
  assert.deepEqual(told, [
    ['wire and verdict: CPU, simple, 1 client', '4.05', false],
    ['everything on: CPU, simple, 1 client', '399.00', true],
    ['everything on: p50 over direct, simple, 1 client', '0.49', true],
    ['wire and verdict: CPU, simple, 32 clients', '3.00', true],
    ['everything on: CPU, simple, 32 clients', '131.00', false],
    ['everything on: throughput, simple, 32 clients', '0.30', false],
    ['SELECT', '1.25', true],
    ['COPY', '1.50', false],
    ['memory with 2000 idle connections', '300.00', true],
    ['detectors with re2js', '24.00', true],
    ['detectors with re2', '24.00', false],
  ]);
});

test('a mark without its numbers is not measured, and never met', () => {
  const { direct = [], wire = [] } = RESULTS.loads[1]?.rounds ?? {};
  const marks = marksOf({
    loads: [load(32, { direct, wire })],
    bulks: [{ name: 'COPY', rounds: {} }],
    idle: { connections: 2000, bytesBefore: 1e8, bytesAfter: 2e8, bytesEach: 5e4, answered: 1999 },
  });
  assert.equal(marks.length, 5);
  for (const mark of marks) {
    assert.equal(mark.met, undefined, mark.name);
    assert.equal(mark.value, undefined, mark.name);
  }
});

test('the report names every way, and leaves out the ones that were not there', () => {
  const text = report(RESULTS);
  assert.match(text, /^\| simple, 1, one CPU \| everything on +\| +2,000 \| +0\.10 \|/m);
  assert.match(text, /^\| simple, 32 +\| pgbouncer +\| +30,000 \| +0\.75 \| +1\.00 \|/m);
  assert.match(text, /^\| COPY +\| at most 1\.3 × direct +\| +1\.50 \| missed +\|$/m);
  assert.match(text, /300 MB with them \(100\.0 kB each\); 2000 answered/);
  assert.doesNotMatch(report({ loads: [], bulks: RESULTS.bulks }), /pgbouncer +\| +[\d.]+ \|/);
});

test('what detectors look through holds something for them, and is measured', () => {
  const [first] = measureDetectors(1_000);
  assert.equal(first?.engine, 're2js');
  assert.ok(first.megabytesPerSecond > 0);
  assert.equal(first.found, 200);
});
