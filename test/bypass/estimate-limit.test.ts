import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, type TestGateway } from '../fakes/gateway.ts';
import { heldWith, startEstimates } from './estimate-world.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startEstimates(`
    @id("many") @message("too many at once")
    forbid (principal, action == Action::"delete", resource == Table::"shop/public/payments")
    when { context has rows && context.rows > 50 };
    @id("shapes") @hold("dba") @count("exact") @shape("30m")
    forbid (principal, action == Action::"delete", resource == Table::"shop/public/words");
  `);
});
after(() => gateway?.stop());

const approve = (id: string, more: object = {}) =>
  gateway.api('approver', `/requests/${id}/decision`, {
    decision: 'approve',
    reason: 'ok',
    ...more,
  });

const WAYS: readonly (readonly [string, string, unknown[]?])[] = [
  ['simple', `update orders set status = 'limit' where customer_id = 5`],
  ['extended', `update orders set status = 'limit' where customer_id = $1`, [6]],
];

for (const [name, sql, values] of WAYS) {
  test(`what was counted is the most that it changes: ${name}`, async () => {
    const customer = values?.[0] ?? 5;
    const held = await heldWith(gateway, sql, values);
    const { counted } = held.request.rows;
    assert.equal(counted, 10);
    await gateway.targetSql.query(
      `insert into orders (customer_id, status, total) values ($1, 'new', 1)`,
      [customer],
    );
    assert.equal((await approve(held.request.id)).status, 200);
    const answer = await held.answer;
    assert.ok(answer instanceof Error, 'it changed more than was shown');
    assert.match(answer.message, /10 rows/);
    const { rows } = await gateway.targetSql.query(
      `select count(*)::int as n from orders where status = 'limit'`,
    );
    assert.equal(rows[0].n, 0);
  });

  test(`as many as were counted go through: ${name}`, async () => {
    const held = await heldWith(gateway, sql, values);
    assert.equal(held.request.rows.counted, 11);
    assert.equal((await approve(held.request.id)).status, 200);
    assert.equal((await held.answer).rowCount, 11);
    await gateway.targetSql.query(`update orders set status = 'paid' where status = 'limit'`);
  });
}

test('a shape is approved only where every rule that holds it allows one', async () => {
  const client = await gateway.open();
  const sql = `delete from words where n > 100`;
  const answer = client.query(sql);
  const { id } = await gateway.pending();
  await eventually('the count', async () => {
    const { body } = await gateway.api('approver', `/requests/${id}`);
    return body.rows?.counted === 0 || undefined;
  });
  assert.equal((await approve(id, { shape: true })).status, 422, 'the other rule allows no shape');
  assert.equal((await approve(id)).status, 200);
  assert.equal((await answer).rowCount, 0);
  await client.end();
});

test('rules that ask how many rows are told before the verdict', async () => {
  await gateway.targetSql.query('analyze payments');
  const client = await gateway.open();
  // Within its budget, or not at all: on a busy machine it may take more than one try.
  const refused = await eventually('a verdict that knows the rows', async () => {
    const { rows } = await gateway.storeSql.query('select id from countersign.request');
    let error: any;
    const answer = client
      .query('delete from payments where id > 0')
      .catch((cause) => (error = cause));
    const held = gateway.pending(rows.map((row) => row.id)).catch(() => undefined);
    await Promise.race([answer, held]);
    if (error) return error;
    const { id } = await gateway.pending(rows.map((row) => row.id));
    await gateway.api('approver', `/requests/${id}/decision`, { decision: 'deny', reason: 'no' });
    await answer;
    return undefined;
  });
  assert.equal(refused.code, '42501');
  assert.match(refused.message, /too many at once/);
  const few = await heldWith(gateway, 'delete from payments where id = 1');
  assert.equal(few.request.rows.counted, 1);
  await few.end();
  await client.end();
});
