import assert from 'node:assert/strict';
import { after, afterEach, before, suite, test } from 'node:test';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { readPolicy } from '#gateway/parts.ts';
import { eventually } from '../fakes/gateway.ts';
import { ENGINEER, SHOWN, RevealWorld } from './reveal-world.ts';

let world: RevealWorld;
before(async () => {
  world = await RevealWorld.start();
});
afterEach(() => world.honest());
after(() => world?.stop());

suite('a column that is shown only behind a fresh sign-in', () => {
  test('is hidden without one, and the client reads once where to make it', async () => {
    const one = await world.open();
    assert.equal(await world.value(one, 'select email, phone from customers where id = 1'), null);
    const [notice, ...rest] = one.client.notices;
    assert.equal(rest.length, 0);
    assert.match(
      notice?.message ?? '',
      /hidden until you sign in for this session: public\.customers\.email, public\.customers\.phone/,
    );
    assert.match(
      notice?.detail ?? '',
      /Rule sees-email shows them for 10 min .* Rule sees-phone shows them for 3 s/,
    );
    assert.ok(
      notice?.hint?.includes(`${world.gateway.config.publicUrl}/sessions/${one.session}/sign-in `),
    );
    assert.equal(await world.value(one), null);
    assert.equal(one.client.notices.length, 1, 'not again within a minute');
    await one.client.end();
  });

  test('is shown behind one that was made for this session, and both are records', async () => {
    const one = await world.open();
    assert.equal(await world.value(one), null);
    const browser = await world.signedIn();
    const { page, url } = await world.ask(browser, one.session);
    assert.match(page.text, /Sign in for this session\?/);
    assert.equal(url?.searchParams.get('prompt'), 'login');
    assert.equal(url.searchParams.get('max_age'), '0');
    const done = await browser.back(world.issuer.authorize(url));
    assert.deepEqual([done.status, done.location], [303, `/sessions/${one.session}/sign-in`]);
    assert.match((await browser.get(done.location)).text, /You have signed in for it/);
    assert.equal(await world.shows(one), SHOWN);
    const signIns = (await world.gateway.records('sign-in')).filter(
      (record) => record.session === one.session,
    );
    assert.equal(signIns.length, 1);
    assert.equal(signIns[0].person, 'engineer@example.com');
    const shown = (await world.gateway.records('statement')).find(
      ({ session, json }) => session === one.session && json.body.freshSignIn,
    );
    assert.equal(shown.json.body.freshSignIn, signIns[0].json.body.signIn);
    assert.deepEqual(shown.json.body.clear, ['shop/public/customers/email']);
    await one.client.end();
  });

  test('is not shown by the usual sign-in, by a token, nor by the one for another session', async () => {
    const [one, other] = [await world.open(), await world.open()];
    assert.equal(await world.value(one), null);
    const browser = await world.signedIn();
    assert.equal(await world.value(one), null);
    await world.signInFor(browser, other.session);
    assert.equal(await world.shows(other), SHOWN);
    for (let times = 0; times < 3; times += 1) assert.equal(await world.value(one), null);
    // The second sign-in of the same browser takes the first along.
    await world.signInFor(browser, one.session);
    assert.equal(await world.shows(one), SHOWN);
    assert.equal(await world.value(other), SHOWN);
    const api = await fetch(`${world.gateway.running.console}/sessions/${one.session}/sign-in`, {
      redirect: 'manual',
      headers: { authorization: `Bearer ${await world.gateway.token('engineer', 'decide')}` },
    });
    assert.equal(api.status, 303);
    assert.match(api.headers.get('location') ?? '', /^\/sign-in\?next=/);
    await one.client.end();
    await other.client.end();
  });

  test('is not shown by what a browser with a token’s sign-in could send', async () => {
    const one = await world.open();
    const browser = world.visit();
    const { text } = await browser.get('/sign-in');
    await browser.get('/sign-in', {
      method: 'POST',
      headers: { origin: world.gateway.running.console, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({
        csrf: /name="csrf" value="([^"]+)"/u.exec(text)?.[1] ?? '',
        next: '',
        token: await world.gateway.token('engineer'),
      }),
    });
    assert.ok(await browser.isIn());
    // It leads to the provider as for anybody, and there the person must sign in.
    const { url } = await world.ask(browser, one.session);
    assert.equal(url?.searchParams.get('prompt'), 'login');
    assert.equal(await world.value(one), null);
    await one.client.end();
  });

  test('is nobody else’s to sign in for', async () => {
    const one = await world.open();
    const other = { ...ENGINEER, sub: 'subject-2', email: 'oncall@example.com' };
    const theirs = await world.ask(await world.signedIn(other), one.session);
    assert.equal(theirs.page.status, 404);
    assert.equal(theirs.status, 403);
    const nobody = await world.visit().get(`/sessions/${one.session}/sign-in`);
    assert.equal(
      nobody.location,
      `/sign-in?next=${encodeURIComponent(`/sessions/${one.session}/sign-in`)}`,
    );
    assert.equal(await world.value(one), null);
    await one.client.end();
    await eventually(
      'its end',
      async () => (await world.ask(await world.signedIn(), one.session)).page.status === 404,
    );
  });

  test('is not led to by a link alone: a form of our own must be sent', async () => {
    const one = await world.open();
    const browser = await world.signedIn();
    const answer = await fetch(
      new URL(`/sessions/${one.session}/sign-in`, world.gateway.running.console),
      {
        method: 'POST',
        redirect: 'manual',
        headers: { cookie: browser.cookie, origin: 'https://evil.example' },
        body: new URLSearchParams({ csrf: 'x' }),
      },
    );
    assert.equal(answer.status, 403);
    assert.equal(answer.headers.get('refresh'), null);
    await one.client.end();
  });

  const lies: readonly [
    string,
    (claims: Record<string, unknown>) => Record<string, unknown>,
    RegExp,
  ][] = [
    ['without auth_time', (c) => ({ ...c, auth_time: undefined }), /does not say when/],
    [
      'from before it was asked for',
      (c) => ({ ...c, auth_time: world.issuer.now() - 60 }),
      /did not ask you to sign in anew/,
    ],
    [
      'of somebody else',
      (c) => ({ ...c, sub: 'subject-2', email: 'oncall@example.com' }),
      /was asked of engineer@example\.com/,
    ],
    ['with the nonce of nothing', (c) => ({ ...c, nonce: 'x' }), /nonce/],
  ];
  for (const [what, change, message] of lies)
    test(`is not shown behind one ${what}`, async () => {
      const one = await world.open();
      const browser = await world.signedIn();
      world.issuer.idToken = change;
      const { status, text } = await world.signInFor(browser, one.session);
      assert.equal(status, 403);
      assert.match(text, message);
      assert.equal(await world.value(one), null);
      await one.client.end();
    });

  test('is not shown by a callback that comes again, nor in another browser', async () => {
    const one = await world.open();
    const [mine, other] = [await world.signedIn(), await world.signedIn()];
    const { url } = await world.ask(mine, one.session);
    assert.ok(url);
    const back = world.issuer.authorize(url);
    assert.equal((await other.back(back)).status, 403);
    assert.equal(await world.value(one), null);
    assert.equal((await mine.back(back)).status, 303);
    assert.equal(await world.shows(one), SHOWN);
    await world.gateway.storeSql.query(
      'delete from countersign.session_sign_in where session = $1',
      [one.session],
    );
    assert.equal((await mine.back(back)).status, 403);
    await world.hides(one);
    await one.client.end();
  });

  test('is not shown by one that was made in another way than the rule asks', async () => {
    const one = await world.open();
    const browser = await world.signedIn();
    await world.signInFor(browser, one.session);
    await world.shows(one);
    assert.equal(await world.value(one, 'select ssn from customers where id = 1'), null);
    assert.equal(await world.value(one, 'select card from customers where id = 1'), null);
    assert.match(JSON.stringify(one.client.notices.map(({ detail }) => detail)), /with amr hwk/);
    // The link names the acr, and the provider is asked for it.
    const { url } = await world.ask(browser, one.session, '?acr=phr');
    assert.equal(url?.searchParams.get('acr_values'), 'phr');
    world.issuer.person = { ...ENGINEER, amr: ['pwd', 'hwk'], acr: 'phr' };
    await browser.back(world.issuer.authorize(url));
    assert.equal(await world.shows(one, 'select ssn from customers where id = 1'), '123-45-0001');
    assert.equal(
      await world.shows(one, 'select card from customers where id = 1'),
      '4111111111110001',
    );
    await one.client.end();
  });

  test('keeps the gateway from starting where no provider could ever give one', async () => {
    await readPolicy(world.gateway.config);
    await assert.rejects(
      readPolicy({ ...world.gateway.config, identity: NO_PROVIDERS }),
      /@stepup asks for a fresh sign-in, and there is no provider/,
    );
  });
});
