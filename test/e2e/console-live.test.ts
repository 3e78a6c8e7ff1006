import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { makeRequest, people } from '../unit/api-fakes.ts';
import { ask, skip, startConsole, type Console } from './console-browser.ts';

const SIZES = [
  { width: 360, height: 740 },
  { width: 1440, height: 900 },
];

async function open(gate: Console, page: Page, path: string): Promise<void> {
  await page.goto(gate.url + path);
  await page.getByText('Live', { exact: true }).waitFor();
}

for (const viewport of SIZES)
  test(
    `at ${viewport.width} px news is said and waits for a button, and nothing moves under the pointer`,
    { skip },
    async () => {
      const gate = await startConsole();
      const [first, second] = [makeRequest(), makeRequest({}, { words: ['deletes from logs'] })];
      for (const request of [first, second]) gate.put(request);
      const page = await gate.signedIn(undefined, { viewport });
      await open(gate, page, '/');
      const card = page.getByRole('link', { name: 'deletes from logs' });
      await card.hover();
      const place = await card.boundingBox();

      const fresh = makeRequest({}, { words: ['drops table audit'] });
      gate.put(fresh);
      gate.put(makeRequest({}, { person: people.approver2, words: ['grants all'] }));
      const button = page.getByRole('button', { name: '2 new requests' });
      await button.waitFor();
      await page.getByRole('status').getByText('2 new requests.').waitFor();
      assert.match(await page.title(), /^\(4\) Inbox/u);
      gate.put({ ...first, state: 'denied', version: 2, endedAt: new Date().toISOString() });
      await page.getByRole('listitem').filter({ hasText: 'Denied' }).waitFor();
      assert.equal(await page.getByRole('link', { name: 'drops table audit' }).count(), 0);
      assert.deepEqual(await card.boundingBox(), place);
      assert.deepEqual(await ask(page, 'probe.shifts()'), []);

      await button.focus();
      await page.keyboard.press('Enter');
      await page.getByRole('link', { name: 'drops table audit' }).waitFor();
      await page.getByRole('heading', { name: 'For you to decide 3' }).waitFor();
      const { label } = await ask<{ label: string }>(page, 'probe.focused()');
      assert.ok(['drops table audit', 'grants all'].includes(label), label);
      assert.equal(await button.count(), 0);
      assert.deepEqual(await ask(page, 'probe.shifts()'), []);
      assert.deepEqual(await ask(page, 'probe.barriers()'), []);
      gate.calm();
    },
  );

test('a filtered list follows by its filter alone, and keeps it', { skip }, async () => {
  const gate = await startConsole();
  const shown = makeRequest();
  gate.put(shown);
  const page = await gate.signedIn();
  await open(gate, page, '/?state=open&target=shop');
  const read = page.waitForResponse((answer) => answer.url().includes('target=shop'));
  gate.put(makeRequest({}, { target: 'elsewhere' }));
  await read;
  gate.put({ ...shown, state: 'withdrawn', version: 2 });
  await page.getByRole('listitem').filter({ hasText: 'Withdrawn' }).waitFor();
  await page.getByRole('button', { name: 'Show what changed' }).click();
  await page.getByText('No request that you may see matches.').waitFor();
  gate.put(makeRequest({}, { words: ['drops table audit'] }));
  await page.getByRole('button', { name: '1 new request' }).click();
  await page.getByRole('link', { name: 'drops table audit' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'elsewhere' }).count(), 0);
  assert.equal(page.url(), `${gate.url}/?state=open&target=shop`);
  gate.calm();
});

test('a page that nobody looks at is up to date when somebody does', { skip }, async () => {
  const gate = await startConsole();
  const page = await gate.signedIn();
  await open(gate, page, '/');
  await ask(page, `Object.defineProperty(document, 'hidden', { get: () => true })`);
  gate.put(makeRequest());
  await page.getByRole('link', { name: 'updates orders' }).waitFor();
  assert.equal(await page.getByRole('button', { name: /new request/u }).count(), 0);
  gate.calm();
});

for (const viewport of SIZES)
  test(
    `at ${viewport.width} px a request that is decided elsewhere says so in its place`,
    { skip },
    async () => {
      const gate = await startConsole();
      const request = makeRequest();
      gate.put(request);
      // One may decide and has the form, the other only watches and has less to show before than after.
      for (const token of ['approver-read+decide', 'security-read']) {
        gate.put(request);
        const page = await gate.signedIn(token, { viewport });
        await open(gate, page, `/requests/${request.id}`);
        const facts = page.getByRole('heading', { name: 'Who, where and why' });
        const place = await facts.boundingBox();
        gate.put({
          ...request,
          version: 2,
          state: 'done',
          outcome: { ok: true, rows: 1, durationMs: 3 },
          decisions: [
            {
              person: people.approver2.email,
              group: 'dba',
              decision: 'approve',
              reason: 'checked it with the customer, who had written to us twice '.repeat(9),
              via: 'slack',
              at: '2026-11-20T20:19:00.000Z',
            },
          ],
        });
        await page.getByRole('status').getByText('This request is now: Done').waitFor();
        assert.deepEqual(await facts.boundingBox(), place);
        assert.deepEqual(await ask(page, 'probe.shifts()'), []);
        assert.deepEqual(await ask(page, 'probe.barriers()'), []);
        await page.context().close();
      }
      gate.calm();
    },
  );

test(
  'what is being typed stays while others act, and goes when it can no longer be sent',
  { skip },
  async () => {
    const gate = await startConsole();
    const request = makeRequest();
    gate.put(request);
    const page = await gate.signedIn();
    await page.goto(`${gate.url}/requests/${request.id}`);
    await page.getByText('Live', { exact: true }).waitFor();
    const reason = page.getByLabel('Reason');
    await reason.fill('half a sen');
    const read = page.waitForResponse((answer) => answer.url().endsWith(request.id));
    gate.put({ ...request });
    await read;
    assert.equal(await reason.inputValue(), 'half a sen');
    gate.put({ ...request, state: 'expired', version: 2 });
    await page.getByRole('status').getByText('This request is now: Expired').waitFor();
    assert.equal(await reason.count(), 0);
    assert.equal(await ask(page, 'document.activeElement.id'), 'decide');
    gate.calm();
  },
);
