import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import type { Scope } from '#src/identity/token.ts';
import { browse, confirmCode, signedIn, type Browser } from '../fakes/browser.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';

const MACHINE = 'deploy@machines.example.com';
let gateway: TestGateway;
let engineer: Browser;
let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-bypass-login-'));
  const machine = {
    name: 'Deploy job',
    groups: ['engineering'],
    issuer: 'http://127.0.0.1:9',
    audience: 'countersign',
    claims: new Map([['sub', ['deploy']]]),
  };
  const identity = { ...NO_PROVIDERS, machines: new Map([[MACHINE, machine]]) };
  gateway = await startGateway({ config: { identity } });
  engineer = await signedIn(gateway.running.console, await gateway.token('engineer'));
});
after(async () => {
  await gateway?.stop();
  await rm(dir, { recursive: true, force: true });
});

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
type Reply = { readonly status: number; readonly body: Record<string, any> };

async function ask(path: string, form: Record<string, string> | string): Promise<Reply> {
  const response = await fetch(`${gateway.running.console}${path}`, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  return { status: response.status, body: (await response.json()) as Record<string, any> };
}

const begin = async (more: Record<string, string> = {}) =>
  (await ask('/oauth/device_authorization', { client_id: 'countersign-cli', ...more })).body;
const fetchToken = (device_code: string, client_id = 'countersign-cli') =>
  ask('/oauth/token', { grant_type: DEVICE, device_code, client_id });
/** So that the next question is not too early; time is not what these tests are about. */
const rest = () => gateway.storeSql.query('update countersign.device_login set polled_at = null');

async function errorOf(device_code: string): Promise<string> {
  await rest();
  return (await fetchToken(device_code)).body['error'];
}

/** Somebody who has signed in with a token of these scopes; the token's id ends it. */
async function withScopes(who: string, scopes: readonly Scope[]) {
  const { token, info } = await gateway.running.tokens.issue(
    `${who}@example.com`,
    scopes,
    'test',
    3_600_000,
  );
  return { browser: await signedIn(gateway.running.console, token), id: info.id };
}

test('a confirmed code gives one token, of the person who confirmed, that connects and never decides', async () => {
  const { device_code, user_code } = await begin({ scope: 'connect read decide' });
  assert.equal((await confirmCode(engineer, user_code)).status, 200);
  const { status, body } = await fetchToken(device_code);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body['scope'], 'connect read');
  const client = await gateway.open('engineer', { password: body['access_token'] });
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1);
  const decided = await fetch(`${gateway.running.api}/requests/${crypto.randomUUID()}/decision`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${body['access_token']}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ decision: 'approve', reason: 'x' }),
  });
  assert.equal(decided.status, 403);
  assert.equal((await fetchToken(device_code)).body['error'], 'invalid_grant');
});

test('a sign-in without connect cannot make a terminal’s token that connects', async () => {
  const { device_code, user_code } = await begin();
  const { browser } = await withScopes('approver', ['read', 'decide']);
  const answer = await confirmCode(browser, user_code);
  assert.equal(answer.status, 403);
  assert.match(answer.text, /lacks the scope connect/);
  assert.equal(await errorOf(device_code), 'authorization_pending');
});

