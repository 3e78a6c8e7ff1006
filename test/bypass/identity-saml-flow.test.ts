import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { browse, type Browser } from '../fakes/browser.ts';
import { samlClient, type SamlClient } from '../fakes/saml-client.ts';
import { base64, logoutXml, redirectQuery, signXml, type Words } from '../fakes/saml-idp.ts';
import { samlWorld } from './saml-world.ts';

const world = samlWorld({
  own: true,
  beside: true,
  config: { logoutUrl: 'https://idp.example/slo' },
  others: [
    { name: 'open', label: 'Open', issuer: 'https://open.example', idpInitiated: true },
    { name: 'second', label: 'Second' },
    { name: 'broken', label: 'Broken', cert: '/nowhere/idp.pem' },
  ],
});
/** The same installation, by its other gateway. */
const consoleBeside = (): string => world.current.beside?.console ?? '';
const clientBeside = (provider?: string): SamlClient =>
  samlClient(consoleBeside(), world.current.gateway.config.publicUrl, provider);

const answerTo = (request: string, words?: Partial<Words>): string => {
  const { respond, signed } = world.current;
  return base64(respond(signed(request, words), request));
};
const finish = (browser: Browser, ticket: string) => browser.post('/saml/acme/finish', { ticket });
const isSignedIn = async (browser: Browser): Promise<boolean> =>
  (await browser.get('/')).status === 200;

async function signIn(words?: Partial<Words>): Promise<Browser> {
  const { browser, request } = await world.current.saml.begin();
  const { ticket, text } = await world.current.saml.answer(answerTo(request, words), request);
  assert.equal((await finish(browser, ticket)).status, 303, text);
  assert.ok(await isSignedIn(browser));
  return browser;
}

const unasked = (issuer: string, provider: string): string => {
  const { gateway, idp } = world.current;
  const client = samlClient(gateway.running.console, undefined, provider);
  return idp.answer(client.sp, {
    issuer,
    nameId: 'open@example.com',
    attributes: { email: ['open@example.com'] },
  });
};
const logoutRequest = (nameId: string, sessions: readonly string[] = []): string =>
  logoutXml(world.current.saml.slo, { nameId, sessions });
const hear = (query: string) =>
  fetch(`${world.current.gateway.running.console}/saml/acme/slo?${query}`, {
    redirect: 'manual',
  });

suite('an answer works once, in the browser that asked for it', () => {
  test('replayed here', async () => {
    const { saml } = world.current;
    const { request, browser } = await saml.begin();
    const answer = answerTo(request);
    const { ticket } = await saml.answer(answer, request);
    assert.match((await saml.answer(answer, request)).text, /used before/);
    assert.equal((await finish(browser, ticket)).status, 303);
    assert.match((await saml.answer(answer, request)).text, /used before/);
  });
  test('replayed at the other gateway', async () => {
    const { saml } = world.current;
    const { request } = await saml.begin();
    const answer = answerTo(request);
    await saml.answer(answer, request);
    assert.match((await clientBeside().answer(answer, request)).text, /used before/);
  });
  test('replayed at both in the same moment, it gives one ticket', async () => {
    const { saml } = world.current;
    const { request } = await saml.begin();
    const answer = answerTo(request);
    const all = Array.from({ length: 6 }, (_, i) =>
      (i % 2 ? clientBeside() : saml).answer(answer, request),
    );
    const tickets = (await Promise.all(all)).filter(({ ticket }) => ticket !== '');
    assert.equal(tickets.length, 1);
  });
  test('begun at one gateway and finished at the other', async () => {
    const { request, browser } = await world.current.saml.begin();
    const { ticket } = await clientBeside().answer(answerTo(request), request);
    assert.equal((await finish(browser, ticket)).status, 303);
  });
  test('two assertions for one request: the second comes too late', async () => {
    const { saml } = world.current;
    const { request } = await saml.begin();
    await saml.answer(answerTo(request), request);
    const { text, status } = await saml.answer(answerTo(request), request);
    assert.equal(status, 403);
    assert.match(text, /not begun here, is over/);
  });
  test('InResponseTo that nobody has asked', async () => {
    const { text } = await world.current.saml.answer(answerTo('_0123456789'), undefined);
    assert.match(text, /not begun here/);
  });
  test('InResponseTo of another browser: the attacker signs nobody in as themselves', async () => {
    const { saml } = world.current;
    const attacker = await saml.begin();
    const { ticket } = await saml.answer(answerTo(attacker.request), attacker.request);
    const victim = await signIn();
    const { status, text } = await finish(victim, ticket);
    assert.equal(status, 403);
    assert.match(text, /not begun in this browser/);
    const stranger = browse(world.current.gateway.running.console);
    assert.equal((await finish(stranger, ticket)).status, 403);
    assert.equal(await isSignedIn(stranger), false);
    // And the attacker's own browser is not hindered by that.
    assert.equal((await finish(attacker.browser, ticket)).status, 303);
    assert.equal((await finish(attacker.browser, ticket)).status, 403);
  });
  test('the ticket does not work from a page of another site', async () => {
    const { saml } = world.current;
    const { request, browser } = await saml.begin();
    const { ticket } = await saml.answer(answerTo(request), request);
    for (const headers of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
    ] as Record<string, string>[]) {
      const refused = await browser.post('/saml/acme/finish', { ticket }, { headers });
      assert.equal(refused.status, 403);
    }
    assert.equal(await isSignedIn(browser), false);
  });
  test('a POST of another site takes no cookie away, wherever it goes', async () => {
    const { saml } = world.current;
    for (const path of ['/sign-in', '/sign-out', '/saml/acme/finish', '/saml/acme/slo', '/nowhere'])
      assert.deepEqual((await saml.post(path, { csrf: 'x', ticket: 'x' })).cookies, [], path);
  });
  test('the cookie is another one after the sign-in', async () => {
    const { saml } = world.current;
    const { request, browser } = await saml.begin();
    const first = await saml.answer(answerTo(request), request);
    await finish(browser, first.ticket);
    // A flow of the cookie before: who planted it has nothing of it.
    const { ticket } = await saml.answer(answerTo(request), request);
    assert.equal(ticket, '');
  });
  test('RelayState leads nowhere: only our own id is taken, and an address of another site never', async () => {
    const { saml } = world.current;
    const { request } = await saml.begin('https://evil.example/');
    const other = await saml.answer(answerTo(request), 'https://evil.example/');
    assert.equal(other.status, 403);
    assert.match(other.text, /RelayState is of another sign-in/);
    const { request: own, browser } = await saml.begin('//evil.example/');
    const { ticket } = await saml.answer(answerTo(own), own);
    assert.equal((await finish(browser, ticket)).location, '/');
  });
});

