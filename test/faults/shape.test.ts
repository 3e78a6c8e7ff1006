import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { codes, Q, RawClient } from '../fakes/raw-client.ts';
import { estimated, reaches } from '../conformance/held.ts';
import { checkLedger, ranForGateway } from '../conformance/ledger.ts';
import { Killable } from './process.ts';

// What runs on an approved shape, at a gateway that is killed at its only write.
let child: Killable;
before(async () => {
  child = await Killable.start({
    rules: `@id("again") @hold("dba") @shape("30m")
      forbid (principal, action == Action::"delete", resource == Table::"shop/public/notes");`,
  });
});
after(() => child?.stop());

async function warm(): Promise<RawClient> {
  const client = await RawClient.connect(child.gateway);
  await client.ask(Q('select 1'));
  return client;
}
const ran = async (sql: string): Promise<number> =>
  (await ranForGateway(child.gateway)).filter((text) => text === sql).length;
const resting = async (request: string): Promise<any[]> =>
  (await child.gateway.records('statement')).filter((row) => row.json.body.approval === request);

async function approved(client: RawClient, sql: string): Promise<string> {
  client.send(Q(sql));
  const { id } = await child.gateway.pending();
  await estimated(child.gateway, id);
  const vote = { decision: 'approve', reason: 'ok', shape: true };
  const { status } = await child.gateway.api('approver', `/requests/${id}/decision`, vote);
  assert.equal(status, 200);
  assert.deepEqual(codes(await client.until('readyForQuery')), []);
  await reaches(child.gateway, id, 'done');
  return id;
}

for (const point of ['before', 'after'] as const)
  test(`killed ${point} the record of a run on a shape: it does not run, and the shape is what it was`, async () => {
    const sql = `delete from notes where text = '${point}'`;
    const client = await warm();
    const id = await approved(client, sql);
    client.send(Q(sql));
    assert.deepEqual(codes(await client.until('readyForQuery')), []);
    assert.equal(await ran(sql), 2);
    // Its settings are read again first, which is a statement of the gateway's own.
    await child.order({ kind: 'statement', point, nth: 2 });
    const reached = child.told('reached');
    client.send(Q(sql));
    await reached;
    await child.kill();
    await child.start();
    assert.equal(await ran(sql), 2);
    const records = await resting(id);
    assert.equal(records.length, point === 'before' ? 1 : 2);
    if (point === 'after') {
      const { statement } = records.at(-1);
      const outcomes = (await child.gateway.records('outcome')).filter(
        (row) => row.statement === statement,
      );
      assert.deepEqual(
        outcomes.map((row) => row.json.body.unknown),
        [true],
      );
    }
    const again = await warm();
    assert.deepEqual(codes(await again.ask(Q(sql))), []);
    assert.equal(await ran(sql), 3);
    again.end();
    await checkLedger(child.gateway);
  });

test('killed at the decision: before its record nothing is approved, after it nothing that never ran runs', async () => {
  for (const point of ['before', 'after'] as const) {
    const sql = `delete from notes where text = 'decided ${point}'`;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await killedDeciding(sql, point);
  }
});

async function killedDeciding(sql: string, point: 'before' | 'after'): Promise<void> {
  const client = await warm();
  client.send(Q(sql));
  const { id } = await child.gateway.pending();
  await estimated(child.gateway, id);
  await child.order({ kind: 'decision', point });
  const reached = child.told('reached');
  const vote = { decision: 'approve', reason: 'ok', shape: true };
  const voted = child.gateway
    .api('approver', `/requests/${id}/decision`, vote)
    .catch(() => undefined);
  await reached;
  await child.kill();
  await voted;
  await child.start();
  await reaches(child.gateway, id, 'abandoned');
  const again = await warm();
  again.send(Q(sql));
  const held = await child.gateway.pending();
  assert.notEqual(held.id, id);
  again.end();
  assert.equal(await ran(sql), 0);
}
