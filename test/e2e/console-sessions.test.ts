import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { RecordingEvent } from '#src/recording/port.ts';
import { eventually } from '../fakes/gateway.ts';
import { fakeRecordings, makeSession } from '../fakes/sessions.ts';
import { makeRecord, makeWorld, people } from '../unit/api-fakes.ts';
import { ask, shiftsOf, skip, startConsole, type Console } from './console-browser.ts';

const [SQL, TERMINAL, LIVE] = [randomUUID(), randomUUID(), randomUUID()];
const [WIDE, NEW] = [randomUUID(), randomUUID()];
const HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>\u001B[2J\u202Egpj';

const wide: readonly RecordingEvent[] = [
  { t: 10, k: 'statement', id: WIDE, text: HOSTILE, verdict: 'allow' },
  { t: 20, k: 'columns', s: WIDE, names: ['id', HOSTILE, ...'a b c d e f g h i j k l'.split(' ')] },
  { t: 20, k: 'notice', s: WIDE, severity: 'NOTICE', code: '00000', message: HOSTILE },
  ...Array.from({ length: 25 }, (_, i): RecordingEvent => ({
    t: 30,
    k: 'row',
    s: WIDE,
    cells: [
      String(i * 1_000),
      HOSTILE,
      null,
      '',
      ...'a value of some length '.repeat(10).split(' ').slice(0, 9),
    ],
  })),
  { t: 30, k: 'rest', s: WIDE, rows: 900, bytes: 40_000, digest: 'ab'.repeat(28) },
  { t: 40, k: 'end', s: WIDE, tag: 'SELECT 925', rows: 925, ms: 12 },
  { t: 50, k: 'gap', reason: 'lost' },
];
const terminal: readonly RecordingEvent[] = [
  { t: 0, k: 'resize', cols: 80, rows: 24 },
  { t: 500, k: 'marker', label: 'uptime' },
  { t: 600, k: 'output', data: '$ uptime\r\n\u001B[1;31m 20:14 up 3 days\u001B[0m\r\n' },
  { t: 60_000, k: 'marker', label: HOSTILE },
  {
    t: 60_100,
    k: 'output',
    data: `$ tail log\r\nrefund of \u001B[32morder 4711\u001B[0m\u001B]52;c;eA==\u0007\r\n`,
  },
  { t: 61_000, k: 'exit', status: 0 },
];
const coming: RecordingEvent[] = [];
let wake = (): void => undefined;
async function* news(signal: AbortSignal): AsyncGenerator<RecordingEvent> {
  signal.addEventListener('abort', () => wake());
  while (!signal.aborted) {
    const next = coming.shift();
    if (next) yield next;
    else
      // oxlint-disable-next-line no-await-in-loop -- waits for what comes
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  }
}
const come = (...events: readonly RecordingEvent[]): void => {
  coming.push(...events);
  wake();
};

let gate: Console;
before(async () => {
  if (skip !== false) return;
  const world = makeWorld();
  const kinds = {
    [SQL]: fakeRecordings(wide),
    [TERMINAL]: fakeRecordings(terminal, { protocol: 'ssh' }),
    [LIVE]: fakeRecordings([], { state: 'open' }, news),
  };
  const of = (id: string) => kinds[id] ?? fakeRecordings([]);
  world.deps = {
    ...world.deps,
    recordings: {
      info: (id) => of(id).info(id),
      readRecording: (id) => of(id).readRecording(id),
      follow: (id, signal) => of(id).follow(id, signal),
    },
  };
  world.sessions.push(
    makeSession({
      id: SQL,
      state: 'ended',
      endedAt: '2026-11-20T20:20:00.000Z',
      endedBy: people.security.email,
      endedWhy: 'w'.repeat(200),
    }),
    makeSession({ id: TERMINAL, protocol: 'ssh', state: 'abandoned' }),
    makeSession({ id: LIVE, application: 'w'.repeat(100) }),
  );
  world.records.push(
    makeRecord({
      session: SQL,
      statement: WIDE,
      body: {
        text: HOSTILE,
        words: [HOSTILE],
        rules: ['reads'],
        masked: { 'shop/public/x/a': 'null' },
      },
    }),
    makeRecord({
      session: SQL,
      statement: randomUUID(),
      verdict: 'deny',
      body: { text: 'drop table x', message: 'never' },
    }),
  );
  gate = await startConsole(world);
});

async function looksGood(page: Page, path: string, width: number): Promise<void> {
  assert.deepEqual(await shiftsOf(page), [], `moves while it loads: ${path}`);
  const scroll = await ask<number>(page, 'document.documentElement.scrollWidth');
  assert.ok(scroll <= width, `${path} is ${scroll} px wide`);
  assert.deepEqual(await ask(page, 'probe.awkward()'), [], path);
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const question of ['faint', 'barriers'])
      assert.deepEqual(await ask(page, `probe.${question}()`), [], `${colorScheme}: ${path}`);
  }
}

for (const width of [360, 1440])
  test(
    `sessions fit ${width} px and have no barrier in light or dark colours`,
    { skip },
    async () => {
      const options = { viewport: { width, height: 800 }, reducedMotion: 'reduce' } as const;
      const page = await gate.signedIn('security-read+decide', options);
      for (const path of [
        '/sessions?state=all',
        '/sessions?target=nowhere&person=x',
        `/sessions/${SQL}`,
        `/sessions/${SQL}?statement=${WIDE}`,
        `/sessions/${LIVE}`,
      ]) {
        await page.goto(gate.url + path);
        for (const summary of await page.locator('details.end summary').all())
          await summary.click();
        await looksGood(page, path, width);
      }
      await page.context().close();
      gate.calm();
    },
  );

