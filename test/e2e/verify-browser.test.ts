import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { Run } from '#src/audit/verification.ts';
import { fakeVerifier, runOf } from '../fakes/verifier.ts';
import { makeWorld } from '../unit/api-fakes.ts';
import { looksGood, skip, startConsole, type Console } from './console-browser.ts';

const PROOF = join(import.meta.dirname, '../fixtures/log/6.tlog-proof');
const verifier = fakeVerifier();
let gate: Console;
before(async () => {
  if (skip !== false) return;
  const world = makeWorld();
  Object.assign(world.deps, { verifier, servesLog: true });
  gate = await startConsole(world);
});

const done = { phase: 'done', records: 1_000_264, erased: 12, writers: 2, laidDown: 80 } as const;
const RUNS: readonly (readonly [string, Run | undefined])[] = [
  ['nothing yet', undefined],
  ['chains', runOf({ phase: 'chains', done: 250_000, of: 1_000_264 })],
  ['anchors', runOf({ phase: 'anchors', done: 0, of: 1 })],
  ['good', runOf({ ...done, problems: [] })],
  ['bad', runOf({ ...done, problems: [`gateway-a: record 12 (${'w'.repeat(120)}): changed`] })],
  ['failed', runOf({ phase: 'failed', why: 'the store does not answer' })],
  ['stopped', runOf({ phase: 'cancelled' })],
];

for (const width of [360, 1440])
  test(
    `the page Verify fits ${width} px and has no barrier, whatever it has to say`,
    { skip },
    async () => {
      const options = { viewport: { width, height: 800 }, reducedMotion: 'reduce' } as const;
      const page = await gate.signedIn(undefined, options);
      for (const [what, run] of RUNS) {
        verifier.now = run;
        await page.goto(`${gate.url}/verify`);
        await looksGood(page, `/verify, ${what}`, width);
      }
      const proof = await readFile(PROOF, 'utf8');
      for (const [text, words] of [
        [proof, 'Holds'],
        [proof.replace('index 6', 'index 7'), 'Does not hold'],
      ] as const) {
        await page.goto(`${gate.url}/verify`);
        await page.getByLabel('Proof file, checkpoint, or the id of a record').fill(text);
        await page.getByRole('button', { name: 'Check', exact: true }).click();
        await page.getByRole('heading', { level: 2, name: words }).waitFor();
        await looksGood(page, `/verify, ${words}`, width);
      }
      await page.context().close();
      gate.calm();
    },
  );

test('a file is checked as it is, and its result has the focus', { skip }, async () => {
  verifier.now = undefined;
  const page = await gate.signedIn();
  await page.goto(`${gate.url}/verify`);
  await page.getByLabel('Or a file').setInputFiles(PROOF);
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  const result = page.getByRole('heading', { level: 2, name: 'Entry 6 of 264' });
  await result.waitFor();
  assert.equal(await page.evaluate<string>('document.activeElement.id'), 'result');
  assert.equal(await page.getByText('the record is in the tree that was signed').count(), 1);
  await page.context().close();
  gate.calm();
});

test(
  'progress is live, the button keeps the focus, and the end is told to screen readers',
  { skip },
  async () => {
    verifier.now = undefined;
    const page = await gate.signedIn();
    await page.goto(`${gate.url}/verify`);
    await page.getByRole('button', { name: 'Verify', exact: true }).click();
    const bar = page.getByRole('progressbar', { name: /every writer/ });
    await bar.waitFor();
    assert.equal(await bar.getAttribute('value'), '250000');
    await page.getByRole('button', { name: 'Stop' }).focus();
    verifier.now = runOf({ phase: 'tree', done: 600_000, of: 1_000_264 });
    await page
      .getByText('the tree, its tiles and every checkpoint: 600,000 of 1,000,264')
      .waitFor();
    assert.equal(await page.evaluate<string>('document.activeElement.textContent'), 'Stop');
    verifier.now = runOf({ ...done, problems: [] });
    await page.getByText('every one in its place and unchanged').first().waitFor();
    assert.equal(await page.evaluate<string>('document.activeElement.textContent'), 'Verify again');
    assert.match(await page.locator('#news').innerText(), /Holds/);
    await page.context().close();
    gate.calm();
  },
);

test(
  'without scripts the page tells how far it is, and everything works by reload',
  { skip },
  async () => {
    verifier.now = undefined;
    const page = await gate.signedIn(undefined, { javaScriptEnabled: false });
    await page.goto(`${gate.url}/verify`);
    await page.getByRole('button', { name: 'Verify', exact: true }).click();
    await page.getByRole('progressbar').waitFor();
    verifier.now = runOf({ ...done, problems: ['gateway-a: record 12: changed'] });
    await page.getByRole('link', { name: 'Reload' }).click();
    await page.reload();
    await page.getByText('gateway-a: record 12: changed').waitFor();
    await page.context().close();
  },
);
