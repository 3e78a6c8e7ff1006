import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { serialize } from 'pg-protocol';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { browse, signedIn, type Browser } from '../fakes/browser.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { codes, Q, RawClient, told, type Heard } from '../fakes/raw-client.ts';

const ENGINEER = 'engineer@example.com';
const SQL = 'select id from orders where id = 42';

let gateway: TestGateway;
let engineer: Browser;
let approver: Browser;
before(async () => {
  const identity = { ...NO_PROVIDERS, confirm: 'unknown-password' } as const;
  gateway = await startGateway({ config: { identity } });
  engineer = await signedIn(gateway.running.console, await noPassword('engineer'));
  approver = await signedIn(gateway.running.console, await noPassword('approver'));
});
after(() => gateway?.stop());
/** What was asked before is not what the next test counts. */
beforeEach(() => gateway.storeSql.query('delete from countersign.confirmation'));

async function noPassword(
  who: string,
  scopes: readonly ('connect' | 'read' | 'decide')[] = ['connect', 'read'],
) {
  const kind = { password: false };
  const { tokens } = gateway.running;
  return (await tokens.issue(`${who}@example.com`, scopes, 'test', 3_600_000, kind)).token;
}

type Waiting = { readonly client: RawClient; readonly path: string; readonly match: string };

/** Comes with a name and no password; `ahead` is sent with the startup packet. */
async function come(user = ENGINEER, ...ahead: readonly Buffer[]): Promise<Waiting> {
  const client = await arrive(user, ...ahead);
  const said = told(client.greeting);
  const [, match = ''] = /Match code ([A-Z]{4})\./u.exec(said) ?? [];
  const path = /\/connect\/[A-Z-]{14}/u.exec(said)?.[0] ?? '';
  return { client, path, match };
}

async function arrive(user: string, ...ahead: readonly Buffer[]): Promise<RawClient> {
  const socket = net.connect(gateway.running.postgres.port, '127.0.0.1').setNoDelay(true);
  const client = RawClient.over(socket, () => undefined);
  client.send(
    serialize.startup({ user, database: 'shop', application_name: 'raw <b>client</b>' }),
    ...ahead,
  );
  client.greeting = await client.until('readyForQuery', 'error', 'closed');
  return client;
}

const confirm = async (browser: Browser, path: string, decision = 'confirm') => {
  await browser.get(path);
  return browser.post(path, { decision });
};
/** What a client sees, without what is random. */
const shape = (heard: readonly Heard[]) =>
  heard.map(({ name, parameterName, parameterValue }) => [name, parameterName, parameterValue]);

/** What is written past the gateways is heard of too. */
const tell = () =>
  gateway.storeSql.query(
    `select pg_notify('countersign_confirmation', id::text) from countersign.confirmation`,
  );
const ran = async (): Promise<boolean> => (await gateway.ranOnTarget()).includes(SQL);
/** Connections of the gateway to the target, but for the analyser's. */
const connections = async (): Promise<number> => {
  const { rows } = await gateway.targetSql.query(
    `select count(*)::int as n from pg_stat_activity where usename = 'gateway'`,
  );
  return rows[0].n;
};

