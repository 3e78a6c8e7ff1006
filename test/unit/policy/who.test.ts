import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseOwners } from '#src/config/owners.ts';
import { isWithin, parseHours } from '#src/policy/hours.ts';
import { loadPolicy, type KnownNames } from '#src/policy/load.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import { coversAsked } from '#src/policy/who.ts';
import { inTurns } from '#src/policy/words.ts';
import { context, effect, known, problemsOf, subject } from './world.ts';

const names: KnownNames = { ...known, onCall: ['primary'] };
const berlin = { name: 'shop', environment: 'production', timeZone: 'Europe/Berlin' };
const hold = (annotations: string) =>
  `${annotations} forbid (principal, action == Action::"write", resource);`;

function judged(rules: readonly string[], more: Partial<KnownNames> = {}, tables = ['orders']) {
  const texts = rules.map((rule, i) => `@id("r${i}") ${rule}`);
  const text = ['@id("all") permit (principal, action, resource);', ...texts].join('\n');
  const loaded = loadPolicy([{ name: 'rules.cedar', text }], { ...names, ...more });
  assert.ok(loaded.ok, JSON.stringify(loaded.ok ? '' : loaded.problems));
  const update = effect('update', { write: tables });
  return loaded.policy.judge(subject('engineering'), berlin, [update], context);
}

function requirementOf(...asked: Parameters<typeof judged>): Requirement {
  const verdict = judged(...asked);
  assert.equal(verdict.kind, 'hold');
  return verdict.kind === 'hold' ? verdict.requirement : assert.fail();
}
const words = (requirement: Requirement): string =>
  inTurns(requirement.groups, ({ group, quorum }) => `${quorum} of ${group}`);

suite('who has to agree', () => {
  const table: readonly [string, readonly string[], string][] = [
    [
      'in the order of stages',
      ['@hold("security") @stage("2")', '@hold("dba")'],
      '1 of dba, then 1 of security',
    ],
    [
      'the same group in two stages is asked twice',
      ['@hold("dba") @stage("2")', '@hold("dba") @quorum("2")'],
      '2 of dba, then 1 of dba',
    ],
    [
      'an escalation',
      ['@hold("dba") @escalate("5m:security, 10m:oncall:primary#security")'],
      '1 of dba (after 5 min security, too; after 10 min oncall:primary, too)',
    ],
    [
      'an escalation only where every rule that asks the group has it',
      ['@hold("dba") @escalate("5m:security")', '@hold("dba")'],
      '1 of dba',
    ],
    [
      'an escalation at the latest of the times',
      ['@hold("dba") @escalate("5m:security,2m:audit")', '@hold("dba") @escalate("10m:security")'],
      '1 of dba (after 10 min security, too)',
    ],
    [
      'hours of the target',
      ['@hold("dba") @hours("Mon-Fri 09:00-17:00 else security")'],
      '1 of dba (outside Mon-Fri 09:00-17:00 Europe/Berlin security)',
    ],
    [
      'with and without hours are two',
      ['@hold("dba") @hours("Mon-Fri 09:00-17:00 else security")', '@hold("dba")'],
      '1 of dba and 1 of dba (outside Mon-Fri 09:00-17:00 Europe/Berlin security)',
    ],
    ['whoever is on call', ['@hold("oncall:primary")'], '1 of oncall:primary'],
  ];
  for (const [name, rules, expected] of table)
    test(name, () => {
      assert.equal(words(requirementOf(rules.map(hold))), expected);
      assert.equal(words(requirementOf(rules.toReversed().map(hold))), expected, 'in any order');
    });

  test('the channel of a later stage hears when its turn comes, and not before', () => {
    const { channels, groups } = requirementOf([
      hold('@hold("dba") @channel("db-approvals")'),
      hold('@hold("security") @stage("2") @channel("security")'),
    ]);
    assert.deepEqual(channels, ['db-approvals']);
    assert.deepEqual(
      groups.map((one) => one.channels ?? []),
      [[], ['security']],
    );
  });

  test('what was satisfied covers the same, and nothing that is asked sooner, later or of others', () => {
    const dba = { group: 'dba', quorum: 1 };
    const soon = { ...dba, escalate: [{ afterMs: 60_000, group: 'security' }] };
    assert.ok(coversAsked([{ ...dba, quorum: 2 }], [dba]));
    assert.ok(coversAsked([dba], [soon]));
    assert.ok(!coversAsked([soon], [dba]), 'others could have agreed');
    assert.ok(!coversAsked([dba], [{ ...dba, stage: 2 }]));
    assert.ok(!coversAsked([dba], [dba, { group: 'security', quorum: 1 }]));
    const hours = { text: 'Mon-Fri 09:00-17:00', timeZone: 'UTC', outside: 'security' };
    assert.ok(!coversAsked([{ ...dba, hours }], [dba]));
  });
});

