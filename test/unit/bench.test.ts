import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePgbench } from '../bench/pgbench.ts';
import { median, summarise, table } from '../bench/report.ts';

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

test('the output of pgbench gives transactions a second and latency', () => {
  assert.deepEqual(parsePgbench(OUTPUT), { tps: 21621.123456, latencyMs: 1.48 });
});

test('a run of pgbench with failed transactions, or without numbers, is no measurement', () => {
  assert.throws(() => parsePgbench(OUTPUT.replace('transactions: 0', 'transactions: 3')));
  assert.throws(() => parsePgbench('pgbench: error: connection to server failed'));
});

test('the ratio of two ways is taken from their medians', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([1, 2, 3, 10]), 2.5);
  const pair = { name: 'x', unit: 'tps', direct: [100, 1, 90], gateway: [45, 50, 40] } as const;
  assert.equal(summarise(pair).ratio, 0.5);
  assert.match(table([summarise(pair)]), /^x +tps +90\.00 +45\.00 +0\.50$/m);
});
