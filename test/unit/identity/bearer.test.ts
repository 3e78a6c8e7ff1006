import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { BadBearer, CannotCheck, openBearers, type Bearers } from '#src/identity/bearer.ts';
import type { MachineConfig, OidcConfig } from '#src/config/identity.ts';
import { forged, JwtIssuer } from '../../fakes/jwt-issuer.ts';

const AUDIENCE = 'https://countersign.example.com';

const rule = (issuer: string, claims: Record<string, string[]>, jwks?: string): MachineConfig => ({
  name: 'A machine',
  groups: ['ci'],
  issuer,
  audience: AUDIENCE,
  claims: new Map(Object.entries(claims)),
  ...(jwks !== undefined && { jwks }),
});

const action = (more: object = {}) => ({
  sub: 'repo:acme/shop:ref:refs/heads/main',
  aud: AUDIENCE,
  repository: 'acme/shop',
  repository_owner: 'acme',
  ref: 'refs/heads/main',
  jti: 'one',
  ...more,
});

const claims = (more: object = {}) => ({
  sub: 'u1',
  aud: 'api://countersign',
  scope: 'openid',
  ...more,
});

const agentOf = async (bearers: Bearers, idp: JwtIssuer, more: object) =>
  bearers.agent(await bearers.access(await idp.sign(claims(more))));