test('of two programs with one code that ask at once, one gets a token', async () => {
  const { device_code, user_code } = await begin();
  await confirmCode(engineer, user_code);
  const answers = await Promise.all(Array.from({ length: 8 }, () => fetchToken(device_code)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
});

test('the device code of another client is worth nothing, and nor is one that was made up', async () => {
  const { device_code, user_code } = await begin();
  await confirmCode(engineer, user_code);
  assert.equal((await fetchToken(device_code, 'libpq')).body['error'], 'invalid_grant');
  const made = `csd_${'A'.repeat(43)}`;
  assert.equal((await fetchToken(made)).body['error'], 'invalid_grant');
  assert.equal((await fetchToken(user_code)).body['error'], 'invalid_grant');
  assert.equal((await fetchToken(device_code)).status, 200);
});

test('polling too fast is told to slow down, and does not bring the answer nearer', async () => {
  const { device_code } = await begin();
  assert.equal((await fetchToken(device_code)).body['error'], 'authorization_pending');
  assert.equal((await fetchToken(device_code)).body['error'], 'slow_down');
  const { rows } = await gateway.storeSql.query(
    'select max(interval_ms) as slowest from countersign.device_login',
  );
  assert.ok(rows[0].slowest >= 7_000, JSON.stringify(rows));
});

test('a code that has expired is not confirmed, and its program hears so', async () => {
  const { device_code, user_code } = await begin();
  const plain = user_code.replace('-', '');
  await gateway.storeSql.query(
    `update countersign.device_login set expires_at = clock_timestamp() - interval '1 second' where user_code = $1`,
    [plain],
  );
  assert.equal((await confirmCode(engineer, user_code)).status, 404);
  assert.equal(await errorOf(device_code), 'expired_token');
});

test('opening the link looks nothing up and confirms nothing', async () => {
  const { device_code, verification_uri_complete: link } = await begin();
  const page = await engineer.get(new URL(link).pathname + new URL(link).search);
  assert.equal(page.status, 200);
  assert.doesNotMatch(page.text, /127\.0\.0\.1.*countersign-cli|name="login"/su);
  assert.equal(await errorOf(device_code), 'authorization_pending');
  const stranger = await browse(gateway.running.console).get('/device?code=BCDF-GHJK');
  assert.deepEqual(
    [stranger.status, stranger.location],
    [303, `/sign-in?next=${encodeURIComponent('/device?code=BCDF-GHJK')}`],
  );
});

test('a form that another site sends, or without its token, confirms nothing', async () => {
  const { device_code, user_code } = await begin();
  await engineer.get('/device');
  const page = await engineer.post('/device', { code: user_code });
  const login = /name="login" value="([^"]+)"/u.exec(page.text)?.[1] ?? '';
  assert.notEqual(login, '');
  const fields = { login, decision: 'approve' };
  for (const change of [
    { csrf: '' },
    { csrf: 'x'.repeat(43) },
    { headers: { origin: 'https://evil.example' } },
    { headers: { 'sec-fetch-site': 'cross-site' } },
  ])
    assert.equal((await engineer.post('/device/decision', fields, change)).status, 403);
  assert.equal(await errorOf(device_code), 'authorization_pending');
});

test('the page warns of a terminal at another address, and of codes that somebody sent', async () => {
  const { user_code } = await begin();
  await gateway.storeSql.query(
    `update countersign.device_login set address = '203.0.113.9', client = '<b>psql</b>' where user_code = $1`,
    [user_code.replace('-', '')],
  );
  await engineer.get('/device');
  const { text } = await engineer.post('/device', { code: user_code });
  assert.match(text, /another address than this browser/);
  assert.match(text, /If\s+somebody sent you the code or the link, deny/);
  assert.match(text, /&lt;b&gt;psql/);
});

test('a sign-in that has ended confirms nothing, and what it confirmed ends with it', async () => {
  const { browser, id } = await withScopes('oncall', ['connect', 'read']);
  const [one, two, three] = [await begin(), await begin(), await begin()];
  await confirmCode(browser, one['user_code']);
  await confirmCode(browser, two['user_code']);
  const { body } = await fetchToken(one['device_code']);
  await gateway.running.tokens.revoke(id);
  assert.equal(await gateway.running.tokens.check(body['access_token'], 'connect'), undefined);
  assert.equal(await errorOf(two['device_code']), 'access_denied');
  assert.equal((await browser.post('/device', { code: three['user_code'] })).status, 303);
  assert.equal(await errorOf(three['device_code']), 'authorization_pending');
});

test('a token is live as long as the whole chain that it came from', async () => {
  const { tokens } = gateway.running;
  const make = (parent?: string) =>
    tokens.issue('oncall@example.com', ['connect'], 'chain', 60_000, parent ? { parent } : {});
  const first = await make();
  const second = await make(first.info.id);
  const third = await make(second.info.id);
  assert.ok(await tokens.check(third.token, 'connect'));
  await tokens.revoke(first.info.id);
  assert.equal(await tokens.check(third.token, 'connect'), undefined);
  await assert.rejects(make(second.info.id), /has ended/);
});

test('neither a machine nor an agent can sign in to confirm', async () => {
  const { tokens } = gateway.running;
  const agent = await tokens.issue('engineer@example.com', ['connect', 'read'], 'a', 60_000, {
    agent: 'assistant',
  });
  await assert.rejects(signedIn(gateway.running.console, agent.token), /not signed in: 401/);
  const machine = await tokens.issue(MACHINE, ['connect', 'read'], 'm', 60_000);
  // It is known here, and still does not sign in.
  const known = await fetch(`${gateway.running.console}/oauth/userinfo`, {
    headers: { authorization: `Bearer ${machine.token}` },
  });
  assert.equal(known.status, 200);
  await assert.rejects(signedIn(gateway.running.console, machine.token), /not signed in: 401/);
});

