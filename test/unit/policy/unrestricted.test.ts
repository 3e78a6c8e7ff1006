import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Subject } from '#src/identity/person.ts';
import { policyOf, shop, subject } from './world.ts';

const all = '@id("all") permit (principal, action, resource);';
const ann = subject('dba');
const free = (rules: string, who: Subject = ann): boolean =>
  policyOf(rules).unrestricted(who, shop);
const hides = (rules: string): boolean => policyOf(all + rules).hides(shop);

void describe('an unrestricted person', () => {
  void test('is one for whom permits without conditions cover everything of the target', () => {
    for (const rule of [
      all,
      '@id("a") permit (principal in Group::"dba", action, resource);',
      '@id("a") permit (principal is Person in Group::"dba", action, resource);',
      '@id("a") permit (principal == Person::"ann@example.com", action, resource in Target::"shop");',
      '@id("a") permit (principal, action, resource in Environment::"production");',
      `@id("a") permit (principal, action in [Action::"connect", Action::"administer", Action::"execute", Action::"define"], resource);
       @id("b") permit (principal, action in [Action::"read", Action::"write", Action::"delete"], resource);
       @id("c") permit (principal, action in [Action::"reveal", Action::"filter", Action::"join", Action::"assign"], resource);`,
    ])
      assert.equal(free(rule), true, rule);
  });

  void test('is not one whom a permit covers only in part', () => {
    for (const rule of [
      '@id("a") permit (principal in Group::"audit", action, resource);',
      '@id("a") permit (principal == Person::"bob@example.com", action, resource);',
      '@id("a") permit (principal, action, resource in Target::"other");',
      '@id("a") permit (principal, action, resource in Schema::"shop/public");',
      '@id("a") permit (principal, action, resource in Environment::"test");',
      '@id("a") permit (principal in Role::"shop/admin", action, resource);',
      '@id("a") permit (principal is Agent, action, resource);',
      '@id("a") @rows("10") permit (principal, action, resource);',
      '@id("a") permit (principal, action, resource) when { context.hour < 12 };',
      '@id("a") permit (principal, action in [Action::"connect", Action::"read"], resource);',
    ])
      assert.equal(free(rule), false, rule);
  });

  void test('is not one whom some other rule may concern, whatever its conditions are', () => {
    for (const rule of [
      '@id("f") forbid (principal, action, resource) when { context.hour == 25 };',
      '@id("f") forbid (principal in Group::"dba", action == Action::"delete", resource);',
      '@id("f") @mask("last4") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/customers/ssn") unless { principal in Group::"dba" };',
      '@id("f") @hold("dba") forbid (principal, action == Action::"write", resource in Schema::"shop/public");',
      '@id("f") forbid (principal, action == Action::"connect", resource == Target::"shop") when { context.hour == 3 };',
      '@id("f") @rows("10") permit (principal, action == Action::"read", resource == Table::"shop/public/orders");',
      '@id("f") permit (principal, action == Action::"read", resource) when { context.agent };',
    ])
      assert.equal(free(all + rule), false, rule);
  });

  void test('is one whom no other rule can concern', () => {
    for (const rule of [
      '@id("f") forbid (principal in Group::"audit", action, resource);',
      '@id("f") forbid (principal is Agent, action, resource);',
      '@id("f") forbid (principal, action, resource in Target::"other");',
      '@id("f") forbid (principal, action == Action::"read", resource == Table::"other/public/orders");',
      '@id("f") forbid (principal, action, resource in Environment::"test");',
      '@id("f") @rows("10") permit (principal in Group::"audit", action == Action::"read", resource);',
    ])
      assert.equal(free(all + rule), true, rule);
  });

  void test('is never an agent, and a grant makes one for as long as it lasts', () => {
    assert.equal(free(all, { ...ann, agent: { id: 'bot', groups: ['dba'] } }), false);
    const granted = '@id("a") permit (principal in Role::"shop/admin", action, resource);';
    assert.equal(free(granted, { ...ann, roles: ['shop/admin'] }), true);
  });
});

void test('a target hides something as soon as some rule hides one column of it from somebody', () => {
  assert.equal(hides(''), false);
  assert.equal(
    hides(
      '@id("f") forbid (principal in Group::"audit", action == Action::"reveal", resource == Column::"shop/public/customers/ssn");',
    ),
    true,
  );
  assert.equal(
    hides(
      '@id("f") forbid (principal in Group::"audit", action == Action::"reveal", resource in Schema::"shop/hr");',
    ),
    true,
  );
  assert.equal(
    hides('@id("f") forbid (principal, action == Action::"reveal", resource in Target::"other");'),
    false,
  );
});
