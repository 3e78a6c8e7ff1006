import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { BrowserContextOptions } from 'playwright-core';
import { EMBEDDED } from '../fakes/embedded.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { startProgram } from '../fakes/terminal.ts';
import { ask, skip, startConsole } from './console-browser.ts';

let gateway: TestGateway;
let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'countersign-login-browser-'));
  gateway = await startGateway({ config: { identity: EMBEDDED } });
});
after(async () => {
  await gateway?.stop();
  await rm(home, { recursive: true, force: true });
});

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;
const url = () => gateway.config.publicUrl;

/** Undefined until it is written. */
const read = async (path: string): Promise<string | undefined> =>
  (await readFile(path, 'utf8').catch(() => '')) || undefined;

const LOOKS: readonly BrowserContextOptions[] = [
  { colorScheme: 'light' },
  { colorScheme: 'dark', viewport: { width: 390, height: 844 } },
];
for (const look of LOOKS)
  test(
    `Chromium, ${JSON.stringify(look)}: login opens the browser, where its person signs in, compares and confirms`,
    { skip },
    async () => {
      // What $BROWSER is started with.
      const opened = join(home, `opened-${look.colorScheme}`);
      const program = join(home, 'browser');
      await writeFile(program, `#!/bin/sh\necho "$1" > '${opened}'\n`);
      await chmod(program, 0o755);
      const login = startProgram(process.execPath, [MAIN, 'login', '--gateway', url()], {
        cwd: home,
        env: { PATH: '/usr/bin:/bin', HOME: home, XDG_CONFIG_HOME: home, BROWSER: program },
      });
      const code = /Code +([A-Z]{4}-[A-Z]{4})/u.exec(await login.prints(/Code .*/u))?.[1] ?? '';
      const link = await eventually('the browser', () => read(opened));

      const browser = await startConsole();
      const page = await browser.open(look);
      const probe = async (): Promise<void> => {
        for (const question of ['barriers', 'faint', 'awkward'])
          assert.deepEqual(await ask(page, `probe.${question}()`), [], question);
      };
      await page.goto(link.trim());
      await page.getByRole('link', { name: 'Sign in with Demo' }).click();
      await page.getByRole('button', { name: /^engineer/ }).click();
      await page.getByRole('heading', { name: 'Sign in a terminal', level: 1 }).waitFor();
      assert.equal(await page.getByLabel('Code that your terminal shows').inputValue(), code);
      await probe();
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByRole('heading', { name: 'Is this your terminal?', level: 1 }).waitFor();
      await page.getByText(code).waitFor();
      await page.getByText('countersign-cli').waitFor();
      await probe();
      await page.getByRole('button', { name: 'Confirm' }).click();
      await page.getByRole('heading', { name: 'Confirmed', level: 1 }).waitFor();
      await probe();
      assert.equal(await login.done, 0, login.said.err);
      assert.match(login.said.err, /as engineer@example\.com until/);
    },
  );
