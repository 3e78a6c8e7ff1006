import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { FreshSignIn } from '#src/policy/fresh.ts';
import { loadPolicy } from '#src/policy/load.ts';
import { column, context, effect, known, policyOf, problemsOf, shop, subject } from './world.ts';

const BASE = `@id("work") permit (principal, action in [Action::"connect", Action::"read", Action::"write", Action::"filter"], resource);
@id("names") permit (principal, action == Action::"reveal", resource == Column::"shop/public/customers/name");`;
const shows = (notes: string, of = 'ssn', id = 'support-sees'): string =>
  `@id("${id}") ${notes} permit (principal in Group::"audit", action == Action::"reveal", resource == Column::"shop/public/customers/${of}");`;

const { now } = context;
const MINUTE = 60_000;
const audit = subject('audit');
const signIn = (minutesAgo: number, more: Partial<FreshSignIn> = {}): FreshSignIn => ({
  id: 'sign-in-1',
  authTime: now - minutesAgo * MINUTE,
  ...more,
});
const read = () =>
  effect('select', { read: ['customers'], reveal: ['customers.name', 'customers.ssn'] });

suite('a permit that asks for a fresh sign-in', () => {
  const policy = policyOf(BASE + shows('@stepup("5m")'));

  test('is as if it were not there without one, and the verdict says what it would show', () => {
    const verdict = policy.judge(audit, shop, [read()], context);
    assert.equal(verdict.kind, 'allow');
    assert.deepEqual([...verdict.masks], [['shop/public/customers/ssn', { kind: 'null' }]]);
    assert.deepEqual(verdict.fresh, {
      wanting: {
        columns: ['public.customers.ssn'],
        rules: [{ id: 'support-sees', ageMs: 5 * MINUTE }],
      },
    });
    assert.ok(!verdict.rules.includes('support-sees'));
  });

  test('shows the column behind one, until it is as old as the rule says', () => {
    const statement = [read()];
    const made = signIn(4);
    const at = (later: number) =>
      policy.judge(audit, shop, statement, { ...context, signIn: made, now: now + later });
    const verdict = at(0);
    assert.equal(verdict.kind, 'allow');
    assert.equal(verdict.masks.size, 0);
    assert.ok(verdict.rules.includes('support-sees'));
    assert.deepEqual(verdict.fresh, { counted: { signIn: 'sign-in-1', until: now + MINUTE } });
    assert.equal(at(MINUTE - 1), verdict, 'remembered until then');
    const after = at(MINUTE);
    assert.equal(after.kind === 'allow' && after.masks.size, 1, 'and not a moment longer');
    // The one without a sign-in is remembered apart.
    const without = policy.judge(audit, shop, statement, context);
    assert.equal(without.kind === 'allow' && without.masks.size, 1);
    assert.equal(policy.judge(audit, shop, statement, context), without);
  });

  test('does not let another sign-in live on what was remembered of one', () => {
    const statement = [read()];
    const judge = (one: FreshSignIn) =>
      policy.judge(audit, shop, statement, { ...context, signIn: one });
    const shown = judge(signIn(1));
    assert.equal(shown.kind === 'allow' && shown.masks.size, 0);
    const old = judge(signIn(6));
    assert.equal(old.kind === 'allow' && old.masks.size, 1);
  });

  test('says nothing to whom it does not concern', () => {
    const verdict = policy.judge(subject('engineering'), shop, [read()], context);
    assert.equal(verdict.kind === 'allow' && verdict.masks.size, 1);
    assert.equal(verdict.fresh, undefined);
  });

  test('asks nothing where another permit shows the column anyway', () => {
    const both = policyOf(BASE + shows('@stepup("5m")') + shows('', 'ssn', 'always'));
    const verdict = both.judge(audit, shop, [read()], context);
    assert.equal(verdict.kind === 'allow' && verdict.masks.size, 0);
    assert.equal(verdict.fresh, undefined);
    assert.ok(!verdict.rules.includes('support-sees'));
  });

  test('does not lift a forbid; behind a sign-in its mask may be the milder one that it names', () => {
    const mask = `@id("last4") @mask("last4") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/customers/ssn");`;
    const hidden = policyOf(BASE + shows('@stepup("5m")') + mask);
    const judge = (more: object) => hidden.judge(audit, shop, [read()], { ...context, ...more });
    const masks = (more: object) => {
      const verdict = judge(more);
      return verdict.kind === 'allow' ? [...verdict.masks.values()] : [];
    };
    assert.deepEqual(masks({}), [{ kind: 'null' }]);
    assert.deepEqual(masks({ signIn: signIn(1) }), [{ kind: 'last', keep: 4 }]);
  });

  test('asks for acr and amr too', () => {
    const strict = policyOf(BASE + shows('@stepup("5m") @acr("phr") @amr("hwk pin")'));
    const masked = (more: Partial<FreshSignIn>): boolean => {
      const verdict = strict.judge(audit, shop, [read()], { ...context, signIn: signIn(1, more) });
      assert.equal(verdict.kind, 'allow');
      return verdict.masks.size > 0;
    };
    assert.equal(masked({}), true);
    assert.equal(masked({ acr: 'phr' }), true);
    assert.equal(masked({ acr: 'phr', amr: ['hwk'] }), true);
    assert.equal(masked({ acr: 'other', amr: ['hwk', 'pin'] }), true);
    assert.equal(masked({ acr: 'phr', amr: ['pwd', 'hwk', 'pin'] }), false);
  });

  test('ends with the first of several to grow old', () => {
    const two = policyOf(
      BASE + shows('@stepup("5m")') + shows('@stepup("2m")', 'email', 'mail-too'),
    );
    const statement = [effect('select', { reveal: ['customers.ssn', 'customers.email'] })];
    const masks = (later: number) => {
      const verdict = two.judge(audit, shop, statement, {
        ...context,
        signIn: signIn(1),
        now: now + later,
      });
      assert.equal(verdict.kind, 'allow');
      return [...verdict.masks.keys()];
    };
    assert.deepEqual(masks(0), []);
    assert.deepEqual(masks(MINUTE), ['shop/public/customers/email']);
    assert.deepEqual(masks(4 * MINUTE), [
      'shop/public/customers/ssn',
      'shop/public/customers/email',
    ]);
  });

  test('is not met for an agent by a sign-in of its person', () => {
    const agent = { ...audit, agent: { id: 'helper', groups: ['audit'] } };
    const verdict = policy.judge(agent, shop, [read()], { ...context, signIn: signIn(1) });
    assert.equal(verdict.kind === 'allow' && verdict.masks.size, 1);
  });

  test('refuses a copy of what it hides, and says that a sign-in would help', () => {
    const ssn = column('customers.ssn');
    const copy = effect('insert', { write: ['orders'] }, { flows: [ssn] });
    const refused = policy.judge(audit, shop, [copy], context);
    assert.equal(refused.kind, 'deny');
    assert.deepEqual(refused.fresh?.wanting?.columns, ['public.customers.ssn']);
    const fresh = policy.judge(audit, shop, [copy], { ...context, signIn: signIn(1) });
    assert.equal(fresh.kind, 'allow');
  });

  test('makes its column one that rules hide from somebody', () => {
    assert.equal(policy.isRuled(shop, column('customers.ssn')), true);
    assert.equal(policy.isRuled(shop, column('customers.name')), false);
  });
});