describe('tokens of machines', () => {
  let github: JwtIssuer;
  let cluster: JwtIssuer;
  let spire: JwtIssuer;
  let bearers: Bearers;
  before(async () => {
    [github, cluster, spire] = await Promise.all([
      JwtIssuer.start(),
      JwtIssuer.start(),
      JwtIssuer.start(),
    ]);
    await spire.addKey('svid', 'ES256', { use: 'jwt-svid' });
    await spire.addKey('x509', 'ES256', { use: 'x509-svid' });
  });
  after(() => Promise.all([github.stop(), cluster.stop(), spire.stop()]));
  beforeEach(() => {
    bearers = openBearers({ providers: new Map(), agents: new Map(), machines: machines() });
  });

  const machines = (): Map<string, MachineConfig> =>
    new Map([
      [
        'deploy@machines',
        rule(github.url, {
          repository: ['acme/shop'],
          ref: ['refs/heads/main', 'refs/heads/next'],
        }),
      ],
      ['docs@machines', rule(github.url, { repository: ['acme/docs'] })],
      ['all@machines', rule(github.url, { repository: ['acme/both'] })],
      ['every@machines', rule(github.url, { repository_owner: ['both'] })],
      ['pod@machines', rule(cluster.url, { sub: ['system:serviceaccount:shop:migrate'] })],
      [
        'svid@machines',
        rule('https://spire.internal', { sub: ['spiffe://acme/shop'] }, `${spire.url}/keys`),
      ],
    ]);
  const refused = (jwt: string, why: RegExp) =>
    assert.rejects(bearers.machine(jwt), (error: Error) => {
      assert.ok(error instanceof BadBearer, String(error));
      assert.match(error.message, why);
      assert.ok(
        jwt.length < 40 || !error.message.includes(jwt.slice(0, 40)),
        'the token is not quoted',
      );
      return true;
    });

  test('GitHub Actions, Kubernetes and SPIFFE shapes', async () => {
    const ours = await bearers.machine(await github.sign(action()));
    assert.equal(ours.machine, 'deploy@machines');
    assert.equal(ours.jti, 'one');
    assert.equal(ours.livesMs, 300_000);
    assert.ok(Math.abs(ours.expiresAt - Date.now() - 300_000) < 5_000);
    const pod = await cluster.sign(
      {
        sub: 'system:serviceaccount:shop:migrate',
        aud: [AUDIENCE],
        'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'migrate', uid: 'x' } },
      },
      { typ: null },
    );
    assert.equal((await bearers.machine(pod)).machine, 'pod@machines');
    const svid = { iss: undefined, sub: 'spiffe://acme/shop', aud: [AUDIENCE] };
    const signed = await spire.sign(svid, { alg: 'ES256', kid: 'svid', typ: 'JOSE' });
    assert.equal((await bearers.machine(signed)).machine, 'svid@machines');
    const named = await spire.sign(
      { ...svid, iss: 'https://spire.internal' },
      { alg: 'ES256', kid: 'svid' },
    );
    assert.equal((await bearers.machine(named)).machine, 'svid@machines');
  });

  test('a key for certificates signs no tokens', async () => {
    const svid = { iss: undefined, sub: 'spiffe://acme/shop', aud: AUDIENCE };
    await refused(await spire.sign(svid, { alg: 'ES256', kid: 'x509' }), /signature/);
  });

  test('claims are compared whole: no list, no beginning, no other case, no inherited name', async () => {
    for (const more of [
      { repository: ['acme/shop'] },
      { repository: ['acme/shop', 'evil/shop'] },
      { repository: 'acme/shop-evil' },
      { repository: 'acme/shop ' },
      { repository: 'Acme/shop' },
      { repository: { toString: 'acme/shop' } },
      { repository: undefined },
      { ref: 'refs/heads/main-2' },
      { ref: 'refs/heads/main,refs/heads/next' },
      { ref: '*' },
    ])
      await refused(await github.sign(action(more)), /claim|no machine/);
    const next = await bearers.machine(await github.sign(action({ ref: 'refs/heads/next' })));
    assert.equal(next.machine, 'deploy@machines');
  });

  test('a token that fits two machines is neither', async () => {
    await refused(
      await github.sign(action({ repository: 'acme/both', repository_owner: 'both' })),
      /more than one/,
    );
  });

  test('audience, issuer and time', async () => {
    const now = Math.floor(Date.now() / 1_000);
    for (const more of [
      { aud: 'https://other.example.com' },
      { aud: `${AUDIENCE}/` },
      { aud: [AUDIENCE, 'https://other.example.com'] },
      { aud: undefined },
      { iss: 'https://elsewhere.example.com' },
      { iss: undefined },
      { exp: now - 60 },
      { exp: undefined },
      { exp: now + 90_000 },
      { iat: now - 90_000, exp: now + 60 },
      { iat: now + 120, exp: now + 300 },
      { nbf: now + 120 },
      { sub: undefined },
    ])
      await refused(
        await github.sign(action(more)),
        /not made|no machine|others|expired|exp|hours|future|not valid yet|sub|signature|aud/,
      );
    // Clocks may differ a little.
    await bearers.machine(await github.sign(action({ iat: now + 10, exp: now + 200 })));
    await refused(
      await cluster.sign({
        sub: 'system:serviceaccount:shop:migrate',
        aud: AUDIENCE,
        exp: now - 60,
      }),
      /expired/,
    );
  });

  test('no algorithm, a shared secret, another’s key, a changed claim', async () => {
    const good = await github.sign(action());
    await refused(forged(good, { alg: 'none' }), /./);
    await refused(
      `${forged(good, { alg: 'none', typ: 'JWT' }).split('.').slice(0, 2).join('.')}.`,
      /./,
    );
    const { kid = '', ...jwk } = github.jwks[0] ?? {};
    for (const key of [JSON.stringify(jwk), jwk.n ?? '']) {
      const [header, body] = forged(good, { alg: 'HS256', kid, typ: 'JWT' }).split('.');
      const mac = createHmac('sha256', key).update(`${header}.${body}`).digest('base64url');
      await refused(`${header}.${body}.${mac}`, /./);
    }
    await refused(forged(good, { alg: 'RS256', kid }, { ...action(), iss: github.url }), /./);
    await refused(await cluster.sign(action({ iss: github.url })), /./);
    await refused(forged(good, { alg: 'RS256', kid, crit: ['b64'], b64: false }), /./);
    await refused(forged(good, { alg: 'RS256', jwk: github.jwks[0], typ: 'JWT' }), /./);
    for (const text of ['', 'a.b.c', 'e30.e30.', `${good}.x`, `${good}=`, 'x'.repeat(20_000)])
      await refused(text, /./);
    await bearers.machine(good);
  });

  test('keys are kept, a new one is found, and unknown ones do not make it ask again and again', async () => {
    github.asked.length = 0;
    await bearers.machine(await github.sign(action()));
    const known = github.asked.length;
    await bearers.machine(await github.sign(action()));
    assert.equal(github.asked.length, known);
    const unknown = await github.sign(action(), { kid: 'unknown' });
    for (let i = 0; i < 10; i += 1) await refused(unknown, /signature|no machine/);
    assert.ok(github.asked.length <= known + 1, github.asked.join());
  });

  test('an issuer that does not answer, or says to be another, is believed nothing', async () => {
    const issuer = await JwtIssuer.start();
    const only = new Map([['x@machines', rule(issuer.url, { sub: ['x'] })]]);
    const open = () => openBearers({ providers: new Map(), agents: new Map(), machines: only });
    const jwt = await issuer.sign({ sub: 'x', aud: AUDIENCE });
    issuer.failing = 500;
    const one = open();
    await assert.rejects(one.machine(jwt), CannotCheck);
    const asked = issuer.asked.length;
    await assert.rejects(one.machine(jwt), CannotCheck);
    assert.equal(issuer.asked.length, asked, 'not again at once');
    issuer.failing = undefined;
    issuer.named = 'https://elsewhere.example.com';
    await assert.rejects(open().machine(jwt), CannotCheck);
    issuer.named = undefined;
    issuer.jwksUri = 'http://keys.example.com/keys';
    await assert.rejects(open().machine(jwt), CannotCheck);
    issuer.jwksUri = undefined;
    assert.equal((await open().machine(jwt)).machine, 'x@machines');
    await issuer.stop();
  });
});

