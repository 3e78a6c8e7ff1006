import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { listenHttp } from '#gateway/api/listener.ts';
import { SignIns } from '#gateway/console/sign-ins.ts';
import type { ChatLink, ChatLinks } from '#src/identity/chat-links.ts';
import { makeWorld, people } from '../unit/api-fakes.ts';
import { Visitor } from '../fakes/visitor.ts';

const PATH = `/chat/link/${'c'.repeat(43)}`;
const MINUTE_MS = 60_000;
const never = () => Promise.reject(new Error('not asked here'));

let close: () => Promise<void>;
let url = '';
let confirmed: string[] = [];
let link: ChatLink;
const world = makeWorld();
const { signIns: store } = world.deps;
/** The sign-ins of this test began so long ago. */
let age = 0;
const aged = <T extends { readonly startedAt: string }>(signIn: T): T => ({
  ...signIn,
  startedAt: new Date(Date.now() - age).toISOString(),
});

before(async () => {
  const links: ChatLinks = {
    issue: never,
    say: never,
    find: () => Promise.resolve(link),
    signedIn: () => Promise.resolve(),
    confirm: (_, by) => {
      confirmed.push(by.person);
      return Promise.resolve('BCD-FGH');
    },
  };
  const accounts = { find: never, of: never, matched: never, unlink: never };
  const providers = new Map([['corp', { name: 'corp', protocol: 'saml', label: 'Corp' }]]) as never;
  const server = await listenHttp({
    ...world.deps,
    identity: { ...world.deps.identity, providers },
    signIns: {
      ...store,
      find: async (cookie, touch) => {
        const found = await store.find(cookie, touch);
        return found && aged(found);
      },
    },
    chat: { accounts, links },
    log: pino({ level: 'silent' }),
    address: { host: '127.0.0.1', port: 0 },
  });
  close = () => server.close();
  ({ url } = server);
});
after(() => close());

/** Signed in by `made`, `signedInMs` ago, with a link that is `linkMs` old. */
async function visit(
  made: { readonly provider?: string; readonly token?: string },
  ms: { readonly signedInMs: number; readonly linkMs: number },
) {
  age = ms.signedInMs;
  confirmed = [];
  const createdAt = new Date(Date.now() - ms.linkMs).toISOString();
  const names = { name: '@x', workspaceName: 'Acme' };
  const account = { platform: 'slack', workspace: 'T1', user: 'U1' } as const;
  link = { ...account, ...names, id: 'l', createdAt, expiresAt: createdAt };
  const signIns = new SignIns(world.deps.secret, store);
  const id = signIns.newId();
  await signIns.start(id, {
    person: people.approver.email,
    scopes: ['read', 'decide'],
    client: '127.0.0.1',
    ...made,
  });
  const browser = new Visitor(url);
  browser.cookie = `countersign=${id}`;
  const { text } = await browser.get(PATH);
  const { status } = await browser.post(PATH, PATH, { act: 'link' });
  return { text, status, confirmed };
}

test('a SAML sign-in of the last minutes that was made after the link confirms it', async () => {
  const { text, status } = await visit(
    { provider: 'corp' },
    { signedInMs: MINUTE_MS, linkMs: 2 * MINUTE_MS },
  );
  assert.match(text, /Yes, this account is mine/u);
  assert.deepEqual([status, confirmed], [200, [people.approver.email]]);
});

for (const [what, made, ms] of [
  [
    'a SAML sign-in from before the link',
    { provider: 'corp' },
    { signedInMs: 2 * MINUTE_MS, linkMs: MINUTE_MS },
  ],
  [
    'a SAML sign-in of more than five minutes ago',
    { provider: 'corp' },
    { signedInMs: 6 * MINUTE_MS, linkMs: 9 * MINUTE_MS },
  ],
  ['a sign-in with a token', { token: 'approver-decide' }, { signedInMs: 0, linkMs: MINUTE_MS }],
] as const)
  test(`${what} confirms nothing`, async () => {
    const { text, status } = await visit(made, ms);
    assert.doesNotMatch(text, /Yes, this account is mine/u);
    if ('provider' in made) assert.match(text, /\/sign-in\/corp\?next=\/chat\/link\//u);
    assert.deepEqual([status, confirmed], [403, []]);
  });
