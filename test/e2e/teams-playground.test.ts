import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { need, without } from '../fakes/need.ts';
import { freePort, GROUP, startPlayground, withoutPlayground } from '../fakes/playground.ts';
import { startTeamsKit, type TeamsKit } from '../fakes/teams-kit.ts';
import { TENANT } from '../fakes/teams.ts';

/** The folder for pictures of what is seen, if they are wanted: docs/images. */
// oxlint-disable-next-line node/no-process-env -- asked for by hand
const PICTURES = process.env['COUNTERSIGN_PICTURES'];
const PATIENCE_MS = 20_000;
const skip = without('chromium') || withoutPlayground();
type Playground = Awaited<ReturnType<typeof startPlayground>>;

void describe('Teams in the Microsoft 365 Agents Playground', { skip }, () => {
  let kit: TeamsKit;
  let playground: Playground;
  let browser: Browser;
  let page: Page;
  before(async () => {
    const port = await freePort();
    kit = await startTeamsKit({
      localTest: {
        channel: GROUP,
        config: {
          localTest: true,
          tenants: [TENANT],
          listen: { host: '127.0.0.1', port: 0 },
          serviceUrls: [`http://127.0.0.1:${port}/_connector/`],
        },
      },
    });
    playground = await startPlayground(port, `${kit.address()}/api/messages`, 'approver');
    browser = await chromium.launch({
      executablePath: need('chromium') ?? '',
      args: ['--no-sandbox', '--disable-gpu'],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(playground.url, { waitUntil: 'domcontentloaded' });
  });
  after(async () => {
    await browser?.close();
    await playground?.close();
    await kit?.stop();
  });

  const picture = async (name: string) => {
    if (PICTURES === undefined) return;
    await mkdir(PICTURES, { recursive: true });
    const clip = { x: 330, y: 48, width: 620, height: 880 };
    await page.screenshot({ path: path.join(PICTURES, `teams-${name}.png`), clip });
  };
  const hold = async () => {
    const { asked } = await import('../fakes/approval.ts');
    const request = await kit.requests.open(asked({ channels: ['db-approvals'] }));
    await kit.stored(request.id);
    await page.getByText('Approvers', { exact: true }).first().click();
    return request;
  };
  const button = (name: string) => page.getByRole('button', { name, exact: true }).last();

  test('a card is approved with a click, after a second look, and changes for everybody', async () => {
    const request = await hold();
    await button('Approve').click();
    await page.getByText('Let it run?').last().waitFor();
    await picture('approve');
    await button('Approve').click();
    await page.getByText('Approved by approver@example.com (dba) via teams').last().waitFor();
    await picture('approved');
    assert.equal((await kit.requests.get(request.id))?.state, 'approved');
  });

  test('a card is denied with a reason, for which a form stands in its place', async () => {
    const request = await hold();
    await button('Deny…').click();
    const reason = page.getByLabel('Reason').first();
    await page.getByText('The requester reads this').last().waitFor();
    await reason.fill('Not before the *backup*');
    await picture('deny');
    await button('Deny').click();
    await page.getByText('Denied by approver@example.com').last().waitFor();
    await picture('denied');
    assert.equal((await kit.requests.get(request.id))?.state, 'denied');
  });
});