describe('access tokens of providers', () => {
  let idp: JwtIssuer;
  let bearers: Bearers;
  before(async () => {
    idp = await JwtIssuer.start();
    await idp.addKey('elliptic', 'ES256');
    const acme: OidcConfig = {
      name: 'acme',
      label: 'Acme',
      protocol: 'oidc',
      issuer: idp.url,
      clientId: 'countersign',
      scopes: ['openid'],
      audience: 'api://countersign',
      claims: { email: 'email', name: 'name', groups: 'groups' },
      verifiedEmail: 'required',
      clockSkewMs: 30_000,
    };
    bearers = openBearers({
      providers: new Map([['acme', acme]]),
      machines: new Map(),
      agents: new Map([
        ['bot', { id: 'bot', name: 'Bot', groups: [], provider: 'acme', clientId: 'assistant' }],
      ]),
    });
  });
  after(() => idp.stop());

  test('the forms that providers give them', async () => {
    for (const [more, signing] of [
      [{ client_id: 'cli', scope: undefined }, { typ: 'at+jwt' }],
      [
        { client_id: 'cli', scope: undefined },
        { typ: 'application/AT+JWT', alg: 'ES256', kid: 'elliptic' },
      ],
      // Entra ID
      [{ azp: 'cli', scp: 'connect', scope: undefined, ver: '2.0' }, {}],
      // Keycloak
      [{ azp: 'cli', typ: 'Bearer', aud: ['account', 'api://countersign'] }, {}],
      // Okta
      [{ cid: 'cli', scp: ['connect'], scope: undefined }, { typ: null }],
    ] as const) {
      const token = await bearers.access(await idp.sign(claims(more), signing));
      assert.deepEqual(
        [token.provider, token.subject, token.clientId, token.acted],
        ['acme', 'u1', 'cli', false],
      );
    }
    assert.equal((await bearers.access(await idp.sign(claims({ act: { sub: 'x' } })))).acted, true);
  });

  test('an ID token, a logout token, a refresh token are no access tokens', async () => {
    for (const [more, signing] of [
      [{ scope: undefined }, {}],
      [{ nonce: 'n' }, {}],
      [{ at_hash: 'h' }, {}],
      [{ aud: ['countersign', 'api://countersign'], azp: 'countersign' }, {}],
      [{ typ: 'ID' }, {}],
      [{ typ: 'Refresh' }, {}],
      [{ token_use: 'id' }, {}],
      [{ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }, {}],
      [{}, { typ: 'logout+jwt' }],
      [{}, { typ: 'dpop+jwt' }],
    ] as const)
      await assert.rejects(
        idp.sign(claims(more), signing).then((jwt) => bearers.access(jwt)),
        /no access token/,
      );
    await assert.rejects(
      idp.sign(claims({ aud: 'countersign', nonce: 'n' })).then((jwt) => bearers.access(jwt)),
      /not made for this gateway/,
    );
  });

  test('the agent is the client that the token was issued to', async () => {
    assert.equal((await agentOf(bearers, idp, { azp: 'assistant' })).id, 'bot');
    for (const more of [
      {},
      { azp: 'other' },
      { azp: ['assistant'] },
      { azp: 'assistant', client_id: 'other' },
      { client_id: 'assistant ' },
    ])
      await assert.rejects(agentOf(bearers, idp, more), BadBearer);
  });
});