test(
  'a result that is wider than the page scrolls inside itself, by keyboard too',
  { skip },
  async () => {
    const page = await gate.signedIn('approver-read', { viewport: { width: 360, height: 740 } });
    await page.goto(`${gate.url}/sessions/${SQL}#s-${WIDE}`);
    const result = page.locator('.result').first();
    await result.focus();
    await page.keyboard.press('ArrowRight');
    await eventually('the result to scroll', () =>
      ask<boolean | undefined>(
        page,
        `document.querySelector('.result').scrollLeft > 0 || undefined`,
      ),
    );
    const align = `getComputedStyle(document.querySelector('td.number')).textAlign`;
    assert.equal(await ask(page, align), 'right');
    await page.context().close();
    gate.calm();
  },
);

test('what statements and results hold is text, whatever it is', { skip }, async () => {
  const page = await gate.signedIn('approver-read');
  await page.goto(`${gate.url}/sessions/${SQL}?statement=${WIDE}`);
  const text = await page.locator('main').innerText();
  assert.ok(text.includes('<img src=x onerror=alert(1)>'));
  assert.ok(text.includes('‹U+001B›[2J‹U+202E›gpj'));
  assert.equal(await page.locator('main img, main script').count(), 0);
  await page.context().close();
  gate.calm();
});

test('a live session adds what happens, as text, and says when it is over', { skip }, async () => {
  const page = await gate.signedIn('approver-read');
  await page.goto(`${gate.url}/sessions/${LIVE}`);
  await page.getByText('Live: what happens is added here.').waitFor();
  come(
    { t: 5, k: 'statement', id: NEW, text: HOSTILE, verdict: 'hold' },
    { t: 6, k: 'statement', id: NEW, text: HOSTILE, verdict: 'approved' },
    { t: 7, k: 'columns', s: NEW, names: ['n'] },
    ...Array.from({ length: 30 }, (_, i): RecordingEvent => ({
      t: 8,
      k: 'row',
      s: NEW,
      cells: [i === 0 ? HOSTILE : String(i)],
    })),
    { t: 9, k: 'end', s: NEW, tag: 'SELECT 30', rows: 30, ms: 1 },
  );
  const step = page.locator(`#s-${NEW}`);
  await step.getByText('20 of 30 rows; reload to see more').waitFor();
  assert.equal(await step.locator('.badge').innerText(), 'approved');
  assert.ok((await step.innerText()).includes('‹U+001B›[2J‹U+202E›gpj'));
  assert.equal(await page.locator('main img, main script').count(), 0);
  assert.deepEqual(await ask(page, 'probe.barriers()'), []);
  const looks = gate.appended.filter(({ body }) => body['looked'] === 'live recording');
  assert.deepEqual(looks.at(-1)?.person, people.approver.email);
  await page.context().close();
  gate.calm();
});

test('a live view ends when its viewer loses the group', { skip }, async () => {
  const page = await gate.signedIn('approver2-read');
  await page.goto(`${gate.url}/sessions/${LIVE}`);
  await page.getByText('Live: what happens is added here.').waitFor();
  gate.directory.set(people.approver2.email, { ...people.approver2, groups: ['engineering'] });
  await page.getByText('Not live any more').waitFor();
  come({ t: 20, k: 'statement', id: randomUUID(), text: 'a secret', verdict: 'allow' });
  await page.waitForTimeout(300);
  assert.ok(!(await page.locator('main').innerText()).includes('a secret'));
  gate.directory.set(people.approver2.email, people.approver2);
  await page.context().close();
});

for (const width of [360, 1440])
  test(
    `at ${width} px a terminal plays under its strict policy: jump, search, link, speed`,
    { skip },
    async () => {
      const page = await gate.signedIn('approver-read', {
        viewport: { width, height: 800 },
        reducedMotion: 'reduce',
      });
      await page.goto(`${gate.url}/sessions/${TERMINAL}/terminal?t=60.2`);
      const screen = page.locator('#player');
      await screen.getByText('order 4711').first().waitFor();
      const commands = page.locator('#marks').getByRole('button');
      assert.equal(await commands.count(), 2);
      assert.ok((await commands.last().innerText()).includes('<img src=x'));
      await commands.first().focus();
      await page.keyboard.press('Enter');
      await page.getByRole('link', { name: 'Link to 0:00' }).waitFor();
      await page.getByLabel('Search in what came out').fill('ORDER 4711');
      await page.keyboard.press('Enter');
      await page.getByText('1 line', { exact: true }).waitFor();
      await page.locator('#hits').getByRole('button').click();
      const link = page.getByRole('link', { name: 'Link to 1:00' });
      await link.waitFor();
      assert.match((await link.getAttribute('href')) ?? '', /^\?t=60\.1$/u);
      await page.getByLabel('Speed').selectOption('4');
      await link.waitFor();
      await screen.getByText('order 4711').first().waitFor();
      const scroll = await ask<number>(page, 'document.documentElement.scrollWidth');
      assert.ok(scroll <= width, `${scroll} px wide`);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await ask(page, 'probe.barriers()'), [], colorScheme);
      }
      const made = (markup: string) =>
        ask(page, `String(trustedTypes.defaultPolicy.createHTML(${JSON.stringify(markup)}))`);
      assert.equal(await made('<div class="ap-bar"></div>'), '<div class="ap-bar"></div>');
      for (const markup of [
        '<img src=x onerror=alert(1)>',
        '<div onclick="x"></div>',
        '<script></script>',
        '<svg><a href="javascript:x"></a></svg>',
        '<p style="x"></p>',
        '<div class="a" onclick="x">',
        '<iframe srcdoc="x">',
      ])
        assert.equal(await made(markup), '', markup);
      await page.context().close();
      gate.calm();
    },
  );
