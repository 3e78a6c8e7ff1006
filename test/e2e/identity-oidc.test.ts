import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { decodeJwt } from 'jose';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { openLogger } from '#src/config/logger.ts';
import { serve } from '#gateway/main.ts';
import { eventually, startGateway } from '../fakes/gateway.ts';
import { ScriptedBrowser, textOf } from '../fakes/idp/browser.ts';
import { startIssuer } from '../fakes/issuer.ts';
import { freePort } from '../fakes/postgres.ts';
import { Visitor } from '../fakes/visitor.ts';
import { startOpenId, type OpenIdGateway } from '../fakes/openid.ts';

suite('sign-in by an OpenID provider', () => {
  let it: OpenIdGateway;
  before(async () => {
    it = await startOpenId();
  });
  after(() => it.stop());
  const at = (): string => it.gateway.running.console;

  test('leads to the page that was asked for, and is a record', async () => {
    const page = await it.signIn('newcomer@example.com', new ScriptedBrowser(), '/records');
    assert.equal(page.url, `${at()}/records`);
    assert.match(textOf(page), /New Comer/);
    const records = await it.gateway.records('sign-in');
    const last = records.at(-1);
    assert.equal(last.person, 'newcomer@example.com');
    assert.equal(last.json.body.provider, 'acme');
    assert.ok(!JSON.stringify(records).includes('eyJ'));
    assert.ok(!it.gateway.logged.some((line) => line.includes('eyJ') || line.includes('code=')));
  });

  test('gives the groups that the provider tells of', async () => {
    const browser = new ScriptedBrowser();
    await it.signIn('newcomer@example.com', browser);
    const { rows } = await it.gateway.storeSql.query(
      `select provider, subject, groups from countersign.person where email = 'newcomer@example.com'`,
    );
    assert.deepEqual(rows, [
      {
        provider: 'acme',
        subject: it.idp.subjectOf('newcomer@example.com'),
        groups: ['engineering'],
      },
    ]);
  });

  test('a person who is disabled there is told so', async () => {
    it.idp.change('approver2@example.com', { disabled: true });
    const page = await it.signIn('approver2@example.com');
    assert.equal(page.status, 403);
    assert.match(textOf(page), /Acme did not sign you in: access_denied/);
    it.idp.change('approver2@example.com', { disabled: false });
    await eventually('the record', async () =>
      (await it.gateway.records('sign-in')).some(
        ({ json }) => json.body.code === 'provider-said-no' && json.body.provider === 'acme',
      ),
    );
  });

  test('a provider that is away is a page that says so, and the console goes on', async () => {
    it.idp.down = true;
    const page = await it.signIn('approver@example.com');
    it.idp.down = false;
    assert.ok(page.status === 503, String(page.status));
    const { status } = await it.gateway.api('approver', '/requests');
    assert.equal(status, 200);
  });

  test('signing out here signs out there', async () => {
    const browser = new ScriptedBrowser();
    const page = await it.signIn('approver@example.com', browser);
    const out = await browser.submit(page, at(), {});
    assert.match(textOf(out), /Signed out/);
    const href = /<a href="([^"]+)">Go on/u.exec(out.html)?.[1]?.replaceAll('&amp;', '&') ?? '';
    assert.ok(href.startsWith(`${it.idp.origin}/`), href);
    const hint = new URL(href).searchParams.get('id_token_hint') ?? '';
    assert.equal(decodeJwt(hint).iss, it.idp.issuer);
    assert.equal(await it.idp.signOut(href, browser), `${at()}/sign-in`);
    assert.match((await browser.go(`${at()}/`, at())).url, /\/sign-in\?next=/);
  });

  test('a session that ends there ends everything here at once', async () => {
    const browser = new ScriptedBrowser();
    await it.signIn('newcomer@example.com', browser);
    const psql = await it.gateway.open('newcomer');
    const closed = new Promise<string>((resolve) => {
      psql.on('error', (error: Error & { code?: string }) => resolve(error.code ?? ''));
    });
    assert.ok((await it.idp.logout('newcomer@example.com')) > 0);
    assert.equal(await closed, '57P01');
    assert.match((await browser.go(`${at()}/`, at())).url, /\/sign-in\?next=/);
    await assert.rejects(it.gateway.open('newcomer'));
  });
});

test('people are asked about again while they work: groups change, and who is gone loses everything', async () => {
  const it = await startOpenId({ identity: { recheckMs: 1_000 } });
  try {
    await it.signIn('newcomer@example.com');
    const psql = await it.gateway.open('newcomer');
    const closed = new Promise<string>((resolve) => {
      psql.on('error', (error: Error & { code?: string }) => resolve(error.code ?? ''));
    });
    const row = async () =>
      (
        await it.gateway.storeSql.query(
          `select state, groups from countersign.person where email = 'newcomer@example.com'`,
        )
      ).rows[0];
    it.idp.change('newcomer@example.com', { groups: ['engineering', 'oncall'] });
    await eventually('the new group', async () => (await row()).groups.includes('oncall'));
    await psql.query('select 1');
    it.idp.disable('newcomer@example.com');
    assert.equal(await closed, '57P01');
    assert.equal((await row()).state, 'gone');
  } finally {
    await it.stop();
  }
});

test('gateways of one store ask one at a time: a refresh token is worth one answer', async () => {
  const issuer = await startIssuer({ config: { scopes: ['openid', 'offline_access'] } });
  const identity = {
    ...NO_PROVIDERS,
    recheckMs: 600,
    providers: new Map([['acme', issuer.config]]),
  };
  const gateway = await startGateway({ config: { identity } });
  issuer.person = { ...issuer.person, email: 'newcomer@example.com' };
  const [console, postgres] = [await freePort(), await freePort()];
  const host = '127.0.0.1';
  const listen = { console: { host, port: console }, postgres: { host, port: postgres } };
  const log = openLogger('silent');
  const second = await serve({ ...gateway.config, name: 'two', listen }, { log });
  try {
    const visitor = new Visitor(gateway.running.console);
    const { location } = await visitor.get('/sign-in/acme');
    await visitor.back(issuer.authorize(new URL(location)));
    const tokens = (): number => issuer.asked.filter((path) => path === '/token').length;
    await eventually('six questions', () => tokens() > 5);
    assert.ok(await visitor.isIn());
    const { rows } = await gateway.storeSql.query(
      `select state from countersign.person where email = 'newcomer@example.com'`,
    );
    assert.equal(rows[0].state, 'active');
  } finally {
    await second.stop();
    await gateway.stop();
    await issuer.stop();
  }
});

test('a provider that stays away is believed until its word has run out, and then no more', async () => {
  const it = await startOpenId({ identity: { recheckMs: 1_500 } });
  try {
    await it.signIn('newcomer@example.com');
    const psql = await it.gateway.open('newcomer');
    it.idp.down = true;
    await psql.query('select 1');
    await eventually('the end of the provider’s word', async () => {
      const answer = await psql.query('select 1').catch((error: Error) => error);
      return answer instanceof Error;
    });
    assert.match(it.gateway.logged.join('\n'), /cannot be asked about its people/);
  } finally {
    await it.stop();
  }
});

test('a provider that is away does not keep the gateway from starting', async () => {
  const it = await startOpenId();
  try {
    it.idp.down = true;
    await it.gateway.restart();
    it.idp.down = false;
    assert.equal((await it.signIn('approver@example.com')).status, 200);
  } finally {
    await it.stop();
  }
});
