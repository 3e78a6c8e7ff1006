import {
  isAuthorized,
  policyToText,
  type CedarValueJson,
  type EntityJson,
  type PolicyJson,
} from '@cedar-policy/cedar-wasm/nodejs';
import { entity, principalOf } from './ast.ts';
import type { EntityUid } from './cedar.ts';
import { factNames, type FactName } from './schema.ts';

/** What a condition is asked with. */
export type Situation = {
  readonly principal: EntityUid;
  readonly action: string;
  readonly resource: EntityUid;
  readonly context: Record<string, CedarValueJson>;
  readonly entities: EntityJson[];
};

/** Why a rule whose action and object fit did not apply. */
export type Obstacle = {
  /** `principal`: the head names somebody else; `when`: this is not so; `unless`: this is so. */
  readonly kind: 'principal' | 'when' | 'unless';
  /** In Cedar: `Group::"security"`, `context has reason`. */
  readonly text: string;
  /** Facts of the context that it asks for. */
  readonly facts: readonly FactName[];
  /** Groups and roles that it names, as `Group::"dba"`. */
  readonly named: readonly string[];
};

type Clause = PolicyJson['conditions'][number];
type Body = Clause['body'];
const anybody = {
  principal: { op: 'All' },
  action: { op: 'All' },
  resource: { op: 'All' },
} as const;

/** What keeps a rule from applying: the first part of its head or of a clause that does not fit. Undefined: it applies. */
export function obstacleOf(json: PolicyJson, situation: Situation): Obstacle | undefined {
  const { principal } = json;
  if (!holds({ ...anybody, principal, effect: 'permit', conditions: [] }, situation)) {
    const named = principalOf(json);
    const text = named
      ? quoted(named)
      : principal.op === 'is'
        ? principal.entity_type
        : 'principal';
    return { kind: 'principal', text, facts: [], named: named ? [quoted(named)] : [] };
  }
  for (const clause of json.conditions) {
    const met = isTrue(clause.body, situation) === (clause.kind === 'when');
    if (!met) return obstacle(clause.kind, culprit(clause, situation));
  }
  return undefined;
}

/** The clauses of a rule, for what would have to be otherwise for it not to apply. */
export function clausesOf(json: PolicyJson): readonly Obstacle[] {
  return json.conditions.map(({ kind, body }) => obstacle(kind, body));
}

function obstacle(kind: 'when' | 'unless', body: Body): Obstacle {
  const seen = JSON.stringify(body);
  const context = '{"Var":"context"}';
  return {
    kind,
    text: textOf(body),
    facts: factNames.filter((name) => seen.includes(`{"left":${context},"attr":"${name}"}`)),
    named: people(body),
  };
}

/** Of `a && b`, the first that is false; of `a || b` in an `unless`, the first that is true. */
function culprit({ kind, body }: Clause, situation: Situation): Body {
  const parts = split(body, kind === 'when' ? '&&' : '||');
  // A later part may only be asked once the earlier ones have held: `context has reason && context.reason == …`.
  return parts.find((part) => isTrue(part, situation) !== (kind === 'when')) ?? body;
}

function split(body: Body, operator: '&&' | '||'): readonly Body[] {
  const inner = operator in body ? Object.entries(body)[0]?.[1] : undefined;
  return isPair(inner) ? [...split(inner.left, operator), ...split(inner.right, operator)] : [body];
}

const isPair = (value: unknown): value is { left: Body; right: Body } =>
  typeof value === 'object' && value !== null && 'left' in value && 'right' in value;

/** A condition that cannot be evaluated (a fact is missing) is not true. */
const isTrue = (body: Body, situation: Situation): boolean =>
  holds({ ...anybody, effect: 'permit', conditions: [{ kind: 'when', body }] }, situation);

function holds(policy: PolicyJson, situation: Situation): boolean {
  const answer = isAuthorized({
    ...situation,
    action: { type: 'Action', id: situation.action },
    policies: { staticPolicies: { asked: policy } },
  });
  return answer.type === 'success' && answer.response.decision === 'allow';
}

const quoted = ({ type, id }: { readonly type: string; readonly id: string }): string =>
  `${type}::${JSON.stringify(id)}`;

function people(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return [];
  const named = '__entity' in node ? entity(node) : undefined;
  if (named) return named.type === 'Group' || named.type === 'Role' ? [quoted(named)] : [];
  return [...new Set(Object.values(node).flatMap(people))];
}

/** As Cedar writes it. */
function textOf(body: Body): string {
  const answer = policyToText({
    ...anybody,
    effect: 'permit',
    conditions: [{ kind: 'when', body }],
  });
  if (answer.type === 'failure') return JSON.stringify(body);
  return /when \{ ([^]*) \};$/.exec(answer.text)?.[1] ?? answer.text;
}
