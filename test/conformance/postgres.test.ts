import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { outcome, type TestGateway } from '../fakes/gateway.ts';
import { codes, type Heard, Q, RawClient, run, S, told } from '../fakes/raw-client.ts';
import { cancel, decide, placeOf, reaches, startHeld, WAYS, type Way } from './held.ts';
import { checkLedger, ranForGateway } from './ledger.ts';

let gateway: TestGateway;
let count = 0;
before(async () => {
  gateway = await startHeld();
});
after(() => gateway.stop());

const update = (id: number): string => `update orders set status = 'new ${id}' where id = ${id}`;
const noted = async (note: string): Promise<boolean> =>
  (await gateway.targetSql.query('select from notes where text = $1', [note])).rowCount === 1;
const statusOf = async (table: string, id: number): Promise<string> =>
  (await gateway.targetSql.query(`select * from ${table} where id = $1`, [id])).rows[0][
    table === 'orders' ? 'status' : 'text'
  ];

type Case = { readonly id: number; readonly note: string; readonly client: RawClient };

/** The refusal is an answer: it came after the notice, once, and the connection goes on. */
async function refusedUsably(way: Way, at: Case, heard: readonly Heard[], code: string) {
  assert.deepEqual(codes(heard), [code], told(heard));
  assert.equal(heard.at(-1)?.['status'], way.failed, told(heard));
  const error = heard.find(({ name }) => name === 'error');
  assert.match(error?.['message'], /^countersign: /);
  assert.ok(error?.['hint']);
  const { client, note } = at;
  if (way.failed === 'E') {
    const ended = await client.ask(Q('commit'));
    assert.ok(told(ended).includes('ROLLBACK'), told(ended));
  }
  assert.equal((await client.ask(Q('select 1'))).at(-1)?.['status'], 'I');
  assert.equal((await client.ask(run('select 1'), S())).at(-1)?.['status'], 'I');
  assert.equal(await noted(note), way.keepsNote);
  assert.equal(await noted(`${note} after`), false);
}

for (const way of WAYS) {
  const next = async (): Promise<Case> => {
    count += 1;
    return { id: count, note: `note ${count}`, client: await RawClient.connect(gateway) };
  };
  const untouched = async ({ id }: Case): Promise<void> => {
    assert.equal(await statusOf('orders', id), 'paid');
    const ran = await ranForGateway(gateway);
    assert.deepEqual(
      ran.filter((text) => text.includes(`'new ${id}'`)),
      [],
    );
  };

  test(`${way.name}: an approved update runs once, behind its notice`, async () => {
    const at = await next();
    await way.send(at.client, at.note, update(at.id));
    const { id } = await gateway.pending();
    await untouched(at);
    assert.equal(await decide(gateway, 'approve'), 200);
    const heard = await at.client.until('readyForQuery');
    assert.deepEqual(codes(heard), []);
    assert.ok(placeOf(heard, 'notice') >= 0);
    assert.ok(told(heard).includes('held by rule orders-wait'));
    if (way.failed === 'E') await at.client.ask(Q('commit'));
    assert.equal(await statusOf('orders', at.id), `new ${at.id}`);
    assert.equal(await noted(at.note), true);
    const ran = await ranForGateway(gateway);
    assert.equal(ran.filter((text) => text.includes(`'new ${at.id}'`)).length, 1);
    await reaches(gateway, id, 'done');
    at.client.end();
  });

  test(`${way.name}: a denied update does not run`, async () => {
    const at = await next();
    await way.send(at.client, at.note, update(at.id));
    await gateway.decide('deny', 'approver', 'not on a Friday');
    const heard = await at.client.until('readyForQuery');
    assert.ok(placeOf(heard, 'notice') >= 0);
    assert.ok(placeOf(heard, 'notice') < placeOf(heard, 'error'));
    assert.ok(told(heard).includes('denied by approver@example.com: not on a Friday'));
    await refusedUsably(way, at, heard, '42501');
    await untouched(at);
    at.client.end();
  });

  test(`${way.name}: a cancel request withdraws, and an approval comes too late`, async () => {
    const at = await next();
    await way.send(at.client, at.note, update(at.id));
    const { id } = await gateway.pending();
    await at.client.until('notice');
    await cancel(gateway, at.client);
    const heard = await at.client.until('readyForQuery');
    await reaches(gateway, id, 'withdrawn');
    const late = await gateway.api('approver', `/requests/${id}/decision`, {
      decision: 'approve',
      reason: 'late',
    });
    assert.equal(late.status, 409, JSON.stringify(late.body));
    await refusedUsably(way, at, heard, '57014');
    await untouched(at);
    at.client.end();
  });

  test(`${way.name}: nobody decides in time`, async () => {
    const at = await next();
    const sql = `update quick set text = 'new ${at.id}' where id = ${at.id}`;
    await way.send(at.client, at.note, sql);
    const heard = await at.client.until('readyForQuery');
    assert.ok(told(heard).includes('nobody decided in time'));
    await refusedUsably(way, at, heard, '57014');
    assert.equal(await statusOf('quick', at.id), '');
    at.client.end();
  });

  for (const sql of ['drop table orders', 'delete from orders', 'create role eve superuser'])
    test(`${way.name}: ${sql} is refused outright`, async () => {
      const at = await next();
      await way.send(at.client, at.note, sql);
      const heard = await at.client.until('readyForQuery');
      assert.equal(placeOf(heard, 'notice'), -1);
      await refusedUsably(way, at, heard, '42501');
      const ran = await ranForGateway(gateway);
      assert.ok(!ran.some((text) => text.includes(sql)));
      at.client.end();
    });

  test(`${way.name}: a client that goes away leaves nothing that could run`, async () => {
    const at = await next();
    await way.send(at.client, at.note, update(at.id));
    const { id } = await gateway.pending();
    at.client.end();
    await reaches(gateway, id, 'withdrawn');
    const late = await gateway.api('approver', `/requests/${id}/decision`, {
      decision: 'approve',
      reason: 'late',
    });
    assert.equal(late.status, 409);
    await untouched(at);
    assert.equal(await noted(at.note), way.keepsNote);
  });
}