suite('a sign-in that nobody asked for', () => {
  test('is refused unless the operator wants it', async () => {
    const { text, status } = await world.current.saml.answer(
      unasked('https://idp.example/saml', 'acme'),
    );
    assert.equal(status, 403);
    assert.match(text, /nobody asked for it here/);
  });
  test('is taken once where the operator wants it, and leads to the inbox only', async () => {
    const { gateway } = world.current;
    const open = samlClient(gateway.running.console, undefined, 'open');
    const answer = unasked('https://open.example', 'open');
    const { ticket, text } = await open.answer(answer, 'https://evil.example/');
    assert.notEqual(ticket, '', text);
    assert.match((await open.answer(answer)).text, /used before/);
    assert.match((await clientBeside('open').answer(answer)).text, /used before/);
    const browser = browse(gateway.running.console);
    const done = await browser.post('/saml/open/finish', { ticket });
    assert.equal(done.location, '/');
  });
});

suite('one provider does not speak for another', () => {
  test("an answer to another provider's request", async () => {
    const { gateway, saml } = world.current;
    const { request } = await samlClient(gateway.running.console, undefined, 'second').begin();
    const { text, status } = await saml.answer(answerTo(request));
    assert.equal(status, 403);
    assert.match(text, /not begun here/);
  });
  test('an answer that is posted to another provider', async () => {
    const { gateway, saml } = world.current;
    const { request } = await saml.begin();
    const second = samlClient(gateway.running.console, undefined, 'second');
    const { text } = await second.answer(answerTo(request), request);
    assert.match(text, /sent to somebody else/);
  });
  test('a ticket of another provider', async () => {
    const { saml } = world.current;
    const { request, browser } = await saml.begin();
    const { ticket } = await saml.answer(answerTo(request), request);
    assert.equal((await browser.post('/saml/second/finish', { ticket })).status, 403);
  });
});

suite('a provider whose certificate file cannot be used', () => {
  test('signs nobody in, which the log says from the start', async () => {
    const { console } = world.current.gateway.running;
    assert.match(world.current.gateway.logged.join(''), /\/nowhere\/idp\.pem cannot be read/);
    const browser = browse(console);
    for (const path of ['/sign-in/broken', '/saml/broken/metadata']) {
      const { status, text } = await browser.get(path);
      assert.equal(status, 503);
      assert.match(text, /its certificates or ours cannot be used/);
      assert.doesNotMatch(text, /nowhere/);
    }
    const broken = samlClient(console, undefined, 'broken');
    assert.equal((await broken.answer('AAAA')).status, 503);
  });
});

