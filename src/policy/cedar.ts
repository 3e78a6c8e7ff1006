import {
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
  type CedarValueJson,
  type EntityJson,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { Rule } from './rule.ts';
import { schemaText } from './schema.ts';

/**
 * `all` decides; `hard` is without the `@hold` rules and says what an approval could lead to; `permits` says whether
 * anything was permitted before a forbid.
 */
export type SetName = 'all' | 'hard' | 'permits';

export type Question = {
  readonly principal: EntityUid;
  readonly action: string;
  readonly resource: EntityUid;
  readonly context: Record<string, CedarValueJson>;
  readonly entities: EntityJson[];
};
export type EntityUid = { readonly type: string; readonly id: string };

/** Cedar's answer: the ids of the rules that decided, or of those that failed. */
export type Decision =
  | { readonly kind: 'decided'; readonly allow: boolean; readonly reasons: readonly string[] }
  | { readonly kind: 'error'; readonly rules: readonly string[] };

// Cedar keeps what was preparsed for ever, so ids are reused: two slots, that a reload does not touch the running version.
const schemaName = 'countersign';
const owners: (object | undefined)[] = [];
let next: 0 | 1 = 0;
let schemaReady = false;

/** One version of the rules inside Cedar. A version whose slot was taken over prepares itself again when asked. */
export class CedarSets {
  readonly #slot: 0 | 1;
  readonly #sets: Readonly<Record<SetName, Record<string, string>>>;

  constructor(rules: readonly Rule[]) {
    this.#slot = next;
    next = next === 0 ? 1 : 0;
    this.#sets = {
      all: texts(rules),
      hard: texts(rules.filter((rule) => !rule.terms.hold)),
      permits: texts(rules.filter((rule) => rule.effect === 'permit')),
    };
    // Now, so that nobody's first statement pays for it.
    this.#prepare();
  }

  /** Never throws for what a rule does: an evaluation error is an answer, and it denies. */
  ask(set: SetName, question: Question): Decision {
    this.#prepare();
    const answer = statefulIsAuthorized({
      principal: question.principal,
      action: { type: 'Action', id: question.action },
      resource: question.resource,
      context: question.context,
      entities: question.entities,
      preparsedPolicySetId: this.#id(set),
      preparsedSchemaName: schemaName,
      validateRequest: true,
    });
    if (answer.type === 'failure') return { kind: 'error', rules: [] };
    const { decision, diagnostics } = answer.response;
    if (diagnostics.errors.length > 0)
      return { kind: 'error', rules: diagnostics.errors.map((error) => error.policyId).toSorted() };
    return { kind: 'decided', allow: decision === 'allow', reasons: diagnostics.reason.toSorted() };
  }

  #id(set: SetName): string {
    return `countersign-${this.#slot}-${set}`;
  }

  #prepare(): void {
    if (owners[this.#slot] === this) return;
    if (!schemaReady) must(preparseSchema(schemaName, schemaText));
    schemaReady = true;
    owners[this.#slot] = undefined;
    for (const set of ['all', 'hard', 'permits'] as const)
      must(preparsePolicySet(this.#id(set), { staticPolicies: this.#sets[set] }));
    owners[this.#slot] = this;
  }
}

const texts = (rules: readonly Rule[]): Record<string, string> =>
  Object.fromEntries(rules.map((rule) => [rule.id, rule.text]));

function must(answer: ReturnType<typeof preparsePolicySet>): void {
  if (answer.type === 'failure')
    throw new Error(`Cedar refused the rules: ${answer.errors.map((e) => e.message).join('; ')}`);
}
