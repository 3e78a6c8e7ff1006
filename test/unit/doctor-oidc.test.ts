import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkOidc } from '#cli/doctor/oidc.ts';
import type { OidcConfig } from '#src/config/identity.ts';
import { freePort } from '../fakes/postgres.ts';
import { startIssuer, type FakeIssuer } from '../fakes/issuer.ts';

let issuer: FakeIssuer;
before(async () => {
  issuer = await startIssuer();
});
after(() => issuer.stop());

const said = async (more: Partial<OidcConfig> = {}): Promise<string[]> => {
  const checks = await checkOidc({ ...issuer.config, ...more }, 'https://gate.example.com');
  for (const check of checks) assert.ok(check.state === 'ok' || check.next, check.what);
  return checks.map(({ state, found }) => `${state} ${found}`);
};

test('of a provider: it answers, and where it must know us', async () => {
  const [first, ...more] = await said();
  assert.match(
    first ?? '',
    /^ok .* register https:\/\/gate\.example\.com\/sign-in\/acme\/callback/,
  );
  assert.deepEqual(more, []);
});

test('of a provider: what it cannot do', async () => {
  issuer.metadata = {
    claims_supported: ['sub', 'email'],
    code_challenge_methods_supported: ['plain'],
  };
  const [, ...lacks] = await said();
  assert.deepEqual(lacks, [
    'warn its claims_supported has no auth_time',
    'warn its code_challenge_methods_supported has no S256',
  ]);
  issuer.metadata = { token_endpoint_auth_methods_supported: ['private_key_jwt'] };
  assert.match((await said())[0] ?? '', /^fail Acme takes no client secret/);
  issuer.metadata = {};
});

test('of a provider: that it is away, is somebody else, or our secret cannot be read', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  assert.match((await said({ issuer: nobody }))[0] ?? '', /^fail .*ECONNREFUSED/);
  issuer.metadata = { issuer: 'https://evil.example' };
  assert.match((await said())[0] ?? '', /^fail /);
  issuer.metadata = {};
  const missing = { clientSecret: () => Promise.reject(new Error('there is no file /x')) };
  assert.match((await said(missing))[0] ?? '', /^fail there is no file/);
});