suite('how long it lasts', () => {
  test('a sign-in ends with the session at the provider', async () => {
    const { gateway } = world.current;
    const browser = await signIn({ sessionUntil: 90_000, sessionIndex: 'short' });
    const { rows } = await gateway.storeSql.query(
      "select extract(epoch from ends_at - clock_timestamp()) as left from countersign.sign_in where sid = 'short'",
    );
    assert.ok(Number(rows[0].left) <= 90, rows[0].left);
    await gateway.storeSql.query(
      "update countersign.sign_in set ends_at = clock_timestamp() where sid = 'short'",
    );
    assert.equal(await isSignedIn(browser), false);
  });
});

suite('single logout', () => {
  test('a forged one signs nobody out', async () => {
    const { idp, mallory, saml } = world.current;
    const browser = await signIn();
    const unsigned = redirectQuery({ SAMLRequest: logoutRequest('ada@example.com') }, undefined);
    const foreign = redirectQuery({ SAMLRequest: logoutRequest('ada@example.com') }, mallory.key);
    for (const query of [unsigned, foreign]) assert.equal((await hear(query)).status, 403);
    const posted = await saml.post('/saml/acme/slo', {
      SAMLRequest: base64(logoutRequest('ada@example.com')),
    });
    assert.equal(posted.status, 403);
    const other = redirectQuery(
      { SAMLRequest: logoutRequest('ada@example.com', ['not hers']) },
      idp.key,
    );
    assert.equal((await hear(other)).status, 303);
    assert.ok(await isSignedIn(browser));
  });
  test('a true one ends everything, tokens and connections too, on every gateway, once', async () => {
    const { gateway, idp } = world.current;
    const browser = await signIn({ sessionIndex: 's9' });
    const { tokens } = gateway.running;
    const { info } = await tokens.issue('ada@example.com', ['connect', 'read'], 'hers', 60_000);
    const query = redirectQuery(
      { SAMLRequest: logoutRequest('ada@example.com', ['s9']) },
      idp.key,
      {
        RelayState: 'theirs',
      },
    );
    const reply = await fetch(`${consoleBeside()}/saml/acme/slo?${query}`, { redirect: 'manual' });
    assert.match(
      reply.headers.get('location') ?? '',
      /^https:\/\/idp\.example\/slo\?SAMLResponse=.*RelayState=theirs/,
    );
    assert.equal(await isSignedIn(browser), false);
    const mine = (await tokens.list('ada@example.com')).find(({ id }) => id === info.id);
    assert.notEqual(mine?.revokedAt, undefined);
    const again = await hear(query);
    assert.equal(again.status, 403);
    assert.match(await again.text(), /used before/);
  });
  test('a sign-in that is on its way does not outlive its session', async () => {
    const { idp, saml } = world.current;
    const early = await saml.begin();
    const late = await saml.begin();
    const { ticket } = await saml.answer(
      answerTo(early.request, { sessionIndex: 's10' }),
      early.request,
    );
    const query = redirectQuery(
      { SAMLRequest: logoutRequest('ada@example.com', ['s10']) },
      idp.key,
    );
    assert.equal((await hear(query)).status, 303);
    assert.equal((await finish(early.browser, ticket)).status, 403);
    const refused = await saml.answer(
      answerTo(late.request, { sessionIndex: 's10' }),
      late.request,
    );
    assert.match(refused.text, /signed out at the provider meanwhile/);
    // A new session there may have the name of an old one.
    await signIn({ sessionIndex: 's10', authInstant: 0 });
  });
  test('a sign-out here leads to the provider, and its answer back to the sign-in', async () => {
    const { gateway, idp, saml } = world.current;
    const browser = await signIn({ sessionIndex: 's11' });
    const { text, status } = await browser.post('/sign-out', {});
    assert.equal(status, 200);
    assert.match(text, /href="https:\/\/idp\.example\/slo\?SAMLRequest=/);
    assert.equal(await isSignedIn(browser), false);
    const xml = logoutRequest('x')
      .replaceAll('LogoutRequest', 'LogoutResponse')
      .replace(
        /<saml:NameID[\s\S]*<\/saml:NameID>/,
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>',
      )
      .replace(' Version', ' InResponseTo="_x" Version');
    const message = base64(signXml(xml, idp.key, { element: 'LogoutResponse' }));
    const back = await saml.post('/saml/acme/slo', { SAMLResponse: message });
    assert.equal(back.location, '/sign-in');
    await gateway.verify();
  });
});
