import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { loadPolicy } from '#src/policy/load.ts';
import { known, policyOf, problemsOf, shopText } from './world.ts';

const reveal = 'action == Action::"reveal"';
const write = 'action == Action::"write"';
const forbid = (annotations: string, action = write, rest = 'resource);') =>
  `@id("r") ${annotations} forbid (principal, ${action}, ${rest}`;
const permit = (annotations: string) =>
  `@id("r") ${annotations} permit (principal, action, resource);`;

const on = (resource: string) => forbid('', 'action', `resource == ${resource});`);
const version = (...files: { name: string; text: string }[]) => {
  const loaded = loadPolicy(files, known);
  assert.ok(loaded.ok);
  return loaded.policy.version;
};

/** Every kind of problem: the rules, and what must be said about them. */
const cases: readonly (readonly [name: string, text: string, message: RegExp, hint?: RegExp])[] = [
  ['text that is not Cedar', 'permit (principal, action resource);', /unexpected token/],
  ['a rule without @id', 'permit (principal, action, resource);', /has no @id/],
  ['an @id without a value', '@id permit (principal, action, resource);', /has no @id|no value/],
  [
    'an @id that is reserved',
    '@id("countersign/x") permit (principal, action, resource);',
    /cannot be used/,
  ],
  ['an @id used twice', `${permit('')}\n${permit('')}`, /used twice, first in rules\.cedar line 1/],
  ['a template', '@id("r") permit (principal == ?principal, action, resource);', /templates/],
  [
    'a misspelt annotation',
    forbid('@hodl("dba")'),
    /@hodl is not an annotation/,
    /did you mean @hold\?/,
  ],
  [
    'an annotation that resembles none',
    forbid('@whatever("dba")'),
    /@whatever is not an annotation/,
    /use one of: id, hold/,
  ],
  ['recording on a forbid', forbid('@recording("none")'), /@recording stands on a forbid/],
  [
    'recording on a permit to connect',
    '@id("r") @recording("none") permit (principal, action == Action::"connect", resource);',
    /@recording stands on a permit for connect alone/,
  ],
  ...['all', 'rows', 'rows=-1', 'bytes=64', 'rows=1,rows=2', 'rows=1kB', 'none,rows=1'].map(
    (text) =>
      [
        `recording that says ${text}`,
        permit(`@recording("${text}")`),
        /does not say how much of a result is recorded/,
        /rows=100,bytes=64kB/,
      ] as const,
  ),
  ['an annotation without a value', forbid('@hold'), /@hold has no value/],
  ['a hold on a permit', permit('@hold("dba")'), /@hold stands on a permit/],
  ['a hold on reveal', forbid('@hold("dba")', reveal), /@hold on reveal/],
  [
    'a hold on reveal among others',
    forbid('@hold("dba")', 'action in [Action::"write", Action::"reveal"]'),
    /@hold on reveal/,
  ],
  ['a hold on every action', forbid('@hold("dba")', 'action'), /@hold on reveal/],
  ['a hold on connect', forbid('@hold("dba")', 'action == Action::"connect"'), /@hold on connect/],
  [
    'a hold for a group that is not there',
    forbid('@hold("dbaa")'),
    /no group "dbaa"/,
    /did you mean "dba"/,
  ],
  ['a channel that is not there', forbid('@hold("dba") @channel("db")'), /no channel "db"/],
  [
    'an expiry that is no duration',
    forbid('@hold("dba") @expires("15 min")'),
    /@expires\("15 min"\) is not a duration/,
    /15m/,
  ],
  ['an expiry of nothing', forbid('@hold("dba") @expires("0m")'), /not a duration/],
  ['a step-up that is no duration', forbid('@hold("dba") @stepup("soon")'), /@stepup/],
  ['a way to sign in without a step-up', forbid('@hold("dba") @acr("mfa")'), /@acr/],
  ['ways of signing in without a step-up', forbid('@hold("dba") @amr("hwk")'), /@amr/],
  ['a resend that is no duration', forbid('@hold("dba") @resend("x")'), /@resend/],
  ['a quorum of nobody', forbid('@hold("dba") @quorum("0")'), /@quorum\("0"\)/],
  ['a quorum that is no number', forbid('@hold("dba") @quorum("two")'), /@quorum\("two"\)/],
  [
    'a reason that is not "required"',
    forbid('@hold("dba") @reason("please")'),
    /@reason\("please"\)/,
  ],
  ['terms of a hold without a hold', forbid('@expires("5m")'), /has no @hold/],
  ['a mask that is none', forbid('@mask("last0")', reveal), /@mask\("last0"\) is not a mask/],
  ['a mask on a permit', permit('@mask("null")'), /hides nothing/],
  ['a mask on another action', forbid('@mask("null")'), /hides nothing/],
  ['rows that are no number', permit('@rows("many")'), /@rows\("many"\)/],
  ['rows on a rule that lets nothing through', forbid('@rows("10")'), /lets nothing through/],
  ['a shape without a length', forbid('@hold("dba") @shape("long")'), /@shape\("long"\)/],
  ['a shape without a hold', permit('@shape("30m")'), /@shape .* has no @hold/],
  ['a count that is none', forbid('@hold("dba") @count("about")'), /@count\("about"\)/],
  ['a sample of too many keys', forbid('@hold("dba") @sample("21")'), /is not a number of keys/],
  ['reactions that do not vote', forbid('@hold("dba") @reactions("yes")'), /@reactions\("yes"\)/],
  ['reactions without a hold', forbid('@reactions("vote")'), /@reactions .* has no @hold/],
  [
    'reactions where a reason is asked for',
    forbid('@hold("dba") @reactions("vote") @reason("required")'),
    /beside @reason, which a reaction cannot give/,
  ],
  [
    'reactions where a fresh sign-in is asked for',
    forbid('@hold("dba") @reactions("vote") @stepup("5m")'),
    /beside @stepup, which a reaction cannot give/,
  ],
  ['a hand-over without a hold', forbid('@handover("security")'), /@handover .* has no @hold/],
  [
    'an action that is not there',
    forbid('', 'action == Action::"wrte"'),
    /unrecognized action/,
    /did you mean/,
  ],
  [
    'an entity type that is not there',
    forbid('', write, 'resource == Tabel::"x");'),
    /unrecognized entity type/,
  ],
  [
    'a fact that is not there',
    forbid('', write, 'resource) when { context.foo };'),
    /attribute `foo`/,
  ],
  [
    'an optional fact that is not asked for first',
    forbid('', write, 'resource) when { context.rows > 3 };'),
    /rows/,
  ],
  [
    'a rule that can never apply',
    forbid('', write, 'resource == Column::"shop/a/b/c");'),
    /impossible|unable to find/,
  ],
  [
    'a star that is meant as a pattern',
    forbid('', reveal, 'resource == Column::"shop/public/customers/*");'),
    /is no pattern/,
    /in Table/,
  ],
  [
    'a group in the head that is not there',
    '@id("r") permit (principal in Group::"nobody", action, resource);',
    /no group "nobody"/,
  ],
  [
    'a group in a forbid that would then hit nobody',
    forbid('', write, 'resource) when { principal in Group::"nobody" };'),
    /no group "nobody"/,
  ],
  [
    'a negated group that would then exempt everybody',
    forbid('', write, 'resource) unless { !(principal in Group::"nobody") };'),
    /no group "nobody"/,
  ],
];

