import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { context, effect, policyOf, shop, subject } from './world.ts';

const WORK = `@id("work") permit (principal, action in [Action::"connect", Action::"read", Action::"write", Action::"execute", Action::"define"], resource);`;
const ADMIN = `@id("admin") permit (principal in Group::"dba", action == Action::"administer", resource == Target::"shop");`;
const leaves = effect('copy', { read: ['orders'] }, { escapes: ['program'] });
const judge = (rules: string, group: string, what = leaves) =>
  policyOf(rules).judge(subject(group), shop, [what], context);

suite('a way past the tables that rules speak of', () => {
  test('is refused to who may read the table but not administer the target', () => {
    const verdict = judge(WORK + ADMIN, 'engineering');
    assert.equal(verdict.kind, 'deny');
    assert.deepEqual(verdict.rules, ['countersign/escape', 'countersign/no-permit']);
    assert.match(verdict.message, /\(program\)/);
  });

  test('is allowed to who may, and held where a rule holds', () => {
    assert.equal(judge(WORK + ADMIN, 'dba').kind, 'allow');
    const held = `@id("second") @hold("audit") forbid (principal, action == Action::"administer", resource);`;
    assert.equal(judge(WORK + ADMIN + held, 'dba').kind, 'hold');
  });

  test('is told from others by context.escape', () => {
    const never = `@id("never") @message("no programs") forbid (principal, action, resource)
      when { context has escape && context.escape.contains("program") };`;
    const verdict = judge(WORK + ADMIN + never, 'dba');
    assert.equal(verdict.kind, 'deny');
    assert.ok(verdict.rules.includes('never'));
    const code = effect('do', {}, { escapes: ['code', 'network'] });
    assert.equal(judge(WORK + ADMIN + never, 'dba', code).kind, 'allow');
    const plain = effect('select', { read: ['orders'] });
    assert.equal(judge(WORK + ADMIN + never, 'dba', plain).kind, 'allow');
  });

  test('one answer is not remembered for another set of escapes', () => {
    const policy = policyOf(
      `${WORK}${ADMIN}@id("files") forbid (principal, action == Action::"administer", resource) unless { context has escape && context.escape.contains("code") };`,
    );
    const kind = (escapes: readonly 'code'[] | readonly 'server-file'[]): string =>
      policy.judge(subject('dba'), shop, [effect('x', {}, { escapes })], context).kind;
    assert.deepEqual(
      [kind(['code']), kind(['server-file']), kind(['code'])],
      ['allow', 'deny', 'allow'],
    );
  });
});
