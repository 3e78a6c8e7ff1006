import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { isRefused, learn, learnsNull } from './support.ts';

const SCHEMA = `
  alter table customers add column ssn_digits text generated always as (replace(ssn, '-', '')) stored;
  create view v_chain as select id, ssn as hidden from customers;
  create view v_chain2 as select id, hidden as deeper from v_chain;
  create materialized view v_copies as select id, ssn as kept from customers;
`;

describe('masked columns', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ schema: SCHEMA });
  });
  after(() => gateway.stop());

  const MASKED: Readonly<Record<string, string>> = {
    'under another name': 'select ssn as id from customers',
    'behind two views': 'select deeper from v_chain2',
    'in a materialized view': 'select kept from v_copies',
    'in a generated column made of it': 'select ssn_digits from customers',
    'as a field of its row': 'select (c).ssn from customers c',
    'in a scalar sub-select': 'select (select ssn from customers where id = 1)',
    'in VALUES': 'values ((select ssn from customers where id = 1))',
    'through a common table expression':
      'with a as materialized (select ssn as b from customers), c as (select b as d from a) select d from c',
    'through a recursive expression':
      'with recursive r(n, s) as (select 1, ssn from customers where id = 1 union all select n + 1, s from r where n < 2) select s from r',
    'in one arm of UNION ALL':
      "select name from (select 'x' as name where false union all select ssn from customers) u",
    'through a lateral join':
      'select l.s from customers c cross join lateral (select c.ssn as s) l',
    'in a self join': 'select b.ssn from customers a join customers b using (id)',
    'spelt with Unicode escapes': String.raw`select U&"s\0073n" from U&"custom\0065rs"`,
    'behind comments and quotes': 'select/**/"ssn"/* -- */from "public"."customers" -- where',
    'in TABLE with its other columns': 'select ssn from (table customers) t',
  };
  for (const [name, sql] of Object.entries(MASKED))
    test(`a masked column stays masked ${name}`, () => learnsNull(gateway, sql));

  // Where the column may be searched, the result is masked whole; where it may not, computing with it is refused.
  const COMPUTED: Readonly<Record<string, string>> = {
    'in a string of text': "select 'x' || ssn || 'y', upper(ssn), reverse(ssn) from customers",
    'cut into characters': 'select substr(ssn, 1, 1), ascii(ssn), md5(ssn) from customers',
    'in arrays': 'select array[ssn], array_to_string(array[ssn], $$$$) from customers',
    'as JSON':
      "select to_json(ssn), json_build_object('a', ssn), jsonb_build_array(ssn) from customers",
    'as XML': 'select xmlforest(ssn), xmlelement(name a, ssn) from customers',
    'through aggregates':
      "select array_agg(ssn), string_agg(ssn, ','), json_agg(ssn), jsonb_object_agg(id, ssn), max(ssn) from customers",
    'through window functions':
      'select lag(ssn, 0) over (), first_value(ssn) over (order by id) from customers',
    'in an array sub-select': 'select array(select ssn from customers)',
    'through COALESCE, NULLIF and GREATEST':
      "select coalesce(ssn, 'x'), nullif(ssn, 'x'), greatest(ssn, 'a') from customers",
    'as bytes and bits':
      "select ssn::bytea, convert_to(ssn, 'UTF8'), encode(ssn::bytea, 'hex') from customers",
    'as a row of its own': 'select row(ssn), row(ssn)::text from customers',
    'as a vector of words': "select to_tsvector('simple', ssn) from customers",
  };
  for (const [name, sql] of Object.entries(COMPUTED))
    test(`a masked column stays hidden ${name}`, async () => {
      await learnsNull(gateway, sql.replaceAll('ssn', 'card'));
      await isRefused(gateway, sql);
    });

  test('whole rows stay hidden as composite, text and JSON', async () => {
    await learnsNull(gateway, 'select c from customers c');
    for (const row of [
      'c::text',
      'row_to_json(c)',
      'to_jsonb(c)',
      'json_agg(c)',
      'row(c.*)',
      'array_agg(c)',
    ])
      await isRefused(gateway, `select ${row} from customers c`);
  });

  const SEARCHED: Readonly<Record<string, string>> = {
    WHERE: "select name from customers where ssn = '123-45-0001'",
    'ORDER BY': 'select name from customers order by ssn',
    'ORDER BY of a sub-select': 'select name from customers order by (select ssn)',
    'GROUP BY': 'select count(*) from customers group by ssn',
    HAVING: "select city from customers group by city having min(ssn) < '2'",
    DISTINCT: 'select distinct ssn from customers',
    'DISTINCT ON': 'select distinct on (ssn) name from customers',
    'the order of a window': 'select row_number() over (order by ssn) from customers',
    'the partition of a window': 'select count(*) over (partition by ssn) from customers',
    'FILTER of an aggregate': "select count(*) filter (where ssn like '1%') from customers",
    'the order of an aggregate': 'select array_agg(name order by ssn) from customers',
    'an ordered-set aggregate':
      'select percentile_disc(0.5) within group (order by ssn) from customers',
    'JOIN ON': "select name from customers c join (values ('1')) v(s) on c.ssn > v.s",
    'JOIN USING': "select name from customers join (values ('123-45-0001')) v(ssn) using (ssn)",
    'NATURAL JOIN': "select name from customers natural join (values ('123-45-0001')) v(ssn)",
    'LIMIT of a sub-select':
      'select name from customers limit (select substr(ssn, 1, 1)::int from customers where id = 1)',
    EXISTS: "select exists (select 1 from customers where ssn = '123-45-0001')",
    'IN of a WHERE': "select 1 where '123-45-0001' in (select ssn from customers)",
    INTERSECT: "select ssn from customers intersect select '123-45-0001'",
    UNION: "select 'x' union select ssn from customers",
    'the number of rows of a function':
      'select generate_series(1, substr(ssn, 1, 1)::int) from customers where id = 1',
    'a condition of a DELETE':
      "delete from orders using customers c where c.ssn = 'x' and orders.id = 1",
    'a condition of an upsert':
      "insert into customers (id, name, email, phone, card, ssn, city) values (1, '', '', '', '', '', '') on conflict (id) do update set city = 'x' where customers.ssn like '1%'",
    'a condition of MERGE':
      "merge into orders o using customers c on o.customer_id = c.id and o.id = 1 when matched and c.ssn like '1%' then update set status = 'x'",
  };
  for (const [name, sql] of Object.entries(SEARCHED))
    test(`a column that may not be searched is not searched by ${name}`, async () => {
      const refused = await isRefused(gateway, sql);
      assert.match(refused.message, /ssn/);
    });

  const COPIED: Readonly<Record<string, string>> = {
    'INSERT … SELECT':
      'insert into orders (customer_id, status, total) select id, ssn, 1 from customers',
    'a sub-select in VALUES':
      'insert into orders (customer_id, status, total) values (1, (select ssn from customers where id = 1), 1)',
    'UPDATE … SET':
      'update orders set status = (select ssn from customers where id = 1) where id = 1',
    'UPDATE … FROM':
      'update orders o set status = c.ssn from customers c where o.id = 1 and c.id = 1',
    'RETURNING of a write in a CTE':
      'with w as (update orders set status = (select ssn from customers where id = 1) where id = 1 returning status) select status from w',
    'ON CONFLICT DO UPDATE':
      "insert into orders (id, customer_id, status, total) values (1, 1, 'x', 1) on conflict (id) do update set status = (select ssn from customers where id = 1)",
    MERGE:
      'merge into orders o using customers c on o.id = 1 and c.id = 1 when matched then update set status = c.ssn',
    'a column of the same row': 'update customers set city = ssn where id = 1',
    'CREATE TABLE AS': 'create table taken as select ssn from customers',
    'SELECT INTO': 'select ssn into taken from customers',
    'CREATE VIEW': 'create view taken as select ssn from customers',
    'CREATE MATERIALIZED VIEW': 'create materialized view taken as select ssn from customers',
    'a setting':
      "select set_config('application_name', (select ssn from customers where id = 1), false)",
    'a notification': "select pg_notify('x', ssn) from customers",
    'COPY of a query': 'copy (select ssn || $$$$ from customers) to stdout',
    'COPY to a program': "copy customers to program 'cat'",
    'COPY to a file': "copy customers to '/tmp/customers'",
  };
  for (const [name, sql] of Object.entries(COPIED))
    test(`a masked value is not copied by ${name}`, () => isRefused(gateway, sql));

  test('RETURNING masks what it returns', async () => {
    const client = await gateway.open();
    const update = client.query("update customers set city = 'x' where id = 1 returning ssn, card");
    await gateway.decide('approve');
    assert.deepEqual((await update).rows, [{ ssn: null, card: '************0001' }]);
  });

  test('security sees the value that others do not, and the record says so', async () => {
    const client = await gateway.open('security');
    assert.deepEqual((await client.query('select ssn from customers where id = 1')).rows, [
      { ssn: '123-45-0001' },
    ]);
    const record = (await gateway.records('statement')).find(
      ({ json }) => json.body?.clear ?? json.clear,
    );
    assert.match(JSON.stringify(record?.json), /customers\/ssn|customers.ssn/);
    assert.doesNotMatch(JSON.stringify(record), /123-45-0001/);
  });

  test('a view that somebody replaces is judged by what it shows now', async () => {
    await gateway.targetSql.query(
      'create view v_changes as select id, name as x from customers; grant select on v_changes to gateway',
    );
    const client = await gateway.open();
    const text = 'select x from v_changes where id = 1';
    assert.equal((await client.query(text)).rows[0].x, 'Name 1');
    await gateway.targetSql.query(
      'create or replace view v_changes as select id, ssn as x from customers',
    );
    // What was judged before counts for two seconds at most.
    await new Promise((resolve) => setTimeout(resolve, 2100));
    assert.deepEqual((await client.query(text)).rows, [{ x: null }]);
  });

  test('a prepared statement over a view that somebody replaces is judged again at Bind', async () => {
    await gateway.targetSql.query(
      'create view v_bound as select id, name as x from customers; grant select on v_bound to gateway',
    );
    const client = await gateway.open();
    const prepared = { name: 'p', text: 'select x from v_bound where id = $1', values: [1] };
    assert.equal((await client.query(prepared)).rows[0].x, 'Name 1');
    await gateway.targetSql.query(
      'create or replace view v_bound as select id, ssn as x from customers',
    );
    await new Promise((resolve) => setTimeout(resolve, 2100));
    assert.deepEqual((await client.query(prepared)).rows, [{ x: null }]);
  });

  test('a system view that holds values of columns is closed', async () => {
    for (const sql of [
      "select most_common_vals from pg_stats where tablename = 'customers'",
      'select * from pg_statistic',
      'select * from pg_catalog.pg_stats_ext_exprs',
      'select stavalues1 from pg_statistic',
      'select query from pg_stat_activity',
      'select pg_stat_get_backend_activity(1)',
      'select * from pg_stat_get_activity(null)',
      'select statement from pg_prepared_statements',
      'select * from pg_prepared_statement()',
      'table pg_authid',
      'select * from information_schema.user_mapping_options',
    ])
      await isRefused(gateway, sql);
  });

  test('functions that read tables by name are closed', async () => {
    for (const sql of [
      "select query_to_xml('select ssn from customers', true, false, '')",
      "select table_to_xml('customers', true, false, '')",
      "select database_to_xml(true, false, '')",
      "select ts_stat('select to_tsvector(ssn) from customers')",
      "select ts_rewrite('a'::tsquery, 'select ssn::tsquery, ssn::tsquery from customers')",
      'select lo_get(1)',
      "select pg_read_file('PG_VERSION')",
      "select lo_import('/etc/passwd')",
      "select pg_ls_dir('.')",
      "select currtid2('customers', '(0,1)')",
    ])
      await isRefused(gateway, sql);
  });

  test('a masked value does not come back in any form of SHOW or EXPLAIN', async () => {
    for (const sql of [
      'explain (verbose, costs off) select ssn from customers where id = 1',
      'explain (analyze, verbose, timing off) select ssn from customers where id = 1',
      'show all',
    ])
      await learn(gateway, sql);
  });
});
