import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { need, without } from '../fakes/need.ts';
import { samlClient, samlProviders } from '../fakes/saml-client.ts';
import { makeIdp } from '../fakes/saml-idp.ts';
import { startSamlSite, type SamlSite } from '../fakes/saml-site.ts';

suite('sign-in by SAML in a real browser', { skip: without('chromium') }, () => {
  let dir: string;
  let site: SamlSite;
  let gateway: TestGateway;
  let browser: Browser;
  const complaints: string[] = [];
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'countersign-saml-'));
    site = await startSamlSite();
    const config = { entryPoint: `${site.url}/sso`, logoutUrl: `${site.url}/slo` };
    const idp = await makeIdp(dir, { own: true, config });
    gateway = await startGateway({ config: { identity: samlProviders(idp.config) } });
    const { sp, slo } = samlClient(gateway.running.console);
    site.serve({ ...sp, slo }, idp.key);
    browser = await chromium.launch({
      executablePath: need('chromium') ?? '',
      chromiumSandbox: false,
      args: ['--disable-gpu', '--no-first-run', '--disable-background-networking'],
    });
  });
  after(async () => {
    await browser?.close();
    await gateway?.stop();
    await site?.stop();
    await rm(dir, { recursive: true });
  });

  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(30_000);
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // The fake provider has no icon.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        complaints.push(message.text());
    });
    return page;
  }
  const records = (): string => `${gateway.running.console}/records`;

  async function signIn(page: Page): Promise<void> {
    await page.goto(records());
    await page.getByRole('link', { name: 'Sign in with Acme' }).click();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Ada Lovelace').first().waitFor();
  }

  test("the provider's POST comes without our cookie, and the person arrives where they wanted to", async () => {
    const page = await open();
    await signIn(page);
    assert.equal(page.url(), records());
    assert.deepEqual(complaints, []);
  });
  test('without scripts a button leads on', async () => {
    const page = await open({ javaScriptEnabled: false });
    await page.goto(records());
    await page.getByRole('link', { name: 'Sign in with Acme' }).click();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Signing in' }).waitFor();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.waitForURL(records());
  });
  test('a sign-out here is one at the provider, and leads back', async () => {
    const page = await open();
    await signIn(page);
    const earlier = site.loggedOut.length;
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(/\/sign-in$/);
    assert.equal(site.loggedOut.length, earlier + 1);
    await page.goto(records());
    assert.match(page.url(), /\/sign-in\?/);
    assert.deepEqual(complaints, []);
  });
  test('a sign-out at the provider, by POST, is one here, and leads back to it', async () => {
    const page = await open();
    await signIn(page);
    await page.goto(`${site.url}/leave`);
    await page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await page.getByRole('heading', { name: 'Signed out everywhere' }).waitFor();
    await page.goto(records());
    assert.match(page.url(), /\/sign-in\?/);
    const ended = await eventually('the record', async () =>
      (await gateway.records('person')).find(({ json }) => json.body.why === 'signed out at Acme'),
    );
    assert.equal(ended.person, 'ada@example.com');
  });
  test('what another site posts takes no cookie away', async () => {
    const page = await open();
    await signIn(page);
    const other = await page.context().newPage();
    await other.goto(`${site.url}/slo`);
    await other.setContent(
      `<form method="post" action="${gateway.running.console}/saml/acme/acs"><input name="SAMLResponse" value="AAAA"><button>Go</button></form>`,
    );
    await other.getByRole('button', { name: 'Go' }).click();
    await other.getByRole('heading', { name: 'Not allowed' }).waitFor();
    await page.reload();
    await page.getByText('Ada Lovelace').first().waitFor();
    assert.equal(page.url(), records());
  });
});
