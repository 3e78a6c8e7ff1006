import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { RecordKind } from '#src/audit/log.ts';
import { eventually, outcome } from '../fakes/gateway.ts';
import { codes, Q, RawClient } from '../fakes/raw-client.ts';
import { estimated, reaches, stateOf } from '../conformance/held.ts';
import { checkLedger, ranForGateway } from '../conformance/ledger.ts';
import { Killable } from './process.ts';

let child: Killable;
let count = 0;
before(async () => {
  child = await Killable.start();
});
beforeEach(() => {
  count += 1;
});
after(() => child?.stop());

const update = (): string => `update orders set total = total + 1 where id = ${count}`;
const ran = async (): Promise<number> =>
  (await ranForGateway(child.gateway)).filter((text) => text === update()).length;
/** How often the update took effect: each adds one. */
const effects = async (): Promise<number> => {
  const { rows } = await child.gateway.targetSql.query('select total from orders where id = $1', [
    count,
  ]);
  return Number(rows[0].total) - count;
};
const vote = (id: string) =>
  child.gateway.api('approver', `/requests/${id}/decision`, { decision: 'approve', reason: 'ok' });
async function warm(): Promise<RawClient> {
  const client = await RawClient.connect(child.gateway);
  await client.ask(Q('select 1'));
  return client;
}
/** A new process on the same store: what the old one left has ended, and everything works. */
async function rises(): Promise<void> {
  await child.start();
  const { rows } = await child.gateway.storeSql.query(
    `select id, state from countersign.request where state in ('pending', 'approved', 'running')`,
  );
  assert.deepEqual(rows, []);
  const client = await warm();
  assert.deepEqual(codes(await client.ask(Q('select id from orders where id = 1'))), []);
  client.end();
  await child.gateway.verify();
}
const outcomesOf = async (id: string): Promise<any[]> =>
  (await child.gateway.records('outcome'))
    .filter((row) => row.request === id)
    .map((row) => row.json.body);
async function noLateApproval(id: string): Promise<void> {
  assert.equal((await vote(id)).status, 409);
  assert.equal(await ran(), 0);
  assert.equal(await effects(), 0);
}

test('killed while it holds: the client hears the line break, and the request is abandoned', async () => {
  const client = await warm();
  client.send(Q(update()));
  const { id } = await child.gateway.pending();
  await client.until('notice');
  await child.kill();
  await client.until('closed');
  await rises();
  assert.equal(await stateOf(child.gateway, id), 'abandoned');
  await noLateApproval(id);
});

test('killed while it holds in a transaction: the target rolls the earlier work back', async () => {
  const client = await warm();
  await client.ask(Q('begin'));
  await client.ask(Q(`insert into notes values ('killed ${count}')`));
  client.send(Q(update()));
  const { id } = await child.gateway.pending();
  await child.kill();
  await rises();
  await noLateApproval(id);
  const { rowCount } = await child.gateway.targetSql.query(
    `select from notes where text = 'killed ${count}'`,
  );
  assert.equal(rowCount, 0);
});

/** Kills the process at one write of a held statement's way; gives the request if there is one. */
async function killedAt(
  kind: RecordKind,
  point: 'before' | 'after',
  decides = true,
): Promise<string | undefined> {
  const client = await warm();
  if (decides) {
    client.send(Q(update()));
    // Only now: the outcome of what went before has been written by then.
    const { id } = await child.gateway.pending();
    await estimated(child.gateway, id);
    // The settings are asked again before it runs, and that has an outcome of its own.
    await child.order({ kind, point, nth: kind === 'outcome' ? 2 : 1 });
    const reached = child.told('reached');
    const voted = outcome(vote(id));
    await reached;
    await child.kill();
    await voted;
    await rises();
    return id;
  }
  await child.order({ kind, point });
  const reached = child.told('reached');
  client.send(Q(update()));
  await reached;
  await child.kill();
  await rises();
  const { rows } = await child.gateway.storeSql.query(
    'select id from countersign.request order by created_at desc limit 1',
  );
  return rows[0]?.id;
}

