import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import type { Ports } from '#cli/demo/plan.ts';
import { type Demo, startDemo } from '#cli/demo/start.ts';
import { serve } from '#gateway/main.ts';
import { readConfig } from '#src/config/read.ts';
import { freePort } from '../fakes/postgres.ts';

let folder: string;
let ports: Ports;
let demo: Demo | undefined;

before(async () => {
  const home = await mkdtemp(join(tmpdir(), 'countersign-demo-'));
  // As root the databases run as another user; out of its reach they would lie outside this folder.
  await chmod(home, 0o711);
  folder = join(home, '.countersign');
  const [console, postgres, store, shop] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  ports = { console, postgres, store, shop };
  demo = await start();
});
after(async () => {
  await demo?.stop();
  await rm(join(folder, '..'), { recursive: true, force: true });
});

function start(): Promise<Demo> {
  const { signal } = new AbortController();
  return startDemo({
    folder,
    ports,
    fresh: false,
    readConfig,
    serve,
    say: () => undefined,
    signal,
  });
}

/** Straight to the demo's production database, past the gateway. */
async function asRole(role: string): Promise<pg.Client> {
  const password = await readFile(join(folder, 'demo', 'secrets', role), 'utf8');
  const client = new pg.Client({
    connectionString: `postgres://${role}:${password}@127.0.0.1:${ports.shop}/shop`,
  });
  await client.connect();
  return client;
}

test('the shop is the same on every machine', async () => {
  const client = await asRole('gateway');
  const { rows } = await client.query(`
    select (select count(*) from customers) as customers, (select count(*) from payments) as payments,
      (select status from orders where id = 42) as status,
      (select md5(string_agg(o.id || status || total, ',' order by o.id)) from orders o) as orders,
      (select md5(string_agg(email || ssn || card, ',' order by id)) from customers) as people`);
  await client.end();
  assert.deepEqual(rows[0], {
    customers: '20000',
    payments: '50000',
    status: 'paid',
    orders: '0462e0368ca612673f73df4c7ea8366b',
    people: 'cc9e8dcd89433c02a6e4b534612ff181',
  });
});

test('the gateway’s role works with rows and nothing else', async () => {
  const client = await asRole('gateway');
  for (const sql of [
    'create table x ()',
    'create temp table x ()',
    'truncate orders',
    'drop table payments',
    'create schema s',
    "select pg_read_file('/etc/passwd')",
  ])
    await assert.rejects(client.query(sql), /permission denied|must be owner/, sql);
  await client.end();
});

test('the analyser’s role reads no row and may hear of parsing', async () => {
  const client = await asRole('analyser');
  for (const table of ['customers', 'orders', 'payments'])
    await assert.rejects(client.query(`select from ${table}`), { code: '42501' });
  await client.query("set log_min_messages = 'panic'");
  await client.end();
});

test('an engineer reads through the gateway with the token that the demo wrote, and a second start keeps it', async () => {
  const first = demo?.facts.people['engineer'];
  assert.ok(demo && first);
  const read = async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: ports.postgres,
      user: first.email,
      password: first.token,
      database: 'shop',
    });
    await client.connect();
    const { rows } = await client.query('select id, ssn from customers order by id limit 1');
    await client.end();
    return rows;
  };
  assert.deepEqual(await read(), [{ id: '1', ssn: null }]);
  await demo.stop();
  demo = await start();
  assert.equal(demo.facts.people['engineer']?.token, first.token);
  assert.deepEqual(await read(), [{ id: '1', ssn: null }]);
});
