import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { openEmbedded } from '#gateway/provider/embedded.ts';
import type { Config } from '#src/config/config.ts';
import {
  beside,
  EMBEDDED,
  embeddedConfig,
  realProvider,
  startEmbedded,
} from '../fakes/embedded.ts';
import { Folder, problemsOf } from '../unit/config/folder.ts';

const open = (more: Partial<Config>) =>
  openEmbedded({ config: embeddedConfig(more), people: () => new Map(), onError: () => undefined });

suite('the embedded provider does not stand where it must not', () => {
  test('in production', () => {
    assert.throws(() => open({ identity: { ...EMBEDDED, production: true } }), /production/);
  });

  for (const key of ['console', 'postgres'] as const)
    for (const host of ['0.0.0.0', '::', '192.0.2.7', 'gate.example.com', '127.0.0.1.example.com'])
      test(`while listen.${key} is ${host}`, () => {
        const { listen } = embeddedConfig();
        const beyond = { ...listen, [key]: { host, port: 8080 } };
        assert.throws(() => open({ listen: beyond }), new RegExp(`listen\\.${key}`));
      });

  test('under a public name', () => {
    for (const publicUrl of ['https://gate.example.com', 'http://127.0.0.1.example.com:8080'])
      assert.throws(() => open({ publicUrl }), /publicUrl/);
  });

  test('beside a provider that does not say for whom it speaks', () => {
    assert.throws(() => open({ identity: beside(realProvider()) }), /domains/);
  });

  test('with keys that others can read', async (t) => {
    const world = await startEmbedded();
    t.after(() => world.stop());
    const jwks = () =>
      fetch(`${world.publicUrl}/embedded/jwks`, { headers: { connection: 'close' } });
    assert.equal((await jwks()).status, 200);
    const file = join(world.dataDir, 'embedded-provider.json');
    await chmod(file, 0o644);
    await world.restart();
    assert.equal((await jwks()).status, 500);
    await chmod(file, 0o600);
    assert.equal((await jwks()).status, 200, 'put right, it is tried again');
  });
});

test('a configuration that would let it stand there is not read', async (t) => {
  const folder = new Folder();
  t.after(() => folder.remove());
  folder.fill();
  const demo = { 'identity.providers.demo': { protocol: 'embedded' } };
  assert.equal((await folder.read(demo)).identity.providers.get('demo')?.protocol, 'embedded');
  const acme = { protocol: 'oidc', issuer: 'https://id.example.com', clientId: 'x' };
  for (const [change, where] of [
    [{ 'identity.production': true }, 'identity.providers.demo'],
    [{ 'listen.console': '0.0.0.0:8080' }, 'identity.providers.demo'],
    [{ 'listen.postgres': '[::]:6432' }, 'identity.providers.demo'],
    [{ publicUrl: 'https://gate.example.com' }, 'identity.providers.demo'],
    [{ 'identity.providers.two': { protocol: 'embedded' } }, 'identity.providers.two'],
    [{ 'identity.providers.acme': acme }, 'identity.providers.acme.domains'],
  ] as const) {
    const problems = await problemsOf(folder.read({ ...demo, ...change }));
    assert.ok(problems[where], JSON.stringify([change, problems]));
  }
});
