import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { stricterMask } from '#src/policy/combine.ts';
import type { Mask, Verdict } from '#src/policy/verdict.ts';
import { context, effect, policyOf, shop, subject } from './world.ts';

const base = `@id("all") permit (principal, action, resource);`;
const update = effect('update', { write: ['orders'] });

function verdictOf(rules: readonly string[]): Verdict {
  const texts = rules.map((rule, index) => `@id("r${index}") ${rule}`);
  const policy = policyOf([base, ...texts].join('\n'));
  return policy.judge(subject('engineering'), shop, [update], { ...context, reason: 'because' });
}
const hold = (annotations: string) =>
  `${annotations} forbid (principal, action == Action::"write", resource);`;

const mask = (value: string) =>
  `${value} forbid (principal, action == Action::"reveal", resource);`;
const rows = (id: string, value: string, group = '') =>
  `@id("${id}") @rows("${value}") permit (principal${group}, action == Action::"read", resource);`;
const recorded = (id: string, value: string, group = '') =>
  `@id("${id}") @recording("${value}") permit (principal${group}, action == Action::"read", resource);`;

suite('several holding rules', () => {
  const table = [
    [
      'ask all their groups',
      ['@hold("dba")', '@hold("security")'],
      {
        groups: [
          { group: 'dba', quorum: 1 },
          { group: 'security', quorum: 1 },
        ],
      },
    ],
    [
      'ask the highest quorum of a group',
      ['@hold("dba") @quorum("3")', '@hold("dba") @quorum("2")'],
      { groups: [{ group: 'dba', quorum: 3 }] },
    ],
    [
      'end at the shortest expiry',
      ['@hold("dba") @expires("1h")', '@hold("dba") @expires("5m")'],
      { expiresMs: 300_000 },
    ],
    [
      'end after 15 minutes when none says',
      ['@hold("dba")', '@hold("security")'],
      { expiresMs: 900_000 },
    ],
    [
      'keep an expiry longer than the default only when none is silent about it',
      ['@hold("dba") @expires("1h")', '@hold("dba")'],
      { expiresMs: 900_000 },
    ],
    [
      'ask the freshest sign-in',
      ['@hold("dba") @stepup("5m")', '@hold("dba") @stepup("1m")', '@hold("dba")'],
      { stepUpMs: 60_000 },
    ],
    [
      'ask all ways of signing in',
      [
        '@hold("dba") @stepup("5m") @acr("phr") @amr("hwk pin")',
        '@hold("dba") @stepup("5m") @acr("mfa") @amr("hwk")',
        '@hold("dba")',
      ],
      { acr: ['mfa', 'phr'], amr: ['hwk', 'pin'] },
    ],
    [
      'count reactions as votes when all say so',
      ['@hold("dba") @reactions("vote")', '@hold("security") @reactions("vote")'],
      { reactionsVote: true },
    ],
    [
      'count no reactions when one is silent',
      ['@hold("dba") @reactions("vote")', '@hold("dba")'],
      { reactionsVote: false },
    ],
    [
      'count no reactions when one asks for a reason',
      ['@hold("dba") @reactions("vote")', '@hold("dba") @reason("required")'],
      { reactionsVote: false },
    ],
    [
      'are handed over to the groups that all of them name',
      ['@hold("dba") @handover("security, audit")', '@hold("dba") @handover("audit")'],
      { handOver: ['audit'] },
    ],
    [
      'are handed over to nobody when one is silent',
      ['@hold("dba") @handover("security")', '@hold("dba")'],
      { handOver: undefined },
    ],
    [
      'ask a reason when one does',
      ['@hold("dba") @reason("required")', '@hold("dba")'],
      { reasonRequired: true },
    ],
    [
      'post to every channel',
      [
        '@hold("dba") @channel("security")',
        '@hold("dba") @channel("db-approvals")',
        '@hold("dba")',
      ],
      { channels: ['db-approvals', 'security'] },
    ],
    [
      'let an approval outlive its connection when all do',
      ['@hold("dba") @resend("15m")', '@hold("dba") @resend("5m")'],
      { resendMs: 300_000 },
    ],
    [
      'do not let it when one does not',
      ['@hold("dba") @resend("15m")', '@hold("dba")'],
      { resendMs: undefined },
    ],
  ] as const;
  for (const [name, rules, expected] of table)
    test(name, () => {
      const verdict = verdictOf(rules.map(hold));
      assert.equal(verdict.kind, 'hold');
      for (const [key, value] of Object.entries(expected))
        assert.deepEqual(Reflect.get(verdict.requirement, key), value, key);
    });
});

