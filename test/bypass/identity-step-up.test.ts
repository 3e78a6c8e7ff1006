import assert from 'node:assert/strict';
import { after, afterEach, before, suite, test } from 'node:test';
import { NO_PROVIDERS, type IdentityConfig } from '#src/config/identity.ts';
import { readPolicy } from '#gateway/parts.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { startIssuer, type FakeIssuer } from '../fakes/issuer.ts';
import { Visitor } from '../fakes/visitor.ts';
import { hold, leave, vote, type Held } from './held.ts';

const RULE = `@id("orders-need-a-fresh-sign-in") @hold("dba") @stepup("5m") @amr("hwk")
forbid (principal, action == Action::"write", resource == Table::"shop/public/orders");`;

const approve = (browser: Visitor, id: string) =>
  browser.submit(`/requests/${id}`, { decision: 'approve', reason: 'seen' });

suite('a rule that asks for a fresh sign-in', () => {
  let gateway: TestGateway;
  let issuer: FakeIssuer;
  let held: Held | undefined;
  const approver = {
    sub: 'subject-1',
    email: 'approver@example.com',
    email_verified: true,
    name: 'Approver',
    groups: ['dba', 'engineering'],
    amr: ['pwd', 'hwk'],
  };
  before(async () => {
    issuer = await startIssuer();
    const identity: IdentityConfig = {
      ...NO_PROVIDERS,
      providers: new Map([['acme', issuer.config]]),
    };
    gateway = await startGateway({ rules: RULE, config: { identity } });
    issuer.person = approver;
  });
  afterEach(async () => {
    issuer.person = approver;
    issuer.idToken = (claims) => claims;
    if (held) await leave(gateway, held);
    held = undefined;
  });
  after(async () => {
    await gateway.stop();
    await issuer.stop();
  });

  const visit = (): Visitor => new Visitor(gateway.running.console);
  async function signedIn(): Promise<Visitor> {
    const browser = visit();
    const { location } = await browser.get('/sign-in/acme');
    await browser.back(issuer.authorize(new URL(location)));
    return browser;
  }
  /** Begins the fresh sign-in; where the provider sends the browser back to. */
  async function stepUp(browser: Visitor, id: string): Promise<URL> {
    const { status, location } = await browser.get(`/requests/${id}/step-up`);
    assert.equal(status, 303);
    return issuer.authorize(new URL(location));
  }
  const state = async (id: string): Promise<string> =>
    (await gateway.api('approver', `/requests/${id}`)).body.state;

  test('lets one who has made it for this request decide it', async () => {
    const one = await hold(gateway);
    const browser = await signedIn();
    const page = await browser.get(`/requests/${one.id}`);
    assert.match(page.text, /Sign in again to approve/);
    assert.doesNotMatch(page.text, /value="approve"/);
    const began = browser.cookie;
    const { location: asked } = await browser.get(`/requests/${one.id}/step-up`);
    const url = new URL(asked);
    assert.equal(url.searchParams.get('prompt'), 'login');
    assert.equal(url.searchParams.get('max_age'), '0');
    const done = await browser.back(issuer.authorize(url));
    assert.deepEqual([done.status, done.location], [303, `/requests/${one.id}`]);
    assert.notEqual(browser.cookie, began);
    assert.match((await browser.get(`/requests/${one.id}`)).text, /value="approve"/);
    assert.equal((await approve(browser, one.id)).status, 303);
    await eventually('the run', () => one.ran());
    one.client.end();
  });

  test('is not met by any bearer token, nor by the cookie at the API, also after it', async () => {
    held = await hold(gateway);
    const { id } = held;
    const refused = await vote(gateway, 'approver', id);
    assert.equal(refused.status, 403);
    assert.equal(refused.body.code, 'step-up-required');
    assert.ok(refused.body.detail.includes(`${gateway.config.publicUrl}/requests/${id}`));
    const browser = await signedIn();
    await browser.back(await stepUp(browser, id));
    assert.equal((await vote(gateway, 'approver', id)).status, 403);
    const { text } = await browser.get(`/requests/${id}`);
    const answer = await fetch(`${gateway.running.api}/requests/${id}/decision`, {
      method: 'POST',
      headers: {
        cookie: browser.cookie,
        origin: gateway.running.console,
        'content-type': 'application/json',
        'x-csrf-token': /name="csrf" value="([^"]+)"/u.exec(text)?.[1] ?? '',
      },
      body: JSON.stringify({ decision: 'approve', reason: 'x', stepUp: { request: id } }),
    });
    assert.ok([403, 422].includes(answer.status), String(answer.status));
    assert.equal(await state(id), 'pending');
  });

  test('is not met by the usual sign-in, however fresh', async () => {
    held = await hold(gateway);
    const { id } = held;
    const browser = await signedIn();
    assert.equal((await approve(browser, id)).status, 403);
    assert.equal(await state(id), 'pending');
  });

  test('is not met by one for another request', async () => {
    held = await hold(gateway);
    const { id } = held;
    const other = await hold(gateway);
    try {
      const browser = await signedIn();
      await browser.back(await stepUp(browser, other.id));
      assert.equal((await approve(browser, id)).status, 403);
      assert.equal(await state(id), 'pending');
    } finally {
      await leave(gateway, other);
    }
  });

  test('is not met in another browser of the same person', async () => {
    held = await hold(gateway);
    const { id } = held;
    const [one, two] = [await signedIn(), await signedIn()];
    const url = await stepUp(one, id);
    assert.equal((await two.back(url)).status, 403);
    await one.back(url);
    assert.equal((await approve(two, id)).status, 403);
  });

  const lies: readonly [
    string,
    (claims: Record<string, unknown>) => Record<string, unknown>,
    RegExp,
  ][] = [
    ['without auth_time', (c) => ({ ...c, auth_time: undefined }), /does not say when/],
    [
      'from before we asked',
      (c) => ({ ...c, auth_time: issuer.now() - 60 }),
      /did not ask you to sign in anew/,
    ],
    [
      'of somebody else',
      (c) => ({ ...c, sub: 'subject-2', email: 'approver2@example.com' }),
      /was asked of approver@example\.com/,
    ],
    ['with the nonce of nothing', (c) => ({ ...c, nonce: 'x' }), /nonce/],
  ];
  for (const [what, change, message] of lies)
    test(`is not met by one ${what}`, async () => {
      held = await hold(gateway);
      const { id } = held;
      const browser = await signedIn();
      const url = await stepUp(browser, id);
      issuer.idToken = change;
      const { status, text } = await browser.back(url);
      assert.equal(status, 403);
      assert.match(text, message);
      assert.equal((await approve(browser, id)).status, 403);
      assert.equal(await state(id), 'pending');
    });

  test('is not met by one that was made in another way than it asks', async () => {
    held = await hold(gateway);
    const { id } = held;
    const browser = await signedIn();
    issuer.person = { ...approver, amr: ['pwd'] };
    await browser.back(await stepUp(browser, id));
    const { text } = await browser.get(`/requests/${id}`);
    assert.match(text, /a sign-in with amr hwk/);
    assert.equal((await approve(browser, id)).status, 403);
    assert.equal(await state(id), 'pending');
  });

  test('can be denied without one', async () => {
    held = await hold(gateway);
    const { id } = held;
    const browser = await signedIn();
    const answer = await browser.submit(`/requests/${id}`, { decision: 'deny', reason: 'no' });
    assert.equal(answer.status, 303);
    assert.equal(await state(id), 'denied');
  });

  test('keeps the gateway from starting where no provider could ever give one', async () => {
    await readPolicy(gateway.config);
    await assert.rejects(
      readPolicy({ ...gateway.config, identity: NO_PROVIDERS }),
      /@stepup asks for a fresh sign-in, and there is no provider/,
    );
  });

  test('does not lead the requester or a stranger to the provider', async () => {
    held = await hold(gateway);
    const { id } = held;
    issuer.person = { ...approver, sub: 'subject-3', email: 'engineer@example.com' };
    const browser = await signedIn();
    const { location } = await browser.get(`/requests/${id}/step-up`);
    assert.equal(location, `/requests/${id}`);
    const nobody = await visit().get(`/requests/${id}/step-up`);
    assert.equal(nobody.location, `/sign-in?next=/requests/${id}`);
  });
});
