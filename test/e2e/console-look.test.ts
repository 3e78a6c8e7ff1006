import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, test } from 'node:test';
import type { Talk } from '#src/approval/talk.ts';
import { makeRecord, makeRequest, makeWorld, people } from '../unit/api-fakes.ts';
import { ask, looksGood, skip, startConsole, type Console } from './console-browser.ts';

const said = {
  person: people.approver2.email,
  via: 'slack',
  at: '2026-11-20T20:16:00.000Z',
} as const;
const notNow = () =>
  Promise.resolve({
    ok: false as const,
    refusal: { code: 'too-soon' as const, message: 'They were reminded already.' },
  });
const talk: Talk = {
  others: () => ['oncall', 'w'.repeat(120)],
  ask: notNow,
  answer: notNow,
  handOver: notNow,
  remind: notNow,
  retract: () => Promise.resolve(false),
};

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
        handOver: ['oncall'],
      },
      questions: [
        { ...said, id: randomUUID(), text: `Which ticket? ${long}` },
        {
          ...said,
          id: randomUUID(),
          text: 'Why?',
          answer: { text: long, via: 'api', at: said.at },
        },
      ],
      handedOver: [{ ...said, group: 'security', agrees: true }],
      reminded: { ...said, id: randomUUID(), groups: ['dba', 'security'] },
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
  const statement = randomUUID();
  const session = { session: record.session ?? '', statement };
  for (const change of [
    { verdict: 'hold', request: hidden.id, body: { text: long, words: [long], rules: [long] } },
    { kind: 'decision', person: people.approver.email, body: { decision: 'deny', reason: long } },
    { kind: 'outcome', body: { ok: false, code: '42501', rows: 1, durationMs: 3.2 } },
    { statement: randomUUID(), body: { class: ['countersign'], text: 'select 1' } },
  ])
    gate.records.push(makeRecord({ ...session, ...change }));
  return [
    '/',
    `/requests/${hidden.id}`,
    '/?state=mine',
    '/?state=all&target=shop&person=engineer&from=2026-01-01',
    '/?state=ended&target=nowhere',
    `/requests/${done.id}`,
    '/records?q=customers',
    '/records?kind=outcome&verdict=approved',
    `/records/${record.id}`,
    `/sessions/${record.session}`,
    '/nowhere',
  ];
}

let gate: Console;
let paths: readonly string[];
before(async () => {
  if (skip !== false) return;
  const world = makeWorld();
  Object.assign(world.deps, { talk });
  world.deps.rules = () => ({
    version: 'abcdef0123456789',
    loadedAt: '2026-11-20T20:00:00.000Z',
    since: '2026-11-20T20:10:00.000Z',
    problems: [`shop.cedar:7: no column "${'w'.repeat(120)}" (correct its name)`],
    configuration: ['people.a@example.com: needs a name'],
    failures: 2,
  });
  gate = await startConsole(world);
  paths = furnish(gate);
});

for (const width of [360, 1440])
  test(
    `every page fits ${width} px and has no barrier in light or dark colours`,
    { skip },
    async () => {
      // Without motion a colour is what it is at once.
      const options = { viewport: { width, height: 800 }, reducedMotion: 'reduce' } as const;
      const signedOut = await gate.open(options);
      await signedOut.goto(`${gate.url}/sign-in`);
      await looksGood(signedOut, '/sign-in', width);
      await signedOut.context().close();

      const page = await gate.signedIn(undefined, options);
      for (const path of paths) {
        await page.goto(gate.url + path);
        if (await page.locator('[data-live]').count())
          await page.getByText('Live', { exact: true }).waitFor();
        await looksGood(page, path, width);
      }
      await page.goto(gate.url + paths[1]);
      await page.getByRole('button', { name: 'Deny' }).click();
      await page.getByRole('alert').waitFor();
      await looksGood(page, 'a refused decision', width);
      for (const name of ['Ask a question', 'Hand over'])
        await page.locator('summary', { hasText: name }).click();
      await looksGood(page, 'what can be said about it', width);
      await page.getByRole('button', { name: 'Remind' }).click();
      await page.getByText('They were reminded already.').waitFor();
      await looksGood(page, 'a reminder too soon', width);
      await page.context().close();
      gate.calm();
    },
  );

test('who wants less motion gets none', { skip }, async () => {
  const page = await gate.signedIn(undefined, { reducedMotion: 'reduce' });
  const moving = `[...document.querySelectorAll('*')].filter((element) => {
    const { transitionDuration, animationName } = getComputedStyle(element);
    return transitionDuration !== '0s' || animationName !== 'none';
  }).length`;
  assert.equal(await ask(page, moving), 0);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  assert.notEqual(await ask(page, moving), 0);
  await page.context().close();
});

test('what these tests look for would be found', { skip }, async () => {
  const page = await gate.open();
  await page.goto(`${gate.url}/sign-in`);
  await ask(
    page,
    `document.querySelector('label').remove(), document.querySelector('main').prepend('x'.repeat(2000))`,
  );
  const barriers = await ask<string[]>(page, 'probe.barriers()');
  assert.match(barriers.join('\n'), /^label: /mu);
  const shifts = await ask<string[]>(page, 'probe.shifts()');
  assert.ok(
    shifts.some((shift) => shift.includes('Sign in')),
    shifts.join('\n'),
  );
  await page.context().close();
});
