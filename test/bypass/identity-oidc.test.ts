import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, suite, test } from 'node:test';
import { exportSPKI, importJWK, SignJWT, UnsecuredJWT, type CryptoKey } from 'jose';
import { beginFlow, type FlowSecrets } from '#src/identity/oidc/flow.ts';
import { OidcProvider, ProviderAway } from '#src/identity/oidc/provider.ts';
import { authorizationUrl, finishSignIn } from '#src/identity/oidc/sign-in.ts';
import { NotWelcome } from '#src/identity/sign-in.ts';
import { newKey, startIssuer, type Claims, type FakeIssuer } from '../fakes/issuer.ts';

const REDIRECT = 'https://gate.example.com/sign-in/acme/callback';
const secret = randomBytes(32);

const refused = (code: string | RegExp) => (error: unknown) => {
  assert.ok(error instanceof NotWelcome, String(error));
  if (typeof code === 'string') assert.equal(Reflect.get(error, 'code'), code);
  else assert.match(error.message, code);
  return true;
};

suite('forged answers of an OpenID provider', () => {
  let issuer: FakeIssuer;
  let provider: OidcProvider;
  before(async () => {
    issuer = await startIssuer();
  });
  beforeEach(() => {
    issuer.idToken = (claims) => claims;
    issuer.instead = undefined;
    issuer.metadata = {};
    provider = new OidcProvider(issuer.config);
  });
  after(() => issuer.stop());

  async function begin(of = provider): Promise<{ secrets: FlowSecrets; asked: URL }> {
    const flow = { provider: 'acme', next: '/', startedAt: Date.now() };
    const secrets = beginFlow(secret, 'cookie', flow);
    const asked = await authorizationUrl(of, { redirectUri: REDIRECT, secrets, fresh: false });
    return { secrets, asked };
  }

  async function signIn(change?: (back: URL) => void) {
    const { secrets, asked } = await begin();
    return finishSignIn(provider, issuer.authorize(asked, change), secrets);
  }

  test('the honest one signs in', async () => {
    const { authTime, refreshToken, idToken, ...said } = await signIn();
    assert.deepEqual(said, {
      provider: 'acme',
      subject: 'subject-1',
      email: 'approver@example.com',
      name: 'Approver',
      groups: ['dba', 'engineering'],
    });
    assert.ok(authTime !== undefined && Date.now() - authTime < 10_000);
    assert.ok(refreshToken && idToken);
  });

  const lies: readonly [string, (claims: Claims) => Claims, string | RegExp][] = [
    ['another issuer', (c) => ({ ...c, iss: 'https://evil.example' }), 'claim-iss'],
    ['another audience', (c) => ({ ...c, aud: 'another-client' }), 'claim-aud'],
    ['an audience more, without azp', (c) => ({ ...c, aud: [c['aud'], 'x'] }), 'claim-aud'],
    [
      'an audience more, with another azp',
      (c) => ({ ...c, aud: [c['aud'], 'x'], azp: 'x' }),
      'claim-azp',
    ],
    ['an azp of another client', (c) => ({ ...c, azp: 'x' }), 'claim-azp'],
    ['another nonce', (c) => ({ ...c, nonce: 'another' }), 'claim-nonce'],
    ['no nonce', (c) => ({ ...c, nonce: undefined }), 'invalid-response'],
    ['an exp that has passed', (c) => ({ ...c, exp: issuer.now() - 31 }), 'claim-exp'],
    ['no exp', (c) => ({ ...c, exp: undefined }), 'invalid-response'],
    ['an iat in the future', (c) => ({ ...c, iat: issuer.now() + 60 }), 'issued-later'],
    ['an nbf in the future', (c) => ({ ...c, nbf: issuer.now() + 60 }), 'claim-nbf'],
    ['no sub', (c) => ({ ...c, sub: undefined }), 'invalid-response'],
    ['an empty sub', (c) => ({ ...c, sub: '' }), /no sub/],
    ['an unverified address', (c) => ({ ...c, email_verified: false }), /has not verified/],
    ['a verified address, as text', (c) => ({ ...c, email_verified: 'true' }), /has not verified/],
    ['no word on the address', (c) => ({ ...c, email_verified: undefined }), /has not verified/],
    ['no address', (c) => ({ ...c, email: undefined }), /no usable e-mail address/],
    ['several addresses', (c) => ({ ...c, email: [c['email']] }), /no usable e-mail address/],
    // U+212A KELVIN SIGN is "k" in lower case.
    ['an address that only looks so', (c) => ({ ...c, email: '\u212Aim@example.com' }), /usable/],
    ['an address with a line end', (c) => ({ ...c, email: 'a@example.com\n' }), /usable/],
    ['an address with a NUL', (c) => ({ ...c, email: 'a\0@example.com' }), /usable/],
    ['groups that are no texts', (c) => ({ ...c, groups: [{ name: 'dba' }] }), /cannot be read/],
    ['too many groups to fit', (c) => ({ ...c, _claim_names: { groups: 'src1' } }), /too many/],
    ['too many groups, as Entra', (c) => ({ ...c, hasgroups: true }), /too many/],
    [
      'the event of a logout token',
      (c) => ({ ...c, events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }),
      'not-an-id-token',
    ],
  ];
  for (const [what, change, code] of lies)
    test(`an ID token with ${what} is refused`, async () => {
      issuer.idToken = change;
      await assert.rejects(signIn(), refused(code));
    });

  test('a clock that differs by less than the skew is no reason to refuse', async () => {
    issuer.idToken = (claims) => ({
      ...claims,
      exp: issuer.now() - 20,
      iat: issuer.now() + 20,
      nbf: issuer.now() + 20,
    });
    assert.equal((await signIn()).email, 'approver@example.com');
  });

  const signatures: readonly [string, (claims: Claims) => string | Promise<string>][] = [
    ['no signature (alg none)', (claims) => new UnsecuredJWT(claims).encode()],
    [
      'alg NONE in capitals',
      async (claims) => {
        const [, payload] = (await issuer.sign(claims)).split('.');
        const header = Buffer.from('{"alg":"NONE"}').toString('base64url');
        return `${header}.${payload}.`;
      },
    ],
    ['its signature cut off', async (claims) => (await issuer.sign(claims)).replace(/[^.]*$/u, '')],
    ['a signature of another key with its kid', (claims) => signedBy(claims, {})],
    ['a kid that nobody has', (claims) => issuer.sign(claims, { kid: 'unknown' })],
    ['a kid that points to a file', (claims) => signedBy(claims, { kid: '../../dev/null' })],
    ['a kid that is SQL', (claims) => signedBy(claims, { kid: "' union select 'x" })],
    ['a key of its own (jwk)', async (claims) => withOwnKey(claims, 'jwk')],
    ['an address of keys (jku)', async (claims) => withOwnKey(claims, 'jku')],
    ['an address of certificates (x5u)', async (claims) => withOwnKey(claims, 'x5u')],
    ['certificates of its own (x5c)', (claims) => signedBy(claims, { x5c: ['MIIB'] })],
    ['an extension that we do not know', (claims) => issuer.sign(claims, { crit: ['x'], x: 1 })],
    [
      'claims changed after it was signed',
      async (claims) => {
        const [header, , signature] = (await issuer.sign(claims)).split('.');
        const body = JSON.stringify({ ...claims, email: 'security@example.com' });
        return [header, Buffer.from(body).toString('base64url'), signature].join('.');
      },
    ],
  ];
  for (const [what, instead] of signatures)
    test(`an ID token with ${what} is refused`, async () => {
      issuer.instead = instead;
      await assert.rejects(signIn(), NotWelcome);
    });

  test('HS256 with the public key as the secret is refused, whatever the provider lists', async () => {
    issuer.metadata = { id_token_signing_alg_values_supported: ['none', 'HS256', 'RS256'] };
    const [jwk] = issuer.jwks();
    assert.ok(jwk);
    const key = (await importJWK(jwk, 'RS256')) as CryptoKey;
    for (const text of [await exportSPKI(key), JSON.stringify(jwk), jwk.n ?? '']) {
      issuer.instead = (claims) =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'HS256', kid: jwk.kid ?? '' })
          .sign(Buffer.from(text));
      await assert.rejects(signIn(), NotWelcome);
    }
    const clientSecret = (await issuer.config.clientSecret?.()) ?? '';
    issuer.instead = (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(clientSecret));
    await assert.rejects(signIn(), NotWelcome);
    issuer.instead = (claims) => new UnsecuredJWT(claims).encode();
    await assert.rejects(signIn(), NotWelcome);
  });

  /** Signed by a key of the attacker. */
  async function signedBy(claims: Claims, header: Record<string, unknown>): Promise<string> {
    const own = await newKey(issuer.jwks()[0]?.kid);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: own.kid, ...header })
      .sign(own.key);
  }

  /** Signed by a key of the attacker, which the header names or brings. */
  async function withOwnKey(claims: Claims, name: string): Promise<string> {
    const own = await newKey('own');
    const value = name === 'jwk' ? own.jwk : `${issuer.url}/evil`;
    const token = new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: 'own', [name]: value })
      .sign(own.key);
    return token;
  }

  test('no address that a token names is ever asked', async () => {
    issuer.asked.length = 0;
    for (const name of ['jku', 'x5u']) {
      issuer.instead = (claims) => withOwnKey(claims, name);
      await assert.rejects(signIn(), NotWelcome);
    }
    assert.ok(!issuer.asked.includes('/evil'));
  });

  test('a code works once, and with its own PKCE verifier only', async () => {
    const one = await begin();
    const back = issuer.authorize(one.asked);
    const other = await begin();
    // The attacker's own sign-in, with the code of somebody else.
    const mixed = new URL(back);
    mixed.searchParams.set('state', other.secrets.state);
    await assert.rejects(finishSignIn(provider, mixed, other.secrets), refused(/invalid_grant/));
    await assert.rejects(finishSignIn(provider, back, one.secrets), refused(/invalid_grant/));
    const good = await begin();
    const once = issuer.authorize(good.asked);
    await finishSignIn(provider, once, good.secrets);
    await assert.rejects(finishSignIn(provider, once, good.secrets), refused(/invalid_grant/));
  });

  test('a mixed-up provider is noticed by the iss of the answer', async () => {
    await assert.rejects(
      signIn((back) => back.searchParams.set('iss', 'https://evil.example')),
      NotWelcome,
    );
    // It says that it always sends one.
    await assert.rejects(
      signIn((back) => back.searchParams.delete('iss')),
      NotWelcome,
    );
  });

  test('an answer with another state, two states or none is refused', async () => {
    await assert.rejects(
      signIn((back) => back.searchParams.set('state', 'x')),
      NotWelcome,
    );
    await assert.rejects(
      signIn((back) => back.searchParams.append('state', 'x')),
      NotWelcome,
    );
    await assert.rejects(
      signIn((back) => back.searchParams.delete('state')),
      NotWelcome,
    );
  });

  test('a token in the address (implicit flow) is refused', async () => {
    const token = await issuer.sign({ sub: 'x' });
    await assert.rejects(
      signIn((back) => back.searchParams.set('id_token', token)),
      NotWelcome,
    );
  });

  test('what the provider says of an error is not repeated unless it is a code', async () => {
    const script = '<script>alert(1)</script>';
    await assert.rejects(
      signIn((back) => back.searchParams.set('error', script)),
      (error: unknown) => {
        assert.ok(error instanceof NotWelcome);
        assert.doesNotMatch(error.message, /script/);
        return true;
      },
    );
  });

  test('metadata of another issuer is refused: Entra ID’s common tenant would let any tenant in', async () => {
    for (const name of ['https://evil.example', `${issuer.url}/`]) {
      issuer.metadata = { issuer: name };
      const other = new OidcProvider(issuer.config);
      await assert.rejects(begin(other), ProviderAway);
    }
  });

  test('an address of a foreign domain is refused, and one that only ends so', async () => {
    provider = new OidcProvider({ ...issuer.config, domains: ['example.com'] });
    assert.equal((await signIn()).email, 'approver@example.com');
    for (const email of ['a@evil.example', 'a@evilexample.com', 'a@sub.example.com']) {
      issuer.idToken = (claims) => ({ ...claims, email });
      await assert.rejects(signIn(), refused(/may not speak for/));
    }
  });

  test('email_verified does not speak of another claim that was configured as the address', async () => {
    const claims = { ...issuer.config.claims, email: 'upn' };
    provider = new OidcProvider({ ...issuer.config, claims });
    issuer.idToken = (said) => ({ ...said, upn: 'security@example.com' });
    await assert.rejects(signIn(), refused(/has not verified/));
    issuer.idToken = (said) => ({ ...said, upn: 'Approver@Example.com' });
    assert.equal((await signIn()).email, 'approver@example.com');
  });

  test('userinfo of another subject is refused', async () => {
    issuer.idToken = (claims) => ({ ...claims, groups: undefined });
    issuer.userinfo = { sub: 'somebody-else', groups: ['dba'] };
    await assert.rejects(signIn(), NotWelcome);
    issuer.userinfo = { groups: ['oncall'] };
    assert.deepEqual((await signIn()).groups, ['oncall']);
    issuer.userinfo = {};
  });

  test('userinfo does not vouch for an address that the ID token gave', async () => {
    issuer.idToken = (claims) => ({
      ...claims,
      groups: undefined,
      email_verified: undefined,
    });
    issuer.userinfo = { email: 'mine@example.com', email_verified: true };
    await assert.rejects(signIn(), refused(/has not verified/));
    issuer.userinfo = {};
  });

  test('a path of a claim does not lead into prototypes', async () => {
    for (const path of ['constructor.name', '__proto__.x', 'toString', 'groups.length']) {
      provider = new OidcProvider({
        ...issuer.config,
        claims: { ...issuer.config.claims, groups: path },
      });
      // The length of a list is its own, and no text.
      if (path === 'groups.length') await assert.rejects(signIn(), refused(/cannot be read/));
      else assert.deepEqual((await signIn()).groups, []);
    }
  });
});
