import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeRecord, makeRequest, people } from '../unit/api-fakes.ts';
import { ask, skip, startConsole, type Console } from './console-browser.ts';

/** One of each page, with long words and every kind of note on them. */
function furnish(gate: Console): readonly string[] {
  const long = 'w'.repeat(200);
  const hidden = makeRequest(
    {
      requirement: {
        groups: [{ group: 'dba', quorum: 2 }],
        expiresMs: 900_000,
        reasonRequired: true,
        channels: [],
        reactionsVote: false,
      },
    },
    {
      masked: `update customers set email = ‹masked›, note = 'а ${long}' where id = 4711`,
      hidesWrite: true,
      words: ['updates customers (email, note), bounded by id = 4711', `reads ${long}`],
      transactionOpenMs: 132_000,
    },
  );
  const done = makeRequest({
    state: 'done',
    outcome: { ok: true, rows: 1, durationMs: 3.2 },
    endedAt: '2026-11-20T20:20:00.000Z',
    decisions: [
      {
        person: people.approver2.email,
        group: 'dba',
        decision: 'approve',
        reason: long,
        via: 'slack',
        at: '2026-11-20T20:19:00.000Z',
      },
    ],
  });
  const soon = makeRequest({ expiresAt: new Date(Date.now() + 50_000).toISOString() });
  for (const request of [hidden, done, soon, makeRequest({ state: 'denied' })]) gate.put(request);
  const record = makeRecord({ request: hidden.id, body: { text: long, deep: { deeper: [long] } } });
  gate.records.push(record, makeRecord({ kind: 'outcome', verdict: 'approved' }));
  gate.records.push(makeRecord({ kind: 'look', verdict: 'deny' }));
  return [
    '/',
    `/requests/${hidden.id}`,
    `/requests/${done.id}`,
    '/records?q=customers',
    `/records/${record.id}`,
    `/sessions/${record.session}`,
    '/nowhere',
  ];
}

for (const width of [360, 1440])
  for (const colorScheme of ['light', 'dark'] as const)
    test(
      `every page fits ${width} px and reads well in ${colorScheme} colours`,
      { skip },
      async () => {
        const gate = await startConsole();
        const paths = furnish(gate);
        const page = await gate.signedIn(undefined, {
          viewport: { width, height: 800 },
          colorScheme,
        });
        for (const path of paths) {
          await page.goto(gate.url + path);
          if (await page.locator('[data-live]').count())
            await page.getByText('Live', { exact: true }).waitFor();
          const scroll = await ask<number>(page, 'document.documentElement.scrollWidth');
          assert.ok(scroll <= width, `${path} is ${scroll} px wide`);
          assert.deepEqual(await ask(page, 'probe.faint()'), [], path);
          assert.deepEqual(await ask(page, 'probe.awkward()'), [], path);
          assert.ok(
            (await ask<number>(page, 'probe.shift()')) < 0.01,
            `${path} moves while it loads`,
          );
          assert.equal(await page.getByRole('main').count(), 1);
          assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
        }
        gate.calm();
      },
    );
