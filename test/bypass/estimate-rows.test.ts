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
