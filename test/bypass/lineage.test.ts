import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { RawClient, codes, Q, told } from '../fakes/raw-client.ts';
import { isRefused, learn, SECRET } from './support.ts';

const SCHEMA = `
  create materialized view v_reversed as select id, reverse(card) as backwards from customers;
  create materialized view v_kept as select id, ssn as kept from customers;
  create schema scratch;
  grant usage, create on schema scratch to gateway;
  grant usage on schema scratch to analyser;
  alter table customers owner to gateway;
  create table noted (note text);
  create view v_written as select id, city, ssn as hid, reverse(card) as back from customers;
  create function app_written() returns trigger language plpgsql as $$ begin return new; end $$;
  create trigger written instead of update on v_written for each row execute function app_written();
`;
// People who may define things of their own still do not see what rules hide.
const RULES = `
  @id("test-scratch")
  permit (principal in Group::"engineering", action == Action::"define", resource in Schema::"shop/scratch");
  @id("test-customers")
  permit (principal in Group::"engineering", action == Action::"define", resource == Table::"shop/public/customers");
`;

describe('where values come from', () => {
  let gateway: TestGateway;
  before(async () => {
    // Nothing is held here, and a write may be unbounded, so that each refusal has another cause.
    const demo = await readFile(new URL('../../cli/demo/shop.cedar', import.meta.url), 'utf8');
    const onlyRules =
      demo
        .replace(
          'resource in Target::"shop");\n\n@id("shop-payments',
          'resource == Table::"shop/public/payments");\n\n@id("shop-payments',
        )
        .replace('context.bounded', 'context.bounded || principal in Group::"engineering"') + RULES;
    gateway = await startGateway({ schema: SCHEMA, onlyRules });
  });
  after(() => gateway.stop());

  /** No cell shows more of a card than its last four digits, which are all zeros and the row's number. */
  async function showsOnlyTheEnd(sql: string): Promise<void> {
    const { result } = await learn(gateway, sql);
    assert.ok(Array.isArray(result.rows) && result.rows.length > 0, `${sql}: ${result.message}`);
    for (const cell of result.rows.flatMap((row: object) => Object.values(row)))
      if (cell !== null) assert.match(String(cell), /^\*{12}00\d\d$/, sql);
  }

  const first = 'select 1, card from customers where id = 1';
  const CUT: Readonly<Record<string, string>> = {
    'by a recursive expression': `with recursive r(n, s) as (${first} union all select n + 1, left(s, -4) from r where n < 4) select s from r`,
    'by a recursive expression in turns': `with recursive r(n, s, p) as (${first.replace('card', 'card, null::text')} union all select n + 1, p, reverse(s) from r where n < 4) select s, p from r`,
    'by a recursive expression inside another': `with recursive a(n, s) as (${first} union all (with recursive b(m, t) as (select 1, s from a union all select m + 1, left(t, -4) from b where m < 3) select m + 1, t from b where m = 3 limit 1)) select s from a limit 3`,
    'by a sub-select of a recursive expression': `with recursive r(n, s) as (${first} union all select n + 1, (select left(s, -4)) from r where n < 4) select s from r`,
    'by a lateral join with a recursive expression': `with recursive r(n, s) as (${first} union all select n + 1, x.y from r, lateral (values (left(r.s, -4))) x(y) where n < 4) select s from r`,
    'by one arm of UNION ALL':
      'select card from customers where id = 1 union all select left(card, 4) from customers where id = 1',
    'by one row of VALUES':
      'select v.c from customers, lateral (values (card), (left(card, 4))) v(c) limit 2',
    'by a type': 'select card::varchar(8), card::char(4), card::name from customers limit 1',
    'in a materialized view': 'select backwards from v_reversed where id = 1',
    'in a row and an array': 'select (array[card])[1], (row(card)).f1 from customers limit 1',
    'as a column of a JSON table': `select t.* from customers c, json_table(json_build_object('a', c.card)::jsonb, '$' columns (a text path '$.a')) t limit 1`,
  };
  for (const [name, sql] of Object.entries(CUT))
    test(`a mask that keeps the end shows no other part that was cut out ${name}`, () =>
      showsOnlyTheEnd(sql));

  test('a value that a recursive expression only hands on keeps its mask', async () => {
    const { result } = await learn(
      gateway,
      `with recursive r(n, s) as (${first} union all select n + 1, s from r where n < 2) select s from r`,
    );
    assert.deepEqual(result.rows, [{ s: '************0001' }, { s: '************0001' }]);
  });

  const probe = `select 'probe' as tag, '123-45-0050' as v union all select name, ssn from customers`;
  const SEARCHED: Readonly<Record<string, string>> = {
    'ORDER BY over UNION ALL': `${probe} order by 2`,
    'ORDER BY and LIMIT over UNION ALL': `select count(*) from (${probe} order by 2 limit 50) t`,
    'ORDER BY of an outer query': `select tag from (${probe}) t order by v`,
    'DISTINCT of an outer query': `select count(distinct v) from (${probe}) t`,
    'grouping sets': 'select count(*) from customers group by grouping sets ((ssn), ())',
    'a comparison of rows': 'select 1 from customers a join customers b on (a.*) = (b.*)',
    'a comparison with itself': 'select c = c from customers c',
    'a test for null': 'select ssn is null from customers',
    'a view of one’s own': `create view scratch.oracle as select 1 / (ascii(ssn) - 49) as x from customers`,
    'a condition in a view of one’s own': `create view scratch.oracle as select id from customers where ssn like '1%' with local check option`,
  };
  for (const [name, sql] of Object.entries(SEARCHED))
    test(`a column that may not be searched is not searched by ${name}`, async () => {
      const refused = await isRefused(gateway, sql);
      assert.match(refused.message, /ssn/);
    });

  const COPIED: Readonly<Record<string, string>> = {
    'an assignment of several columns':
      'update orders set (status, total) = (select card, 1 from customers where id = 1) where id = 1',
    'an upsert of several columns': `insert into orders (id, customer_id, status, total) values (1, 1, 'x', 1) on conflict (id) do update set (status, total) = (select card, 1 from customers where id = 1)`,
    'MERGE of several columns':
      'merge into orders o using (values (1)) v(i) on o.id = v.i when matched then update set (status, total) = (select card, 1 from customers where id = 1)',
    'a change of a column’s type': 'alter table customers alter city type text using card',
    'SELECT INTO behind a column that is called into':
      'select c.into into scratch.taken from (select ssn as into, name as taken from customers) c',
    'SELECT INTO behind an alias that is called into':
      'select ssn as into into scratch.taken from customers',
  };
  for (const [name, sql] of Object.entries(COPIED))
    test(`a masked value is not copied by ${name}`, () => isRefused(gateway, sql));

  test('SELECT INTO on the search_path does not take another column for what it copies', async () => {
    const client = await RawClient.connect(gateway);
    await client.ask(Q('set search_path = scratch, public'));
    const heard = await client.ask(
      Q('select c.into into taken from (select ssn as into, name as taken from customers) c'),
    );
    client.end();
    assert.deepEqual(codes(heard), ['42501'], told(heard));
    assert.doesNotMatch(told(heard), SECRET);
  });

  const ASSIGNED: Readonly<Record<string, string>> = {
    'COPY of an UPDATE':
      "copy (update customers set ssn = 'x' where id = 1 returning id) to stdout",
    'an UPDATE in front of an INSERT':
      "with u as (update customers set ssn = 'x' where id = 1 returning id) insert into noted select id from u",
    'an upsert in front of an INSERT':
      "with u as (insert into customers (id, name, email, phone, ssn, card, city) values (1, '', '', '', '', '', '') on conflict (id) do update set ssn = 'x' returning id) insert into noted select id from u",
    MERGE:
      "merge into customers c using (values (1)) v(i) on c.id = v.i when matched then update set ssn = 'x'",
  };
  for (const [name, sql] of Object.entries(ASSIGNED))
    test(`a hidden column is not changed blindly by ${name}`, async () => {
      const refused = await isRefused(gateway, sql);
      assert.match(refused.message, /assign on/);
    });

  test('RETURNING of a view that is written by its triggers masks what the view shows', async () => {
    const client = await gateway.open();
    const { rows } = await client.query(
      "update v_written set city = 'x' where id = 1 returning hid, back, new.hid as again",
    );
    assert.deepEqual(rows, [{ hid: null, back: null, again: null }]);
    await isRefused(gateway, "update v_written set hid = 'x' where id = 1");
  });

  test('a view that only shows columns can still be made, and masks them', async () => {
    const client = await gateway.open();
    await client.query('create view scratch.plain as select id, ssn, card from customers');
    await gateway.targetSql.query('grant select on scratch.plain to gateway');
    const { rows } = await client.query('select ssn, card from scratch.plain where id = 1');
    assert.deepEqual(rows, [{ ssn: null, card: '************0001' }]);
  });
});
