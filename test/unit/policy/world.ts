import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Subject } from '#src/identity/person.ts';
import { loadPolicy, type KnownNames, type Problem } from '#src/policy/load.ts';
import type { Context, Policy, TargetFacts } from '#src/policy/policy.ts';
import type { AccessAction, ColumnAction, Effect, Resource } from '#src/statement/effect.ts';

/** The example's rules, and what the example's world looks like to them. */
export const shopText = readFileSync(new URL('./shop.cedar', import.meta.url), 'utf8');
export const known: KnownNames = {
  groups: ['engineering', 'dba', 'security', 'audit'],
  channels: ['db-approvals', 'security'],
};
export const shop: TargetFacts = { name: 'shop', environment: 'production', timeZone: 'UTC' };
/** A Friday, 21:30 UTC. */
export const context: Context = { inTransaction: false, now: Date.UTC(2026, 10, 20, 21, 30) };

export function policyOf(text: string): Policy {
  const loaded = loadPolicy([{ name: 'rules.cedar', text }], known);
  assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.problems));
  return loaded.policy;
}

export function problemsOf(text: string, names: KnownNames = known): readonly Problem[] {
  const loaded = loadPolicy([{ name: 'rules.cedar', text }], names);
  assert.ok(!loaded.ok, 'the rules loaded');
  return loaded.problems;
}

export function subject(...groups: string[]): Subject {
  return { person: { email: 'ann@example.com', name: 'Ann', groups }, roles: [] };
}

export const table = (name: string): Resource => ({
  type: 'Table',
  path: ['shop', 'public', name],
});
export const column = (name: string): Resource => ({
  type: 'Column',
  path: ['shop', 'public', ...name.split('.')],
});

/** `effect('update', { write: ['orders'], assign: ['orders.status'] })` */
export function effect(
  statement: string,
  uses: Partial<Record<AccessAction | ColumnAction, readonly string[]>>,
  more: Partial<Effect> = {},
): Effect {
  const accesses: Effect['accesses'][number][] = [];
  const columns: Effect['columns'][number][] = [];
  for (const [action, names] of Object.entries(uses))
    for (const name of names)
      if (name.includes('.'))
        columns.push({ action: action as ColumnAction, column: column(name) });
      else accesses.push({ action: action as AccessAction, resource: table(name) });
  return { class: statement, accesses, columns, bounded: true, words: '', ...more };
}
