import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, suite, test } from 'node:test';
import type { OidcConfig } from '#src/config/identity.ts';
import { beginFlow } from '#src/identity/oidc/flow.ts';
import { readLogoutToken } from '#src/identity/oidc/logout.ts';
import { OidcProvider, ProviderAway } from '#src/identity/oidc/provider.ts';
import {
  authorizationUrl,
  endSessionUrl,
  finishSignIn,
  refresh,
} from '#src/identity/oidc/sign-in.ts';
import { BadToken } from '#src/identity/oidc/verify.ts';
import { NotWelcome } from '#src/identity/sign-in.ts';
import { makeAuthority } from '../../fakes/certificates.ts';
import { startIssuer, type Claims, type FakeIssuer } from '../../fakes/issuer.ts';

const secret = Buffer.alloc(32, 7);
const redirectUri = 'https://gate.example.com/sign-in/acme/callback';

suite('an OpenID provider', () => {
  let issuer: FakeIssuer;
  let now = Date.now();
  let provider: OidcProvider;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.stop());
  afterEach(() => {
    issuer.down = false;
    issuer.idToken = (claims) => claims;
    issuer.refusesRefresh = undefined;
    issuer.asked.length = 0;
  });
  const open = (config: Partial<OidcConfig> = {}): OidcProvider =>
    (provider = new OidcProvider({ ...issuer.config, ...config }, () => now));
  const begin = async (fresh = false, acr?: readonly string[]) => {
    const secrets = beginFlow(secret, 'c', { provider: 'acme', next: '/', startedAt: Date.now() });
    const ask = { redirectUri, secrets, fresh, ...(acr && { acr }) };
    return { secrets, asked: await authorizationUrl(provider, ask) };
  };
  const signIn = async () => {
    const { asked, secrets } = await begin();
    return finishSignIn(provider, issuer.authorize(asked), secrets);
  };
  const count = (path: string): number => issuer.asked.filter((each) => each === path).length;
  const DISCOVERY = '/.well-known/openid-configuration';

  test('is asked what it is once, and again after an hour', async () => {
    open();
    await Promise.all([begin(), begin(), begin()]);
    await begin();
    assert.equal(count(DISCOVERY), 1);
    now += 3_600_001;
    await begin();
    assert.equal(count(DISCOVERY), 2);
  });

  test('that is away is said to be, asked again not at once, and works when it is back', async () => {
    open();
    issuer.down = true;
    await assert.rejects(begin(), ProviderAway);
    issuer.down = false;
    await assert.rejects(begin(), ProviderAway);
    now += 2_001;
    await begin();
  });

  test('that goes away for a while is used on as it was known', async () => {
    open();
    await begin();
    issuer.down = true;
    now += 3_600_001;
    await begin();
    now += 24 * 3_600_000;
    await assert.rejects(begin(), ProviderAway);
  });

  test('may change its keys: an unknown kid makes us look again, in bounds', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    open();
    await signIn();
    assert.equal(count('/keys'), 1);
    await issuer.rotate();
    // Just looked: a flood of unknown kids must not become a flood of questions.
    await assert.rejects(signIn(), NotWelcome);
    assert.equal(count('/keys'), 1);
    t.mock.timers.tick(5_001);
    await signIn();
    assert.equal(count('/keys'), 2);
    await signIn();
    assert.equal(count('/keys'), 2);
  });

  test('is asked for a fresh sign-in where one is needed', async () => {
    open();
    const usual = (await begin()).asked.searchParams;
    assert.equal(usual.get('prompt'), null);
    assert.equal(usual.get('code_challenge_method'), 'S256');
    assert.equal(usual.get('scope'), 'openid profile email offline_access');
    const fresh = (await begin(true, ['phr', 'phrh'])).asked.searchParams;
    assert.equal(fresh.get('prompt'), 'login');
    assert.equal(fresh.get('max_age'), '0');
    assert.equal(fresh.get('acr_values'), 'phr phrh');
  });

  test('is told of a sign-out, where it takes them', async () => {
    open();
    const url = await endSessionUrl(provider, { idToken: 'x', back: 'https://gate/sign-in' });
    assert.equal(url?.pathname, '/logout');
    assert.equal(url?.searchParams.get('id_token_hint'), 'x');
    assert.equal(url?.searchParams.get('post_logout_redirect_uri'), 'https://gate/sign-in');
    issuer.metadata = { end_session_endpoint: undefined };
    assert.equal(await endSessionUrl(open(), { back: 'https://gate' }), undefined);
    issuer.metadata = {};
  });

  test('is asked again by refresh token', async () => {
    open();
    const { subject, email, refreshToken = '' } = await signIn();
    const known = { subject, email, refreshToken };
    issuer.idToken = (claims) => ({ ...claims, groups: ['oncall'] });
    const first = await refresh(provider, known);
    assert.deepEqual([first.name, first.groups], ['Approver', ['oncall']]);
    // It was exchanged for another.
    await assert.rejects(refresh(provider, known), NotWelcome);
    const next = { ...known, refreshToken: first.refreshToken ?? '' };
    issuer.idToken = (claims) => ({ ...claims, sub: 'subject-2' });
    await assert.rejects(refresh(provider, next), /another account/);
  });

  const gone: readonly [string, (claims: Claims) => Claims][] = [
    ['another address', (claims) => ({ ...claims, email: 'other@example.com' })],
    ['an address that is no longer verified', (claims) => ({ ...claims, email_verified: false })],
    ['an address of a domain it may not speak for', (c) => ({ ...c, email: 'a@evil.example' })],
  ];
  for (const [what, change] of gone)
    test(`is believed no more when a refresh gives ${what}`, async () => {
      open({ domains: ['example.com'] });
      const { subject, email, refreshToken = '' } = await signIn();
      issuer.idToken = change;
      await assert.rejects(refresh(provider, { subject, email, refreshToken }), NotWelcome);
    });

  test('that fails at a refresh is away, not a reason to let anybody go', async () => {
    open();
    const { subject, email, refreshToken = '' } = await signIn();
    issuer.refusesRefresh = 'temporarily_unavailable';
    await assert.rejects(refresh(provider, { subject, email, refreshToken }), ProviderAway);
    issuer.down = true;
    await assert.rejects(refresh(provider, { subject, email, refreshToken }), ProviderAway);
  });

  test('may have groups under a path and other names, of which only the mapped ones count', async () => {
    open({
      claims: { ...issuer.config.claims, groups: 'realm_access.roles' },
      groups: new Map([['a1b2', 'dba']]),
    });
    issuer.idToken = (claims) => ({ ...claims, realm_access: { roles: ['a1b2', 'dba', 'x'] } });
    assert.deepEqual((await signIn()).groups, ['dba']);
    // A name with dots is a name first.
    open({ claims: { ...issuer.config.claims, groups: 'https://example.com/groups' } });
    issuer.idToken = (claims) => ({ ...claims, 'https://example.com/groups': 'only' });
    assert.deepEqual((await signIn()).groups, ['only']);
  });

  test('of Google speaks for a company’s address only with its hd', async () => {
    const { readClaims } = await import('#src/identity/oidc/claims.ts');
    const config = { ...issuer.config, issuer: 'https://accounts.google.com' };
    const claims = { sub: '1', email: 'a@example.com', email_verified: true };
    assert.throws(() => readClaims(config, claims), NotWelcome);
    assert.throws(() => readClaims(config, { ...claims, hd: 'evil.example' }), NotWelcome);
    assert.equal(readClaims(config, { ...claims, hd: 'example.com' }).email, 'a@example.com');
  });

  const read = async (claims: Claims) => readLogoutToken(open(), await issuer.logoutToken(claims));

  suite('and its logout tokens', () => {
    test('name a session, a person, or both', async () => {
      assert.equal((await read({ sid: 's' })).sid, 's');
      assert.equal((await read({ sub: 'u' })).subject, 'u');
      const { sid, subject, expiresAt } = await read({ sid: 's', sub: 'u' });
      assert.deepEqual([sid, subject], ['s', 'u']);
      assert.ok(expiresAt > Date.now() + 120_000);
    });
    const bad: readonly [string, Claims][] = [
      ['of another issuer', { iss: 'https://evil.example' }],
      ['for another client', { aud: 'another' }],
      ['with a nonce, as an ID token has', { nonce: 'x' }],
      ['without events', { events: undefined }],
      ['with other events', { events: { 'http://schemas.example/x': {} } }],
      [
        'whose event is no object',
        {
          events: { 'http://schemas.openid.net/event/backchannel-logout': true },
        },
      ],
      ['whose events are inherited', { events: [] }],
      ['without jti', { jti: undefined }],
      ['that names nobody', { sid: undefined }],
      ['whose sid is no text', { sid: { $ne: '' } }],
      ['whose sub is empty', { sub: '' }],
      ['that has expired', { exp: 1 }],
      ['from long ago', { iat: Math.floor(Date.now() / 1_000) - 400 }],
      ['from the future', { iat: Math.floor(Date.now() / 1_000) + 100 }],
      ['without iat', { iat: undefined }],
    ];
    for (const [what, claims] of bad)
      test(`are refused ${what}`, async () => {
        await assert.rejects(read({ sid: 's', ...claims }), BadToken);
      });
    test('are not ID tokens', async () => {
      open();
      const { idToken = '' } = await signIn();
      await assert.rejects(readLogoutToken(provider, idToken), BadToken);
      await assert.rejects(readLogoutToken(provider, 'x.y.z'), BadToken);
      await assert.rejects(readLogoutToken(provider, ''), BadToken);
    });
  });
});

test('a provider behind a private authority is reached with it alone', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-oidc-'));
  const authority = await makeAuthority();
  const issuer = await startIssuer({ tls: await authority.issue() });
  try {
    const flow = { provider: 'acme', next: '/', startedAt: Date.now() };
    const secrets = beginFlow(secret, 'c', flow);
    const ask = { redirectUri, secrets, fresh: false };
    await assert.rejects(authorizationUrl(new OidcProvider(issuer.config), ask), ProviderAway);
    const ca = join(dir, 'ca.pem');
    await writeFile(ca, authority.cert);
    const provider = new OidcProvider({ ...issuer.config, ca });
    const asked = await authorizationUrl(provider, ask);
    const said = await finishSignIn(provider, issuer.authorize(asked), secrets);
    assert.equal(said.email, 'approver@example.com');
    // Its endpoints are not followed into clear text either.
    issuer.metadata = { jwks_uri: `${issuer.url.replace('https', 'http')}/keys` };
    await assert.rejects(
      authorizationUrl(new OidcProvider({ ...issuer.config, ca }), ask),
      /no https address of its keys/,
    );
  } finally {
    await issuer.stop();
    await rm(dir, { recursive: true });
  }
});