test('a statement waits for its person’s word, and nothing reaches the target before', async () => {
  const { client, path, match } = await come();
  const text = told(client.greeting);
  assert.match(text, /confirm this connection in your browser/);
  assert.match(text, new RegExp(`${gateway.config.publicUrl}/connect/`));
  assert.equal(await connections(), 0);
  client.send(Q(SQL));
  assert.match(told(await client.until('notice')), new RegExp(match), 'it is said again');
  assert.equal(await connections(), 0);
  const page = await engineer.get(path);
  assert.equal(page.status, 200);
  for (const part of [match, 'shop', '127.0.0.1', 'raw &lt;b&gt;client&lt;/b&gt;', ENGINEER])
    assert.ok(page.text.includes(part), part);
  assert.equal(await ran(), false);
  assert.equal((await engineer.post(path, { decision: 'confirm' })).status, 200);
  const heard = await client.until('readyForQuery');
  assert.deepEqual(codes(heard), []);
  assert.match(told(heard), /server_version/, 'the target’s own facts follow');
  assert.match(told(heard), /dataRow 42/);
  assert.deepEqual(codes(await client.ask(Q(SQL))), []);
  const [start] = (await gateway.records('session-start')).slice(-1);
  assert.equal(start.person, ENGINEER);
  const actions = (await gateway.records('sign-in'))
    .filter(({ json }) => json.body.via === 'confirmation')
    .map(({ json }) => json.body.action);
  assert.deepEqual(actions.slice(-2), ['asked', 'confirm']);
  const asked = (await gateway.records('sign-in')).find(({ json }) => json.body.action === 'asked');
  assert.equal(start.json.body.confirmation, asked.json.body.confirmation);
  client.end();
});

test('what was pipelined before the confirmation does not run without it', async () => {
  const sql = "update orders set status = 'early' where id = 1";
  for (const end of ['deny', 'leave'] as const) {
    const { client, path } = await come(ENGINEER, Q(sql), Q(SQL));
    if (end === 'deny') {
      assert.equal((await confirm(engineer, path, 'deny')).status, 200);
      assert.match(told(await client.until('closed')), /28000.*denied/u);
    } else {
      client.end();
      await eventually('the end of it', async () =>
        (await engineer.get(path)).status === 404 ? true : undefined,
      );
    }
    assert.equal((await confirm(engineer, path)).status, 404);
  }
  assert.ok(!(await gateway.ranOnTarget()).includes(sql));
});

test('a confirmation is its person’s alone, is used once, and only a form of our page gives it', async () => {
  const { client, path } = await come();
  assert.equal((await approver.get(path)).status, 404);
  assert.equal((await approver.post(path, { decision: 'confirm' })).status, 404);
  const stranger = browse(gateway.running.console);
  const led = await stranger.get(path);
  assert.equal(led.location, `/sign-in?next=${encodeURIComponent(path)}`);
  assert.notEqual((await stranger.post(path, { decision: 'confirm' })).status, 200);
  await engineer.get(path);
  const form = { decision: 'confirm' };
  for (const change of [
    { csrf: 'x' },
    { headers: { origin: 'https://evil.example' } },
    { headers: { 'sec-fetch-site': 'cross-site' } },
  ])
    assert.equal((await engineer.post(path, form, change)).status, 403);
  // Looking is not confirming, whatever the address says.
  for (const query of ['?decision=confirm', '?csrf=x&decision=confirm'])
    await engineer.get(path + query);
  const { rows } = await gateway.storeSql.query('select state from countersign.confirmation');
  assert.deepEqual(rows, [{ state: 'pending' }]);
  assert.equal((await confirm(engineer, path)).status, 200);
  assert.deepEqual(codes(await client.ask(Q(SQL))), []);
  // Neither the link again, nor another connection with it.
  assert.equal((await confirm(engineer, path)).status, 404);
  const next = await come();
  assert.notEqual(next.path, path);
  next.client.send(Q(SQL));
  assert.equal((await confirm(engineer, path)).status, 404);
  assert.equal((await confirm(engineer, next.path.replace(/.{4}$/u, 'BCDF'))).status, 404);
  next.client.end();
  client.end();
});

test('a token that may not open connections confirms none', async () => {
  const decider = await signedIn(
    gateway.running.console,
    await noPassword('engineer', ['decide', 'read']),
  );
  const { client, path } = await come();
  assert.match((await decider.get(path)).text, /lacks the scope connect/);
  assert.equal((await decider.post(path, { decision: 'confirm' })).status, 403);
  assert.equal((await decider.post(path, { decision: 'deny' })).status, 200);
  assert.match(told(await client.until('closed')), /28000.*denied/u);
});

