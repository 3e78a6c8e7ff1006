import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { gatewayTo } from '../suites/gateway.ts';
import { BIN, type Server, startServer } from '../suites/server.ts';
import { pgEnv, type Ran, run } from '../suites/suite.ts';
import { INTROSPECTION } from './introspection.ts';

/** One table, and nothing else. */
const ONE_TABLE = `
  @id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
  @id("read") permit (principal in Group::"engineering", action in [Action::"read", Action::"write"], resource == Table::"shop/public/orders");
  @id("columns") permit (principal in Group::"engineering", action in [Action::"reveal", Action::"filter", Action::"join", Action::"assign"], resource in Table::"shop/public/orders");`;

void describe('tools of a person who may use one table', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ onlyRules: ONE_TABLE });
  });
  after(() => gateway.stop());

  void test('find what there is', async () => {
    const db = await gateway.open('engineer');
    const failed: string[] = [];
    for (const [tool, sql] of INTROSPECTION) {
      const answer = await outcome(db.query(sql));
      if (answer instanceof Error) failed.push(`${tool}: ${answer.message}: ${sql}`);
    }
    assert.deepEqual(failed, []);
    await db.end();
  });

  void test('pgAdmin and pg_dump begin as they do, and no setting that rules stand on is set so', async () => {
    const db = await gateway.open('engineer');
    await db.query(
      'SET DateStyle=ISO; SET client_min_messages=notice; ' +
        "SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; " +
        "SET client_encoding='utf-8';",
    );
    await db.query("SELECT pg_catalog.set_config('search_path', '', false)");
    const shown = await db.query('show search_path');
    assert.deepEqual(shown.rows, [{ search_path: '' }]);
    // The names of what comes next are read under the new path.
    assert.equal((await outcome(db.query('select count(*) from orders'))).code, '42P01');
    assert.equal((await db.query('select 1 from public.orders where id = 1')).rowCount, 1);
    for (const sql of [
      "select set_config('role', 'postgres', false)",
      "select set_config('session_authorization', 'postgres', false)",
      "select set_config('standard_conforming_strings', 'off', false)",
      "select set_config('row_security', 'off', false)",
      "select set_config('debug_print_rewritten', 'on', false)",
      "select set_config('my.own', 'x', false)",
      "select set_config('search_path', note, false) from public.orders where id = 1",
      "select set_config(lower('SEARCH_PATH'), 'public', false)",
      "select set_config('datestyle', 'iso', false), set_config('search_path', 'public', false)",
      "select set_config('search_path', 'public', false); select 1 from orders",
      "select set_config('search_path', 'public', false), pg_notify('a', 'b')",
      "with w as (update public.orders set status = status where id = 1 returning id) select set_config('search_path', 'public', false) from w where set_config('datestyle', 'iso', false) <> ''",
      "explain analyze select set_config('search_path', 'public', false)",
      "declare c cursor with hold for select set_config('search_path', 'public', false)",
      "create table mine as select set_config('search_path', 'public', false)",
    ]) {
      const answer = await outcome(db.query(sql));
      assert.ok(answer instanceof Error, sql);
    }
    await db.query("prepare p as select set_config('search_path', 'public', false)");
    assert.equal((await outcome(db.query('execute p'))).code, '42501');
    await db.query({ name: 'wire', text: "select set_config('datestyle', 'iso', false)" });
    assert.equal((await outcome(db.query('execute wire'))).code, '42501');
    await db.query({ name: 'path', text: "select set_config('search_path', 'public', false)" });
    // Over the wire the session knows: names are read under it from then on.
    assert.equal((await db.query('select 1 from orders where id = 1')).rowCount, 1);
    await db.end();
  });

  const psql = ['/usr/bin/psql', '/usr/local/bin/psql'].find((path) => existsSync(path));
  void test('psql describes it', { skip: psql === undefined && 'no psql' }, async () => {
    for (const command of [
      '\\d',
      '\\d+ orders',
      '\\dt+',
      '\\dn+',
      '\\df',
      '\\du',
      '\\dp',
      '\\dT',
    ]) {
      const { code, err } = await gateway.psql('engineer', command, psql ?? '');
      assert.equal(code, 0, `${command}: ${err}`);
      assert.ok(!err.includes('ERROR'), `${command}: ${err}`);
    }
  });

  void test('a pooled client prepares many short statements, forgets them all and goes on', async () => {
    const db = await gateway.open('engineer');
    for (let round = 0; round < 3; round += 1) {
      for (let at = 0; at < 40; at += 1) {
        const text = `select id, ${at} as n from orders where id = $1`;
        const { rows } = await db.query({ name: `s${round}_${at}`, text, values: [at + 1] });
        assert.deepEqual(rows, [{ id: String(at + 1), n: at }]);
      }
      await db.query('begin');
      await db.query('update orders set status = $1 where id = $2', ['seen', 7]);
      await db.query('commit');
      await db.query(round === 1 ? 'discard all' : 'deallocate all');
    }
    // What is forgotten on the server is forgotten here.
    const gone = await outcome(db.query('execute s2_1 (1)'));
    assert.equal(gone.code, '26000');
    await db.end();
  });
});

