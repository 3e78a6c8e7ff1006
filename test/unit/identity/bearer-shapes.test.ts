import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openBearers, type Bearers } from '#src/identity/bearer.ts';
import type { OidcConfig } from '#src/config/identity.ts';
import { startIdp, type Idp } from '../../fakes/idp.ts';

const ADA = 'ada@example.com';

for (const shape of ['plain', 'okta', 'entra', 'keycloak'] as const)
  describe(`access tokens as ${shape} writes them`, () => {
    let idp: Idp;
    let bearers: Bearers;
    /** Entra ID's version 2.0 names the application itself. */
    const audience = shape === 'entra' ? 'countersign' : 'api://countersign';
    before(async () => {
      idp = await startIdp({ shape, people: [{ email: ADA, name: 'Ada' }] });
      const acme: OidcConfig = {
        name: 'acme',
        label: 'Acme',
        protocol: 'oidc',
        issuer: idp.issuer,
        clientId: 'countersign',
        scopes: ['openid'],
        audience,
        claims: { email: 'email', name: 'name', groups: 'groups' },
        verifiedEmail: 'required',
        clockSkewMs: 30_000,
      };
      const agent = { id: 'bot', name: 'Bot', groups: [], provider: 'acme', clientId: 'bot' };
      bearers = openBearers({
        providers: new Map([['acme', acme]]),
        machines: new Map(),
        agents: new Map([['bot', agent]]),
      });
    });
    after(() => idp?.close());

    /** The same claims with the header that products really give them. */
    const asJwt = (jwt: string): Promise<string> => {
      const claims = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
      return idp.sign(claims, { typ: 'JWT' });
    };

    test('speak of the subject that the sign-in was of', async () => {
      const jwt = await idp.accessToken(ADA, audience, { scope: 'openid' });
      for (const each of [jwt, await asJwt(jwt)]) {
        const { subject, acted } = await bearers.access(each);
        assert.deepEqual([subject, acted], [idp.subjectOf(ADA), false]);
      }
    });

    test('name the client of an agent', async () => {
      const jwt = await idp.machineToken('bot', audience, { scope: 'act' });
      for (const each of [jwt, await asJwt(jwt)])
        assert.equal(bearers.agent(await bearers.access(each)).id, 'bot');
    });

    test('are not what an ID token is', async () => {
      const now = Math.floor(Date.now() / 1_000);
      const id = {
        iss: idp.issuer,
        aud: audience,
        sub: idp.subjectOf(ADA),
        iat: now,
        exp: now + 300,
      };
      const forms = [
        {},
        { nonce: 'n', scope: 'openid' },
        { at_hash: 'h', scp: 'x' },
        { typ: 'ID' },
      ];
      for (const more of forms)
        await assert.rejects(
          idp.sign({ ...id, ...more }, { typ: 'JWT' }).then((jwt) => bearers.access(jwt)),
          /no access token/,
        );
    });
  });