suite('rules that do not load', () => {
  for (const [name, text, message, hint] of cases)
    test(`${name} is a problem`, () => {
      const problems = problemsOf(text);
      const found = problems.find((problem) => message.test(problem.message));
      assert.ok(found, JSON.stringify(problems));
      assert.equal(found.file, 'rules.cedar');
      assert.ok(found.hint.length > 0);
      if (hint) assert.match(found.hint, hint);
    });

  test('all problems of all files are told at once, with file, id and line', () => {
    const loaded = loadPolicy(
      [
        { name: 'b.cedar', text: `// über\n\n${forbid('@hold("x") @quorum("0")')}` },
        { name: 'a.cedar', text: 'permit (principal, action, resource)' },
        { name: 'c.cedar', text: '\n@id("r") permit (principal, action, resource);' },
      ],
      known,
    );
    assert.ok(!loaded.ok);
    assert.deepEqual(
      loaded.problems.map(({ file, id, line }) => [file, id, line]),
      [
        ['a.cedar', undefined, 1],
        ['b.cedar', 'r', 3],
        ['b.cedar', 'r', 3],
        ['c.cedar', 'r', 2],
      ],
    );
  });

  test('names of targets, tables and columns are checked where the catalogue is known', () => {
    const names = {
      ...known,
      targets: ['shop', 'other'],
      columns: ['shop/public/customers/ssn', 'shop/public/orders/id'],
    };
    const message = (resource: string) => problemsOf(on(resource), names).map((one) => one.message);
    assert.deepEqual(message('Column::"shop/public/customers/snn"'), [
      'there is no column "shop/public/customers/snn"',
    ]);
    assert.deepEqual(message('Table::"shop/public/order"'), [
      'there is no table "shop/public/order"',
    ]);
    assert.deepEqual(message('Schema::"shop/pubic"'), ['there is no schema "shop/pubic"']);
    assert.deepEqual(message('Table::"shop/orders"'), [
      'Table::"shop/orders" has 2 names, and a table has 3',
    ]);
    assert.deepEqual(message('Target::"shpo"'), ['there is no target "shpo"']);
    assert.ok(loadPolicy([{ name: 'x', text: on('Table::"other/public/unknown"') }], names).ok);
    assert.ok(
      loadPolicy([{ name: 'x', text: on('Column::"shop/public/customers/ssn"') }], names).ok,
    );
  });
});