suite('the strictest mask', () => {
  const order: readonly Mask[] = [
    { kind: 'null' },
    { kind: 'fixed', text: 'a' },
    { kind: 'fixed', text: 'b' },
    { kind: 'hash' },
    { kind: 'hash', class: 'card' },
    { kind: 'last', keep: 1 },
    { kind: 'last', keep: 4 },
    { kind: 'email' },
    { kind: 'detect' },
    { kind: 'detect', kinds: ['card', 'email'] },
    { kind: 'detect', kinds: ['card'] },
  ];
  test('wins whatever the order in which masks are met', () => {
    for (const [i, a] of order.entries())
      for (const [j, b] of order.entries())
        assert.deepEqual(stricterMask(a, b), order[Math.min(i, j)]);
  });

  test('wins among the rules that hide one column', () => {
    const texts = ['@mask("last4")', '@mask("email")', '@mask("hash")'].map(
      (one, index) => `@id("m${index}") ${mask(one)}`,
    );
    const select = effect('select', { read: ['orders'], reveal: ['orders.id'] });
    const judge = (text: string) => policyOf(text).judge(subject(), shop, [select], context);
    const verdict = judge([base, ...texts].join('\n'));
    assert.deepEqual(verdict.kind === 'allow' && [...verdict.masks.values()], [{ kind: 'hash' }]);
    // Without a permit for reveal nothing is shown at all, whatever milder mask a forbid names.
    const read =
      '@id("read") permit (principal, action in [Action::"connect", Action::"read"], resource);';
    const bare = judge([read, texts[0]].join('\n'));
    assert.deepEqual(bare.kind === 'allow' && [...bare.masks.values()], [{ kind: 'null' }]);
  });
});

test('the lowest row limit of the permits that decided wins', () => {
  const policy = policyOf(
    [base, rows('a', '100'), rows('b', '50'), rows('c', '10', ' in Group::"dba"')].join('\n'),
  );
  const select = [effect('select', { read: ['orders'] })];
  const limit = (...groups: string[]) => {
    const verdict = policy.judge(subject(...groups), shop, select, context);
    return verdict.kind === 'allow' ? verdict.rows : undefined;
  };
  assert.equal(limit(), 50);
  assert.equal(limit('dba'), 10);
});

test('the least that any permit says of recording wins, rows and bytes each', () => {
  const policy = policyOf(
    [
      base,
      recorded('a', 'rows=100,bytes=64kB'),
      recorded('b', 'rows=500, bytes=1KiB'),
      recorded('c', 'none', ' in Group::"dba"'),
    ].join('\n'),
  );
  const select = [effect('select', { read: ['orders'] })];
  const least = (...groups: string[]) => {
    const verdict = policy.judge(subject(...groups), shop, select, context);
    return verdict.kind === 'allow' ? verdict.recording : undefined;
  };
  assert.deepEqual(least(), { rows: 100, bytes: 1_024 });
  assert.deepEqual(least('dba'), { rows: 0, bytes: 0 });
  const silent = policyOf(base).judge(subject(), shop, select, context);
  assert.equal(silent.kind === 'allow' && 'recording' in silent, false);
});

const severity = { allow: 0, hold: 1, deny: 2 } as const;
const condition = fc.constantFrom(
  '',
  'when { context.bounded }',
  'unless { context.bounded }',
  'when { principal in Group::"engineering" }',
  'unless { context.hour == 21 }',
  'when { context.hour * 9223372036854775807 > 0 }',
);
const annotations = fc.constantFrom(
  '',
  '@hold("dba")',
  '@hold("security") @quorum("2")',
  '@hold("dba") @expires("1h")',
  '@hold("dba") @expires("1m") @resend("5m")',
);
const forbidRule = fc
  .tuple(annotations, condition)
  .map(
    ([notes, when]) => `${notes} forbid (principal, action == Action::"write", resource) ${when};`,
  );

test('a verdict never becomes milder when a forbid is added', () => {
  fc.assert(
    fc.property(fc.array(forbidRule, { maxLength: 3 }), forbidRule, (rules, added) => {
      const before = verdictOf(rules);
      const after = verdictOf([...rules, added]);
      assert.ok(severity[after.kind] >= severity[before.kind]);
      if (before.kind !== 'hold' || after.kind !== 'hold') return;
      const [a, b] = [before.requirement, after.requirement];
      assert.ok(b.expiresMs <= a.expiresMs && (b.resendMs ?? 0) <= (a.resendMs ?? 0));
      for (const { group, quorum } of a.groups)
        assert.ok(b.groups.some((one) => one.group === group && one.quorum >= quorum));
    }),
    { numRuns: 60 },
  );
});
