import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { factNames, type FactName } from './schema.ts';

/** An entity that a rule names, and where: a misspelt one is harmless only where it can merely make the rule stricter. */
export type Mention = {
  readonly type: string;
  readonly id: string;
  readonly place: 'principal' | 'resource' | 'when' | 'unless';
  readonly negated: boolean;
};

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

const isContext = (node: unknown): boolean => isObject(node) && node['Var'] === 'context';

/** Visits every object of a JSON tree, parents first. */
function walk(node: unknown, visit: (node: Json) => void): void {
  if (!isObject(node)) return;
  visit(node);
  for (const child of Object.values(node)) walk(child, visit);
}

/** A reference to an entity, in either form of Cedar's JSON. */
export function entity(value: unknown): { type: string; id: string } | undefined {
  if (!isObject(value)) return undefined;
  const inner = isObject(value['__entity']) ? value['__entity'] : value;
  const { type, id } = inner;
  return typeof type === 'string' && typeof id === 'string' ? { type, id } : undefined;
}

/** Every entity that the rule's head and conditions name, actions left out. */
export function mentions(json: PolicyJson): readonly Mention[] {
  const found: Mention[] = [];
  const collect = (node: unknown, place: Mention['place'], negated: boolean): void =>
    walk(node, (object) => {
      // Heads write `entity: { type, id }`, conditions `__entity: { type, id }`, in sets too.
      for (const value of [object['entity'], object['__entity']]) {
        const named = isObject(value) && '__entity' in value ? undefined : entity(value);
        if (named && named.type !== 'Action') found.push({ ...named, place, negated });
      }
    });
  collect(json.principal, 'principal', false);
  collect(json.resource, 'resource', false);
  for (const clause of json.conditions) {
    let negated = false;
    walk(clause.body, (object) => {
      negated ||= '!' in object || '!=' in object || 'if-then-else' in object;
    });
    collect(clause.body, clause.kind, negated);
  }
  return found;
}

/** The facts of the context that decide whether the rule applies; all of them when it uses the context as a whole. */
export function factsUsed(json: PolicyJson): ReadonlySet<FactName> {
  const used = new Set<string>();
  const visit = (node: unknown): void => {
    if (!isObject(node)) return;
    if (isContext(node)) used.add('*');
    for (const [key, child] of Object.entries(node)) {
      const known = (key === '.' || key === 'has') && isObject(child) && isContext(child['left']);
      if (known && typeof child['attr'] === 'string') used.add(child['attr']);
      else visit(child);
    }
  };
  visit(json.conditions);
  return new Set(factNames.filter((name) => used.has('*') || used.has(name)));
}

/** The action ids in the rule's head; undefined when it speaks of every action. */
export function actionsOf(json: PolicyJson): readonly string[] | undefined {
  const scope = json.action;
  if (scope.op === 'All') return undefined;
  const list = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : [];
  return list.flatMap((one) => entity(one)?.id ?? []);
}

/** The group or role (or person) that the rule's head asks the principal to be or to be in. */
export function principalOf(json: PolicyJson): { type: string; id: string } | undefined {
  const scope = json.principal;
  const inner = 'in' in scope && isObject(scope.in) ? scope.in : scope;
  return 'entity' in inner ? entity(inner.entity) : undefined;
}

/**
 * False when the rule's head rules out this action or resource; conditions are not looked at. `chain` is the resource
 * and its ancestors as `Type::id`.
 */
export function mayConcern(json: PolicyJson, action: string, chain: readonly string[]): boolean {
  const actions = actionsOf(json);
  if (actions && !actions.includes(action)) return false;
  const scope = json.resource;
  if (scope.op === 'is' && !chain[0]?.startsWith(`${scope.entity_type}::`)) return false;
  const inner = 'in' in scope && isObject(scope.in) ? scope.in : scope;
  const named = 'entity' in inner ? entity(inner.entity) : undefined;
  if (!named) return true;
  const key = `${named.type}::${named.id}`;
  return scope.op === '==' ? chain[0] === key : chain.includes(key);
}
