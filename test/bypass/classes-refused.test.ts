import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { corpus } from '../unit/sql/corpus.ts';

const SCHEMA = `
  create view contacts as select id, name, email as mail, ssn as nid from customers;
  create materialized view copies as select id, ssn as number from customers;
  create table events (id int, secret text) partition by range (id);
  create table events1 partition of events for values from (0) to (10);
  create table animals (id int, secret text);
  create table dogs (breed text) inherits (animals);
  create table people (id int, ssn text, tail text generated always as (right(ssn, 4)) stored);
  create table guarded (id int, owner text);
  create policy own on guarded using (owner = current_user);
  create table watched (id int);
  create function loud() returns trigger language plpgsql as 'begin return new; end';
  create trigger watch before insert on watched for each row execute function loud();
  create function get_ssn(i int) returns text language sql as 'select ssn from customers where id = i';
  create function dblink(text, text) returns setof record language sql as 'select 1';
  create procedure clean(i int) language sql as 'delete from orders where id = i';
  create domain positive as int check (value > 0);
  create type mood as enum ('sad', 'glad');
  create sequence numbers;
  create schema other;
  create table other.orders (id int, status text);
  grant usage on schema other to gateway, analyser;
  alter role gateway superuser;
`;
const permit = (id: string, actions: string): string =>
  `@id("${id}") permit (principal in Group::"engineering", action in [${actions}], resource);`;
const action = (...names: string[]): string => names.map((name) => `Action::"${name}"`).join(', ');
const columns = action('reveal', 'filter', 'join', 'assign');

/** What is asked beside columns, from the corpus: the actions, and whether it is an escape. */
function asked(expected: string): {
  readonly actions: readonly string[];
  readonly escapes: boolean;
} {
  const actions = expected
    .split(' ; ')
    .flatMap((part) =>
      (/^\S+ ([^|!^~]*?)(?: ->|$)/.exec(part.split(/ [|!^~] /)[0] ?? '')?.[1] ?? '').split(', '),
    )
    .map((access) => access.split(' ')[0] ?? '')
    .filter((name) => name !== '' && name !== '->' && name !== '-');
  return { actions, escapes: expected.includes(' ^ ') };
}

/** Each of these is sent as it stands, to a server where the gateway's role is a superuser: only rules keep it. */
const sent = corpus
  .flatMap(({ node, cases }) => cases.map((one) => ({ node, ...one })))
  .filter(({ node, sql }) => node !== 'TransactionStmt' && !sql.includes('$1'))
  .map((one) => ({ ...one, ...asked(one.expected[0] ?? '') }));

async function reachedNothing(
  gateway: TestGateway,
  all: readonly { sql: string }[],
): Promise<void> {
  const client = await gateway.open();
  await client.query('select 1 as seen');
  const ran = new Set(await gateway.ranOnTarget());
  assert.ok(ran.has('select 1 as seen'), 'the log tells what ran');
  assert.deepEqual(
    all.map(({ sql }) => sql).filter((sql) => ran.has(sql)),
    [],
  );
}

describe('who may only read gets nothing else done, in whatever class', () => {
  let gateway: TestGateway;
  let engineer: pg.Client;
  before(async () => {
    gateway = await startGateway({
      schema: SCHEMA,
      onlyRules: permit('reads', `${action('connect', 'read')}, ${columns}`),
    });
    engineer = await gateway.open();
  });
  after(() => gateway.stop());

  const changing = sent.filter(({ actions }) => actions.some((name) => name !== 'read'));
  test('the corpus has them', () => {
    assert.ok(changing.length > 180);
  });
  for (const { node, sql } of changing)
    test(`${node}: ${sql}`, async () => {
      const refused = await outcome(engineer.query(sql));
      assert.match(String(refused.message), /^countersign|does not exist/);
      assert.match(String(refused.code), /^42|^0A/);
    });
  test('none of them reached the target', () => reachedNothing(gateway, changing));
});

describe('who may do everything but administer does not leave the tables', () => {
  let gateway: TestGateway;
  let engineer: pg.Client;
  before(async () => {
    gateway = await startGateway({
      schema: SCHEMA,
      onlyRules: permit(
        'works',
        `${action('connect', 'read', 'write', 'delete', 'define', 'execute')}, ${columns}`,
      ),
    });
    engineer = await gateway.open();
  });
  after(() => gateway.stop());

  const leaving = sent.filter(({ actions, escapes }) => escapes || actions.includes('administer'));
  test('the corpus has them', () => {
    assert.ok(leaving.length > 80);
  });
  for (const { node, sql, escapes } of leaving)
    test(`${node}: ${sql}`, async () => {
      const refused = await outcome(engineer.query(sql));
      assert.equal(refused.code, '42501');
      if (escapes) assert.match(String(refused.detail), /countersign\/escape/);
    });
  test('none of them reached the target', () => reachedNothing(gateway, leaving));
});
