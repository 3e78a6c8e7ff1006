import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parse } from 'yaml';
import { main } from '#cli/main.ts';
import type { Terminal } from '#cli/terminal.ts';

const starter = new URL('../../policies/starter/', import.meta.url).pathname;
let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-policy-test-'));
});
after(() => rm(dir, { recursive: true, force: true }));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    status: () => undefined,
    paint: (_, text) => text,
    interactive: false,
    width: undefined,
  };
  const code = await main(['policy', 'test', ...argv], terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** A folder with these files; its rules are tested. */
async function runOn(files: Readonly<Record<string, string>>, ...more: string[]) {
  const folder = await mkdtemp(join(dir, 'rules-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return run('--dir', folder, ...more);
}

test('every rule of the starter pack has cases, and they pass on a real server', async () => {
  const names = await readdir(starter);
  for (const name of names.filter((one) => one.endsWith('.cedar')))
    assert.ok(names.includes(name.replace('.cedar', '.test.yaml')), name);
  const { code, out, err } = await run('--dir', starter, '--json');
  assert.equal(code, 0, out + err);
  const { passed, failed, idle } = JSON.parse(out);
  assert.ok(passed >= 70);
  assert.equal(failed, 0);
  assert.deepEqual(idle, []);
});

test('rules can be as fine as a column, a minute, a purpose', async () => {
  const folder = new URL('../fixtures/granularity/', import.meta.url).pathname;
  const { code, out, err } = await run('--dir', folder, '--json');
  assert.equal(code, 0, out + err);
  assert.deepEqual(JSON.parse(out).idle, []);
});

const RULES = `@id("all") permit (principal in Group::"engineering", action, resource);
@id("held") @hold("dba") forbid (principal, action == Action::"delete", resource);
@id("card") @mask("last4") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/people/card");
@id("idle") forbid (principal, action == Action::"administer", resource);`;
const WORLD = `
schema: create table people (id int, card text);
targets: { shop: { timeZone: Europe/Berlin } }
groups: [dba]
people: { ann: { groups: [engineering] } }
`;

const failing = (expected: string) =>
  runOn({ 'a.cedar': RULES, 'a.test.yaml': `${WORLD}\ncases:\n  - { as: ann, ${expected} }` });
const withSchema = (schema: string) =>
  `${WORLD.replace(/schema: .*/, `schema: ${schema}`)}\ncases:\n  - { as: ann, sql: select card from people, expect: allow, masks: { public.people.card: last4 } }`;

suite('a failing case', () => {
  for (const [what, expected, said] of [
    [
      'another verdict',
      'sql: select id from people, expect: deny',
      /expected deny, got allow by all/,
    ],
    [
      'another rule',
      'sql: select id from people, expect: allow, rules: [card]',
      /expected card to decide/,
    ],
    [
      'a mask that is not there',
      'sql: select id from people, expect: allow, masks: { public.people.id: email }',
      /expected the mask of public\/people\/id to be email, got none/,
    ],
    [
      'a mask that was not expected',
      'sql: select card from people, expect: allow, masks: {}',
      /expected the mask of public\/people\/card to be none, got last4/,
    ],
    [
      'another quorum',
      'sql: delete from people where id = 1, expect: hold, hold: { groups: { dba: 2 } }',
      /expected the groups to be dba: 2, got dba: 1/,
    ],
    [
      'another time',
      'sql: delete from people where id = 1, expect: hold, hold: { expires: 1h }',
      /expected expires to be 1h, got 15m/,
    ],
    [
      'a row limit',
      'sql: select id from people, expect: allow, rows: 5',
      /expected rows to be 5, got none/,
    ],
    [
      'another message',
      'sql: select 1 from nowhere, expect: deny, message: hello',
      /to have “hello”/,
    ],
    ['a person that is not there', 'sql: select 1, expect: allow, as2: x', /cannot be used/],
  ] as const)
    test(`${what} is told, and the exit code is not 0`, async () => {
      const { code, out, err } = await failing(expected);
      assert.notEqual(code, 0);
      assert.match(out + err, said);
    });
});

test('rules that no case exercised are listed, and JUnit XML is written', async () => {
  const xml = join(dir, 'results.xml');
  const { code, out } = await runOn(
    {
      'a.cedar': RULES,
      'a.test.yaml': `${WORLD}
cases:
  - { as: ann, sql: "select id from people where card < '<&\\"'", expect: allow }
  - { name: wrong, as: ann, action: delete, on: 'Table::"shop/public/people"', expect: allow }`,
    },
    '--junit',
    xml,
  );
  assert.equal(code, 1);
  assert.match(out, /rules that no case exercised:\n {2}a\.cedar: card\n {2}a\.cedar: idle/);
  assert.match(out, /1 passed, 1 failed/);
  const text = await readFile(xml, 'utf8');
  assert.match(text, /<testsuites name="countersign policy test" tests="2" failures="1"/);
  assert.match(text, /name="ann: select id from people where card &lt; '&lt;&amp;&quot;'"/);
  assert.match(text, /<failure message="expected allow, got hold by held/);
});

test('a schema as pg_dump writes it loads; one that does not says why', async () => {
  const dumped = `\\restrict abc\nSELECT pg_catalog.set_config('search_path', '', false);\ncreate table public.people (id int, card text);\n\\unrestrict abc\n`;
  const good = await runOn({
    'a.cedar': RULES,
    'd.sql': dumped,
    'a.test.yaml': withSchema('d.sql'),
  });
  assert.equal(good.code, 0, good.out + good.err);
  const bad = await runOn({
    'a.cedar': RULES,
    'd.sql': 'create table x (id nothing)',
    'a.test.yaml': withSchema('d.sql'),
  });
  assert.equal(bad.code, 2);
  assert.match(bad.err, /the schema does not load: type "nothing" does not exist/);
  const none = await runOn({ 'a.cedar': RULES, 'a.test.yaml': withSchema('missing.sql') });
  assert.match(none.err, /missing\.sql cannot be read/);
});

test('under an allow-all rule statements are not judged, as at the gateway', async () => {
  const { code, out, err } = await runOn({
    'a.cedar': '@id("all") permit (principal in Group::"engineering", action, resource);',
    'a.test.yaml': `${WORLD}\ncases:\n  - { as: ann, sql: this is no SQL at all, expect: allow, rules: [all] }`,
  });
  assert.equal(code, 0, out + err);
});

test('a misspelt column of the schema is an error in a test, too', async () => {
  const { code, err } = await runOn({
    'a.cedar': RULES.replace('people/card', 'people/crad'),
    'a.test.yaml': `${WORLD}\ncases:\n  - { as: ann, sql: select 1, expect: allow }`,
  });
  assert.equal(code, 2);
  assert.match(
    err,
    /there is no column "shop\/public\/people\/crad" \(did you mean "shop\/public\/people\/card"\?\)/,
  );
});

test('the docs’ test file is one', async () => {
  const docs = await readFile(new URL('../../docs/rules.md', import.meta.url), 'utf8');
  const yaml = [...docs.matchAll(/```yaml\n([^]*?)```/g)].find((one) =>
    /^cases:/m.test(one[1] ?? ''),
  )?.[1];
  const cedar = /```cedar\n([^]*?)```/.exec(docs)?.[1];
  assert.ok(yaml !== undefined && cedar !== undefined, 'no example');
  assert.ok(parse(yaml).cases.length > 0);
  const { code, out, err } = await runOn({ 'rules.cedar': cedar, 'rules.test.yaml': yaml });
  assert.equal(code, 0, out + err);
});
