import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Happened, Incidents } from '#src/audit/incident-entries.ts';
import type { Incident } from '#src/audit/incidents.ts';
import { makeWorld, people } from '../unit/api-fakes.ts';
import { type Console, looksGood, skip, startConsole } from './console-browser.ts';

const ID = '0199c0de-0000-7000-8000-000000000001';
const stopped: Incident = {
  id: ID,
  name: `INC-42-${'w'.repeat(50)}`,
  target: 'prod-*',
  note: `<b>odd</b> ${'w'.repeat(200)}`,
  platform: 'slack',
  channel: 'C1',
  startedBy: 'oncall@example.com',
  startedAt: '2026-11-20T20:00:00.000Z',
  stoppedBy: 'oncall@example.com',
  stoppedAt: '2026-11-20T21:00:00.000Z',
  first: 1,
  next: 9,
  counts: { 'statements held': 1, 'statements allowed': 1_200 },
  told: 3,
  untold: 1_198,
};
const { stoppedAt: _at, stoppedBy: _by, ...begun } = stopped;
const open: Incident = {
  ...begun,
  id: ID.replace(/1$/, '2'),
  name: 'INC-43',
  counts: {},
  note: '',
};
const happened: Happened = {
  index: 3,
  record: ID,
  at: '2026-11-20T20:10:00.000Z',
  person: 'engineer@example.com',
  target: 'prod-eu',
  what: 'statements held',
  words: `held: update, ${'w'.repeat(100)}`,
  notable: true,
};
const incidents: Incidents = {
  list: () => Promise.resolve([open, stopped]),
  get: (id) => Promise.resolve([open, stopped].find((one) => one.id === id)),
  timeline: (incident) =>
    Promise.resolve(
      incident === open ? { happened: [], more: 0 } : { happened: [happened], more: 12 },
    ),
};

let gate: Console;
before(async () => {
  if (skip !== false) return;
  const world = makeWorld();
  gate = await startConsole({ ...world, deps: { ...world.deps, incidents } });
});

for (const width of [360, 1440])
  test(`incidents fit ${width} px and have no barrier`, { skip }, async () => {
    const options = { viewport: { width, height: 800 }, reducedMotion: 'reduce' } as const;
    const page = await gate.signedIn(undefined, options);
    for (const path of ['/incidents', `/incidents/${ID}`, `/incidents/${open.id}`]) {
      await page.goto(gate.url + path);
      await looksGood(page, path, width);
    }
    await page.context().close();
    gate.calm();
  });

test(
  'an incident leads to its records and their export, and reading it is a look',
  { skip },
  async () => {
    const page = await gate.signedIn();
    await page.goto(`${gate.url}/incidents`);
    await page.getByRole('link', { name: stopped.name }).click();
    await page.getByText('<b>odd</b>').waitFor();
    const href = async (name: string) =>
      new URL((await page.getByRole('link', { name }).getAttribute('href')) ?? '', gate.url);
    const query = 'target:prod-* after:2026-11-20T20:00:00.000Z before:2026-11-20T21:00:00.000Z';
    assert.equal((await href('All its records')).searchParams.get('q'), query);
    const file = await href('Export with proofs');
    assert.equal(file.searchParams.get('q'), query);
    assert.equal(file.searchParams.get('proofs'), 'true');
    assert.equal((await href('held: update')).pathname, `/records/${ID}`);
    const last = gate.appended.at(-1);
    assert.deepEqual([last?.kind, last?.person], ['look', people.approver.email]);
    assert.deepEqual(last?.body, { via: 'console', looked: 'incident', incident: ID });
    await page.context().close();
  },
);

test('whoever may read their own records alone sees no incident', { skip }, async () => {
  const page = await gate.signedIn('engineer-read+decide');
  for (const path of ['/incidents', `/incidents/${ID}`]) {
    const answer = await page.goto(gate.url + path);
    assert.equal(answer?.status(), 403);
    await page.getByText('Only members of dba, security and oncall').waitFor();
    assert.equal(await page.getByText('INC-4').count(), 0);
  }
  await page.context().close();
});