test('killed before the record of a held statement: there is no request', async () => {
  const { rowCount } = await child.gateway.storeSql.query('select from countersign.request');
  await killedAt('statement', 'before', false);
  const now = await child.gateway.storeSql.query('select from countersign.request');
  assert.equal(now.rowCount, rowCount);
  assert.equal(await ran(), 0);
});

test('killed after the record of a held statement: its request is abandoned', async () => {
  const id = (await killedAt('statement', 'after', false)) ?? '';
  assert.equal(await stateOf(child.gateway, id), 'abandoned');
  await noLateApproval(id);
});

for (const [kind, point, state] of [
  ['decision', 'before', 'abandoned'],
  ['decision', 'after', 'abandoned'],
  ['claim', 'before', 'abandoned'],
] as const)
  test(`killed ${point} the ${kind} was written: nothing runs, and no approval counts later`, async () => {
    const id = (await killedAt(kind, point)) ?? '';
    assert.equal(await stateOf(child.gateway, id), state);
    assert.deepEqual(await outcomesOf(id), []);
    await noLateApproval(id);
  });

test('killed after the claim was written: nothing runs, and the log says unknown', async () => {
  const id = (await killedAt('claim', 'after')) ?? '';
  assert.equal(await stateOf(child.gateway, id), 'unknown');
  const [told, ...more] = await outcomesOf(id);
  assert.equal(told.unknown, true);
  assert.deepEqual(more, []);
  await noLateApproval(id);
});

for (const point of ['before', 'after'] as const)
  test(`killed ${point} the outcome was written: it ran once, and has one outcome`, async () => {
    const id = (await killedAt('outcome', point)) ?? '';
    const outcomes = await outcomesOf(id);
    assert.equal(outcomes.length, 1);
    if (point === 'before') assert.equal(outcomes[0].unknown, true);
    else assert.equal(outcomes[0].ok, true);
    assert.match(await stateOf(child.gateway, id), /^(done|unknown)$/);
    assert.equal(await ran(), 1);
    assert.equal(await effects(), 1);
    assert.equal((await vote(id)).status, 409);
  });

for (const point of ['before', 'after'] as const)
  test(`killed ${point} the record of a statement that may run: it does not run`, async () => {
    const client = await warm();
    await child.order({ kind: 'statement', point });
    const reached = child.told('reached');
    client.send(Q(`select ${count} as never`));
    await reached;
    await child.kill();
    await rises();
    const all = await ranForGateway(child.gateway);
    assert.ok(!all.includes(`select ${count} as never`));
    const records = (await child.gateway.records()).filter((row) =>
      row.json?.body?.text?.includes(`select ${count} as never`),
    );
    assert.equal(records.length, point === 'before' ? 0 : 1);
  });

test('killed while it runs: it takes effect once at most, and the log says unknown', async () => {
  const { targetSql } = child.gateway;
  const client = await warm();
  await targetSql.query('begin');
  await targetSql.query('select from orders where id = $1 for update', [count]);
  client.send(Q(update()));
  const { id } = await child.gateway.pending();
  await vote(id);
  await eventually('the update to wait for the lock', async () => {
    const { rowCount } = await targetSql.query(
      `select from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.usename = 'gateway'`,
    );
    return rowCount === 1 || undefined;
  });
  assert.equal(await stateOf(child.gateway, id), 'running');
  await child.kill();
  await rises();
  assert.equal(await stateOf(child.gateway, id), 'unknown');
  await targetSql.query('commit');
  await eventually('the old backend to end', async () => {
    const { rowCount } = await targetSql.query(
      `select from pg_stat_activity where usename = 'gateway' and query = $1 and state = 'active'`,
      [update()],
    );
    return rowCount === 0 || undefined;
  });
  assert.equal((await vote(id)).status, 409);
  assert.equal(await ran(), 1);
  assert.ok((await effects()) <= 1);
  await reaches(child.gateway, id, 'unknown');
});

test('after every kill the log and the target still tell the same', async () => {
  await checkLedger(child.gateway);
});
