import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openViews } from '#src/audit/search/views.ts';
import { makeWorld } from '../unit/api-fakes.ts';
import { SearchWorld, statement } from '../unit/audit/search-world.ts';
import { ask, shiftsOf, skip, startConsole, type Console } from './console-browser.ts';

let gate: Console;
let world: SearchWorld;
before(async () => {
  if (skip !== false) return;
  world = await SearchWorld.start();
  const long = 'w'.repeat(200);
  for (let i = 0; i < 60; i += 1)
    await world.write(
      statement(i % 3 === 0 ? 'engineer' : `person${i % 7}`, `select ${i} from orders`, {
        target: i % 5 === 0 ? 'shop' : 'prod-eu-with-a-long-name',
        verdict: i % 10 === 0 ? 'deny' : 'allow',
        said: { words: [`reads orders ${i % 20 === 0 ? long : ''}`], application: long },
      }),
    );
  await world.project();
  const fakes = makeWorld();
  const person = await fakes.deps.directory.find('approver@example.com');
  assert.ok(person);
  const views = openViews(world.store.db, world.log);
  await views.add(
    person,
    {
      name: `Refused ${long.slice(0, 60)}`,
      query: 'verdict:denied',
      groups: ['dba'],
      channel: 'ops',
    },
    'console',
  );
  Object.assign(fakes.deps, {
    search: world.search,
    views,
    channels: () => ['ops'],
  });
  gate = await startConsole(fakes);
});
after(async () => {
  if (skip === false) await world[Symbol.asyncDispose]();
});

const PATHS = [
  '/records',
  '/records?q=person%3Aengineer+verdict%3Adenied',
  '/records?q=persn%3Ax+%22open',
  '/records?q=nothing-like-it',
  '/views',
];

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
  test(`pages of searching fit ${width} px and have no barrier`, { skip }, async () => {
    const page = await gate.signedIn(undefined, {
      viewport: { width, height: 900 },
      reducedMotion: 'reduce',
    });
    for (const path of PATHS) {
      await page.goto(gate.url + path);
      await looksGood(page, path, width);
    }
    await page.goto(`${gate.url}/records`);
    for (const summary of ['As a table', 'What can be searched by', 'Keep this search'])
      await page.getByText(summary, { exact: true }).click();
    await looksGood(page, 'all that can be opened', width);
    await page.context().close();
    gate.calm();
  });

test('a search is narrowed, paged to and fro, kept and forgotten by hand', { skip }, async () => {
  const page = await gate.signedIn();
  await page.goto(`${gate.url}/records`);
  await page.getByLabel('Search', { exact: true }).fill('person:enginer*');
  await page.keyboard.press('Enter');
  await page.getByText('No record that you may see matches.').waitFor();
  await page.goto(`${gate.url}/records`);
  const first = await page.locator('.cards pre').first().textContent();
  await page.getByRole('link', { name: 'Older' }).click();
  await page.getByRole('link', { name: 'Newer' }).click();
  assert.equal(await page.locator('.cards pre').first().textContent(), first);
  await page
    .getByRole('complementary', { name: 'Narrow by' })
    .getByRole('link', { name: 'deny' })
    .click();
  await page.getByRole('heading', { name: 'Newest first 6' }).waitFor();
  assert.equal(await page.getByLabel('Search', { exact: true }).inputValue(), 'verdict:deny');
  await page.getByText('Keep this search').click();
  await page.getByLabel('Name', { exact: true }).fill('No <b>');
  await page.getByRole('button', { name: 'Keep' }).click();
  await page.getByRole('heading', { name: 'Views' }).waitFor();
  await page.getByRole('link', { name: 'No <b>' }).click();
  await page.getByRole('heading', { name: 'Newest first 6' }).waitFor();
  await page.goto(`${gate.url}/views`);
  await page.getByRole('button', { name: 'Forget No <b>' }).click();
  await page.getByRole('link', { name: 'No <b>' }).waitFor({ state: 'detached' });
  const download = page.waitForEvent('download');
  await page.goto(`${gate.url}/records`);
  await page.getByRole('link', { name: 'CSV' }).click();
  assert.equal((await download).suggestedFilename(), 'records.csv');
  await page.context().close();
  gate.calm();
});
