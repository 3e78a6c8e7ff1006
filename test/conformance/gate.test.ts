import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admitOwn } from '#gateway/gate/gate.ts';
import { bind } from '#gateway/gate/binding.ts';
import { issuePermit, spend, type Permit } from '#gateway/gate/permit.ts';
import type { Binding, Receipt } from '#src/audit/log.ts';
import { allow, deny, forEveryProtocol, holdFor, lookAt, refused } from './gate-world.ts';

const receiptOf = (binds?: Binding): Receipt =>
  ({ record: 'r', writer: 'w', seq: 1n, ...(binds && { binds }) }) as unknown as Receipt;
const digest = lookAt('update t set a = 1 where b = 2').digest;
const other = lookAt('update t set a = 2 where b = 2').digest;

const unfit = () => ({ rule: 'countersign/unfit', message: 'cannot mask this' });
const broken = (): never => {
  throw new Error('planted: it does not answer');
};

test('a permit is only made from a receipt for the same digest and a verdict that lets it run', () => {
  const made = (binds?: Binding) => () => issuePermit('s', digest, receiptOf(binds), allow);
  assert.throws(made(), /another statement/);
  assert.throws(made({ digest: other, verdict: 'allow' }), /another statement/);
  assert.throws(made({ digest: digest.subarray(1), verdict: 'allow' }), /another statement/);
  assert.throws(made({ digest, verdict: 'hold' }), /the verdict hold/);
  assert.throws(made({ digest, verdict: 'deny' }), /the verdict deny/);
  assert.doesNotThrow(made({ digest, verdict: 'allow' }));
  assert.doesNotThrow(made({ digest, verdict: 'approved' }));
});

test('a permit works once, and only the one that the gate made', () => {
  const permit = issuePermit('s', digest, receiptOf({ digest, verdict: 'allow' }), allow);
  assert.throws(() => spend({ ...permit }), /not made by the gate/);
  assert.throws(() => spend({} as Permit), /not made by the gate/);
  spend(permit);
  assert.throws(() => spend(permit), /used/);
});

test('no two lists of parts share a digest, however their borders are moved', () => {
  const lists = [['a', 'b'], ['ab', ''], ['', 'ab'], ['ab'], ['ab', undefined], ['a', 'b', '']];
  const digests = lists.map((parts) => bind(parts).toString('hex'));
  assert.equal(new Set(digests).size, lists.length);
});

forEveryProtocol('what rules allow is recorded, then run', async (world) => {
  await world.send('select 1');
  await world.send('select 1');
  world.expected = ['select 1', 'select 1'];
  assert.deepEqual(world.kinds(), ['statement', 'run', 'statement', 'run']);
});

forEveryProtocol('what rules deny is recorded and not run', async (world) => {
  world.verdict = deny;
  assert.match(refused(await world.send('drop'), 'denied'), /not here/);
  assert.deepEqual(world.kinds(), ['statement']);
});

forEveryProtocol(
  'what the gateway cannot judge is refused before any rule is asked',
  async (world) => {
    const look = lookAt('???', { refused: { rule: 'countersign/parse', message: 'no' } });
    refused(await world.send('???', { look }), 'refused');
    assert.deepEqual(world.kinds(), ['statement']);
  },
);

forEveryProtocol(
  'obligations that the protocol cannot keep are a denial, also of what would be held',
  async (world) => {
    refused(await world.send('copy', { unfit }), 'denied');
    world.verdict = holdFor();
    refused(await world.send('copy', { unfit }), 'denied');
    assert.deepEqual(world.states(), []);
  },
);

forEveryProtocol('a person whom the directory no longer knows runs nothing', async (world) => {
  world.subject = undefined;
  refused(await world.send('select 1'), 'denied');
});

for (const when of ['before', 'after'] as const)
  forEveryProtocol(
    `a record that failed ${when} it was written lets nothing run`,
    async (world) => {
      world.log.faults.set('statement', when);
      refused(await world.send('select 1'), 'unavailable');
      world.verdict = deny;
      refused(await world.send('drop'), 'unavailable');
      await assert.rejects(admitOwn(world.deps, world.asked('').session, 'show x'), /planted/);
      world.log.faults.clear();
      world.verdict = allow;
      await world.send('select 2');
      world.expected = ['select 2'];
    },
  );

forEveryProtocol('rules or a directory that fail let nothing run', async (world) => {
  const { deps } = world;
  world.deps = { ...deps, policy: broken };
  refused(await world.send('select 1'), 'unavailable');
  world.deps = { ...deps, subject: () => Promise.reject(new Error('planted: no directory')) };
  refused(await world.send('select 1'), 'unavailable');
  assert.equal(world.failures.length, 2);
});

forEveryProtocol('a receipt that stands for something else gives no permit', async (world) => {
  world.log.forge = () => receiptOf({ digest: other, verdict: 'allow' });
  refused(await world.send('select 1'), 'unavailable');
  world.log.forge = (receipt) => receiptOf({ digest: receipt.binds!.digest, verdict: 'hold' });
  refused(await world.send('select 1'), 'unavailable');
  world.verdict = holdFor();
  world.held = world.approve;
  refused(await world.send('update'), 'unavailable');
});

forEveryProtocol(
  'statements of the gateway itself are recorded like every other',
  async (world) => {
    const permit = await admitOwn(world.deps, world.asked('').session, 'show x');
    world.target.run(permit, 'show x');
    assert.throws(() => world.target.run(permit, 'show x'), /used/);
    world.expected = ['show x'];
    assert.deepEqual(world.kinds(), ['statement', 'run']);
  },
);
