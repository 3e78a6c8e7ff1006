import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

/** What Node has loaded of a package after it imported this. */
const loaded = (module: string): number => {
  const script = `
    const { createRequire } = await import('node:module');
    await import(${JSON.stringify(module)});
    const { cache } = createRequire(import.meta.url);
    console.log(Object.keys(cache).filter((one) => /node_modules.(botbuilder|botframework)/.test(one)).length);`;
  return Number(
    execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      cwd: import.meta.dirname,
    }),
  );
};

void test('who has no Teams does not load its SDK', () => {
  assert.equal(loaded(new URL('../../../bot/main.ts', import.meta.url).href), 0);
  assert.ok(loaded('botbuilder') > 0);
});
