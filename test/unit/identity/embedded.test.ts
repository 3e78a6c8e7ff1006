import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { beginFlow } from '#src/identity/oidc/flow.ts';
import { OidcProvider } from '#src/identity/oidc/provider.ts';
import {
  authorizationUrl,
  endSessionUrl,
  finishSignIn,
  refresh,
} from '#src/identity/oidc/sign-in.ts';
import { startEmbedded, type TestEmbedded } from '../../fakes/embedded.ts';
import { ScriptedBrowser } from '../../fakes/idp/browser.ts';

const secret = randomBytes(32);

/** One sign-in as the gateway does it, with a browser that picks this person. */
async function signIn(
  world: TestEmbedded,
  email: string,
  browser = new ScriptedBrowser(),
  fresh = false,
) {
  const provider = new OidcProvider(world.embedded.oidc);
  const flow = { provider: 'demo', next: '/', startedAt: Date.now() };
  const secrets = beginFlow(secret, 'cookie', flow);
  const redirectUri = `${world.publicUrl}/sign-in/demo/callback`;
  const url = await authorizationUrl(provider, { redirectUri, secrets, fresh });
  const page = await browser.go(url.href, world.publicUrl);
  assert.match(page.html, /Who are you\?/);
  const back = await browser.submit(page, world.publicUrl, { person: email });
  assert.ok(back.url.startsWith(redirectUri), `${back.url} ${back.status} ${back.html}`);
  return finishSignIn(provider, new URL(back.url), secrets);
}

test('a click is a sign-in through the same code as any provider; another click is another person', async (t) => {
  const world = await startEmbedded();
  t.after(() => world.stop());
  const browser = new ScriptedBrowser();
  const said = await signIn(world, 'engineer@example.com', browser);
  assert.equal(said.email, 'engineer@example.com');
  assert.deepEqual([said.name, said.groups], ['Engineer', ['engineering']]);
  assert.ok(said.authTime !== undefined && said.sid !== undefined && said.refreshToken);
  const other = await signIn(world, 'approver@example.com', browser);
  assert.deepEqual(other.groups, ['dba', 'engineering']);
  assert.notEqual(other.sid, said.sid);
  assert.deepEqual(world.errors, []);
});

test('a fresh sign-in, as step-up asks for it, says when it was', async (t) => {
  const world = await startEmbedded();
  t.after(() => world.stop());
  const browser = new ScriptedBrowser();
  await signIn(world, 'approver@example.com', browser);
  const asked = Math.floor(Date.now() / 1_000) * 1_000;
  const { authTime } = await signIn(world, 'approver@example.com', browser, true);
  assert.ok(authTime !== undefined && authTime >= asked, `${authTime} ${asked}`);
});

test('sessions and keys survive a restart, in a file of mode 0600; who is gone is gone', async (t) => {
  const world = await startEmbedded();
  t.after(() => world.stop());
  const said = await signIn(world, 'engineer@example.com');
  const keysAt = async () => {
    const answer = await fetch(`${world.publicUrl}/embedded/jwks`);
    return JSON.stringify(await answer.json());
  };
  const keys = await keysAt();
  await world.restart();
  assert.equal(await keysAt(), keys);
  const { mode } = await stat(join(world.dataDir, 'embedded-provider.json'));
  assert.equal(mode & 0o777, 0o600);
  const provider = new OidcProvider(world.embedded.oidc);
  const known = { subject: said.subject, email: said.email, refreshToken: said.refreshToken ?? '' };
  const now = await refresh(provider, known);
  assert.deepEqual(now.groups, ['engineering']);
  world.people = new Map();
  await assert.rejects(
    refresh(provider, { ...known, refreshToken: now.refreshToken ?? known.refreshToken }),
    /Demo/,
  );
});

test('a sign-out at the gateway is one at the provider, without a word; the other way it is asked', async (t) => {
  const world = await startEmbedded();
  t.after(() => world.stop());
  const browser = new ScriptedBrowser();
  const { idToken = '' } = await signIn(world, 'engineer@example.com', browser);
  const provider = new OidcProvider(world.embedded.oidc);
  const back = `${world.publicUrl}/sign-in`;
  const end = `${world.publicUrl}/embedded/session/end`;
  const asked = await browser.go(end, world.publicUrl);
  assert.match(asked.html, /Sign out\s*<\/button>/);
  assert.doesNotMatch(asked.html, /<script/);

  const url = await endSessionUrl(provider, { idToken, back });
  const gone = await browser.go(url?.href ?? '', 'http://elsewhere.invalid');
  assert.equal(gone.url, back);
  assert.deepEqual(world.errors, [], 'the gateway was not told what it knows');

  // Nobody is signed in any more: a button, where the library has a script.
  const again = await browser.go(url?.href ?? '', world.publicUrl);
  assert.match(again.html, /Continue\s*<\/button>/);
  assert.doesNotMatch(again.html, /<script/);
  assert.equal((await browser.submit(again, 'http://elsewhere.invalid', {})).url, back);

  await signIn(world, 'engineer@example.com', browser);
  const page = await browser.go(end, world.publicUrl);
  const done = await browser.submit(page, world.publicUrl, { logout: 'yes' });
  assert.match(done.html, /Signed out/);
  assert.match(String(world.errors), /sign-in\/demo\/logout, got: 404/, 'the gateway was told');
});

test('nothing of it is loaded before somebody comes', () => {
  const text = `await import('#gateway/provider/embedded.ts')`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    encoding: 'utf8',
    env: { NODE_DEBUG: 'esm' },
  });
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stderr, /provider\/embedded\.ts/);
  assert.doesNotMatch(run.stderr, /node_modules\/(?:oidc-provider|undici)/);
});
