import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

// A masked value that an expression computes with can be told by whether it fails, or by how long it takes.
describe('oracles in expressions over a column that may not be searched', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway();
  });
  after(() => gateway.stop());

  const ORACLES = [
    'select 1 / (ascii(ssn) - 49) from customers limit 1',
    "select case when ssn like '1%' then 1 / 0 end from customers where id = 1",
    'with x as materialized (select 1 / (ascii(ssn) - 49) v from customers) select count(*) from x',
    'select count(*) from (select 1 / (ascii(ssn) - 49) from customers offset 0) t',
    'select (select 1 / (ascii(c.ssn) - 49)) from customers c limit 1',
    'select v from customers c, lateral (values (1 / (ascii(c.ssn) - 49))) t(v)',
    "select (row_to_json(c) ->> 'ssn')::int from customers c limit 1",
    "select sum(case when ssn like '1%' then 1 else 0 end) from customers",
    'select max(ssn) from customers',
    'select ssn::date from customers',
  ];
  for (const sql of ORACLES)
    test(`refused before it runs: ${sql}`, async () => {
      const engineer = await gateway.open();
      const refused = await outcome(engineer.query(sql));
      assert.equal(refused.code, '42501');
      assert.match(refused.detail, /pii-is-not-searched/);
      assert.ok(!(await gateway.ranOnTarget()).includes(sql));
    });

  test('a plain reference, even behind a sub-query or a binary-compatible cast, is only masked', async () => {
    const engineer = await gateway.open();
    const { rows } = await engineer.query(
      'select ssn, ssn::varchar as v, (select c.ssn) as s, card from (select * from customers) c where id = 7',
    );
    assert.deepEqual(rows, [{ ssn: null, v: null, s: null, card: '************0007' }]);
  });

  test('a person who may see the column may compute with it', async () => {
    const security = await gateway.open('security');
    const { rows } = await security.query(
      'select ascii(ssn) - 48 as first from customers where id = 1',
    );
    assert.deepEqual(rows, [{ first: 1 }]);
  });
});
