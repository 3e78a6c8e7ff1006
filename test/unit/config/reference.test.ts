import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { generated, rows } from '#src/config/reference.ts';
import { fileSchema } from '#src/config/schema.ts';

const docs = new URL('../../../docs/', import.meta.url);
const read = (name: string) => readFile(new URL(name, docs), 'utf8');

test('the reference page and the JSON Schema in docs/ are as the schema says', async () => {
  for (const [name, text] of await generated(read))
    assert.equal(await read(name), text, `docs/${name} is old: run node test/generate-docs.ts`);
});

test('every key has a line and an example', () => {
  const bare = rows().filter(({ description, examples }) => !description || examples.length === 0);
  assert.deepEqual(
    bare.map(({ path }) => path.join('.')),
    [],
  );
  assert.ok(rows().length > 50);
});

/** A small configuration with this key as its example says. */
function withExample(path: readonly string[], example: unknown): unknown {
  const file: Record<string, any> = {
    name: 'acme',
    targets: {
      shop: {
        protocol: 'postgres',
        url: 'postgres://gateway@shop/shop',
        password: '${env:SHOP}',
        analyser: { user: 'analyser', password: '${env:SHOP}' },
      },
    },
  };
  const names: Record<string, string> = {
    '<email>': 'jane@example.com',
    '<name>': 'shop',
    '<group>': 'shop',
  };
  const keys = path.map((key) => names[key] ?? key);
  const last = keys.pop() ?? '';
  let at = file;
  for (const key of keys) at = at[key] ??= {};
  at[last] = example;
  return file;
}

test('every example is of the right kind at its place', () => {
  for (const { path, examples } of rows()) {
    const result = fileSchema.safeParse(withExample(path, examples[0]));
    const place = path.map((key) => (key === '<email>' ? 'jane@example.com' : key));
    const wrong = (result.error?.issues ?? []).filter(
      (issue) =>
        issue.path.length >= place.length &&
        place.every((key, i) => key === issue.path[i] || key === '<name>'),
    );
    assert.deepEqual(wrong, [], path.join('.'));
  }
});