suite('rules that load', () => {
  test('the example loads as it is, without a warning', () => {
    const loaded = loadPolicy([{ name: 'shop.cedar', text: shopText }], known);
    assert.deepEqual(loaded.ok && loaded.warnings, []);
  });

  test('an unknown group that exempts nobody is a warning, since it makes the rule stricter', () => {
    const loaded = loadPolicy([{ name: 'shop.cedar', text: shopText }], {
      ...known,
      groups: ['engineering', 'dba'],
    });
    assert.ok(loaded.ok);
    assert.equal(loaded.warnings.length, 4);
    assert.match(loaded.warnings[0]?.message ?? '', /no group "security"/);
  });

  test('no rules at all load with a warning that everything is refused', () => {
    const loaded = loadPolicy([], known);
    assert.ok(loaded.ok);
    assert.match(loaded.warnings[0]?.message ?? '', /everything is refused/);
  });

  test('the version is the same for the same texts in any order, and another for any change', () => {
    const one = { name: 'a', text: permit('') };
    const two = { name: 'b', text: '@id("s") permit (principal, action, resource);' };
    assert.match(version(one), /^[0-9a-f]{64}$/);
    assert.equal(version(one, two), version(two, one));
    assert.notEqual(version(one), version({ ...one, text: `${one.text} ` }));
    assert.notEqual(policyOf(permit('')).version, policyOf(permit('@rows("5")')).version);
  });
});

test('a step-up is refused where no provider can give one, and only there', () => {
  const rules = [{ name: 'rules.cedar', text: forbid('@hold("dba") @stepup("5m")') }];
  assert.ok(loadPolicy(rules, known).ok);
  assert.ok(loadPolicy(rules, { ...known, stepUp: true }).ok);
  const loaded = loadPolicy(rules, { ...known, stepUp: false });
  assert.ok(!loaded.ok);
  assert.match(loaded.problems[0]?.message ?? '', /there is no provider that tells when/);
  assert.ok(
    loadPolicy([{ name: 'x', text: forbid('@hold("dba")') }], { ...known, stepUp: false }).ok,
  );
});