test('a rule that asks for two people and a reason gets both, from two other people', async () => {
  const approver = await gateway.open('approver');
  await approver.query("set countersign.reason = 'ticket 7'");
  const own = outcome(approver.query("update payments set method = 'own' where id = 1"));
  const { id } = await gateway.pending();
  const vote = async (on: string, who: string, reason = 'seen', decision = 'approve') =>
    (await gateway.api(who, `/requests/${on}/decision`, { decision, reason })).body.state;
  assert.equal(await vote(id, 'approver'), undefined, 'their own');
  assert.equal(await vote(id, 'engineer'), undefined, 'no authority');
  assert.equal(await vote(id, 'stranger'), undefined, 'no authority');
  assert.equal(await vote(id, 'approver2', ''), undefined, 'no reason');
  assert.equal(await vote(id, 'approver2'), 'pending');
  assert.equal(await vote(id, 'approver2'), undefined, 'twice');
  assert.equal(await vote(id, 'approver2', 'I looked again', 'deny'), 'denied');
  assert.equal((await own).code, '42501');

  const engineer = await gateway.open();
  await engineer.query("set countersign.reason = 'ticket 8'");
  const asked = engineer.query("update payments set method = 'asked' where id = 1");
  const { id: second } = await gateway.pending();
  assert.equal(await vote(second, 'approver'), 'pending');
  assert.equal((await ranForGateway(gateway)).filter((text) => text.includes('asked')).length, 0);
  assert.equal(await vote(second, 'approver2'), 'approved');
  assert.equal((await asked).rowCount, 1);
  assert.equal((await ranForGateway(gateway)).filter((text) => text.includes('own')).length, 0);
});

test('a connection that was refused ten times in a row still works as if it were new', async () => {
  const engineer = await gateway.open();
  for (let i = 0; i < 10; i += 1) {
    // oxlint-disable-next-line no-await-in-loop
    assert.equal((await outcome(engineer.query('drop table orders'))).code, '42501');
    // oxlint-disable-next-line no-await-in-loop
    assert.equal((await outcome(engineer.query('delete from orders', [i]))).code, '42501');
  }
  assert.equal((await engineer.query('select id from orders where id = $1', [1])).rowCount, 1);
});

test('what the target says it ran and what the log says may run are the same list', async () => {
  await checkLedger(gateway);
});
