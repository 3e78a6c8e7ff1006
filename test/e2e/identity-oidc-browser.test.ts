import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';
import { eventually, outcome } from '../fakes/gateway.ts';
import { need, without } from '../fakes/need.ts';
import { startOpenId, type OpenIdGateway } from '../fakes/openid.ts';

const skip = without('chromium');
/** Bounds every wait on a page. */
const PATIENCE_MS = 20_000;

let browser: Browser | undefined;
let it: OpenIdGateway;
before(async () => {
  const executablePath = need('chromium');
  if (executablePath === undefined) return;
  browser = await chromium.launch({
    executablePath,
    headless: true,
    chromiumSandbox: false,
    args: ['--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
  it = await startOpenId();
});
after(async () => {
  await browser?.close();
  await it?.stop();
});

async function open(): Promise<Page> {
  assert.ok(browser);
  const context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE_MS);
  return context.newPage();
}
const at = (): string => it.gateway.running.console;

async function signIn(page: Page, name: string, path = '/'): Promise<void> {
  await page.goto(`${at()}${path}`);
  await page.getByRole('link', { name: 'Sign in with Acme' }).click();
  await page.getByRole('button', { name }).click();
}

test('a person comes in by the provider, and goes out by it', { skip }, async () => {
  const page = await open();
  await signIn(page, 'New Comer', '/records');
  await page.getByRole('heading', { level: 1, name: 'Records' }).waitFor();
  assert.equal(page.url(), `${at()}/records`);
  const [cookie] = await page.context().cookies(at());
  assert.deepEqual([cookie?.httpOnly, cookie?.sameSite], [true, 'Lax']);
  await page.getByRole('button', { name: 'Sign out' }).click();
  // The browser is led on by itself; the provider asks once more.
  await page.getByRole('heading', { name: 'Sign out' }).waitFor();
  assert.equal(new URL(page.url()).origin, it.idp.origin);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor();
  assert.equal(page.url(), `${at()}/sign-in`);
  // There too: who comes next is asked who they are.
  await page.getByRole('link', { name: 'Sign in with Acme' }).click();
  await page.getByRole('button', { name: 'New Comer' }).waitFor();
});

test('an approver signs in again for one request, and decides that one', { skip }, async () => {
  const { gateway } = it;
  const client = await gateway.open('engineer');
  await client.query(`set countersign.reason = 'a customer asked'`);
  const answer = outcome(client.query(`update payments set method = 'transfer' where id = 1`));
  const { id } = await gateway.pending();
  const page = await open();
  await signIn(page, 'Approver Two', `/requests/${id}`);
  await page.getByRole('link', { name: 'Sign in again to approve' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Approve' }).count(), 0);
  // The provider knows them already, and asks all the same.
  await page.getByRole('link', { name: 'Sign in again to approve' }).click();
  await page.getByRole('button', { name: 'Approver Two' }).click();
  await page.waitForURL(`${at()}/requests/${id}`);
  await page.getByLabel('Reason').fill('seen, twice');
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByText('seen, twice').waitFor();
  const decided = await eventually('the decision', async () => {
    const { body } = await gateway.api('approver', `/requests/${id}`);
    return body.decisions[0];
  });
  assert.deepEqual([decided.person, decided.via], ['approver2@example.com', 'console']);
  const denial = { decision: 'deny', reason: 'enough' };
  assert.equal((await gateway.api('approver', `/requests/${id}/decision`, denial)).status, 200);
  assert.equal((await answer).code, '42501');
});
