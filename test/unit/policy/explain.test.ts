import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { adviceFor } from '#src/policy/advice.ts';
import type { CedarPolicy } from '#src/policy/evaluate.ts';
import { loadPolicy } from '#src/policy/load.ts';
import type { Context } from '#src/policy/policy.ts';
import { column, context, effect, known, shop, subject } from './world.ts';

function policyOf(text: string): CedarPolicy {
  const loaded = loadPolicy([{ name: 'rules.cedar', text }], known);
  assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.problems));
  return loaded.policy;
}
const ALL = '@id("all") permit (principal in Group::"engineering", action, resource);';
const UPDATE = effect('update', { write: ['orders'], assign: ['orders.status'] });

/** What is said of one rule at the question about writing. */
function noteOf(text: string, groups: string[], moment: Context = context, what = UPDATE) {
  const { questions } = policyOf(text).explain(subject(...groups), shop, [what], moment);
  const asked = questions.find((one) => one.action === 'write');
  return asked?.rules.find((rule) => rule.id === 'r');
}

const forbid = (conditions: string) =>
  `${ALL} @id("r") forbid (principal, action == Action::"write", resource) ${conditions};`;

suite('why a rule does not apply', () => {
  test('somebody else is meant', () => {
    const text = `${ALL} @id("r") permit (principal in Group::"dba", action, resource);`;
    assert.deepEqual(noteOf(text, ['engineering'])?.because, {
      kind: 'principal',
      text: 'Group::"dba"',
      facts: [],
      named: ['Group::"dba"'],
    });
  });

  test('of several conditions, the first that is false is told', () => {
    const text = forbid('when { context.bounded && context.hour < 8 && context.inTransaction }');
    assert.deepEqual(noteOf(text, ['engineering'])?.because, {
      kind: 'when',
      text: 'context.hour < 8',
      facts: ['hour'],
      named: [],
    });
  });

  test('a fact that is missing is what is told, not what would be asked of it', () => {
    const text = forbid('when { context has reason && context.reason == "x" }');
    assert.equal(noteOf(text, ['engineering'])?.because?.text, 'context has reason');
    const given = noteOf(text, ['engineering'], { ...context, reason: 'y' });
    assert.equal(given?.because?.text, 'context.reason == "x"');
  });

  test('of several exemptions, the one that is true is told', () => {
    const text = forbid(
      'unless { context.inTransaction || principal in Group::"dba" || context.agent }',
    );
    assert.deepEqual(noteOf(text, ['engineering', 'dba'])?.because, {
      kind: 'unless',
      text: 'principal in Group::"dba"',
      facts: [],
      named: ['Group::"dba"'],
    });
    assert.equal(noteOf(text, ['engineering'])?.applies, true);
  });

  test('rules about other actions or objects are not mentioned', () => {
    const other = `${ALL} @id("r") forbid (principal, action == Action::"delete", resource);`;
    assert.equal(noteOf(other, ['engineering']), undefined);
  });
});

suite('an explanation', () => {
  test('has the verdict of the gateway, and each question once', () => {
    const policy = policyOf(ALL);
    const twice = [UPDATE, UPDATE];
    const { verdict, questions } = policy.explain(subject('engineering'), shop, twice, context);
    assert.deepEqual(verdict, policy.judge(subject('engineering'), shop, twice, context));
    const keys = questions.map((one) => `${one.action} ${one.object}`);
    assert.deepEqual(keys, [...new Set(keys)]);
    assert.ok(keys.includes('connect Target::"shop"'));
  });

  test('asks for an agent and for its person', () => {
    const acting = { ...subject('engineering'), agent: { id: 'bot', groups: [] } };
    const { verdict, questions } = policyOf(ALL).explain(acting, shop, [UPDATE], context);
    assert.equal(verdict.kind, 'deny');
    assert.deepEqual(
      questions.map((one) => `${one.principal} ${one.answer}`),
      ['Agent::"bot" none', 'Person::"ann@example.com" permit'],
    );
  });
});

const advice = (text: string, groups: string[], what = UPDATE) =>
  adviceFor(policyOf(text).explain(subject(...groups), shop, [what], context));

suite('what would change it', () => {
  test('a permit names whom it is for', () => {
    assert.deepEqual(advice(ALL, []), [
      { rule: 'all', text: 'it would permit this to Group::"engineering"' },
    ]);
  });

  test('a forbid names what exempts, and who can lift it', () => {
    const text = `${ALL} @id("r") @hold("dba") forbid (principal, action == Action::"write", resource)
      when { context.inTransaction == false } unless { context has purpose };`;
    assert.deepEqual(advice(text, ['engineering']), [
      { rule: 'r', text: 'a member of dba can lift it' },
      { rule: 'r', text: 'it would not apply were it not so that context.inTransaction == false' },
      {
        rule: 'r',
        text: `it would not apply when context has purpose: SET countersign.purpose = '…'`,
      },
    ]);
  });

  test('where nobody is permitted, it says so', () => {
    const [first] = advice(
      '@id("c") permit (principal, action == Action::"connect", resource);',
      [],
    );
    assert.match(
      first?.text ?? '',
      /no rule permits write on Table::"shop\/public\/orders" to anybody/,
    );
  });

  test('a column that only a fresh sign-in shows', () => {
    const text = `@id("c") permit (principal, action in [Action::"connect", Action::"read"], resource);
      @id("r") @stepup("5m") permit (principal, action == Action::"reveal", resource);`;
    const output = {
      name: 'ssn',
      sources: [column('customers.ssn')],
      verbatim: true,
      origin: [0, 0],
    } as const;
    const select = effect('select', { read: ['customers'] }, { outputs: [output] });
    assert.deepEqual(advice(text, [], select), [
      { rule: 'r', text: 'it permits this behind a fresh sign-in' },
    ]);
  });

  test('nothing, where everything is allowed', () => {
    assert.deepEqual(advice(ALL, ['engineering']), []);
  });
});
