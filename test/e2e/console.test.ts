import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { VIEWS } from '#gateway/console/filters.ts';
import { makeRecord, makeRequest, people } from '../unit/api-fakes.ts';
import { ask, skip, startConsole } from './console-browser.ts';

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

/** Presses Tab until the element with this text or label has the focus; what it passes is returned. */
async function tabTo(page: Page, name: string): Promise<readonly string[]> {
  const passed: string[] = [];
  for (let i = 0; i < 40; i += 1) {
    await page.keyboard.press('Tab');
    const focused = await ask<{ label: string; seen: boolean }>(page, 'probe.focused()');
    assert.ok(focused.seen, `the focus on "${focused.label}" cannot be seen`);
    passed.push(focused.label);
    if (focused.label === name) return passed;
  }
  throw new Error(`Tab never reached "${name}", only ${passed.join(' | ')}`);
}

test('an approver on a phone decides with the keyboard alone', { skip }, async () => {
  const gate = await startConsole();
  const request = makeRequest();
  gate.put(request);
  const page = await gate.open(PHONE);
  await page.goto(`${gate.url}/requests/${request.id}`);
  // It is the one thing to fill in, so it has the focus.
  await page.locator('#token:focus').waitFor();
  await page.keyboard.type('approver-read+decide');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'updates orders' }).waitFor();
  assert.equal(page.url(), `${gate.url}/requests/${request.id}`);

  assert.deepEqual(await tabTo(page, 'Skip to content'), ['Skip to content']);
  await page.keyboard.press('Enter');
  assert.deepEqual(await tabTo(page, 'Reason'), ['Reason']);
  await page.keyboard.type('checked with the customer');
  assert.deepEqual(await tabTo(page, 'Approve'), ['Approve']);
  await page.keyboard.press('Enter');
  await page.getByRole('complementary').getByText('Approved', { exact: true }).first().waitFor();
  await page.getByText('checked with the customer').waitFor();
  assert.deepEqual(gate.votes, [
    {
      id: request.id,
      person: people.approver.email,
      vote: {
        decision: 'approve',
        reason: 'checked with the customer',
        version: 1,
        via: 'console',
      },
    },
  ]);
  gate.calm();
});

