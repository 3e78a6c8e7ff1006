import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { foreign } from '#gateway/provider/own.ts';
import { beginFlow } from '#src/identity/oidc/flow.ts';
import { OidcProvider } from '#src/identity/oidc/provider.ts';
import { authorizationUrl, finishSignIn } from '#src/identity/oidc/sign-in.ts';
import { beside, realProvider, startEmbedded, type TestEmbedded } from '../fakes/embedded.ts';
import { ScriptedBrowser, type Visited } from '../fakes/idp/browser.ts';

const post = (page: Visited, headers: Record<string, string>) =>
  fetch(page.url, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: 'person=engineer%40example.com',
  });

const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`countersign:${password}`).toString('base64')}`,
});
suite('who is not a browser of this machine', () => {
  let world: TestEmbedded;
  before(async () => void (world = await startEmbedded()));
  after(() => world.stop());

  const PATHS = [
    '/embedded/.well-known/openid-configuration',
    '/embedded/jwks',
    '/embedded/auth?client_id=countersign',
    '/embedded/token',
    '/embedded/who/x',
    '/embedded/session/end',
  ];
  const get = (path: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const { hostname, port } = new URL(world.publicUrl);
      request({ hostname, port, path, headers }, (answer: IncomingMessage) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });

  test('a foreign name that leads here (DNS rebinding) gets nothing, at any path', async () => {
    const { port } = new URL(world.publicUrl);
    const hosts = ['evil.example', `evil.example:${port}`, `localhost:${port}`, '127.0.0.1'];
    for (const path of PATHS)
      for (const host of hosts) assert.equal(await get(path, { host }), 403, `${path} ${host}`);
  });

  test('what came through a proxy gets nothing', async () => {
    const { host } = new URL(world.publicUrl);
    for (const name of ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip', 'x-forwarded-host'])
      assert.equal(await get('/embedded/jwks', { host, [name]: '127.0.0.1' }), 403, name);
  });

  test('a connection from or to another address gets nothing, whatever Host it sends', () => {
    const issuer = new URL('http://127.0.0.1:8080/embedded');
    const came = (remoteAddress: string | undefined, localAddress: string | undefined) => {
      const headers = { host: issuer.host };
      return foreign({ headers, socket: { remoteAddress, localAddress } } as never, issuer);
    };
    assert.equal(came('127.0.0.1', '127.0.0.1'), undefined);
    assert.equal(came('::ffff:127.0.0.1', '::ffff:127.0.0.1'), undefined);
    assert.equal(came('::1', '::1'), undefined);
    for (const other of ['192.0.2.7', '::ffff:192.0.2.7', 'fe80::1', '127.0.0.1.evil', undefined]) {
      assert.ok(came(other, '127.0.0.1'), `from ${other}`);
      assert.ok(came('127.0.0.1', other), `to ${other}`);
    }
  });
});

suite('who tries to be somebody else at the embedded provider', () => {
  let world: TestEmbedded;
  before(
    async () =>
      void (world = await startEmbedded({
        identity: beside(realProvider(['acme.com'])),
        people: new Map([
          ['engineer@example.com', { name: 'Engineer', groups: ['engineering'] }],
          ['boss@acme.com', { name: 'Boss', groups: ['dba'] }],
        ]),
      })),
  );
  after(() => world.stop());

  async function begin(change: (url: URL) => void = () => undefined) {
    const provider = new OidcProvider(world.embedded.oidc);
    const flow = { provider: 'demo', next: '/', startedAt: Date.now() };
    const secrets = beginFlow(randomBytes(32), 'cookie', flow);
    const redirectUri = `${world.publicUrl}/sign-in/demo/callback`;
    const url = await authorizationUrl(provider, { redirectUri, secrets, fresh: false });
    change(url);
    const browser = new ScriptedBrowser();
    const page = await browser.go(url.href, world.publicUrl);
    return { provider, secrets, browser, page };
  }
  test('nobody but the people of the configuration can be picked', async () => {
    const { browser, page } = await begin();
    const nobody = ['root@example.com', 'constructor', '__proto__', 'engineer@example.com\0', ' '];
    for (const person of [...nobody, 'engineer@example.com, boss@acme.com']) {
      const answer = await browser.submit(page, world.publicUrl, { person });
      assert.equal(answer.status, 400, person);
      assert.match(answer.html, /nobody of the configuration/);
    }
  });

  test('people of a domain that a real provider speaks for are neither offered nor taken', async () => {
    const { browser, page } = await begin();
    assert.doesNotMatch(page.html, /boss@acme\.com/);
    for (const person of ['boss@acme.com', 'BOSS@ACME.COM', 'boss@acme.com.']) {
      const answer = await browser.submit(page, world.publicUrl, { person });
      assert.equal(answer.status, 400, person);
    }
    assert.deepEqual(world.embedded.oidc.domains, ['example.com']);
  });

  test('somebody who was taken out while the page was open', async (t) => {
    const { people } = world;
    t.after(() => (world.people = people));
    const { browser, page } = await begin();
    world.people = new Map();
    const answer = await browser.submit(page, world.publicUrl, { person: 'engineer@example.com' });
    assert.equal(answer.status, 400);
  });

  test('somebody who was taken out before the code was redeemed', async (t) => {
    const { people } = world;
    t.after(() => (world.people = people));
    const { browser, page, provider, secrets } = await begin();
    const back = await browser.submit(page, world.publicUrl, { person: 'engineer@example.com' });
    world.people = new Map();
    await assert.rejects(finishSignIn(provider, new URL(back.url), secrets));
  });

  test('a form of another page picks nobody', async () => {
    const { page } = await begin();
    const origin = new URL(world.publicUrl).origin;
    // Without the browser's cookie there is no choice that could be made.
    assert.equal((await post(page, { origin })).status, 400);
    const other = await begin();
    const stolen = (headers: Record<string, string>) =>
      other.browser.go(other.page.url, world.publicUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: 'person=engineer%40example.com',
      });
    assert.equal((await stolen({})).status, 403);
    assert.equal((await stolen({ origin: 'http://evil.example' })).status, 403);
    assert.equal((await stolen({ origin: 'null' })).status, 403);
    const crossing = { origin, 'sec-fetch-site': 'same-site' };
    assert.equal((await stolen(crossing)).status, 403);
  });

  test('the page cannot be framed, and runs no script but its own', async () => {
    const { page } = await begin();
    assert.doesNotMatch(page.html, /<script/);
    const answer = await fetch(`${world.publicUrl}/embedded/who/x`);
    const policy = answer.headers.get('content-security-policy') ?? '';
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /script-src 'self'(;|$)/);
    assert.doesNotMatch(policy, /sha256|unsafe/);
  });

  test('codes go to the gateway alone (open redirect)', async () => {
    for (const target of [
      'https://evil.example/callback',
      `${world.publicUrl}.evil.example/sign-in/demo/callback`,
      `${world.publicUrl}/sign-in/demo/callback/../../../evil`,
      `${world.publicUrl}/sign-in/demo/callback?next=x`,
      'http://127.0.0.1:1/sign-in/demo/callback',
    ]) {
      const { page } = await begin((url) => url.searchParams.set('redirect_uri', target));
      assert.equal(page.left, undefined, target);
      assert.equal(page.status, 400, target);
    }
    const out = `${world.publicUrl}/embedded/session/end?client_id=countersign&post_logout_redirect_uri=https%3A%2F%2Fevil.example`;
    assert.equal((await fetch(out, { redirect: 'manual' })).status, 400);
  });

  test('a code without the secret, or without PKCE, is worth nothing', async () => {
    const { browser, page, secrets } = await begin();
    const back = await browser.submit(page, world.publicUrl, { person: 'engineer@example.com' });
    const redeem = (headers: Record<string, string>, more: Record<string, string>) =>
      fetch(`${world.publicUrl}/embedded/token`, {
        method: 'POST',
        headers,
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code: new URL(back.url).searchParams.get('code') ?? '',
          redirect_uri: `${world.publicUrl}/sign-in/demo/callback`,
          ...more,
        }),
      });
    const secret = (await world.embedded.oidc.clientSecret?.()) ?? '';
    const pkce = { code_verifier: secrets.pkceVerifier };
    assert.equal((await redeem({}, { client_id: 'countersign', ...pkce })).status, 401);
    assert.equal((await redeem(basic('guessed'), pkce)).status, 401);
    assert.equal((await redeem(basic(secret), {})).status, 400);
    assert.equal((await redeem(basic(secret), { code_verifier: 'x'.repeat(43) })).status, 400);
    const { page: without } = await begin((url) => {
      url.searchParams.delete('code_challenge');
      url.searchParams.delete('code_challenge_method');
    });
    assert.match(without.url, /error=invalid_request/);
  });

  test('there is no other door: no registration, device, password, client or implicit grant', async () => {
    const answer = await fetch(`${world.publicUrl}/embedded/.well-known/openid-configuration`);
    const said = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual(said['grant_types_supported'], ['authorization_code', 'refresh_token']);
    assert.deepEqual(said['response_types_supported'], ['code']);
    for (const door of ['registration', 'device_authorization', 'pushed_authorization_request'])
      assert.equal(said[`${door}_endpoint`], undefined, door);
    for (const path of ['reg', 'device', 'device/auth', 'request', 'backchannel', 'introspection'])
      assert.equal((await fetch(`${world.publicUrl}/embedded/${path}`)).status, 404, path);
    const { page } = await begin((url) => url.searchParams.set('response_type', 'id_token'));
    assert.doesNotMatch(page.url, /id_token=/);
  });

  test('the client’s secret is in no file and on no page', async () => {
    await begin();
    const secret = (await world.embedded.oidc.clientSecret?.()) ?? '';
    assert.ok(secret.length > 40);
    const file = await readFile(join(world.dataDir, 'embedded-provider.json'), 'utf8');
    assert.ok(!file.includes(secret));
  });
});
