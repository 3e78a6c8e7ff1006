import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { formatVkey } from '#src/audit/tree/note.ts';
import { recordProof, verifyProof } from '#src/audit/tree/record-proof.ts';
import { parseTrust } from '#src/audit/tree/trust.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { TreeWorld, write } from '../conformance/tree-world.ts';
import { eventually } from '../fakes/gateway.ts';

// By the clock of the process that writes: it was right, went back a year, ahead by fifty, and back to the beginning of time.
const CLOCKS = ['2026-03-01', '2025-03-01', '2076-03-01', '2026-03-01', '1970-01-01'];

test('a clock that jumps back and forth changes the order of nothing: chains, tree and proofs hold', async (t) => {
  await using world = await TreeWorld.start();
  t.after(() => mock.timers.reset());
  const logs = [await world.writer('east'), await world.writer('west')];
  const ids: string[] = [];
  world.sequence();
  world.checkpoint();
  for (const [turn, clock] of CLOCKS.entries()) {
    mock.timers.enable({ apis: ['Date'], now: new Date(`${clock}T12:00:00Z`) });
    for (const log of logs) ids.push(...(await write(log, 10)).map(({ record }) => record));
    mock.timers.reset();
    // Some of it in one batch of the sequencer, some in another.
    if (turn % 2 === 1) await world.reaches(ids.length);
  }
  await world.reaches(ids.length);
  await eventually('signed', async () => (await world.signed())?.size === ids.length, 20);
  assert.deepEqual(world.findings, []);
  assert.equal((await verifyLog(world.store.db)).ok, true);
  const trust = parseTrust(`log ${formatVkey(await world.key())}\nquorum none\n`);
  assert.deepEqual((await verifyTree(world.store.db, { trust })).problems, []);
  for (const id of [ids[0], ids[45], ids.at(-1)])
    assert.deepEqual(
      verifyProof((await recordProof(world.store.db, id ?? '')) ?? '', trust).problems,
      [],
    );
  const { rows } = await world.store.db.pool.query<{ years: string[] }>(
    `select array_agg(to_char(b.at at time zone 'UTC', 'YYYY') order by r.seq) as years
     from countersign.record r join countersign.record_body b using (id) where r.writer = 'east'`,
  );
  const said = CLOCKS.flatMap((clock) => Array.from({ length: 10 }, () => clock.slice(0, 4)));
  assert.deepEqual(rows[0]?.years, said, 'a record says what its clock said');
});

test('a clock that shows a year no record can say refuses statements, and goes on when it is right again', async (t) => {
  await using world = await TreeWorld.start();
  t.after(() => mock.timers.reset());
  const log = await world.writer('east');
  await write(log, 1);
  mock.timers.enable({ apis: ['Date'], now: Date.UTC(12_000, 0) });
  await assert.rejects(write(log, 1), /the record cannot be written/);
  mock.timers.reset();
  await write(log, 1);
  assert.equal((await verifyLog(world.store.db)).ok, true);
});
