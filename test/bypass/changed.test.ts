import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { B, codes, E, P, Q, RawClient, run, S, told } from '../fakes/raw-client.ts';
import { hold, leave, send, vote } from './held.ts';

const SCHEMA = `
  create table noted (id bigint primary key, note text, day date);
  insert into noted values (1, 'a', '2026-01-01'), (2, 'b', '2026-01-01'), (3, 'c', '2026-01-01');
  create function app_note(text) returns text language sql immutable as $$ select $1 $$;
  create view v_noted as select id, note from noted;
  create schema other;
  grant usage on schema other to gateway, analyser;
  create table other.orders (id bigint, status text);
  grant all on other.orders to gateway;
`;
const RULES = `
  @id("test-note")
  permit (principal in Group::"engineering", action == Action::"execute", resource == Function::"shop/public/app_note");
`;

describe('what was approved is what runs', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ schema: SCHEMA, rules: RULES, inTransactionMs: 1500 });
  });
  after(() => gateway.stop());

  const rows = async (sql: string) => (await gateway.targetSql.query(sql)).rows;
  const runs = async (text: string) =>
    (await gateway.ranOnTarget()).filter((sql) => sql.includes(text)).length;

  /** Holds `text`, lets somebody else do `meanwhile`, approves, and gives what the client hears. */
  async function changed(text: string, meanwhile: string, open?: RawClient) {
    const client = open ?? (await RawClient.connect(gateway));
    const id = await send(gateway, client, text);
    for (const sql of meanwhile.split(';;')) await gateway.targetSql.query(sql);
    assert.equal((await vote(gateway, 'approver', id)).body.state, 'approved');
    const heard = await client.until('readyForQuery');
    const { state } = (await gateway.api('approver', `/requests/${id}`)).body;
    if (!open) client.end();
    return { heard, state };
  }

  const MEANWHILE: Readonly<Record<string, readonly [text: string, meanwhile: string]>> = {
    'a column is added': [
      "update noted set note = 'x1' where id = 1",
      'alter table noted add column more text',
    ],
    'a column is renamed into another': [
      "update noted set more = 'x2' where id = 1",
      'alter table noted rename column note to old;; alter table noted rename column more to note;; alter table noted rename column old to more',
    ],
    'a trigger is added': [
      "update noted set note = 'x3' where id = 1",
      `create function app_spread() returns trigger language plpgsql as $$ begin update orders set status = 'spread'; return new; end $$;;
       create trigger spread before update on noted for each row execute function app_spread();; select 1`,
    ],
    'a function is replaced': [
      "update orders set status = app_note('x4') where id = 1",
      "create or replace function app_note(text) returns text language sql immutable as $$ select 'evil' $$",
    ],
    'a view is replaced': [
      "update v_noted set note = 'x5' where id = 1",
      'create or replace view v_noted as select id + 1 as id, note from noted',
    ],
    'a rule is added': [
      "update noted set note = 'x6' where id = 1",
      'create rule spread as on update to noted do also delete from payments',
    ],
    'the table is replaced by another of its name': [
      "update brief set note = 'x7' where id = 1",
      'alter table brief rename to older;; create table brief (id bigint primary key, note text);; grant all on brief to gateway',
    ],
    'a table of that name appears earlier on the path': [
      "update later set note = 'x8' where id = 1",
      'create table gateway.later (id bigint, note text);; grant usage on schema gateway to gateway, analyser;; grant all on gateway.later to gateway',
    ],
    'a default is changed': [
      'insert into noted (id) values (99)',
      "alter table noted alter column note set default 'evil'",
    ],
    'row security is turned on': [
      "update noted set note = 'x10' where id = 1",
      'alter table noted enable row level security;; create policy p on noted using (true) with check (true)',
    ],
  };
  for (const [name, [text, meanwhile]] of Object.entries(MEANWHILE))
    test(`an approved statement does not run when ${name} while it waits`, async () => {
      await gateway.targetSql.query(
        `create table if not exists brief (id bigint primary key, note text); create table if not exists later (id bigint primary key, note text);
         create schema if not exists gateway; grant all on brief, later to gateway; drop rule if exists spread on noted`,
      );
      const { heard, state } = await changed(text, meanwhile);
      assert.deepEqual(codes(heard), ['40001'], told(heard));
      assert.equal(state, 'changed');
      assert.equal(await runs(text), 0);
      assert.notDeepEqual(await rows('select count(*) from payments'), [{ count: '0' }]);
    });

  test('an approved statement does not run when a reload changes how its literals are read', async () => {
    const client = await RawClient.connect(gateway);
    await client.ask(Q('select 1'));
    const text =
      "insert into orders (customer_id, status, total, created_at) values (1, 'reload', 1, '02/03/2026')";
    const { heard } = await changed(
      text,
      "alter system set datestyle = 'ISO, DMY';; select pg_reload_conf()",
      client,
    );
    await gateway.targetSql.query('alter system reset datestyle');
    await gateway.targetSql.query('select pg_reload_conf()');
    client.end();
    assert.deepEqual(codes(heard), ['40001'], told(heard));
    assert.equal(await runs(text), 0);
  });

  test('a search_path set in the pipeline is what the held statement is bound to', async () => {
    const client = await RawClient.connect(gateway);
    client.send(
      P("update orders set status = 'piped' where id = 1", 'u'),
      run('set search_path = other'),
      B({ statement: 'u' }),
      E(),
      S(),
    );
    const { id } = await gateway.pending();
    const { body } = await gateway.api('approver', `/requests/${id}`);
    assert.match(JSON.stringify(body), /shop\.other\.orders/);
    await vote(gateway, 'approver', id, { decision: 'deny' });
    await client.until('readyForQuery');
    client.end();
  });

  test('an approval of a statement that went away runs nothing, now or later', async () => {
    const one = await hold(gateway);
    await leave(gateway, one);
    assert.notEqual((await vote(gateway, 'approver', one.id)).status, 200);
    assert.equal(await one.ran(), false);
  });

  test('an approval that comes with the withdrawal runs the statement at most once', async () => {
    for (let i = 0; i < 5; i += 1) {
      const one = await hold(gateway);
      const voting = vote(gateway, 'approver', one.id);
      one.client.end();
      const voted = await voting;
      const state = await eventually('its end', async () => {
        const now = (await gateway.api('approver', `/requests/${one.id}`)).body.state;
        return ['pending', 'approved', 'running'].includes(now) ? undefined : now;
      });
      assert.ok((await runs(one.text)) <= (voted.status === 200 ? 1 : 0), state);
    }
  });

  test('a hold in a transaction that outlives its limit runs nothing, and neither does what came before', async () => {
    const client = await RawClient.connect(gateway);
    await client.ask(Q('begin'));
    const first = await send(gateway, client, "update orders set status = 'early' where id = 3");
    await vote(gateway, 'approver', first);
    await client.until('readyForQuery');
    const late = await send(gateway, client, "update orders set status = 'late' where id = 4");
    const heard = await client.until('readyForQuery');
    assert.deepEqual(codes(heard), ['57014']);
    assert.notEqual((await vote(gateway, 'approver', late)).status, 200);
    assert.match(told(await client.ask(Q('commit'))), /ROLLBACK/);
    client.end();
    assert.equal(await runs("'late'"), 0);
    assert.deepEqual(await rows('select status from orders where id = 3'), [{ status: 'paid' }]);
  });

  const WHOLE: Readonly<Record<string, string>> = {
    'a second statement that is denied':
      "update orders set status = 'two' where id = 5; drop table orders",
    'a COMMIT': "update orders set status = 'two' where id = 5; commit; select 1",
    'a BEGIN and a COMMIT': "begin; update orders set status = 'two' where id = 5; commit",
    'a ROLLBACK at its end': "update orders set status = 'two' where id = 5; rollback",
    'COMMIT AND CHAIN': "update orders set status = 'two' where id = 5; commit and chain; select 1",
    'a SAVEPOINT': "update orders set status = 'two' where id = 5; savepoint s; select 1",
    'END behind comments': "update orders set status = 'two' where id = 5;/**/--\nend",
    'a setting before it': "set search_path = other; update orders set status = 'two' where id = 5",
    'a definition before it':
      "create table two (id int); update orders set status = 'two' where id = 5",
    'PREPARE TRANSACTION':
      "update orders set status = 'two' where id = 5; prepare transaction 'two'",
  };
  for (const [name, text] of Object.entries(WHOLE))
    test(`a held string with ${name} is refused whole`, async () => {
      const client = await RawClient.connect(gateway);
      const heard = await client.ask(Q(text));
      client.end();
      assert.equal(codes(heard).length, 1, told(heard));
      assert.match(codes(heard)[0] ?? '', /42501|0A000/);
      assert.equal(await runs("'two'"), 0);
    });

  const HALF: Readonly<Record<string, Buffer>> = {
    'a Parse that is refused': run('drop table orders'),
    'a Bind that is refused': Buffer.concat([
      P('delete from orders', 'd'),
      B({ statement: 'd' }),
      E(),
    ]),
    'a setting that is refused': run('set role none'),
    'a function call by number': Buffer.from([
      0x46, 0, 0, 0, 14, 0, 0, 0x08, 0x0c, 0, 0, 0, 0, 0, 0,
    ]),
  };
  for (const [name, message] of Object.entries(HALF))
    test(`${name} undoes what its pipeline did before`, async () => {
      const client = await RawClient.connect(gateway);
      client.send(
        run("update orders set status = 'half' where id = 6"),
        message,
        run('select 1'),
        S(),
      );
      await vote(gateway, 'approver', (await gateway.pending()).id);
      await client.until('error');
      client.send(S());
      await client.until('readyForQuery');
      client.end();
      assert.deepEqual(await rows('select status from orders where id = 6'), [{ status: 'paid' }]);
    });

  test('a denial inside a transaction fails what the transaction did before', async () => {
    const client = await RawClient.connect(gateway);
    await client.ask(Q('begin'));
    const first = await send(gateway, client, "update orders set status = 'half' where id = 7");
    await vote(gateway, 'approver', first);
    await client.until('readyForQuery');
    assert.deepEqual(codes(await client.ask(Q('drop table orders'))), ['42501']);
    await client.ask(Q('commit'));
    client.end();
    assert.deepEqual(await rows('select status from orders where id = 7'), [{ status: 'paid' }]);
  });
});
