import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestGateway } from '../fakes/gateway.ts';
import { heldWith, ownCodeRan, startEstimates } from './estimate-world.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startEstimates();
});
after(() => gateway?.stop());

async function rows(sql: string, values?: unknown[]): Promise<any> {
  const held = await heldWith(gateway, sql, values);
  await held.end();
  return held.request.rows;
}

const COUNTED: readonly (readonly [string, string, number, unknown[]?])[] = [
  ['one row by key', `update orders set status = 'x' where id = 42`, 1],
  ['many rows', `update orders set status = 'x' where id <= 40`, 40],
  ['no row', `delete from orders where id = -1`, 0],
  ['an alias', `update orders o set status = 'x' where o.id in (1, 2, 3)`, 3],
  [
    'an alias with AS, ONLY and a star',
    `update only orders as "O o" set status = 'x' where "O o".id < 4`,
    3,
  ],
  ['a schema in its name', `delete from public.payments where id < 3`, 2],
  [
    'a join that meets a row twice',
    `update customers c set city = 'x' from orders o where o.customer_id = c.id and c.id = 7`,
    1,
  ],
  ['USING', `delete from payments p using orders o where o.id = p.order_id and o.id < 6`, 5],
  [
    'IS DISTINCT FROM before FROM',
    `update orders o set status = case when o.status is distinct from 'a' then 'b' else 'c' end from payments p where p.order_id = o.id and p.id < 3`,
    2,
  ],
  [
    'RETURNING',
    `update orders set status = 'x' where id < 4 returning id, (select 1 where true)`,
    3,
  ],
  [
    'a sub-query in WHERE',
    `delete from payments where order_id in (select id from orders where id < 5)`,
    4,
  ],
  ['parameters', `update orders set status = $1 where id < $2 and total > $3`, 9, ['x', 11, 1]],
  [
    'comments',
    `update orders -- where false\n set /* where false */ status = 'where' where id < 3 -- the end`,
    2,
  ],
  ['two columns of a key', `update pairs set text = 'y' where tenant = 2`, 4],
  [
    'LIMIT in a sub-query',
    `delete from orders where id in (select id from orders order by id limit 2)`,
    2,
  ],
];

for (const [name, sql, count, values] of COUNTED)
  test(`counted exactly: ${name}`, async () => {
    const found = await rows(sql, values);
    assert.equal(found.state, 'known', JSON.stringify(found));
    assert.equal(found.counted, count, JSON.stringify(found));
    assert.equal(typeof found.estimated, 'number');
  });

const NEITHER: readonly (readonly [string, string])[] = [
  ['a function of an owner', 'update orders set total = tells(1) where id = 1'],
  [
    'a stable one, which the planner would estimate',
    'update orders set total = 1 where id = stably(1)',
  ],
  ['an operator of an owner', 'update orders set total = 1 where id::int === 1'],
  ['a domain with a check', 'update orders set total = 1 where id = 5::checked'],
  [
    'a view with a function',
    'update orders set total = 1 where id in (select id from seen where one = 1)',
  ],
  ['a default of the table', `insert into defaults (id) values (9)`],
  ['row-level security', `update policed set text = 'y' where id = 1`],
];

for (const [name, sql] of NEITHER)
  test(`neither estimated nor counted: ${name}`, async () => {
    const found = await rows(sql);
    assert.equal(found.state, 'unknown', JSON.stringify(found));
    assert.ok(found.why);
    assert.ok(!(await ownCodeRan(gateway)), sql);
  });

const UNCOUNTED: readonly (readonly [string, string])[] = [
  ['what a sequence gives', `update orders set total = 1 where id = nextval('counter')`],
  ['a sleep', 'delete from orders where id = 1 and pg_sleep(0) is not null'],
  ['INSERT', `insert into words select 'w' || n from generate_series(1, 3) n`],
  [
    'a data-modifying CTE',
    `with gone as (delete from orders where id = 5 returning id) delete from payments where id in (select id from gone)`,
  ],
];

