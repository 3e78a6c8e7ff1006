import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, suite, test } from 'node:test';
import { NO_PROVIDERS, type IdentityConfig } from '#src/config/identity.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { startIssuer, type FakeIssuer } from '../fakes/issuer.ts';
import { Visitor } from '../fakes/visitor.ts';

const back = (url: URL): string => url.pathname + url.search;

async function begin(browser: Visitor, next = '/', name = 'acme'): Promise<URL> {
  const path = `/sign-in/${name}?next=${encodeURIComponent(next)}`;
  const { status, location } = await browser.get(path);
  assert.equal(status, 303);
  return new URL(location);
}

suite('attacks on sign-ins by OpenID Connect at the console', () => {
  let gateway: TestGateway;
  let acme: FakeIssuer;
  let other: FakeIssuer;
  before(async () => {
    [acme, other] = await Promise.all([
      startIssuer(),
      startIssuer({ name: 'other', config: { domains: ['other.example'] } }),
    ]);
    const identity: IdentityConfig = {
      ...NO_PROVIDERS,
      providers: new Map([
        ['acme', { ...acme.config, domains: ['example.com'] }],
        ['other', other.config],
      ]),
    };
    gateway = await startGateway({ config: { identity } });
  });
  afterEach(() => {
    for (const issuer of [acme, other]) {
      issuer.idToken = (claims) => claims;
      issuer.metadata = {};
    }
  });
  after(async () => {
    await gateway.stop();
    await Promise.all([acme.stop(), other.stop()]);
  });

  const visit = (): Visitor => new Visitor(gateway.running.console);
  async function signIn(browser: Visitor, next?: string) {
    return browser.get(back(acme.authorize(await begin(browser, next))));
  }
  const logout = async (token: string, name = 'acme'): Promise<number> => {
    const answer = await fetch(`${gateway.running.console}/sign-in/${name}/logout`, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: token }),
    });
    return answer.status;
  };

  test('the honest way works, and the cookie is another one afterwards', async () => {
    const browser = visit();
    const url = await begin(browser, '/records');
    const planted = browser.cookie;
    const { status, location } = await browser.get(back(acme.authorize(url)));
    assert.deepEqual([status, location], [303, '/records']);
    assert.notEqual(browser.cookie, planted);
    assert.ok(await browser.isIn());
    const fixed = visit();
    fixed.cookie = planted;
    assert.equal(await fixed.isIn(), false);
  });

  test('by another name of this address it begins at the public one, once', async () => {
    const local = new Visitor(gateway.running.console.replace('127.0.0.1', 'localhost'));
    const { location } = await local.get('/sign-in/acme?next=/records');
    assert.equal(
      location,
      `${gateway.config.publicUrl}/sign-in/acme?at=public&next=${encodeURIComponent('/records')}`,
    );
    // Behind a proxy that does not pass our name on it must not go round for ever.
    const { location: there } = await local.get('/sign-in/acme?at=public');
    assert.equal(new URL(there).origin, acme.url);
  });

  test('a callback in another browser than the one that began it is refused (login CSRF)', async () => {
    const attacker = visit();
    const url = acme.authorize(await begin(attacker));
    for (const victim of [visit(), visit()]) {
      await victim.get('/sign-in');
      assert.equal((await victim.get(back(url))).status, 403);
      assert.equal(await victim.isIn(), false);
    }
    const bare = visit();
    assert.equal((await bare.get(back(url))).status, 403);
  });

  test('a callback works once', async () => {
    const browser = visit();
    const url = await begin(browser);
    const answer = back(acme.authorize(url));
    const began = browser.cookie;
    assert.equal((await browser.get(answer)).status, 303);
    const again = visit();
    again.cookie = began;
    assert.equal((await again.get(answer)).status, 403);
    // Also with a code that was never used.
    const fresh = acme.authorize(url);
    assert.equal((await again.get(back(fresh))).status, 403);
    assert.equal(await again.isIn(), false);
  });

  test('two callbacks at once make one sign-in', async () => {
    const browser = visit();
    const url = await begin(browser);
    const { cookie } = browser;
    const answers = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const one = visit();
        one.cookie = cookie;
        return (await one.get(back(acme.authorize(url)))).status;
      }),
    );
    assert.equal(answers.filter((status) => status === 303).length, 1);
    assert.equal(answers.filter((status) => status === 403).length, 4);
  });

  test('a link preview does not use a callback up', async () => {
    const browser = visit();
    const answer = back(acme.authorize(await begin(browser)));
    assert.equal((await browser.get(answer, { method: 'HEAD' })).status, 404);
    assert.equal((await browser.get(answer)).status, 303);
  });

  test('the answer of one provider is not taken at the address of another (mix-up)', async () => {
    const browser = visit();
    const url = acme.authorize(await begin(browser));
    url.pathname = '/sign-in/other/callback';
    assert.equal((await browser.get(back(url))).status, 403);
    assert.equal(await browser.isIn(), false);
    // The attacker's provider sends the browser on to the honest one, and wants its code.
    const evil = await begin(browser, '/', 'other');
    const honest = acme.authorize(evil);
    assert.equal(honest.pathname, '/sign-in/other/callback');
    assert.equal((await browser.get(back(honest))).status, 403);
    assert.equal(await browser.isIn(), false);
  });

  test('a provider speaks for its own domains only', async () => {
    const browser = visit();
    const url = await begin(browser, '/', 'other');
    const { status, text } = await browser.get(back(other.authorize(url)));
    assert.equal(status, 403);
    assert.match(text, /may not speak for addresses of example\.com/);
  });

  test('no next leads to another site (open redirect)', async () => {
    for (const next of [
      'https://evil.example/',
      '//evil.example/',
      String.raw`\\evil.example`,
      '/\\evil.example',
      'javascript:alert(1)',
      '/sign-out',
      '/sign-in/acme',
      '/%0d%0alocation: https://evil.example',
      ' https://evil.example',
    ]) {
      const { status, location } = await signIn(visit(), next);
      assert.deepEqual([status, location], [303, '/'], next);
    }
  });

  test('the address of another person that this account has now is not given to it', async () => {
    assert.equal((await signIn(visit())).status, 303);
    acme.idToken = (claims) => ({ ...claims, sub: 'subject-of-somebody-else' });
    const browser = visit();
    assert.equal((await signIn(browser)).status, 403);
    acme.idToken = (claims) => ({ ...claims, email: 'security@example.com' });
    assert.equal((await signIn(browser)).status, 403);
    assert.equal(await browser.isIn(), false);
  });

  test('a changed state, a long one and several are answered and sign nobody in', async () => {
    const browser = visit();
    const url = acme.authorize(await begin(browser));
    const state = url.searchParams.get('state') ?? '';
    for (const change of [
      (to: URL) =>
        to.searchParams.set(
          'state',
          state.replace(/.$/u, (c) => (c === 'A' ? 'B' : 'A')),
        ),
      (to: URL) => to.searchParams.set('state', 'x'.repeat(5_000)),
      (to: URL) => to.searchParams.append('state', state),
      (to: URL) => to.searchParams.delete('state'),
    ]) {
      const changed = new URL(url);
      change(changed);
      assert.ok([403, 422].includes((await browser.get(back(changed))).status));
    }
    assert.equal(await browser.isIn(), false);
  });

  test('a foreign page cannot sign somebody out here', async () => {
    const browser = visit();
    await signIn(browser);
    const answer = await fetch(`${gateway.running.console}/sign-out`, {
      method: 'POST',
      headers: { cookie: browser.cookie, origin: 'https://evil.example' },
      body: new URLSearchParams({ csrf: 'x' }),
    });
    assert.equal(answer.status, 403);
    assert.ok(await browser.isIn());
  });

  test('a logout token ends what its session began, once', async () => {
    const browser = visit();
    const sid = randomUUID();
    acme.idToken = (claims) => ({ ...claims, sid });
    await signIn(browser);
    assert.ok(await browser.isIn());
    const token = await acme.logoutToken({ sid });
    assert.equal(await logout(token), 200);
    assert.equal(await browser.isIn(), false);
    // What begins afterwards is not ended by the same word again.
    acme.idToken = (claims) => ({ ...claims, sid: randomUUID() });
    await signIn(browser);
    assert.equal(await logout(token), 400);
    assert.ok(await browser.isIn());
    assert.equal(await logout(await acme.logoutToken({ sub: 'subject-1' })), 200);
    assert.equal(await browser.isIn(), false);
  });

  test('a sign-out that overtakes its own sign-in ends it', async () => {
    const browser = visit();
    const sid = randomUUID();
    const url = acme.authorize(await begin(browser));
    acme.idToken = (claims) => ({ ...claims, sid });
    assert.equal(await logout(await acme.logoutToken({ sid })), 200);
    assert.equal((await browser.get(back(url))).status, 403);
    assert.equal(await browser.isIn(), false);
  });

  test('nobody is signed out by an ID token, a foreign provider, a stranger’s sid or nothing', async () => {
    const browser = visit();
    const sid = randomUUID();
    let idToken = '';
    acme.idToken = async (claims) => {
      idToken = await acme.sign({ ...claims, sid });
      return { ...claims, sid };
    };
    await signIn(browser);
    assert.equal(await logout(idToken), 400);
    assert.equal(await logout(await other.logoutToken({ sid }), 'acme'), 400);
    assert.equal(await logout(await acme.logoutToken({ sid }), 'other'), 400);
    // Another provider's word on its own session of the same name.
    assert.equal(await logout(await other.logoutToken({ sid }), 'other'), 200);
    assert.equal(await logout(await other.logoutToken({ sub: 'subject-1' }), 'other'), 200);
    assert.equal(await logout(await acme.logoutToken({ sid: 'unknown' })), 200);
    for (const token of ['', 'x', '..', await acme.logoutToken({ sid, nonce: 'n' })])
      assert.equal(await logout(token), 400);
    assert.ok(await browser.isIn());
  });

  test('what failed is recorded, with no token, code or secret in record or log', async () => {
    acme.idToken = (claims) => ({ ...claims, aud: 'another' });
    const url = acme.authorize(await begin(visit()));
    const browser = visit();
    const mine = await begin(browser);
    const answer = acme.authorize(mine);
    assert.equal((await browser.get(back(answer))).status, 403);
    await eventually('the record', async () =>
      (await gateway.records('sign-in')).some(({ json }) => json.body.code === 'claim-aud'),
    );
    const all = JSON.stringify(await gateway.records()) + gateway.logged.join('');
    const secrets = [
      await acme.config.clientSecret?.(),
      answer.searchParams.get('code'),
      answer.searchParams.get('state'),
      url.searchParams.get('code'),
      ...acme.refreshTokens,
    ];
    for (const secret of secrets) assert.ok(secret && !all.includes(secret));
    assert.ok(!all.includes('eyJ'));
    await gateway.verify();
  });
});
