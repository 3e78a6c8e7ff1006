import type { Action, Resource } from '../statement/effect.ts';
import { actionsOf, mayConcern } from './ast.ts';
import { TwoGenerations } from './cache.ts';
import type { RuleBook } from './book.ts';
import type { CedarSets, Question, SetName } from './cedar.ts';
import { chainOf, namesOf, type Chain, type Home, type Principal } from './entities.ts';
import { toCedar, type AskFacts, type Facts } from './facts.ts';
import type { Rule } from './rule.ts';
import { isGrantAction, type FactName } from './schema.ts';

/** What the rules say to one principal about one action on one resource. */
export type Answer =
  | { readonly kind: 'permit'; readonly permits: readonly Rule[] }
  /** Permitted only by rules that ask for a fresh sign-in. */
  | { readonly kind: 'asking'; readonly asking: readonly Rule[] }
  | { readonly kind: 'hold'; readonly holds: readonly Rule[]; readonly permits: readonly Rule[] }
  /** `permitted`: something would have permitted it, had the forbids not been. */
  | {
      readonly kind: 'forbid';
      readonly forbids: readonly Rule[];
      readonly permitted: boolean;
      /** They would have, behind a fresh sign-in. */
      readonly asking?: readonly Rule[];
    }
  | { readonly kind: 'none' }
  | { readonly kind: 'error'; readonly rules: readonly string[] };

const maxAnswers = 4_096;
const maxKeyed = 64;
/** A key that holds a long reason is not worth its memory. */
const maxKeyLength = 512;

/** Answers about one resource: one for good when no fact is asked, else one per value of the facts that are. */
type Entry = {
  readonly facts: readonly FactName[];
  free?: Answer;
  keyed?: TwoGenerations<string, Answer>;
};

/**
 * The answers to one principal in one environment, each computed once. The caller keeps one of these per subject and
 * target, so a changed group, grant or version begins with nothing remembered.
 */
export class Answers {
  readonly #book: RuleBook;
  readonly #principal: Principal;
  readonly #home: Home;
  readonly #entries = new Map<Action, TwoGenerations<string, Entry>>();

  constructor(book: RuleBook, principal: Principal, home: Home) {
    this.#book = book;
    this.#principal = principal;
    this.#home = home;
  }

  /** The name of the target that the answers are about. */
  get target(): string {
    return this.#home.name;
  }

  about(action: Action, resource: Resource, ask: AskFacts): Answer {
    const entry = this.#entry(action, resource);
    if (entry.free) return entry.free;
    if (entry.facts.length === 0) return (entry.free = this.#compute(action, resource, ask()));
    const facts = ask();
    const key = JSON.stringify(entry.facts.map((name) => facts[name] ?? null));
    if (key.length > maxKeyLength) return this.#compute(action, resource, facts);
    entry.keyed ??= new TwoGenerations(maxKeyed);
    let answer = entry.keyed.get(key);
    if (!answer) entry.keyed.set(key, (answer = this.#compute(action, resource, facts)));
    return answer;
  }

  #entry(action: Action, resource: Resource): Entry {
    let entries = this.#entries.get(action);
    if (!entries) this.#entries.set(action, (entries = new TwoGenerations(maxAnswers)));
    const { key } = namesOf(resource);
    let entry = entries.get(key);
    if (entry) return entry;
    const alike = namesOf(this.#book.alike(resource)).key;
    entry = entries.get(alike);
    if (!entry) {
      const { keys } = chainOf(resource, this.#home);
      const facts = new Set<FactName>();
      for (const rule of this.#book.rules.values())
        if (mayConcern(rule.json, action, keys)) for (const fact of rule.facts) facts.add(fact);
      entries.set(alike, (entry = { facts: [...facts] }));
    }
    entries.set(key, entry);
    return entry;
  }

  #compute(action: Action, resource: Resource, facts: Facts): Answer {
    const chain = chainOf(resource, this.#home);
    const all = this.#ask('all', action, chain, facts);
    if (all.kind === 'error') return all;
    const rules = all.reasons.flatMap((id) => this.#book.rules.get(id) ?? []);
    if (all.allow) return permitted(rules, action);
    if (rules.length === 0) return { kind: 'none' };
    const forbids = rules.filter((rule) => !rule.terms.hold);
    if (forbids.length > 0) return this.#forbidden(action, chain, facts, forbids);
    const hard = this.#ask('hard', action, chain, facts);
    if (hard.kind === 'error') return hard;
    if (!hard.allow) return { kind: 'none' };
    const permits = hard.reasons
      .flatMap((id) => this.#book.rules.get(id) ?? [])
      .filter(speaksOf(action));
    return permits.length > 0 ? { kind: 'hold', holds: rules, permits } : { kind: 'none' };
  }

  #forbidden(action: Action, chain: Chain, facts: Facts, forbids: readonly Rule[]): Answer {
    // Only masks ask what would have been without the forbids.
    if (action !== 'reveal') return { kind: 'forbid', forbids, permitted: false };
    const permits = this.#ask('permits', action, chain, facts);
    if (permits.kind === 'error') return permits;
    if (!permits.allow) return { kind: 'forbid', forbids, permitted: false };
    const rules = permits.reasons.flatMap((id) => this.#book.rules.get(id) ?? []);
    const by = permitted(rules, action);
    if (by.kind === 'asking')
      return { kind: 'forbid', forbids, permitted: false, asking: by.asking };
    return { kind: 'forbid', forbids, permitted: by.kind === 'permit' };
  }

  #ask(set: SetName, action: Action, chain: Chain, facts: Facts): ReturnType<CedarSets['ask']> {
    const resource = chain.entities[0]?.uid;
    if (!resource || '__entity' in resource) return { kind: 'error', rules: [] };
    const question: Question = {
      principal: this.#principal.uid,
      action,
      resource,
      context: toCedar(facts),
      entities: [...this.#principal.entities, ...chain.entities],
    };
    return this.#book.sets.ask(set, question);
  }
}

/** A permit for every action was not written with roles in mind, and does not give them away. */
const speaksOf =
  (action: Action) =>
  ({ json }: Rule): boolean =>
    !isGrantAction(action) || actionsOf(json)?.includes(action) === true;

/** Cedar names every permit that applies; one that asks for nothing more is enough. */
function permitted(
  rules: readonly Rule[],
  action: Action,
): Extract<Answer, { kind: 'permit' | 'asking' | 'none' }> {
  const permits = rules.filter(speaksOf(action));
  if (permits.length === 0) return { kind: 'none' };
  const standing = permits.filter(({ terms }) => !terms.fresh);
  return standing.length > 0
    ? { kind: 'permit', permits: standing }
    : { kind: 'asking', asking: permits };
}
