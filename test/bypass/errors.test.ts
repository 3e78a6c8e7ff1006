import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { codes, Q, RawClient, run, S, told } from '../fakes/raw-client.ts';
import { learn, SECRET } from './support.ts';

const SCHEMA = `
  create function app_shout() returns trigger language plpgsql as $$ begin
    raise notice 'row was %', old.ssn;
    if new.city = 'Fail' then
      raise exception 'bad % row', old.ssn using errcode = '42501', detail = old.card, hint = old.ssn, column = old.ssn;
    end if;
    return new; end $$;
  create trigger shout before update on customers for each row execute function app_shout();
  create function app_late() returns trigger language plpgsql as $$ begin
    raise notice 'late %', old.ssn;
    if new.city = 'Late' then raise exception 'late % row', old.ssn; end if;
    return null; end $$;
  create constraint trigger late after update on customers deferrable initially deferred
    for each row execute function app_late();
  alter table customers add constraint checked check (city <> 'Checked');
  create unique index on customers (ssn);
`;

describe('errors and notices', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ schema: SCHEMA });
  });
  after(() => gateway.stop());

  const QUOTED: Readonly<Record<string, string>> = {
    'a failed cast': "select (ssn || 'x')::int from customers",
    'a failed cast to a date': 'select ssn::date from customers',
    'a failed cast to JSON': 'select ssn::json from customers',
    'a relation that does not exist': 'select ssn::regclass from customers',
    'a type that does not exist': 'select ssn::regtype from customers',
    'a function that does not exist': 'select ssn::regproc from customers',
    'an operator that does not exist': 'select ssn::regoper from customers',
    'a role that does not exist': 'select ssn::regrole from customers',
    'a schema that does not exist': 'select ssn::regnamespace from customers',
    'a collation that does not exist': 'select ssn::regcollation from customers',
    'a configuration that does not exist': 'select ssn::regconfig from customers',
    'a table whose rights are asked': "select has_table_privilege(ssn, 'select') from customers",
    'a column whose rights are asked':
      "select has_column_privilege('customers', ssn, 'select') from customers",
    'a database whose rights are asked':
      "select has_database_privilege(ssn, 'connect') from customers",
    'a role whose membership is asked': "select pg_has_role(ssn, 'usage') from customers",
    'a setting that does not exist': 'select current_setting(ssn) from customers',
    'a sequence that does not exist': "select pg_get_serial_sequence(ssn, 'x') from customers",
    'a time zone that does not exist': 'select now() at time zone ssn from customers',
    'an encoding that does not exist': "select convert_to('x', ssn::name) from customers",
    'a regular expression that is none':
      "select regexp_replace('x', ssn || '(', '') from customers",
    'a format that is none': "select format(ssn || '%z') from customers",
    'a date field that is none': 'select date_trunc(ssn, now()) from customers',
  };
  for (const [name, sql] of Object.entries(QUOTED))
    test(`the error about ${name} does not quote the value`, async () => {
      const { result } = await learn(gateway, `${sql} where id = 1`);
      assert.match(result.message, /withheld|cannot be used in a condition/);
    });

  /** Runs a held update that an approver lets through, by the simple protocol. */
  async function update(sql: string) {
    const client = await RawClient.connect(gateway);
    client.send(Q(sql));
    await gateway.decide('approve');
    const heard = await client.until('readyForQuery');
    client.end();
    return heard;
  }

  test('a notice of a trigger does not carry a masked value', async () => {
    const heard = await update("update customers set city = 'x' where id = 1");
    assert.doesNotMatch(told(heard), SECRET);
    assert.match(told(heard), /UPDATE 1/);
  });

  test('an error of a trigger does not carry a masked value in any field, whatever its code', async () => {
    const heard = await update("update customers set city = 'Fail' where id = 1");
    assert.doesNotMatch(told(heard), SECRET);
    assert.deepEqual(codes(heard), ['42501']);
  });

  test('a failing row of a check does not carry a masked value', async () => {
    const heard = await update("update customers set city = 'Checked' where id = 1");
    assert.doesNotMatch(told(heard), SECRET);
    assert.deepEqual(codes(heard), ['23514']);
  });

  test('a violated key does not carry a masked value', async () => {
    const heard = await update('update customers set id = 2 where id = 1');
    assert.doesNotMatch(told(heard), SECRET);
    assert.deepEqual(codes(heard), ['23505']);
  });

  test('a deferred trigger does not carry a masked value out of COMMIT', async () => {
    const client = await RawClient.connect(gateway);
    for (const city of ['y', 'Late']) {
      await client.ask(Q('begin'));
      client.send(Q(`update customers set city = '${city}' where id = 1`));
      await gateway.decide('approve');
      await client.until('readyForQuery');
      const heard = await client.ask(Q('commit'));
      assert.doesNotMatch(told(heard), SECRET);
    }
    client.end();
  });

  test('a deferred trigger does not carry a masked value out of SET CONSTRAINTS', async () => {
    const client = await RawClient.connect(gateway);
    await client.ask(Q('begin'));
    client.send(Q("update customers set city = 'Late' where id = 1"));
    await gateway.decide('approve');
    await client.until('readyForQuery');
    const heard = await client.ask(Q('set constraints all immediate'));
    assert.doesNotMatch(told(heard), SECRET);
    assert.equal(codes(heard).length, 1);
    client.end();
  });

  test('a deferred trigger does not carry a masked value out of Sync', async () => {
    const client = await RawClient.connect(gateway);
    for (const city of ['z', 'Late']) {
      client.send(run(`update customers set city = '${city}' where id = 1`), S());
      await gateway.decide('approve');
      const heard = await client.until('readyForQuery');
      assert.doesNotMatch(told(heard), SECRET);
    }
    client.end();
  });

  test('client_min_messages and the debug settings cannot be opened', async () => {
    for (const sql of [
      'set client_min_messages = log',
      'set client_min_messages to debug5',
      'set debug_print_rewritten = on',
      'set debug_print_plan = on',
      'set log_statement_stats = on',
      'set session debug_print_parse to on',
      "select set_config('client_min_messages', 'log', false)",
      "update pg_settings set setting = 'log' where name = 'client_min_messages'",
      'set role none',
      'set session authorization default',
      'reset role',
      'set row_security = off',
      "set client_encoding = 'latin1'",
      'set standard_conforming_strings = off',
      'set session_replication_role = replica',
    ]) {
      const { result } = await learn(gateway, sql);
      assert.match(result.code, /^(42501|0A000)$/, sql);
    }
  });
});