test('a denied code gives nothing, and cannot be approved any more', async () => {
  const { device_code, user_code } = await begin();
  assert.match((await confirmCode(engineer, user_code, 'deny')).text, /Nobody was signed in/);
  assert.equal((await confirmCode(engineer, user_code)).status, 404);
  assert.equal(await errorOf(device_code), 'access_denied');
  const records = await gateway.records('sign-in');
  const said = records.map(({ json }) => json.body).filter(({ action }) => action === 'deny');
  assert.equal(said.length, 1);
  assert.equal(said[0].program, 'countersign-cli');
});

test('guessing codes is stopped for who guesses, and for nobody else', async () => {
  const { browser } = await withScopes('security', ['connect', 'read']);
  await browser.get('/device');
  const guess = (code: string) => browser.post('/device', { code });
  const answers = await Promise.all(
    Array.from({ length: 14 }, (_, i) => guess(`BCDF-GH${'JKLMNPQRSTVWXZ'[i]}B`)),
  );
  assert.equal(answers.filter(({ status }) => status === 404).length, 10);
  const { user_code } = await begin();
  const right = await guess(user_code);
  assert.equal(right.status, 429);
  assert.match(right.text, /Try again in \d+ s/);
  assert.equal((await confirmCode(engineer, user_code)).status, 200);
  const wrong = (await gateway.records('sign-in')).filter(
    ({ json, person }) => json.body.action === 'wrong-code' && person === 'security@example.com',
  );
  assert.equal(wrong.length, 10);
});

test('a flood of earlier sign-ins that nobody confirms keeps nobody from one, and does not fill the store', async () => {
  const waiting = await begin();
  await gateway.storeSql.query(
    `insert into countersign.device_login (id, device_sha256, user_code, client, address, interval_ms, expires_at)
     select gen_random_uuid(), sha256(n::text::bytea), 'flood' || n, 'x', '127.0.0.1', 2000,
       clock_timestamp() + interval '5 minutes' from generate_series(1, 100000) n`,
  );
  const { device_code, user_code } = await begin();
  for (const code of [user_code, waiting['user_code']])
    assert.equal((await confirmCode(engineer, code)).status, 200);
  assert.equal((await fetchToken(device_code)).status, 200);
  await begin();
  const { rows } = await gateway.storeSql.query(
    'select count(*)::int as n from countersign.device_login',
  );
  assert.ok(rows[0].n <= 100_002, String(rows[0].n));
  await gateway.storeSql.query(
    `delete from countersign.device_login where user_code like 'flood%'`,
  );
});

test('fields that come twice, unknown grants and nameless programs are refused', async () => {
  const twice = await ask('/oauth/device_authorization', 'client_id=a&client_id=b');
  assert.deepEqual([twice.status, twice.body['error']], [400, 'invalid_request']);
  const unknown = await ask('/oauth/token', { grant_type: 'password', username: 'x' });
  assert.deepEqual([unknown.status, unknown.body['error']], [400, 'unsupported_grant_type']);
  const nameless = await ask('/oauth/device_authorization', {});
  assert.equal(nameless.body['error'], 'invalid_request');
  const json = await fetch(`${gateway.running.console}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ grant_type: DEVICE }),
  });
  assert.equal(json.status, 415);
});

test('no secret of a login is in the log, the records or the store', async () => {
  const { device_code, user_code } = await begin();
  await confirmCode(engineer, user_code);
  const { body } = await fetchToken(device_code);
  const everything = [
    ...gateway.logged,
    ...(await gateway.records()).map(({ json }) => JSON.stringify(json)),
    ...(await gateway.storeSql.query('select t::text from countersign.device_login t')).rows.map(
      ({ t }) => t,
    ),
  ].join('\n');
  for (const secret of [device_code, body['access_token']])
    assert.equal(everything.includes(secret), false);
});

test('libpq finds what it needs in the metadata, under the issuer’s own name', async () => {
  for (const name of ['openid-configuration', 'oauth-authorization-server']) {
    const reply = await fetch(`${gateway.running.console}/.well-known/${name}`);
    const found = (await reply.json()) as Record<string, any>;
    assert.equal(found['issuer'], gateway.config.publicUrl);
    assert.ok(found['grant_types_supported'].includes(DEVICE));
    assert.equal(found['token_endpoint'], `${gateway.config.publicUrl}/oauth/token`);
    assert.equal(
      found['device_authorization_endpoint'],
      `${gateway.config.publicUrl}/oauth/device_authorization`,
    );
  }
});