test('without scripts everything works by reload', { skip }, async () => {
  const gate = await startConsole();
  const request = makeRequest();
  gate.put(request);
  for (let i = 0; i < 26; i += 1)
    gate.put(makeRequest({ state: 'denied' }, { words: [`updates table ${i}`] }));
  for (let i = 0; i < 51; i += 1) gate.records.push(makeRecord({ kind: 'look', verdict: 'deny' }));
  const page = await gate.signedIn(undefined, { javaScriptEnabled: false });
  await page.getByRole('link', { name: 'Ended' }).click();
  assert.equal(await page.getByRole('listitem').filter({ hasText: 'updates table' }).count(), 25);
  await page.getByRole('link', { name: 'Older' }).click();
  await page.getByRole('link', { name: 'updates table 25' }).waitFor();
  await page.getByRole('link', { name: 'To decide' }).click();
  await page.getByText('Filter').click();
  await page.getByLabel('Target').fill('shop');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${gate.url}/?state=mine&target=shop`);
  await page.getByRole('link', { name: 'updates orders' }).click();
  await page.getByRole('button', { name: 'Deny' }).click();
  await page.getByRole('alert').getByText('A denial needs a reason').waitFor();
  await page.getByLabel('Reason').fill('not today');
  await page.getByRole('button', { name: 'Deny' }).click();
  await page.getByText('It did not run.').waitFor();
  assert.equal(gate.votes.length, 1);

  await page.getByRole('link', { name: 'Records' }).click();
  await page.getByLabel('Search').fill('orders');
  await page.getByText('Filter').click();
  await page.getByLabel('Person').fill(people.engineer.email);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByRole('link', { name: 'Older' }).click();
  assert.equal(await page.getByRole('main').getByRole('listitem').count(), 1);
  assert.deepEqual(gate.searches.at(-1), {
    q: `person:${people.engineer.email} orders`,
    limit: 51,
    part: { before: gate.records[49]?.id },
  });
  gate.calm();
});

test(
  'a filter is opened, filled in, sent and closed with the keyboard alone',
  { skip },
  async () => {
    const gate = await startConsole();
    gate.put(makeRequest());
    const page = await gate.signedIn();
    const passed = await tabTo(page, 'Filter');
    assert.deepEqual(passed.slice(-7), ['Now', ...Object.values(VIEWS), 'Filter']);
    await page.keyboard.press('Enter');
    assert.deepEqual(await tabTo(page, 'Target'), ['Target']);
    await page.keyboard.press('Escape');
    assert.equal(await page.getByLabel('Target').isVisible(), false);
    assert.equal((await ask<{ label: string }>(page, 'probe.focused()')).label, 'Filter');
    await page.keyboard.press('Enter');
    await tabTo(page, 'Target');
    await page.keyboard.type('nowhere');
    await page.keyboard.press('Enter');
    await page.getByText('No request that you may see matches.').waitFor();
    assert.equal(page.url(), `${gate.url}/?state=all&target=nowhere`);
    await tabTo(page, 'Clear');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'updates orders' }).waitFor();
    gate.calm();
  },
);

test('hostile text stays text in the browser', { skip }, async () => {
  const gate = await startConsole();
  const evil = `<img src=x onerror="alert(1)"><svg onload=alert(2)>'"--></textarea><script>alert(3)</script>\u202e`;
  const request = makeRequest(
    {},
    {
      person: { ...people.engineer, name: evil },
      masked: evil,
      words: [evil],
      reason: evil,
      message: evil,
    },
  );
  const record = makeRecord({ body: { [evil]: evil } });
  gate.put(request);
  gate.records.push(record);
  const page = await gate.signedIn();
  for (const path of [
    '/',
    `/requests/${request.id}`,
    `/records/${record.id}`,
    `/records?q=${encodeURIComponent(evil)}`,
  ]) {
    await page.goto(gate.url + path);
    assert.equal(await page.locator('img[src="x"], svg, script:not([src])').count(), 0, path);
  }
  await page.goto(`${gate.url}/requests/${request.id}`);
  await page.getByLabel('Reason').fill(evil);
  await page.getByRole('button', { name: 'Deny' }).click();
  await page.getByText('It did not run.').waitFor();
  assert.equal(await page.locator('img[src="x"], svg, script:not([src])').count(), 0);
  gate.calm();
});

test('a page of another site cannot decide with the approver’s cookie', { skip }, async () => {
  const gate = await startConsole();
  const request = makeRequest();
  gate.put(request);
  const foreign = createServer((_request, answer) => {
    answer.setHeader('content-type', 'text/html');
    answer.end(`<form method="post" action="${gate.url}/requests/${request.id}/decision">
      <input name="csrf" value="x"><input name="version" value="1">
      <button name="decision" value="approve">Win a prize</button></form>`);
  });
  foreign.listen(0, '127.0.0.1');
  await once(foreign, 'listening');
  const { port } = foreign.address() as AddressInfo;
  try {
    const page = await gate.signedIn();
    // The first shares our site (another port), the second is another site.
    for (const host of ['127.0.0.1', 'localhost']) {
      await page.goto(`http://${host}:${port}/`);
      await page.getByRole('button', { name: 'Win a prize' }).click();
      await page.waitForURL(`${gate.url}/**`);
      assert.equal(await page.getByText('It did not run.').count(), 0);
    }
    assert.deepEqual(gate.votes, []);
    await page.goto(gate.url);
    await page.getByRole('heading', { name: 'Inbox', level: 1 }).waitFor();
  } finally {
    foreign.close();
  }
});

test('the cookie changes at the sign-in and cannot be read by scripts', { skip }, async () => {
  const gate = await startConsole();
  const page = await gate.open();
  await page.goto(`${gate.url}/sign-in`);
  const planted = (await page.context().cookies())[0]?.value;
  await page.getByLabel('Token').fill('approver-read+decide');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Inbox', level: 1 }).waitFor();
  const [cookie] = await page.context().cookies();
  assert.notEqual(cookie?.value, planted);
  assert.equal(cookie?.httpOnly, true);
  assert.equal(await ask(page, 'document.cookie'), '');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.goBack();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  gate.calm();
});
