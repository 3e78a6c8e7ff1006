import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import * as client from 'openid-client';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startIdp, type Idp, type IdpOptions, type IdpPerson } from '../../fakes/idp.ts';
import { ScriptedBrowser } from '../../fakes/idp/browser.ts';

const CALLBACK = 'http://127.0.0.1:9/callback';
const JANE: IdpPerson = { email: 'jane@example.com', name: 'Jane Doe', groups: ['dba'] };

async function start(
  options: Partial<IdpOptions> = {},
): Promise<{ idp: Idp; use: client.Configuration }> {
  const idp = await startIdp({ people: [JANE], redirectUris: [CALLBACK], ...options });
  const use = await client.discovery(
    new URL(idp.issuer),
    idp.clientId,
    idp.clientSecret,
    undefined,
    {
      execute: [client.allowInsecureRequests],
    },
  );
  return { idp, use };
}

async function code(
  { idp, use }: { idp: Idp; use: client.Configuration },
  more: Record<string, string> = {},
  browser = new ScriptedBrowser(),
) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(use, {
    redirect_uri: CALLBACK,
    scope: 'openid profile email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...more,
  });
  const back = await idp.signIn(url.href, JANE.email, browser);
  return client.authorizationCodeGrant(use, new URL(back), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
  });
}

test('plain: a whole sign-in, userinfo, refresh, a changed group, a disabled person', async (t) => {
  const both = await start();
  t.after(() => both.idp.close());
  const tokens = await code(both);
  const claims = tokens.claims();
  assert.ok(claims && tokens.refresh_token);
  assert.deepEqual([claims['email'], claims['groups']], [JANE.email, ['dba']]);
  const info = await client.fetchUserInfo(both.use, tokens.access_token, claims.sub);
  assert.equal(info.name, 'Jane Doe');
  both.idp.change(JANE.email, { groups: ['oncall'] });
  const again = await client.refreshTokenGrant(both.use, tokens.refresh_token);
  assert.deepEqual(again.claims()?.['groups'], ['oncall']);
  assert.equal(typeof again.claims()?.auth_time, 'number');
  both.idp.disable(JANE.email);
  await assert.rejects(
    client.refreshTokenGrant(both.use, again.refresh_token ?? ''),
    (error: client.ResponseBodyError) => error.error === 'invalid_grant',
  );
  await assert.rejects(code(both), (error) => inspect(error).includes('access_denied'));
});

test('each product says what it says', async (t) => {
  const look = async (options: Partial<IdpOptions>, more: Record<string, string> = {}) => {
    const both = await start(options);
    t.after(() => both.idp.close());
    const tokens = await code(both, more);
    const claims = tokens.claims() as Record<string, unknown>;
    const info = await client.fetchUserInfo(both.use, tokens.access_token, String(claims['sub']));
    return { ...both, tokens, claims, info };
  };
  const okta = await look({ shape: 'okta' }, { scope: 'openid profile email groups' });
  assert.equal(okta.claims['groups'], undefined);
  assert.deepEqual(okta.info['groups'], ['dba']);
  assert.deepEqual(okta.claims['amr'], ['pwd', 'mfa', 'otp']);
  assert.equal(okta.tokens.refresh_token, undefined, 'only with offline_access');

  const entra = await look({
    shape: 'entra',
    people: [{ ...JANE, overage: true, roles: ['Dba'] }],
  });
  assert.equal(entra.claims['email_verified'], undefined);
  assert.equal(entra.claims['groups'], undefined);
  assert.deepEqual(entra.claims['_claim_names'], { groups: 'src1' });
  assert.deepEqual(entra.claims['roles'], ['Dba']);
  assert.equal(entra.claims['auth_time'], undefined);
  assert.ok(entra.tokens.refresh_token);

  const scope = 'openid profile email';
  const google = await look({ shape: 'google' }, { scope });
  assert.equal(google.claims['hd'], 'example.com');
  assert.equal(google.tokens.refresh_token, undefined);
  assert.equal(google.use.serverMetadata().end_session_endpoint, undefined);
  assert.ok((await code(google, { scope, access_type: 'offline' })).refresh_token);
  await assert.rejects(code(google), /invalid_scope/);

  const keycloak = await look({ shape: 'keycloak', people: [{ ...JANE, roles: ['operator'] }] });
  assert.deepEqual(keycloak.claims['groups'], ['/dba']);
  assert.equal(keycloak.claims['session_state'], keycloak.claims['sid']);
  const realm = keycloak.claims['realm_access'] as { roles: string[] };
  assert.ok(realm.roles.includes('operator'));
});

test('device flow, machine, and JWT access tokens for an audience', async (t) => {
  const both = await start({ shape: 'okta' });
  t.after(() => both.idp.close());
  const { idp, use } = both;
  const device = await client.initiateDeviceAuthorization(use, {
    scope: 'openid email offline_access',
  });
  const said = await idp.approveDevice(device.verification_uri_complete ?? '', JANE.email);
  assert.match(said, /Device signed in/);
  const tokens = await client.pollDeviceAuthorizationGrant(use, device);
  assert.ok(tokens.refresh_token);
  const keys = createRemoteJWKSet(new URL(use.serverMetadata().jwks_uri ?? ''));
  const byFlow = await code(both, { resource: 'https://gw.example.com' });
  for (const token of [
    byFlow.access_token,
    await idp.accessToken(JANE.email, 'https://gw.example.com'),
  ]) {
    const { payload } = await jwtVerify(token, keys, {
      audience: 'https://gw.example.com',
      issuer: idp.issuer,
    });
    assert.deepEqual([payload.sub, payload['uid']], [JANE.email, idp.subjectOf(JANE.email)]);
  }
  const machine = await client.clientCredentialsGrant(use, { resource: 'https://gw.example.com' });
  assert.equal(decodeJwt(machine.access_token)['cid'], idp.clientId);
});

test('keys turn over, tokens are forged on demand', async (t) => {
  const both = await start();
  t.after(() => both.idp.close());
  const kid = async () => {
    const { id_token: token = '' } = await code(both);
    return Buffer.from(token.split('.')[0] ?? '', 'base64url').toString();
  };
  const before = await kid();
  await both.idp.rotateKeys(true);
  assert.notEqual(await kid(), before);
  both.idp.forge = (claims) => ({ ...claims, aud: 'somebody-else' });
  await assert.rejects(code(both), (error) => inspect(error).includes('"aud"'));
});

test('back-channel logout tells the client which session ended; sign-out comes back', async (t) => {
  const told: string[] = [];
  const server = createServer((request, response) => {
    request.on('data', (part) => told.push(String(part)));
    request.on('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}/bye`;
  const both = await start({ shape: 'keycloak' });
  t.after(async () => {
    server.close();
    await both.idp.close();
  });
  both.idp.register({ backchannelLogoutUri: own, postLogoutRedirectUris: [CALLBACK] });
  const browser = new ScriptedBrowser();
  const tokens = await code(both, {}, browser);
  assert.equal(await both.idp.logout(JANE.email), 1);
  const token = new URLSearchParams(told[0]).get('logout_token') ?? '';
  assert.equal(decodeJwt(token)['sid'], tokens.claims()?.['sid']);

  const again = await code(both, {}, browser);
  const url = client.buildEndSessionUrl(both.use, {
    post_logout_redirect_uri: CALLBACK,
    id_token_hint: again.id_token ?? '',
  });
  assert.equal(await both.idp.signOut(url.href, browser), CALLBACK);
});