suite('rules that say wrongly who agrees do not load', () => {
  const table: readonly [string, RegExp, RegExp][] = [
    ['@hold("dba") @stage("first")', /@stage\("first"\) is not a stage/, /1 to 9/],
    ['@hold("dba") @escalate("security")', /not a time and a group/, /10m:security/],
    ['@hold("dba") @escalate("20m:security")', /has ended already/, /@expires/],
    [
      '@hold("dba") @escalate("5m:secruity")',
      /there is no group "secruity"/,
      /did you mean "security"/,
    ],
    [
      '@hold("dba") @escalate("5m:security#nowhere")',
      /there is no channel "nowhere"/,
      /db-approvals/,
    ],
    [
      '@hold("dba") @hours("Mon-Fri 09:00-17:00")',
      /does not say who decides outside/,
      /else oncall/,
    ],
    ['@hold("dba") @hours("weekdays else security")', /is not hours and a group/, /Mon-Fri/],
    ['@hold("dba") @hours("Mon-Fri 09:00-17:00 else nobody")', /there is no group "nobody"/, /./],
    ['@hold("oncall:secondary")', /there is no group "oncall:secondary"/, /oncall:primary/],
    ['@hold("owner")', /there is no owners file/, /owners: \.\/owners\.yaml/],
    ['@stage("2")', /the rule has no @hold/, /add @hold/],
  ];
  for (const [annotations, message, hint] of table)
    test(annotations, () => {
      const found = problemsOf(`@id("a") ${hold(annotations)}`, names);
      assert.ok(
        found.some((one) => message.test(one.message) && hint.test(one.hint)),
        JSON.stringify(found),
      );
    });

  test('a rota is no principal', () => {
    const text = '@id("a") permit (principal in Group::"oncall:primary", action, resource);';
    assert.match(problemsOf(text, names)[0]?.message ?? '', /can be no principal/);
  });
});

function owners(text: string) {
  const parsed = parseOwners(text);
  assert.ok('owners' in parsed, JSON.stringify(parsed));
  return parsed.owners;
}

const OWNED = hold('@hold("owner") @quorum("2")');
const load = (text: string) =>
  loadPolicy([{ name: 'r.cedar', text: `@id("a") ${OWNED}` }], {
    ...names,
    owners: owners(text),
  });

suite('the owner', () => {
  const file = owners(`
default: audit
owners:
  - { table: shop/public/pay*, groups: [security, dba] }
  - { schema: shop/public, groups: dba }
`);
  const rule = [OWNED];

  test('each owner of everything that is held agrees, and the card says of what', () => {
    const requirement = requirementOf(rule, { owners: file }, ['orders', 'payments']);
    assert.equal(
      words(requirement),
      '2 of dba (owner of shop.public.orders, shop.public.payments) and 2 of security (owner of shop.public.payments)',
    );
  });

  test('what no line names is the default’s; without a default nobody could approve it', () => {
    const byDefault = owners('default: audit');
    assert.equal(
      words(requirementOf(rule, { owners: byDefault })),
      '2 of audit (owner of shop.public.orders)',
    );
    const verdict = judged(rule, { owners: owners('owners: []') });
    assert.equal(verdict.kind, 'deny');
    assert.match(
      verdict.kind === 'deny' ? verdict.message : '',
      /nobody owns shop\.public\.orders/,
    );
  });

  test('another owners file is another version of the rules, and its groups are checked', () => {
    const [a, b] = [load('default: dba'), load('default: security')];
    assert.ok(a.ok && b.ok);
    assert.notEqual(a.policy.version, b.policy.version);
    const wrong = load('default: dab');
    assert.ok(!wrong.ok);
    assert.match(wrong.problems[0]?.message ?? '', /there is no group "dab"/);
  });

  test('the owner of a role is asked, by role or by target, and never by a schema of that name', () => {
    const rules = `@id("p") permit (principal, action == Action::"request", resource);
      @id("h") @hold("owner") forbid (principal, action == Action::"request", resource);`;
    const ruled = owners(`
owners:
  - { schema: shop/writer, groups: security }
  - { role: shop/writer, groups: dba }
  - { target: sh*, groups: audit }
`);
    const loaded = loadPolicy([{ name: 'r.cedar', text: rules }], { ...names, owners: ruled });
    assert.ok(loaded.ok);
    const ask = (role: string) => {
      const said = loaded.policy.access(subject('engineering'), berlin, 'request', {
        role,
        now: context.now,
      });
      return said.kind === 'hold' ? said.requirement.groups.map(({ group }) => group) : said.kind;
    };
    assert.deepEqual(ask('writer'), ['dba']);
    assert.deepEqual(ask('reader'), ['audit']);
  });
});

suite('hours', () => {
  const table: readonly [string, string, string, boolean][] = [
    ['Mon-Fri 09:00-17:00', 'Europe/Berlin', '2026-11-20T08:00:00Z', true],
    ['Mon-Fri 09:00-17:00', 'Europe/Berlin', '2026-11-20T07:59:59Z', false],
    ['Mon-Fri 09:00-17:00', 'Europe/Berlin', '2026-11-20T16:00:00Z', false],
    ['Mon-Fri 09:00-17:00', 'UTC', '2026-11-21T10:00:00Z', false],
    ['Mon-Fri 09:00-17:00, Sat 10:00-12:00', 'UTC', '2026-11-21T10:00:00Z', true],
    ['Fri 22:00-06:00', 'UTC', '2026-11-21T05:59:00Z', true],
    ['Fri 22:00-06:00', 'UTC', '2026-11-20T05:59:00Z', false],
    ['Sat-Mon 00:00-24:00', 'UTC', '2026-11-22T23:59:59Z', true],
    ['Sun 22:00-06:00', 'UTC', '2026-11-23T01:00:00Z', true],
  ];
  for (const [text, zone, now, expected] of table)
    test(`${now} is ${expected ? '' : 'not '}within ${text} in ${zone}`, () => {
      assert.equal(isWithin(text, zone, Date.parse(now)), expected);
    });
  for (const text of [
    '',
    'Mon',
    'Mon 9:00-17:00',
    'Mon 09:00-25:00',
    'Mon 24:00-06:00',
    'Mon 09:00-09:00',
    'Mo 09:00-10:00',
    'Mon 09:60-10:00',
    'Mon 09:00-10:00,',
  ])
    test(`"${text}" are no hours`, () => {
      assert.equal(parseHours(text), undefined);
    });
});