for (const [name, sql] of UNCOUNTED)
  test(`estimated at most, not counted: ${name}`, async () => {
    const found = await rows(sql);
    assert.equal(found.counted, undefined, JSON.stringify(found));
    assert.ok(found.why, JSON.stringify(found));
  });

test('keys are shown, as many as the rule says', async () => {
  const { sample } = await rows(`update orders set status = 'x' where id between 10 and 30`);
  assert.deepEqual(sample.columns, ['id']);
  assert.equal(sample.keys.length, 3);
  for (const [key] of sample.keys) assert.ok(Number(key) >= 10 && Number(key) <= 30);
  const both = await rows(`update pairs set text = 'y' where tenant = 2`);
  assert.deepEqual(both.sample.columns, ['tenant', 'id']);
});

test('no key of a ruled column, and none in which a detector hits', async () => {
  const ruled = await rows('update hidden_keys set n = 5 where n < 3');
  assert.equal(ruled.counted, 2);
  assert.equal(ruled.sample, undefined);
  const detected = await rows('update mails set n = 5');
  assert.deepEqual(detected.sample.keys, [['•••']]);
});

test('what the record of a statement hides, the records of its estimates hide', async () => {
  const held = await heldWith(gateway, `update customers set city = 'x' where ssn = '123-45-0007'`);
  assert.equal(held.request.rows.counted, 1);
  await held.end();
  const all = JSON.stringify(await gateway.records());
  const { rows: requests } = await gateway.storeSql.query('select * from countersign.request');
  assert.ok(all.includes('countersign estimate'));
  assert.doesNotMatch(all + JSON.stringify(requests), /123-?45-?0007/);
});

test('each query of an estimate is a record with an outcome, in a transaction that only reads', async () => {
  const records = await gateway.records();
  const own = records.filter(
    (row) => row.kind === 'statement' && String(row.json.body.class).includes('estimate'),
  );
  assert.ok(own.length > 20);
  for (const { statement, json } of own) {
    assert.match(
      json.body.text,
      /^\/\* countersign estimate \*\/ (explain \(format json\)|select)/,
    );
    assert.ok(records.some((row) => row.kind === 'outcome' && row.statement === statement));
  }
  const begun = records.filter((row) =>
    row.json.body.text?.endsWith('begin transaction read only'),
  );
  assert.ok(begun.length > 10);
});

const told = (id: number): string =>
  `update orders set status = 'told', total = total where id = ${id}`;

test('what ran before in the session is told with its outcome, and what became of the same before', async () => {
  const client = await gateway.open();
  await client.query('select count(*) from orders');
  await client.query('select nothing from orders').catch(() => undefined);
  const ask = async (id: number, decision: string): Promise<any> => {
    const { rows: known } = await gateway.storeSql.query('select id from countersign.request');
    const answer = client.query(told(id)).catch((error: unknown) => error);
    const { id: request } = await gateway.pending(known.map((row) => row.id));
    const { body } = await gateway.api('approver', `/requests/${request}`);
    await gateway.api('approver', `/requests/${request}/decision`, { decision, reason: 'said' });
    await answer;
    return body.card;
  };
  const first = await ask(1, 'deny');
  assert.equal(first.same, undefined);
  assert.deepEqual(
    first.before.map(({ text, verdict }: any) => [text, verdict]),
    [
      ['select count(*) from orders', 'allow'],
      // What cannot be analysed is shown to nobody.
      ['•••', 'deny'],
    ],
  );
  const second = await ask(2, 'approve');
  assert.deepEqual([second.same.approved, second.same.denied], [0, 1]);
  assert.deepEqual(second.same.lastDenied.by, ['approver@example.com']);
  const third = await ask(3, 'deny');
  assert.deepEqual([third.same.approved, third.same.denied], [1, 1]);
  assert.equal(third.before.at(-2).verdict, 'hold');
  assert.equal(third.before.at(-1).verdict, 'approved');
  await client.end();
});
