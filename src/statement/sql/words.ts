import type { Access, Resource } from '../effect.ts';
import type { QueryFacts } from './tree.ts';

const verbs = {
  write: 'changes',
  delete: 'deletes from',
  read: 'reads',
  execute: 'calls',
} as const;
const writeVerbs: Readonly<Record<string, string>> = {
  insert: 'inserts into',
  update: 'updates',
  merge: 'merges into',
};

export function named(resource: Resource): string {
  return resource.path.join('.');
}

/** What a query does, in words and without any literal: `updates shop.public.orders, bounded`. */
export function queryWords(facts: QueryFacts, kind: string): string {
  const { accesses, bounded } = facts.uses;
  const parts = [
    clause(accesses, 'delete', verbs.delete),
    clause(accesses, 'write', writeVerbs[kind] ?? verbs.write),
    clause(accesses, 'execute', verbs.execute),
  ].filter((part) => part !== '');
  const writes = accesses.some(({ action }) => action === 'write' || action === 'delete');
  if (accesses.some(({ action }) => action === 'administer'))
    parts.push('looks at what belongs to others');
  if (!writes) parts.unshift(clause(accesses, 'read', verbs.read));
  const text = parts.filter((part) => part !== '').join(', ') || 'reads no table';
  return bounded ? text : `${text}, without a bound`;
}

function clause(accesses: readonly Access[], action: Access['action'], verb: string): string {
  const names = accesses
    .filter((access) => access.action === action)
    .map(({ resource }) => named(resource));
  return names.length === 0 ? '' : `${verb} ${names.join(', ')}`;
}
