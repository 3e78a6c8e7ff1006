import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

const RULES = `
  @id("all") permit (principal in Group::"engineering", action, resource);
  @id("where-is-required") forbid (principal, action in [Action::"write", Action::"delete"], resource) unless { context.bounded };
`;

// Conditions that every row meets, or nearly.
const TRUISMS = `true
1 = 1
not false
id = id
id <= id
id is not distinct from id
id is not null
id is not null or id = 1
not (id is null)
id is not null is true
id = 1 or true
id = 1 or 1 = 1
id = 1 or not (id = 1)
id = 1 or id <> 1
id > 5 or id <= 5
status like '_%' or status not like '_%'
status is null or status is not null
(id = 1) is not null
(id = 1) is not unknown
(id = 1) is true or (id = 1) is not true
(id = 1) is not false or id = 2
id in (id)
id in (id, 3)
id = any (array[id])
id between id and id
(id, total) = (id, total)
coalesce(id, 1) = coalesce(id, 1)
coalesce(id = 1, true)
case when id = 1 then true else true end
case when true then true else id = 1 end
nullif(id, 1) is null or id is not null
status like '%'
status like '%%'
status ilike '%'
status ~ '.*'
status ~ ''
ctid = ctid
ctid is not null
tableoid = 'orders'::regclass
xmin is not null
orders is not null
orders = orders
exists (select 1)
not exists (select 1 from orders o where false)
id in (select id from orders)
id = any (select id from orders)
id <= all (select id from orders o where o.id = orders.id)
id = (select o.id from orders o where o.id = orders.id)
exists (select 1 from orders o where o.id = orders.id)
exists (select 1 from orders o where o.id = orders.id and o.id is not null)
exists (select 1 from orders o where o.id <= orders.id)
id in (select id from (select * from orders) o)
ctid in (select ctid from orders)
id in (with o as (select id from orders) select id from o)
$$x$$ <> status is null or id = 1 or exists (select 1)`.split('\n');

const WHOLE = [
  'delete from orders using orders o where o.id = 5',
  'delete from orders using orders o where o.id = orders.id',
  'update orders set status = $$x$$ from orders o where o.id = orders.id and o.id = o.id',
  'update orders set status = $$x$$ from customers c where c.id = 3',
  'with gone as (delete from payments returning id) select count(*) from gone',
  'with gone as (delete from payments where true returning id) insert into orders (customer_id, status, total) select 1, $$x$$, 1 from gone',
  'merge into orders o using (values (1)) v(id) on true when matched then delete',
  'merge into orders o using orders s on o.id = s.id when matched then delete',
  'merge into orders o using customers c on o.customer_id = c.id when not matched by source then delete',
  'insert into orders (id, customer_id, status, total) select id, 1, $$x$$, 1 from orders on conflict (id) do update set status = excluded.status',
  'insert into orders (id, customer_id, status, total) select id, 1, $$x$$, 1 from orders on conflict (id) do update set status = excluded.status where orders.id is not null',
  'explain analyze delete from payments',
  'copy (delete from payments returning id) to stdout',
  'do $$ begin delete from payments; end $$',
  'truncate payments',
  'prepare gone as delete from payments; execute gone',
];

const NARROW = `id = 7
id in (7, 8)
id = any (array[7, 8])
id between 7 and 8
id < 9 and status = 'paid'
id = 7 and true
id = 7 or id = 8
not (id <> 7)
status is null
not (status is not null)
(id = 7) is true
coalesce(id = 7, false)
case when id = 7 then true else false end
status like 'p%'
status ~ '^paid$'
customer_id in (select id from customers where city = 'Nowhere')
id in (select id from orders where total > 990)
id in (select id from orders order by id limit 3)
id in (select max(id) from orders group by customer_id)
exists (select 1 from orders o where o.customer_id = orders.customer_id and o.id < orders.id)
id in (select id from (select * from orders) o where o.total > 990)
exists (select 1 from customers c where c.id = orders.customer_id and c.city = 'Nowhere')`.split(
  '\n',
);

const JOINED = [
  'update orders set status = $$x$$ from customers c where c.id = customer_id',
  'update orders set status = $$x$$ from orders o where o.id = orders.id and o.total > 990',
  'insert into orders (id, customer_id, status, total) values (7, 1, $$x$$, 1) on conflict (id) do update set status = excluded.status',
  'insert into orders (id, customer_id, status, total) select id, 1, $$x$$, 1 from orders where id = 7 on conflict (id) do update set status = excluded.status',
  'merge into orders o using (values (7)) v(id) on o.id = v.id when matched then update set status = $$x$$',
];

describe('where a WHERE is required, one that narrows nothing is none', () => {
  let gateway: TestGateway;
  let engineer: pg.Client;
  before(async () => {
    gateway = await startGateway({ onlyRules: RULES });
    engineer = await gateway.open();
  });
  after(() => gateway.stop());

  const refused = [
    ...TRUISMS.map((one) => `update orders set status = $$x$$ where ${one}`),
    ...WHOLE,
  ];
  for (const sql of refused)
    test(`refused: ${sql}`, async () => {
      const { code, detail } = await outcome(engineer.query(sql));
      assert.equal(code, '42501');
      assert.match(String(detail), /where-is-required/);
    });

  test('none of them reached the target, and no row was changed', async () => {
    const ran = new Set(await gateway.ranOnTarget());
    assert.deepEqual(
      refused.filter((sql) => ran.has(sql)),
      [],
    );
    const { rows } = await gateway.targetSql.query(
      `select (select count(*)::int from orders where status <> 'paid') changed, (select count(*)::int from payments) remaining`,
    );
    assert.deepEqual(rows, [{ changed: 0, remaining: 100 }]);
  });

  for (const sql of [
    ...NARROW.map((one) => `update orders set status = $$x$$ where ${one}`),
    ...JOINED,
  ])
    test(`runs: ${sql}`, async () => {
      await engineer.query('begin');
      const { message } = await outcome(engineer.query(sql));
      await engineer.query('rollback');
      assert.equal(message, undefined);
      assert.ok((await gateway.ranOnTarget()).includes(sql));
    });
});
