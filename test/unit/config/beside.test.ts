import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { readBeside } from '#src/config/beside.ts';
import { changesBetween } from '#src/config/changes.ts';
import { parseOwners } from '#src/config/owners.ts';
import { readConfig } from '#src/config/read.ts';
import { instantOf, parseRota } from '#src/config/rota.ts';

const problemsIn = (parsed: object): readonly string[] =>
  'problems' in parsed && Array.isArray(parsed.problems)
    ? parsed.problems.map(({ path, message }) => `${path}: ${message}`)
    : [];

suite('an owners file', () => {
  const table: readonly [string, string, RegExp][] = [
    ['no group', 'owners: [{ table: a/b/c }]', /owners\[0\]\.groups/],
    [
      'too few names',
      'owners: [{ table: shop/orders, groups: dba }]',
      /table: is not 3 names: write target\/schema\/table/,
    ],
    ['two kinds', 'owners: [{ table: a/b/c, target: a, groups: dba }]', /names several/],
    ['no kind', 'owners: [{ groups: dba }]', /names none/],
    ['an unknown key', 'owner: []', /owner/],
    ['an empty name', 'owners: [{ schema: shop/, groups: dba }]', /schema: is not 2 names/],
    ['no YAML', 'owners: [', /line 1/],
  ];
  for (const [name, text, expected] of table)
    test(`with ${name} is refused by its path`, () => {
      assert.match(problemsIn(parseOwners(text)).join('\n'), expected);
    });
});

const shift = (from: string, until: string, people = 'ann@example.com') =>
  `  - { from: ${from}, until: ${until}, people: ${people} }`;

suite('a rota file', () => {
  test('knows the clock of its zone, and offsets', () => {
    assert.equal(instantOf('2026-11-20 09:00', 'Europe/Berlin'), Date.UTC(2026, 10, 20, 8));
    assert.equal(instantOf('2026-07-20 09:00', 'Europe/Berlin'), Date.UTC(2026, 6, 20, 7));
    assert.equal(instantOf('2026-11-20T09:00+05:30', 'UTC'), Date.UTC(2026, 10, 20, 3, 30));
    assert.equal(instantOf('2026-03-29 02:30', 'Europe/Berlin'), undefined, 'the clock skips it');
    assert.equal(instantOf('tomorrow', 'UTC'), undefined);
  });
  const table: readonly [string, readonly string[], RegExp | undefined][] = [
    [
      'one after the other',
      [
        shift('2026-11-20 09:00', '2026-11-27 09:00'),
        shift('2026-11-27 09:00', '2026-12-04 09:00'),
      ],
      undefined,
    ],
    [
      'two at once',
      [
        shift('2026-11-20 09:00', '2026-12-04 09:00'),
        shift('2026-11-21 09:00', '2026-11-27 09:00'),
      ],
      undefined,
    ],
    [
      'a gap',
      [
        shift('2026-11-27 10:00', '2026-12-04 09:00'),
        shift('2026-11-20 09:00', '2026-11-27 09:00'),
      ],
      /shifts\[0\]: leaves a gap: nobody is on call from 2026-11-27T08:00:00.000Z to 2026-11-27T09:00:00.000Z/,
    ],
    [
      'backwards',
      [shift('2026-11-20 09:00', '2026-11-20 08:00')],
      /shifts\[0\]: ends before it begins/,
    ],
    [
      'no time',
      [shift('soon', '2026-11-20 08:00')],
      /shifts\[0\]\.from: "soon" is not a time in Europe\/Berlin/,
    ],
    ['no address', [shift('2026-11-20 09:00', '2026-11-21 09:00', 'ann')], /shifts\[0\]\.people/],
  ];
  for (const [name, shifts, expected] of table)
    test(`with ${name} is ${expected ? 'refused by its path' : 'read'}`, () => {
      const parsed = parseRota(['timeZone: Europe/Berlin', 'shifts:', ...shifts].join('\n'));
      const found = problemsIn(parsed).join('\n');
      if (expected) assert.match(found, expected);
      else assert.equal(found, '');
    });
});

test('the configuration names what is wrong in the files beside it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'beside-'));
  try {
    await writeFile(join(folder, 'owners.yaml'), 'owners: [{ groups: dba }]');
    const { problems, files } = await readBeside(
      { owners: './owners.yaml', oncall: { primary: { rota: './none.yaml' } } },
      folder,
    );
    assert.deepEqual(
      problems.map(({ path, message }) => `${path}: ${message.slice(0, 40)}`),
      [
        'owners: ./owners.yaml, owners[0]: names none of ',
        'oncall.primary.rota: there is no readable file ./none.yaml',
      ],
    );
    assert.equal(files.length, 2, 'both are watched');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('another owner and another shift take effect while the gateway runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'beside-'));
  try {
    const env = { PW: 'x' };
    const password = '${env:PW}';
    const shop = {
      protocol: 'postgres',
      url: 'postgres://gateway@127.0.0.1:5432/shop',
      environment: 'production',
      password,
      analyser: { user: 'analyser', password },
    };
    const config = {
      name: 'test',
      policies: '.',
      targets: { shop },
      owners: './owners.yaml',
      oncall: { primary: { rota: './rota.yaml' } },
    };
    const path = join(folder, 'countersign.yaml');
    await writeFile(path, JSON.stringify(config));
    const write = async (owner: string, person: string) => {
      await writeFile(join(folder, 'owners.yaml'), `default: ${owner}`);
      await writeFile(
        join(folder, 'rota.yaml'),
        `shifts: [{ from: 2026-11-20 09:00, until: 2026-11-27 09:00, people: ${person} }]`,
      );
      return await readConfig(path, env);
    };
    const before = await write('dba', 'ann@example.com');
    const now = await write('security', 'ben@example.com');
    const { live, later } = changesBetween(before, now);
    assert.deepEqual(later, []);
    assert.deepEqual(live, ['oncall.primary.shifts', 'owners.byDefault', 'owners.text']);
    assert.deepEqual(
      now.source?.beside?.map((one) => one.text?.split(' ')[0]),
      ['default:', 'shifts:'],
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
