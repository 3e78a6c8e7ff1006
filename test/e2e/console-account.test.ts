import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import type { SignIn } from '#src/identity/sign-ins.ts';
import type { TokenInfo } from '#src/identity/token.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { need } from '../fakes/need.ts';
import { makeWorld, people } from '../unit/api-fakes.ts';
import { ask, skip, startConsole, type Console, shiftsOf } from './console-browser.ts';

const LONG = 'w'.repeat(60);
const AT = '2026-11-20T20:14:03.221Z';
const LATER = '2099-11-20T20:14:03.221Z';

const provider = (name: string, label: string) =>
  [name, { name, label, protocol: 'embedded' }] as const;

/** A console with providers, for people who hold much, with long names. */
async function furnished(): Promise<Console> {
  const world = makeWorld();
  const { deps } = world;
  Object.assign(deps, {
    identity: {
      ...NO_PROVIDERS,
      providers: new Map([provider('acme', 'Acme'), provider('long', `The ${LONG} provider`)]),
    },
  });
  const list = deps.tokens.list.bind(deps.tokens);
  const token = (id: string, more: Partial<TokenInfo>): TokenInfo => ({
    id: `00000000-0000-4000-8000-00000000000${id}`,
    person: people.approver.email,
    label: 'laptop',
    scopes: ['connect', 'read'],
    createdAt: AT,
    expiresAt: LATER,
    ...more,
  });
  deps.tokens.list = async (email) => [
    ...(await list(email)),
    token('1', { label: LONG, lastUsedAt: AT }),
    token('2', { label: '', agent: 'assistant' }),
    token('3', { label: 'Was revoked', revokedAt: AT }),
  ];
  const signIns = deps.signIns.list.bind(deps.signIns);
  const signIn: SignIn = {
    id: '00000000-0000-4000-8000-000000000009',
    person: people.approver.email,
    provider: LONG,
    scopes: ['read', 'decide'],
    client: '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff',
    startedAt: AT,
    lastUsedAt: AT,
    endsAt: LATER,
  };
  deps.signIns.list = async (email) => [...(await signIns(email)), signIn];
  deps.people.state = () => Promise.resolve({ state: 'active', scim: false, provider: LONG });
  return startConsole(world);
}

async function looksGood(page: Page, path: string, width: number): Promise<void> {
  assert.deepEqual(await shiftsOf(page), [], `moves while it loads: ${path}`);
  const scroll = await ask<number>(page, 'document.documentElement.scrollWidth');
  assert.ok(scroll <= width, `${path} is ${scroll} px wide`);
  assert.deepEqual(await ask(page, 'probe.awkward()'), [], path);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const question of ['faint', 'barriers'])
      assert.deepEqual(await ask(page, `probe.${question}()`), [], `${colorScheme}: ${path}`);
  }
}

for (const width of [360, 1440])
  test(
    `accounts, people and providers fit ${width} px and have no barrier in light or dark colours`,
    { skip },
    async () => {
      const gate = await furnished();
      const options = { viewport: { width, height: 800 }, reducedMotion: 'reduce' } as const;
      const page = await gate.open(options);
      await page.goto(`${gate.url}/sign-in?next=%2Frecords`);
      await looksGood(page, '/sign-in', width);
      const link = page.getByRole('link', { name: 'Sign in with Acme' });
      assert.equal(await link.getAttribute('href'), '/sign-in/acme?next=%2Frecords');
      await page.getByLabel('Token').fill('security-connect+read+decide');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Records', level: 1 }).waitFor();
      for (const path of [
        '/account',
        '/people',
        '/people?email=nobody',
        '/people/approver@example.com',
        '/people/security@example.com',
        '/people/nobody@example.com',
      ]) {
        await page.goto(gate.url + path);
        await looksGood(page, path, width);
      }
      await page.goto(`${gate.url}/account`);
      assert.equal(await page.getByText('Was revoked').count(), 0);
      await page.getByText('This browser').waitFor();
      gate.deps.tokens.issue = (person, scopes, label) =>
        Promise.resolve({
          token: `cs_${'x'.repeat(49)}`,
          info: { id: '1', person, label, scopes, createdAt: AT, expiresAt: LATER },
        });
      await page.getByLabel('Name').fill('DBeaver');
      await page.getByRole('button', { name: 'Make a token' }).click();
      await page.getByRole('heading', { name: 'Your token “DBeaver”' }).waitFor();
      await looksGood(page, 'a new token', width);
      await page.context().close();
      gate.calm();
    },
  );

test('who may not administer is offered no people', { skip }, async () => {
  const gate = await furnished();
  const page = await gate.signedIn();
  assert.equal(await page.getByRole('link', { name: 'People' }).count(), 0);
  await page.getByRole('link', { name: 'Your account' }).click();
  await page.getByRole('heading', { name: 'Your account', level: 1 }).waitFor();
  await page.goto(`${gate.url}/people`);
  await page.getByRole('heading', { name: 'Not found' }).waitFor();
  await page.context().close();
});

let gateway: TestGateway | undefined;
let browser: Browser | undefined;
before(async () => {
  const executablePath = need('chromium');
  if (executablePath === undefined) return;
  const args = ['--disable-gpu', '--no-first-run', '--disable-background-networking'];
  browser = await chromium.launch({ executablePath, chromiumSandbox: false, args });
  gateway = await startGateway();
});
after(async () => {
  await browser?.close();
  await gateway?.stop();
});

test(
  'a person makes a token without scripts, connects with it, sees its last use, and revokes it',
  { skip },
  async () => {
    assert.ok(gateway && browser);
    const { tokens, console: url } = gateway.running;
    const first = await tokens.issue(
      'engineer@example.com',
      ['connect', 'read'],
      'from the operator',
      3_600_000,
    );
    const context = await browser.newContext({ javaScriptEnabled: false });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    await page.goto(`${url}/account`);
    await page.getByLabel('Token').fill(first.token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Your account', level: 1 }).waitFor();
    await page.getByLabel('Name').fill('DBeaver');
    await page.getByLabel('Lives for').selectOption({ label: '1 h' });
    await page.getByRole('button', { name: 'Make a token' }).press('Enter');
    const token = await page.getByLabel('The token').textContent();
    assert.match(token ?? '', /^cs_[\w-]{49}$/);
    const row = page.getByRole('listitem').filter({ hasText: 'DBeaver' });
    await row.getByText('Never used').waitFor();
    const client = await gateway.open('engineer', { password: token ?? '' });
    const gone = new Promise<Error>((resolve) => {
      client.once('error', resolve);
    });
    await eventually('its last use', async () => {
      await page.goto(`${url}/account`);
      return (await row.getByText('Last used').count()) > 0;
    });
    assert.equal(await page.getByLabel('The token').count(), 0);
    await row.getByRole('button', { name: 'Revoke' }).click();
    await page.waitForURL(`${url}/account`);
    assert.equal(await row.count(), 0);
    assert.equal(Reflect.get(await gone, 'code'), '57P01');
    const again = await outcome(gateway.open('engineer', { password: token ?? '' }));
    assert.equal(again.code, '28P01');
    await page.getByRole('button', { name: 'End everything of mine' }).click();
    await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
    await context.close();
  },
);
