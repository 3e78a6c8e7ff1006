import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { NO_PROVIDERS, type IdentityConfig } from '#src/config/identity.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { startIssuer, type FakeIssuer } from '../fakes/issuer.ts';
import { Visitor } from '../fakes/visitor.ts';

const RULES = `
@id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
@id("read") permit (principal in Group::"engineering", action in [Action::"read", Action::"reveal", Action::"filter"], resource in Target::"shop");
@id("glass") @duration("30m") @stepup("5m") @amr("hwk") @review("security")
permit (principal in Group::"engineering", action == Action::"break-glass", resource == Role::"shop/admin");
@id("admin-writes") permit (principal in Role::"shop/admin", action in [Action::"write", Action::"assign"], resource in Target::"shop");
`;
const REASON = 'checkout is down because one order row blocks the queue since ten minutes';
const OFFER = JSON.stringify(['break-glass', 'shop', 'admin']);

let gateway: TestGateway;
let issuer: FakeIssuer;
const engineer = {
  sub: 'subject-7',
  email: 'engineer@example.com',
  email_verified: true,
  name: 'Engineer',
  groups: ['engineering'],
  amr: ['pwd', 'hwk'],
};
before(async () => {
  issuer = await startIssuer();
  const identity: IdentityConfig = {
    ...NO_PROVIDERS,
    providers: new Map([['acme', issuer.config]]),
  };
  gateway = await startGateway({ onlyRules: RULES, rules: '', config: { identity } });
  issuer.person = engineer;
});
afterEach(() => {
  issuer.person = engineer;
});
after(async () => {
  await gateway.stop();
  await issuer.stop();
});

async function signedIn(): Promise<Visitor> {
  const browser = new Visitor(gateway.running.console);
  const { location } = await browser.get('/sign-in/acme');
  await browser.back(issuer.authorize(new URL(location)));
  return browser;
}
/** Asks through the console; the id of the request. */
async function asked(browser: Visitor): Promise<string> {
  const { status, location } = await browser.post('/access', '/access', {
    offer: OFFER,
    duration: '20m',
    reason: REASON,
  });
  assert.equal(status, 303);
  return location.slice('/requests/'.length);
}
async function stepUp(browser: Visitor, id: string): Promise<void> {
  const { status, location } = await browser.get(`/requests/${id}/step-up`);
  assert.equal(status, 303);
  assert.notEqual(location, `/requests/${id}`, 'it leads to the provider');
  await browser.back(issuer.authorize(new URL(location)));
}
const take = (browser: Visitor, id: string) => browser.post('/access', `/requests/${id}/take`);
const read = async (id: string): Promise<any> =>
  (await gateway.api('security', `/requests/${id}`)).body;
const withdraw = (browser: Visitor, id: string) =>
  browser.post('/access', `/requests/${id}/withdraw`);

test('nothing is given before a fresh sign-in of whoever takes it, and the role is given behind one', async () => {
  const browser = await signedIn();
  const id = await asked(browser);
  assert.equal((await read(id)).state, 'pending');
  const page = await browser.get(`/requests/${id}`);
  assert.match(page.text, /Sign in again to take the role/);
  assert.equal((await take(browser, id)).status, 403, 'not with the sign-in that they came with');
  assert.equal((await read(id)).state, 'pending');
  await stepUp(browser, id);
  assert.match((await browser.get(`/requests/${id}`)).text, /Take the role now/);
  assert.equal((await take(browser, id)).status, 303);
  const { state, grant } = await read(id);
  assert.deepEqual([state, grant.state, grant.durationMs], ['granted', 'live', 1_200_000]);
  const client = await gateway.open();
  assert.equal(
    (await client.query(`update orders set status = 'mended' where id = 3`)).rowCount,
    1,
  );
  await client.end();
  assert.equal((await browser.post('/access', `/grants/${grant.id}/end`)).status, 303);
  await eventually('its end', async () => (await read(id)).grant.state === 'ended');
});

test('nobody else takes it or decides it, and a sign-in for another request does not count', async () => {
  const browser = await signedIn();
  const first = await asked(browser);
  await stepUp(browser, first);
  assert.equal((await withdraw(browser, first)).status, 303);
  const id = await asked(browser);
  assert.equal((await take(browser, id)).status, 403, 'it was for the one before');
  for (const who of ['approver', 'security', 'oncall'] as const) {
    const vote = await gateway.api(who, `/requests/${id}/decision`, {
      decision: 'approve',
      reason: 'go on',
    });
    assert.notEqual(vote.status, 200, who);
  }
  issuer.person = {
    ...engineer,
    sub: 'subject-8',
    email: 'security@example.com',
    groups: ['security', 'engineering'],
  };
  const other = await signedIn();
  assert.equal((await other.get(`/requests/${id}/step-up`)).location, `/requests/${id}`);
  assert.notEqual((await take(other, id)).status, 303);
  assert.equal((await read(id)).state, 'pending');
  await withdraw(browser, id);
});

test('a sign-in that was made another way, or by another person, does not count', async () => {
  const browser = await signedIn();
  const id = await asked(browser);
  issuer.person = { ...engineer, amr: ['pwd'] };
  await stepUp(browser, id);
  assert.equal((await take(browser, id)).status, 403);
  issuer.person = { ...engineer, sub: 'subject-9', email: 'approver@example.com', groups: ['dba'] };
  await stepUp(browser, id);
  issuer.person = engineer;
  assert.notEqual((await take(browser, id)).status, 303);
  assert.equal((await read(id)).state, 'pending');
  await withdraw(await signedIn(), id);
});

test('a bearer token takes nothing: the API asks, and says where to sign in', async () => {
  const response = await fetch(`${gateway.running.api}/requests`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await gateway.token('engineer')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ kind: 'break-glass', target: 'shop', role: 'admin', reason: REASON }),
  });
  const body: any = await response.json();
  assert.equal(body.state, 'pending', JSON.stringify(body));
  assert.equal(body.grant, undefined);
  const client = await gateway.open();
  const error = await client
    .query(`update orders set status = 'taken' where id = 3`)
    .catch((failed: any) => failed);
  assert.notEqual(error.rowCount, 1);
  await client.end();
});