test('ten minutes later nobody is let in', async () => {
  const { client, path } = await come();
  await engineer.get(path);
  await gateway.storeSql.query(
    `update countersign.confirmation set expires_at = clock_timestamp() where state = 'pending'`,
  );
  assert.equal((await engineer.post(path, { decision: 'confirm' })).status, 404);
  await tell();
  assert.match(told(await client.until('closed')), /28000.*in time/u);
});

test('a confirmation that is written past the expiry, or for another state, lets nobody in', async () => {
  const { client } = await come();
  await gateway.storeSql.query(
    `update countersign.confirmation set state = 'confirmed', expires_at = clock_timestamp() where state = 'pending'`,
  );
  await tell();
  assert.match(told(await client.until('closed')), /28000/u);
});

test('whoever is nobody sees the same, and gets nowhere', async () => {
  const known = await come();
  const nobody = await come('nobody@example.com');
  assert.deepEqual(shape(nobody.client.greeting), shape(known.client.greeting));
  assert.equal((await engineer.get(nobody.path)).status, 404);
  nobody.client.end();
  known.client.end();
});

test('guesses do not become a flood of prompts, and do not keep the person out from elsewhere', async () => {
  const waiting: Waiting[] = [];
  for (let i = 0; i < 5; i += 1) waiting.push(await come());
  // Given up or not: what was asked lately counts.
  waiting[0]?.client.end();
  const refused = await arrive(ENGINEER);
  assert.match(told(refused.greeting), /53300.*too many connections wait to be confirmed/su);
  const { rows } = await gateway.storeSql.query(
    'select count(*)::int as n from countersign.confirmation',
  );
  assert.equal(rows[0].n, 5);
  // Another address of the same person is not shut out, nor another person of the same address.
  await gateway.storeSql.query(`update countersign.confirmation set network = '192.0.2.1'`);
  const elsewhere = await come();
  assert.match(elsewhere.path, /connect/);
  const other = await come('approver@example.com');
  assert.match(other.path, /connect/);
  for (const { client } of [...waiting, elsewhere, other]) client.end();
});

test('a live token is still asked for as a password, and a wrong one opens nothing', async () => {
  const { tokens } = gateway.running;
  const { token, info } = await tokens.issue('oncall@example.com', ['connect'], 'x', 60_000);
  const good = await RawClient.connect(gateway, 'oncall', token);
  assert.deepEqual(codes(await good.ask(Q(SQL))), []);
  const bad = await RawClient.connect(gateway, 'oncall', 'guess');
  assert.match(told(bad.greeting), /28P01/);
  await tokens.revoke(info.id);
  good.end();
});

test('Ctrl-C gives the connection up; its key is no key of another session', async () => {
  const { client, path } = await come(ENGINEER, Q(SQL));
  const { processID, secretKey } = client.key;
  const cancel = Buffer.alloc(16);
  for (const [at, value] of [
    [0, 16],
    [4, 80_877_102],
    [8, processID],
    [12, secretKey],
  ] as const)
    cancel.writeInt32BE(value, at);
  const socket = net.connect(gateway.running.postgres.port, '127.0.0.1');
  socket.end(cancel);
  assert.match(told(await client.until('closed')), /57014/u);
  assert.equal((await confirm(engineer, path)).status, 404);
});

test('a person who was let go while it waited is not let in', async () => {
  const { client, path } = await come('security@example.com');
  const security = await signedIn(gateway.running.console, await noPassword('security'));
  await security.get(path);
  await gateway.storeSql.query(
    `insert into countersign.person (email, name, state, valid_until)
     values ('security@example.com', 'x', 'deactivated', clock_timestamp());
     select pg_notify('countersign_person', 'security@example.com')`,
  );
  await eventually('they are nobody', async () =>
    (await security.get('/')).status === 303 ? true : undefined,
  );
  assert.notEqual((await security.post(path, { decision: 'confirm' })).status, 200);
  await gateway.storeSql.query(
    `update countersign.confirmation set state = 'confirmed' where state = 'pending'`,
  );
  await tell();
  assert.match(told(await client.until('closed')), /28000.*no longer known/u);
});