suite('a fresh sign-in on a permit', () => {
  const wrong: readonly [string, string, RegExp][] = [
    [
      'that does more than reveal',
      `@id("x") @stepup("5m") permit (principal, action in [Action::"reveal", Action::"filter"], resource);`,
      /@stepup stands on a permit that does more/,
    ],
    [
      'of every action',
      `@id("x") @stepup("5m") permit (principal, action, resource);`,
      /@stepup stands on a permit that does more/,
    ],
    ['that is no duration', shows('@stepup("soon")'), /@stepup\("soon"\) is not a duration/],
    ['with a way but no age', shows('@amr("hwk")'), /the rule asks for none/],
    [
      'that is a forbid',
      `@id("x") @stepup("5m") forbid (principal, action == Action::"reveal", resource);`,
      /@stepup says how a hold is lifted/,
    ],
  ];
  for (const [what, text, message] of wrong)
    test(`is refused on one ${what}`, () => {
      assert.match(
        problemsOf(text)
          .map((one) => one.message)
          .join('\n'),
        message,
      );
    });

  test('is refused where no provider can give one', () => {
    const rules = [{ name: 'x', text: shows('@stepup("5m")') }];
    assert.ok(loadPolicy(rules, { ...known, stepUp: true }).ok);
    const loaded = loadPolicy(rules, { ...known, stepUp: false });
    assert.ok(!loaded.ok && /no provider that tells when/.test(loaded.problems[0]?.message ?? ''));
  });
});
