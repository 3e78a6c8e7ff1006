import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BrowserContextOptions } from 'playwright-core';
import { EMBEDDED } from '../fakes/embedded.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { ScriptedBrowser, textOf } from '../fakes/idp/browser.ts';
import { ask, skip, startConsole } from './console-browser.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway({ config: { identity: { ...EMBEDDED, recheckMs: 1_000 } } });
});
after(() => gateway.stop());

const url = () => gateway.config.publicUrl;
const known = async (email: string) => {
  const { rows } = await gateway.storeSql.query(
    'select groups, state, checked_at from countersign.person where email = $1',
    [email],
  );
  return rows[0];
};

/** Signs in by a click, without a real browser. */
async function click(email: string, browser = new ScriptedBrowser()) {
  const page = await browser.go(`${url()}/sign-in/demo`, url());
  const landed = await browser.submit(page, url(), { person: email });
  return { browser, landed };
}

test('a click is a sign-in to the console, with the groups of the configuration', async () => {
  const { landed } = await click('approver@example.com');
  assert.equal(landed.url, `${url()}/`, textOf(landed));
  assert.match(textOf(landed), /Inbox/);
  assert.deepEqual((await known('approver@example.com')).groups, ['dba', 'engineering']);
  const records = await gateway.records('sign-in');
  const last = records.at(-1).json;
  assert.deepEqual([last.person, last.body.provider], ['approver@example.com', 'demo']);
});

const LOOKS: readonly BrowserContextOptions[] = [
  { colorScheme: 'light' },
  { colorScheme: 'dark' },
  { colorScheme: 'dark', viewport: { width: 390, height: 844 } },
];
for (const look of LOOKS)
  test(
    `Chromium, ${JSON.stringify(look)}: the page is for everybody, and a key is enough`,
    { skip },
    async () => {
      const browser = await startConsole();
      const page = await browser.open(look);
      await page.goto(url());
      await page.getByRole('link', { name: 'Sign in with Demo' }).click();
      await page.getByRole('heading', { name: 'Who are you?', level: 1 }).waitFor();
      for (const question of ['barriers', 'faint', 'awkward'])
        assert.deepEqual(await ask(page, `probe.${question}()`), [], question);
      await page.keyboard.press('Tab');
      for (;;) {
        const { label, seen } = await ask<{ label: string; seen: boolean }>(
          page,
          'probe.focused()',
        );
        assert.ok(seen, label);
        if (label === 'security') break;
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Inbox', level: 1 }).waitFor();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
      browser.calm();
    },
  );

test('Chromium: nobody picked is nobody signed in', { skip }, async () => {
  const browser = await startConsole();
  const page = await browser.open();
  await page.goto(`${url()}/sign-in/demo`);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.waitForURL(/callback/);
  assert.equal(await page.getByRole('heading', { name: 'Inbox' }).count(), 0);
  browser.calm();
});

test('Chromium: one waits, another signs in by a click and approves', { skip }, async () => {
  const engineer = await gateway.open('engineer');
  const waiting = outcome(engineer.query("update orders set status = 'x' where id = 1"));
  const { id } = await gateway.pending();
  const browser = await startConsole();
  const page = await browser.open();
  await page.goto(`${url()}/requests/${id}`);
  await page.getByRole('link', { name: 'Sign in with Demo' }).click();
  await page.getByRole('button', { name: 'approver', exact: true }).click();
  await page.getByRole('button', { name: 'Approve' }).click();
  assert.equal((await waiting).rowCount, 1);
  browser.calm();
});

test('Chromium: payments take two people, each with a fresh sign-in for it', { skip }, async () => {
  const engineer = await gateway.open('engineer');
  await engineer.query("set countersign.reason = 'refund of 7'");
  const waiting = outcome(engineer.query('update payments set amount = 7 where id = 7'));
  const { id } = await gateway.pending();
  const browser = await startConsole();
  for (const name of ['approver', 'approver2']) {
    const page = await browser.open();
    await page.goto(`${url()}/requests/${id}`);
    await page.getByRole('link', { name: 'Sign in with Demo' }).click();
    await page.getByRole('button', { name, exact: true }).click();
    await page.getByRole('link', { name: 'Sign in again to approve' }).click();
    await page.getByRole('button', { name, exact: true }).click();
    await page.getByLabel('Reason').fill('seen');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('seen').first().waitFor();
  }
  assert.equal((await waiting).rowCount, 1);
  browser.calm();
});

test('a sign-out at the gateway leaves tokens and sessions as they are', async () => {
  const oncall = await gateway.open('oncall');
  const { browser, landed } = await click('oncall@example.com');
  const out = await browser.submit(landed, url(), {});
  assert.match(textOf(out), /Signed out|Sign in/);
  assert.equal((await oncall.query('select 1')).rowCount, 1);
});

test('a sign-out at the provider ends everything of that person by back-channel logout', async () => {
  const engineer = await gateway.open('security');
  const { browser } = await click('security@example.com');
  const page = await browser.go(`${url()}/embedded/session/end`, url());
  const done = await browser.submit(page, url(), { logout: 'yes' });
  assert.match(textOf(done), /Signed out/);
  await eventually('the end of the session', async () => {
    const tried = await outcome(engineer.query('select 1'));
    return tried instanceof Error;
  });
  assert.match((await browser.go(url(), url())).url, /\/sign-in/);
});

test('who signed in before a restart is still confirmed after it', async () => {
  await click('approver2@example.com');
  await gateway.restart();
  const { checked_at: then } = await known('approver2@example.com');
  await eventually('a question after the restart', async () => {
    const { checked_at: now, state } = await known('approver2@example.com');
    assert.equal(state, 'active');
    return now > then;
  });
});
