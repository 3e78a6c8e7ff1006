import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { after, beforeEach, suite, test } from 'node:test';
import { Folder, problemsOf } from './folder.ts';

const folder = new Folder();
const { file } = folder;
beforeEach(() => folder.fill());
after(() => folder.remove());

suite('the text of a configuration', () => {
  test('text that is not YAML is a problem with its line', async () => {
    writeFileSync(file, 'name: acme\nlisten: { console: [}\n');
    assert.ok(Object.keys(await problemsOf(folder.readAsItIs())).some((path) => path === 'line 2'));
  });

  test('a key written twice is a problem', async () => {
    writeFileSync(file, 'name: a\ntargets:\n  shop: { url: x, url: y }\nname: b\nnme: c\n');
    const found = await problemsOf(folder.readAsItIs());
    assert.match(found['name'] ?? '', /is there twice, in lines 1 and 4/);
    assert.match(found['targets.shop.url'] ?? '', /is there twice, in lines 3 and 3/);
    // Beside what the schema says.
    assert.match(found['nme'] ?? '', /no such key; did you mean name\?/);
  });

  test('aliases without end are a problem, not a crash', async () => {
    const bomb = Array.from(
      { length: 9 },
      (_, n) => `k${n + 1}: &a${n + 1} [*a${n}, *a${n}, *a${n}, *a${n}]`,
    );
    writeFileSync(file, ['k0: &a0 [x]', ...bomb].join('\n'));
    assert.match((await problemsOf(folder.readAsItIs()))[''] ?? '', /alias.*write it out/i);
  });

  test('a folder in place of the file is a problem', async () => {
    rmSync(file, { force: true });
    mkdirSync(file);
    const found = await problemsOf(folder.readAsItIs());
    rmSync(file, { recursive: true });
    assert.match(found[''] ?? '', /is a folder/);
  });
});
