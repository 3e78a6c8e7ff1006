import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Subject } from '../identity/person.ts';
import { actionsOf, entity } from './ast.ts';
import type { TargetFacts } from './policy.ts';
import type { Rule } from './rule.ts';
import { isGrantAction, schemaText } from './schema.ts';

type Named = { readonly type: string; readonly id: string };
/** The part of a rule's head that names a principal or a resource. */
type Scope = PolicyJson['principal'] | PolicyJson['resource'];
/** What such a part means for one principal, or for one target. */
type Reach = 'all' | 'some' | 'none';

/** Every action that rules speak of. */
const actionNames = [...schemaText.matchAll(/^action ([\w, ]+) appliesTo/gm)].flatMap(
  ([, names = '']) => names.split(', '),
);

/** What limits nothing. Anything else that a permit carries may ask or limit something. */
const HARMLESS: ReadonlySet<string> = new Set(['id', 'message']);

/**
 * True when no rule can deny, hold, mask or limit anything that this person does on this target: permits without any
 * condition cover every action on all of it, and no rule that could take something back (a `forbid`, or a permit that
 * has a condition or carries a limit) may concern the person and the target by its head. Never for an agent.
 */
export function unrestricted(
  rules: Iterable<Rule>,
  subject: Subject,
  target: TargetFacts,
): boolean {
  if (subject.agent !== undefined) return false;
  const covered = new Set<string>();
  for (const { effect, json } of rules) {
    // What is said of roles alone limits no statement.
    if (actionsOf(json)?.every(isGrantAction)) continue;
    const who = principalReach(json.principal, subject);
    const where = resourceReach(json.resource, target);
    if (who === 'none' || where === 'none') continue;
    if (effect === 'forbid' || !isPlain(json)) return false;
    if (where === 'all') for (const action of actionsOf(json) ?? actionNames) covered.add(action);
  }
  return actionNames.every((action) => covered.has(action));
}

function isPlain(json: PolicyJson): boolean {
  const annotations = Object.keys(json.annotations ?? {});
  return json.conditions.length === 0 && annotations.every((name) => HARMLESS.has(name));
}

function principalReach(scope: Scope, { person, roles }: Subject): Reach {
  return reach(scope, 'Person', ({ type, id }) => {
    if (type === 'Person') return id === person.email ? 'all' : 'none';
    // A person is in a group, and never equal to it.
    if (scope.op === '==') return 'none';
    if (type === 'Group') return person.groups.includes(id) ? 'all' : 'none';
    if (type === 'Role') return roles.includes(id) ? 'all' : 'none';
    return 'some';
  });
}

function resourceReach(scope: Scope, target: TargetFacts): Reach {
  return reach(scope, undefined, ({ type, id }) => {
    if (type === 'Environment') return id === target.environment ? 'all' : 'none';
    if (type === 'Target') {
      if (id !== target.name) return 'none';
      return scope.op === '==' ? 'some' : 'all';
    }
    return id.split('/', 1)[0] === target.name ? 'some' : 'none';
  });
}

/** `own` is the only type that is asked about, if there is only one. */
function reach(scope: Scope, own: string | undefined, of: (named: Named) => Reach): Reach {
  if (scope.op === 'All') return 'all';
  if (scope.op !== 'is') return named(scope, of);
  if (own !== undefined && scope.entity_type !== own) return 'none';
  const within = scope.in ? named(scope.in, of) : 'all';
  return own === undefined && within === 'all' ? 'some' : within;
}

function named(scope: object, of: (named: Named) => Reach): Reach {
  const one = 'entity' in scope ? entity(scope.entity) : undefined;
  return one ? of(one) : 'some';
}
