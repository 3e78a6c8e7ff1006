import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

const RULES = `
  @id("defines") permit (principal in Group::"engineering", action == Action::"define", resource in Target::"shop");
  @id("hides-secret") @mask("null") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/events/secret");
`;
const SCHEMA = `
  create table events (id int, secret text) partition by range (id);
  create table events1 partition of events for values from (0) to (10);
  create schema other;
  create function weigh(t text) returns int language sql as 'select 1';
  create type pair as (a text, b text);
  grant usage on schema other to gateway, analyser;
  alter role gateway superuser;
`;

describe('a definition is no way to a hidden column', () => {
  let gateway: TestGateway;
  let engineer: pg.Client;
  before(async () => {
    gateway = await startGateway({ rules: RULES, schema: SCHEMA });
    engineer = await gateway.open();
  });
  after(() => gateway.stop());

  // Rules go by names: under another one the values would be shown.
  const renames = [
    'alter table customers rename column ssn to number',
    'alter table customers rename to clients',
    'alter table customers set schema other',
    'alter schema public rename to private',
    'alter table events detach partition events1',
    'alter table customers alter column city type text using ssn',
    'create table kept as select ssn from customers',
    'select ssn into kept from customers',
    'create materialized view kept as select ssn from customers',
    'create table kept as with c as (select * from customers) select c from c',
  ];
  for (const sql of renames)
    test(`its values do not get another name: ${sql}`, async () => {
      const refused = await outcome(engineer.query(sql));
      assert.equal(refused.code, '42501');
      assert.match(String(refused.detail), /countersign\/masked-flow/);
    });

  // What fails for some values tells them; a constraint tells them again at each later write.
  const oracles = [
    'create index on customers ((1 / (ascii(ssn) - 49)))',
    "create index on customers (id) where ssn like '123%'",
    'create unique index on customers (ssn)',
    'create unique index on customers (city, ssn)',
    "alter table customers add check (ssn <> '123-45-0001')",
    "alter table customers add constraint c check (ssn <> '123-45-0001') not valid",
    'alter table customers add unique (ssn)',
    'alter table customers add exclude using btree (ssn with =)',
    'alter table customers alter ssn set not null',
    'alter table customers add column probe int generated always as (1 / (ascii(ssn) - 49)) stored',
    'alter table orders add foreign key (status) references customers (ssn)',
    'alter table orders add column probe text references customers (ssn)',
    'create table probe (ssn text references customers (ssn))',
    'create table probe (ssn text, foreign key (ssn) references customers (ssn) not valid)',
    "create policy probe on customers using (ssn = '1')",
    'create view probe as select id from customers where ssn > $$1$$',
  ];
  for (const sql of oracles)
    test(`it is not searched: ${sql}`, async () => {
      const refused = await outcome(engineer.query(sql));
      assert.equal(refused.code, '42501');
      assert.match(String(refused.detail), /pii-is-not-searched/);
    });

  const calls = [
    'create index on customers (weigh(city))',
    'alter table orders alter status set default weigh($$1$$)::text',
    'create table probe (n int default weigh($$1$$))',
    'create domain probe as text check (weigh(value) > 0)',
  ];
  for (const sql of calls)
    test(`functions in it are asked for: ${sql}`, async () => {
      const refused = await outcome(engineer.query(sql));
      assert.equal(refused.code, '42501');
      assert.match(String(refused.message), /execute on shop\.public\.weigh/);
    });

  test('a conversion to a type of the owner counts as code over the table', async () => {
    const refused = await outcome(
      engineer.query('create index on customers (((city, name)::pair))'),
    );
    assert.match(String(refused.detail), /countersign\/opaque/);
  });

  test('none of them reached the target', async () => {
    const ran = new Set(await gateway.ranOnTarget());
    assert.deepEqual(
      [...renames, ...oracles, ...calls].filter((sql) => ran.has(sql)),
      [],
    );
  });

  const harmless = [
    'alter table orders rename column total to amount',
    'alter table orders rename column amount to total',
    'create index on customers (city)',
    'alter table orders add column note text',
    "comment on column customers.ssn is 'hidden'",
    'vacuum (analyze) customers',
    'alter table orders add constraint positive check (total > 0) not valid',
    'alter table orders validate constraint positive',
  ];
  for (const sql of harmless)
    test(`the rest of the table is defined as before: ${sql}`, async () => {
      await engineer.query(sql);
      assert.ok((await gateway.ranOnTarget()).includes(sql));
    });
});