const SCHEMA = [
  'create database shop template template0',
  'create role "approver@example.com" superuser login replication',
];

void describe('tools that copy a whole database', { skip: !existsSync(BIN) && `no ${BIN}` }, () => {
  let server: Server;
  before(async () => {
    server = await startServer();
    await server.sql('postgres', ...SCHEMA);
    await server.sql('shop', 'create table orders (id int primary key, ssn text)');
    await server.sql('shop', "insert into orders values (1, '123-45-6789')");
  });
  after(() => server.stop());

  const through = async (
    options: Parameters<typeof gatewayTo>[3],
    use: (tool: (name: string, ...args: string[]) => Promise<Ran>) => Promise<void>,
  ): Promise<void> => {
    const gateway = await gatewayTo(server, 'postgres', ['shop'], options);
    try {
      const where = {
        way: 'gateway',
        port: gateway.running.postgres.port,
        user: 'approver@example.com',
        password: await gateway.token('approver'),
        server,
      } as const;
      const env = pgEnv(where, 'shop');
      await use((name, ...args) => run(`${BIN}/${name}`, args, { env, timeout: 30_000 }));
    } finally {
      await gateway.stop();
    }
  };

  void test('are refused to whom some rule limits', async () => {
    await through({ rules: ONE_TABLE }, async (tool) => {
      const dump = await tool('pg_dump');
      assert.equal(dump.code, 1);
      assert.match(dump.out, /countersign: no rule permits/);
      assert.ok(!dump.out.includes('123-45-6789'));
      const stream = await tool(
        'psql',
        '-X',
        'dbname=shop replication=database',
        '-c',
        'IDENTIFY_SYSTEM',
      );
      assert.notEqual(stream.code, 0);
      assert.match(stream.out, /replication connections do not go through the gateway/);
    });
  });

  void test('work for whom no rule limits, replication only where the target allows it', async () => {
    await through({ replication: false }, async (tool) => {
      const dump = await tool('pg_dump', '--inserts');
      assert.equal(dump.code, 0, dump.out);
      assert.match(dump.out, /INSERT INTO public.orders VALUES \(1, '123-45-6789'\)/);
      // Over COPY.
      const copied = await tool('pg_dump');
      assert.match(copied.out, /^1\t123-45-6789$/m);
      const stream = await tool(
        'psql',
        '-X',
        'dbname=shop replication=database',
        '-c',
        'IDENTIFY_SYSTEM',
      );
      assert.match(stream.out, /replication connections do not go through the gateway/);
    });
    await through({}, async (tool) => {
      const slot = ['-d', 'dbname=shop', '--slot=s1'];
      const made = await tool('pg_recvlogical', ...slot, '--create-slot', '-P', 'test_decoding');
      assert.equal(made.code, 0, made.out);
      await server.sql('shop', "insert into orders values (2, 'streamed')");
      const client = await tool('psql', '-X', '-At', '-c', 'select pg_current_wal_lsn()');
      const end = `--endpos=${client.out.trim()}`;
      const got = await tool('pg_recvlogical', ...slot, '--start', end, '-f', '-');
      assert.equal(got.code, 0, got.out);
      assert.match(got.out, /INSERT: id\[integer\]:2 ssn\[text\]:'streamed'/);
      const dropped = await tool('pg_recvlogical', ...slot, '--drop-slot');
      assert.equal(dropped.code, 0, dropped.out);
    });
  });
});
