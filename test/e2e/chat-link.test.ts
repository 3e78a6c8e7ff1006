import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { type IdentityConfig, NO_PROVIDERS } from '#src/config/identity.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { type FakeIssuer, startIssuer } from '../fakes/issuer.ts';
import { freePort } from '../fakes/postgres.ts';
import { actorOf, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeSlack } from '../fakes/slack.ts';
import { Visitor } from '../fakes/visitor.ts';

const person = (name: string) => ({
  sub: `subject-${name}`,
  email: `${name}@example.com`,
  email_verified: true,
  name,
  groups: ['dba', 'engineering'],
});

const wordOn = (text: string): string => /link ([A-Z]{3}-[A-Z]{3})/u.exec(text)?.[1] ?? '';

suite('linking an account in chat, from the first click to the last word', () => {
  let gateway: TestGateway;
  let slack: FakeSlack;
  let issuer: FakeIssuer;
  let actor: ReturnType<typeof actorOf>;
  before(async () => {
    slack = await startSlack();
    slack.users.set('UAPP', { email: 'somebody@elsewhere.example' });
    slack.users.set('UEVE', { email: 'approver@example.com' });
    issuer = await startIssuer();
    const identity: IdentityConfig = {
      ...NO_PROVIDERS,
      providers: new Map([['acme', issuer.config]]),
    };
    const port = await freePort();
    gateway = await startGateway({
      slack: { ...slackConfig('http', slack, port), matchEmail: [] },
      config: { identity },
    });
    actor = actorOf('http', slack, () => `http://127.0.0.1:${port}`);
  });
  beforeEach(async () => {
    issuer.person = person('approver');
    await gateway.storeSql.query('truncate countersign.chat_account, countersign.chat_link');
  });
  after(async () => {
    await gateway?.stop();
    await issuer?.stop();
    await slack?.close();
  });

  const says = async (user: string, text: string): Promise<string> =>
    (await actor.command(user, '/access', text)).text;
  async function linkFor(user: string): Promise<string> {
    const [, path = ''] = /(\/chat\/link\/[\w-]{43})/u.exec(await says(user, '')) ?? [];
    assert.notEqual(path, '');
    return path;
  }
  async function signedIn(): Promise<Visitor> {
    const browser = new Visitor(gateway.running.console);
    const { location } = await browser.get('/sign-in/acme');
    await browser.back(issuer.authorize(new URL(location)));
    return browser;
  }
  async function signInFor(browser: Visitor, path: string) {
    const { text } = await browser.post(path, path, { act: 'sign-in' });
    const href = /<a href="([^"]+)">Go on to your provider/u.exec(text)?.[1] ?? '';
    return await browser.back(issuer.authorize(new URL(href.replaceAll('&amp;', '&'))));
  }
  test('links it, says so in the account’s page, and unlinks it at once', async () => {
    const path = await linkFor('UAPP');
    const stranger = await new Visitor(gateway.running.console).get(path);
    assert.deepEqual(
      [stranger.status, stranger.location],
      [303, `/sign-in?next=${encodeURIComponent(path)}`],
    );
    const browser = await signedIn();
    const page = await browser.get(path);
    assert.match(page.text, /Is this your account in Slack\?/u);
    assert.match(page.text, /T\w+\/UAPP/u);
    assert.match(page.text, /approver@example\.com<\/strong>, that is you/u);
    // A usual sign-in does not confirm.
    assert.doesNotMatch(page.text, /value="link"/u);
    assert.equal((await browser.post(path, path, { act: 'link' })).status, 403);
    const back = await signInFor(browser, path);
    assert.deepEqual([back.status, back.location], [303, path]);
    assert.match((await browser.get(path)).text, /Yes, this account is mine/u);
    const confirmed = await browser.post(path, path, { act: 'link' });
    const word = wordOn(confirmed.text);
    assert.notEqual(word, '');
    assert.equal(wordOn((await browser.get(path)).text), word);
    assert.match(await says('UAPP', `link ${word}`), /Done.*approver@example\.com/u);
    assert.doesNotMatch(await says('UAPP', ''), /chat\/link/u);
    assert.equal((await browser.get(path)).status, 404);
    const account = await browser.get('/account');
    const id = /name="account" value="([^"]+)"/u.exec(account.text)?.[1] ?? '';
    assert.match(id, /^slack\.T\w+\.UAPP$/u);
    assert.equal(
      (await browser.post('/account', '/account', { act: 'unlink-chat', account: id })).status,
      303,
    );
    assert.match(await says('UAPP', ''), /chat\/link/u);
  });

  test('a forged form, another person’s sign-in and another browser link nothing', async () => {
    const path = await linkFor('UEVE');
    const browser = await signedIn();
    await signInFor(browser, path);
    const forged = await browser.get(path, {
      method: 'POST',
      headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      body: new URLSearchParams({ csrf: 'x', act: 'link' }),
    });
    assert.equal(forged.status, 403);
    issuer.person = person('engineer');
    const other = await signedIn();
    assert.equal((await other.post(path, path, { act: 'link' })).status, 403);
    const { rows } = await gateway.storeSql.query('select word from countersign.chat_link');
    assert.deepEqual(rows, [{ word: null }]);
    // The word is shown to the sign-in that has confirmed, and to no other.
    issuer.person = person('approver');
    assert.notEqual(wordOn((await browser.post(path, path, { act: 'link' })).text), '');
    assert.equal((await other.get(path)).status, 404);
  });

  test('the step-up of one link confirms no other', async () => {
    const [one, two] = [await linkFor('UAPP'), await linkFor('UEVE')];
    const browser = await signedIn();
    await signInFor(browser, one);
    assert.equal((await browser.post(two, two, { act: 'link' })).status, 403);
  });

  test('who is unlinked while a form is open sends it in for nobody', async () => {
    const path = await linkFor('UAPP');
    const browser = await signedIn();
    await signInFor(browser, path);
    await says('UAPP', `link ${wordOn((await browser.post(path, path, { act: 'link' })).text)}`);
    const client = await gateway.open();
    const answer = outcome(client.query("update orders set status = 'modal' where id = 42"));
    const { id } = await gateway.pending();
    const card = await slack.until(() =>
      slack.messages.find((one) => JSON.stringify(one.metadata ?? '').includes(id)),
    );
    await eventually('the stored card', async () => {
      const { rowCount } = await gateway.storeSql.query(
        'select from countersign.post where request = $1 and ts is not null',
        [id],
      );
      return rowCount === 1 || undefined;
    });
    await actor.click('UAPP', 'deny', card);
    const view = await slack.until(() => slack.views.find((one) => one.callback_id === 'deny'));
    await gateway.storeSql.query('delete from countersign.chat_account');
    const said = await actor.fill('UAPP', view, { reason: 'no' });
    assert.match(said.text, /Say once who you are/u);
    assert.equal((await gateway.api('approver', `/requests/${id}`)).body.state, 'pending');
    await gateway.decide('deny');
    await answer;
    await client.end();
  });

  test('the API lists and unlinks one’s own; others’ only security', async () => {
    const path = await linkFor('UAPP');
    const browser = await signedIn();
    await signInFor(browser, path);
    await says('UAPP', `link ${wordOn((await browser.post(path, path, { act: 'link' })).text)}`);
    const { body } = await gateway.api('approver', '/chat-accounts');
    assert.deepEqual(
      body.accounts.map(({ person: of, how }: any) => [of, how]),
      [['approver@example.com', 'sign-in']],
    );
    const [{ id }] = body.accounts;
    const unlink = async (who: 'approver' | 'engineer'): Promise<number> => {
      const authorization = `Bearer ${await gateway.token(who, 'decide')}`;
      const url = `${gateway.running.api}/chat-accounts/${id}`;
      return (await fetch(url, { method: 'DELETE', headers: { authorization } })).status;
    };
    assert.equal(await unlink('engineer'), 404);
    const others = '/chat-accounts?person=approver@example.com';
    assert.equal((await gateway.api('engineer', others)).status, 404);
    assert.equal(await unlink('approver'), 200);
    assert.match(await says('UAPP', ''), /chat\/link/u);
  });
});
