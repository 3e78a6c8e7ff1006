import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway.stop());

test('a held update runs once, after its approval, with all its records before it', async () => {
  const engineer = await gateway.open();
  const update = engineer.query("update orders set status = 'refunded' where id = 42");
  const { id } = await gateway.pending();
  const notice = await eventually('the notice', () => engineer.notices[0]);
  assert.match(notice.message ?? '', /held by rule shop-writes-need-a-second-person/);
  assert.equal((await gateway.ranOnTarget()).filter((sql) => sql.includes('id = 42')).length, 0);
  assert.equal((await gateway.decide('approve')).body.state, 'approved');
  assert.equal((await update).rowCount, 1);
  assert.equal((await gateway.ranOnTarget()).filter((sql) => sql.includes('id = 42')).length, 1);
  const records = await eventually('the outcome', async () => {
    const all = (await gateway.records()).filter((record) => record.request === id);
    return all.some((record) => record.kind === 'outcome') ? all : undefined;
  });
  assert.deepEqual(
    records.map((record) => record.kind),
    ['statement', 'decision', 'claim', 'outcome'],
  );
  await gateway.verify();
});
