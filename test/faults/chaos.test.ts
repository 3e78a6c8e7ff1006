import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos } from '../chaos/run.ts';

// A short run of `npm run chaos`, whose longer ones are for a release.
const SEED = 11;

test('two gateways under load, while what is around them breaks: target, log, clients and approvers agree', async (t) => {
  const { acts, wrong } = await chaos({
    seed: SEED,
    faults: 10,
    clients: 6,
    queue: 'postgres',
    say: (line) => t.diagnostic(line),
  });
  assert.deepEqual(wrong, []);
  const done = [...acts.values()].filter(({ kind, ending }) => kind === 'act' && ending === 'done');
  assert.ok(done.length > 0, 'no held statement ever ran');
});
