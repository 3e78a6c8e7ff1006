import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { RawClient } from '../fakes/raw-client.ts';
import { leave, send, vote } from './held.ts';

// Everything is permitted, administer too, but for what is said here.
const RULES = `
  @id("all") permit (principal in Group::"engineering", action, resource);
  @id("never-payments") forbid (principal, action == Action::"delete", resource == Table::"shop/public/payments");
  @id("never-vault") forbid (principal, action == Action::"read", resource == Table::"shop/public/vault");
  @id("orders-held") @hold("dba") forbid (principal, action == Action::"write", resource == Table::"shop/public/orders");
  @id("hides-ssn") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/customers/ssn")
    unless { principal in Group::"security" };
`;
const SCHEMA = `
  create table vault (id int, code text);
  create procedure clean(i int) language sql as 'select 1';
  create schema other;
  create table other.orders (id int);
  grant usage on schema other to gateway, analyser;
  alter role gateway superuser;
`;

describe('blocks, procedures and strings of several statements', () => {
  let gateway: TestGateway;
  let engineer: pg.Client;
  before(async () => {
    gateway = await startGateway({ onlyRules: RULES, schema: SCHEMA });
    engineer = await gateway.open();
  });
  after(() => gateway.stop());

  const forbidden: readonly (readonly [string, string])[] = [
    ['begin delete from payments where id = 1; end', 'never-payments'],
    ['declare n int := 1; begin delete from payments where id = n; end', 'never-payments'],
    ['declare n int; begin n := (select max(id) from vault); end', 'never-vault'],
    ['begin if exists (select from vault) then null; end if; end', 'never-vault'],
    [
      'declare r record; begin for r in select * from vault loop null; end loop; end',
      'never-vault',
    ],
    ['declare c cursor for select id from vault; begin open c; end', 'never-vault'],
    [
      'begin perform id from vault; exception when others then delete from payments; end',
      'never-payments',
    ],
    ['begin null; exception when division_by_zero then perform 1 from vault; end', 'never-vault'],
    [
      "declare n text; begin select v.code into strict n from vault v; raise notice '%', n; end",
      'never-vault',
    ],
    ["begin raise notice '%', (select code from vault limit 1); end", 'never-vault'],
    [
      'declare "N x" int := 1; begin while (select count(*) from vault) > "N x" loop exit; end loop; end',
      'never-vault',
    ],
    [
      'begin with d as (delete from payments returning id) insert into other.orders select id from d; end',
      'never-payments',
    ],
    ['begin case when (select true from vault) then null; else null; end case; end', 'never-vault'],
    ['begin assert (select count(*) from vault) > 0; end', 'never-vault'],
    ['begin begin begin truncate payments; end; end; end', 'never-payments'],
    ['begin call clean((select id from vault)); end', 'never-vault'],
    ['begin create table kept as select id from vault; end', 'never-vault'],
    ['begin perform ssn from customers; end', 'countersign/opaque'],
    ['declare s text; begin select ssn into s from customers limit 1; end', 'countersign/opaque'],
  ];
  for (const [body, rule] of forbidden)
    test(`what is forbidden is forbidden in a block: ${body}`, async () => {
      const refused = await outcome(engineer.query(`do $$ ${body} $$`));
      assert.equal(refused.code, '42501', String(refused.message));
      assert.match(String(refused.detail), new RegExp(rule));
    });

  for (const body of [
    'begin set role postgres; end',
    'begin create temp table orders (id int); end',
  ])
    test(`what is refused by itself is refused in a block: ${body}`, async () => {
      const refused = await outcome(engineer.query(`do $$ ${body} $$`));
      assert.match(String(refused.message), /^countersign/);
      assert.match(String(refused.code), /^(42501|0A000)$/);
    });

  test('none of them reached the target', async () => {
    const ran = await gateway.ranOnTarget();
    assert.deepEqual(
      ran.filter((text) => text.startsWith('do ')),
      [],
    );
  });

  test('a block that may run is held for what is in it, and approvers read all of it', async () => {
    const client = await RawClient.connect(gateway, 'engineer');
    const text =
      "do $$ declare n int := 3; begin update orders set status = 'block' where id = n; execute 'select 1'; end $$";
    const id = await send(gateway, client, text);
    const { body } = await gateway.api('approver', `/requests/${id}`);
    assert.deepEqual(body.card.words, [
      'runs a block of plpgsql: updates shop.public.orders; runs statements that it puts together itself, and what cannot be told before it runs',
    ]);
    assert.equal((await vote(gateway, 'approver', id)).status, 200);
    await client.until('readyForQuery');
    const { rows } = await gateway.targetSql.query(`select id from orders where status = 'block'`);
    assert.deepEqual(rows, [{ id: '3' }]);
    client.end();
  });

  test('a block that cannot be read is left to who may administer', async () => {
    const closed = [
      "do language sql 'select 1'",
      'do $$ #variable_conflict use_column declare id int := 1; begin perform id from other.orders; end $$',
    ];
    for (const sql of closed) {
      // oxlint-disable-next-line no-await-in-loop
      await outcome(engineer.query(sql));
      // oxlint-disable-next-line no-await-in-loop
      assert.ok((await gateway.ranOnTarget()).includes(sql), sql);
    }
  });

  const calls: readonly (readonly [string, string])[] = [
    ['call clean((select id from vault))', 'never-vault'],
    ['call clean(1 + (select count(*) from vault)::int)', 'never-vault'],
    ['call clean((select length(ssn) from customers limit 1))', 'countersign/(opaque|masked-flow)'],
    [
      'call clean((select 1 from payments where id = 1 and pg_sleep(0) is null and exists (select from vault)))',
      'never-vault',
    ],
  ];
  for (const [sql, rule] of calls)
    test(`the arguments of a procedure are judged: ${sql}`, async () => {
      const refused = await outcome(engineer.query(sql));
      assert.equal(refused.code, '42501', String(refused.message));
      assert.match(String(refused.detail), new RegExp(rule));
    });

  test('a procedure is called with what may be computed', async () => {
    await engineer.query('call clean(abs(-3) + 1)');
    await engineer.query('call clean($1)', [7]);
    assert.ok((await gateway.ranOnTarget()).includes('call clean($1)'));
  });

  test('named arguments cannot be judged', async () => {
    const refused = await outcome(engineer.query('call clean(i => (select id from vault))'));
    assert.match(String(refused.message), /^countersign.*named arguments/);
  });

  test('one part that is forbidden refuses the whole string', async () => {
    const sql = 'select 1; delete from payments where id = 5; select 2';
    const refused = await outcome(engineer.query(sql));
    assert.match(String(refused.detail), /never-payments/);
    assert.ok(!(await gateway.ranOnTarget()).includes(sql));
  });

  test('a held string shows every part in order, and runs as one after one approval', async () => {
    const client = await RawClient.connect(gateway, 'engineer');
    const text =
      "insert into other.orders values (1); update orders set status = 'several' where id = 4; delete from other.orders where id = 2";
    const id = await send(gateway, client, text);
    const { body } = await gateway.api('approver', `/requests/${id}`);
    assert.deepEqual(body.card.words, [
      'inserts into shop.other.orders',
      'updates shop.public.orders, bounded by id = 4',
      'deletes from shop.other.orders, bounded by id = 2',
    ]);
    assert.equal((await vote(gateway, 'approver', id)).status, 200);
    await client.until('readyForQuery');
    client.end();
    assert.ok((await gateway.ranOnTarget()).includes(text));
  });

  for (const control of [
    'commit',
    'begin',
    "commit prepared 'x'",
    "prepare transaction 'x'",
    'savepoint s',
  ])
    test(`a held string may not control transactions: ${control}`, async () => {
      const refused = await outcome(
        engineer.query(`update orders set status = 'x' where id = 1; ${control}`),
      );
      assert.match(String(refused.message), /transaction control/);
    });

  test('the end of a prepared transaction takes its settings back, so nothing follows it in a string', async () => {
    await engineer.query('begin; set local search_path = other');
    const refused = await outcome(engineer.query("prepare transaction 'x'; select * from orders"));
    assert.match(String(refused.detail), /one-by-one/);
    await engineer.query('rollback');
  });

  test('a client that leaves takes its block along', async () => {
    const client = await RawClient.connect(gateway, 'engineer');
    const text = "do $$ begin update orders set status = 'gone' where id = 9; end $$";
    const id = await send(gateway, client, text);
    await leave(gateway, {
      id,
      text,
      client,
      ran: async () => (await gateway.ranOnTarget()).includes(text),
    });
  });
});
