import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ChatLink, ChatLinks } from '#src/identity/chat-links.ts';
import type { LinkedAccount } from '#src/identity/chat-accounts.ts';
import { makeWorld, people } from '../unit/api-fakes.ts';
import { type Console, looksGood, skip, startConsole } from './console-browser.ts';

const long = 'w'.repeat(70);
const account = {
  platform: 'slack',
  workspace: 'T0123456',
  user: 'U0123456',
  name: `Аnn \u202e${long} (@ann)`,
  workspaceName: `Acme ${long}`,
} as const;
const at = new Date().toISOString();
const [OPEN, SIGNED, SAID] = ['o', 's', 'w'].map((letter) => letter.repeat(43)) as [
  string,
  string,
  string,
];
const never = () => Promise.reject(new Error('not asked here'));

let gate: Console;
before(async () => {
  const world = makeWorld();
  const signIn = async (): Promise<string> =>
    (await world.deps.signIns.list(people.approver.email)).at(-1)?.id ?? '';
  const links: ChatLinks = {
    issue: never,
    signedIn: never,
    confirm: never,
    say: never,
    async find(code) {
      const link: ChatLink = { ...account, id: code, createdAt: at, expiresAt: at };
      if (code === OPEN) return link;
      const own = { ...link, signIn: await signIn() };
      if (code === SIGNED) return own;
      return code === SAID ? { ...own, word: 'BCD-FGH' } : undefined;
    },
  };
  const linked: LinkedAccount = {
    ...account,
    person: people.approver.email,
    how: 'sign-in',
    linkedAt: at,
  };
  const accounts = {
    find: () => Promise.resolve(linked),
    of: () => Promise.resolve([linked]),
    matched: never,
    unlink: never,
  };
  gate = await startConsole({ ...world, deps: { ...world.deps, chat: { accounts, links } } });
});

for (const width of [360, 1440])
  test(`the pages that link an account in chat look good, ${width} px wide`, { skip }, async () => {
    const page = await gate.signedIn(undefined, { viewport: { width, height: 800 } });
    const said: string[] = [];
    for (const place of [OPEN, SIGNED, SAID].map((code) => `/chat/link/${code}`)) {
      // oxlint-disable no-await-in-loop -- one page, one place after the other
      await page.goto(gate.url + place, { waitUntil: 'networkidle' });
      said.push(await page.getByRole('main').innerText());
      await looksGood(page, place, width);
      // oxlint-enable no-await-in-loop
    }
    const [open = '', signed = '', word = ''] = said;
    // What cannot be seen, or looks like something else, is said.
    assert.match(open, /‹U\+202E›/u);
    assert.match(open, /letters that may look like others: U\+0410/u);
    assert.match(signed, /Yes, this account is mine/u);
    assert.match(word, /\/access link BCD-FGH/u);
    assert.match(word, /Tell this word to nobody/u);
    await page.goto(`${gate.url}/account`, { waitUntil: 'networkidle' });
    assert.match(await page.getByRole('main').innerText(), /Slack: .*slack\.T0123456\.U0123456/su);
    await looksGood(page, '/account', width);
    gate.calm();
  });
