import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse } from 'yaml';
import { fileSchema, jsonSchema } from '#src/config/schema.ts';
import { loadPolicy } from '#src/policy/load.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

function fenced(text: string, language: string): string {
  const block = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(text)?.[1];
  assert.ok(block, `no ${language} block`);
  return block;
}

/** The last names of all keys that a JSON Schema describes; names under `additionalProperties` are the user's own. */
function keysOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]: [string, unknown]) =>
    key === 'properties' && typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([name, below]) => [name, ...keysOf(below)])
      : keysOf(value),
  );
}

test('the configuration in the docs passes the schema', async () => {
  const example: unknown = parse(fenced(await read('docs/configuration.md'), 'yaml'));
  const result = fileSchema.safeParse(example);
  assert.deepEqual(result.error?.issues ?? [], []);
});

test('the docs name every key of the configuration', async () => {
  const text = await read('docs/configuration.md');
  const missing = [...new Set(keysOf(jsonSchema()))].filter(
    (key) => !new RegExp(`\\b${key}\\b`).test(text),
  );
  assert.deepEqual(missing, []);
});

test('the rules in the docs load', async () => {
  const text = fenced(await read('docs/rules.md'), 'cedar');
  const known = {
    groups: ['engineering', 'dba', 'security'],
    channels: ['db-approvals'],
    targets: ['shop'],
  };
  const loaded = loadPolicy([{ name: 'docs.cedar', text }], known);
  assert.deepEqual(loaded.ok ? [] : loaded.problems, []);
});

test('every link in README and docs leads to a file that is there', async () => {
  const pages = [
    'README.md',
    ...(await readdir(new URL('docs/', root), { recursive: true })).map((name) => `docs/${name}`),
  ];
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    const text = await read(page);
    for (const [, link = ''] of text.matchAll(/\]\(([^)#]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      await assert.doesNotReject(readFile(new URL(link, new URL(page, root))), `${page}: ${link}`);
    }
  }
});
