import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

/** What Node has loaded of a package after it imported this. */
const loaded = (module: string, packages: string): number => {
  const script = `
    const { createRequire } = await import('node:module');
    await import(${JSON.stringify(module)});
    const { cache } = createRequire(import.meta.url);
    console.log(Object.keys(cache).filter((one) => /node_modules.(${packages})/.test(one)).length);`;
  return Number(
    execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      cwd: import.meta.dirname,
    }),
  );
};

const BOT = new URL('../../../bot/main.ts', import.meta.url).href;

void test('who has no Teams does not load its SDK', () => {
  assert.equal(loaded(BOT, 'botbuilder|botframework'), 0);
  assert.ok(loaded('botbuilder', 'botbuilder|botframework') > 0);
});

void test('who has no Slack does not load its SDK', () => {
  assert.equal(loaded(BOT, '@slack'), 0);
  assert.ok(loaded('@slack/bolt', '@slack') > 0);
});
