import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before } from 'node:test';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { pino } from 'pino';
import { listenHttp } from '#gateway/api/listener.ts';
import { need, without } from '../fakes/need.ts';
import { makeWorld, type World } from '../unit/api-fakes.ts';

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PROBE = path.join(import.meta.dirname, 'console-page.js');
/** Bounds every wait on the page. */
const PATIENCE_MS = 10_000;

export const skip = without('chromium');

/** Asks `console-page.js`; what comes back is checked by the caller. */
export const ask = <T>(page: Page, question: string): Promise<T> => page.evaluate<T>(question);

let browser: Browser | undefined;
const closing: (() => Promise<void>)[] = [];
before(async () => {
  const executablePath = need('chromium');
  if (executablePath !== undefined)
    browser = await chromium.launch({
      executablePath,
      headless: true,
      chromiumSandbox: false,
      args: FLAGS,
    });
});
after(async () => {
  await browser?.close();
  for (const close of closing) await close();
});

export type Console = World & {
  readonly url: string;
  /** A fresh profile. Whatever the browser reports as broken policy or script fails the test in `calm`. */
  open(options?: BrowserContextOptions): Promise<Page>;
  signedIn(token?: string, options?: BrowserContextOptions): Promise<Page>;
  /** Throws what the pages' own consoles complained of. */
  calm(): void;
};

export async function startConsole(world = makeWorld()): Promise<Console> {
  const server = await listenHttp({
    ...world.deps,
    log: pino({ level: 'silent' }),
    address: { host: '127.0.0.1', port: 0 },
  });
  closing.push(() => server.close());
  const complaints: string[] = [];
  const open = async (options: BrowserContextOptions = {}): Promise<Page> => {
    assert.ok(browser);
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      ...options,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    await context.addInitScript({ content: axe.source });
    await context.addInitScript({ path: PROBE });
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('console', (message) => {
      // A refused decision is a page with its own status, which the browser reports as well.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        complaints.push(message.text());
    });
    return page;
  };
  return Object.assign(world, {
    url: server.url,
    open,
    async signedIn(token = 'approver-read+decide', options?: BrowserContextOptions) {
      const page = await open(options);
      await page.goto(`${server.url}/sign-in`);
      await page.getByLabel('Token').fill(token);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Inbox', level: 1 }).waitFor();
      return page;
    },
    calm() {
      assert.deepEqual(complaints, []);
    },
  });
}

/** What moves while the page loads. A browser that is short of time may paint half a page first: what moves by itself moves every time. */
export async function shiftsOf(page: Page): Promise<readonly string[]> {
  const first = await ask<string[]>(page, 'probe.shifts()');
  if (first.length === 0) return first;
  await page.reload();
  return ask<string[]>(page, 'probe.shifts()');
}

/** No barrier by axe, no layout shift, no awkward wrap, and no wider than the window, in light and dark colours. */
export async function looksGood(page: Page, place: string, width: number): Promise<void> {
  assert.deepEqual(await shiftsOf(page), [], `moves while it loads: ${place}`);
  const scroll = await ask<number>(page, 'document.documentElement.scrollWidth');
  assert.ok(scroll <= width, `${place} is ${scroll} px wide`);
  assert.deepEqual(await ask(page, 'probe.awkward()'), [], place);
  assert.equal(await page.getByRole('main').count(), 1);
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const question of ['faint', 'barriers'])
      assert.deepEqual(await ask(page, `probe.${question}()`), [], `${colorScheme}: ${place}`);
  }
}
