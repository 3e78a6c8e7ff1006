import type { Action, Resource } from '../statement/effect.ts';
import { Answers, type Answer } from './answers.ts';
import { mayConcern } from './ast.ts';
import type { RuleBook } from './book.ts';
import { clausesOf, obstacleOf, type Obstacle, type Situation } from './conditions.ts';
import { chainOf, namesOf, type Home, type Principal } from './entities.ts';
import { toCedar, type AskFacts, type Facts } from './facts.ts';
import type { Rule } from './rule.ts';
import type { Verdict } from './verdict.ts';

/** A rule whose head speaks of the action and the object that were asked about. */
export type RuleNote = {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  /** A group that can lift it. */
  readonly hold?: string;
  readonly message?: string;
  /** A permit that counts only behind a fresh sign-in. */
  readonly fresh?: true;
  readonly applies: boolean;
  /** Of a rule that does not apply: the first thing that is not as it asks. */
  readonly because?: Obstacle;
  /** Of a forbid that applies: its clauses, each of which could be otherwise. */
  readonly clauses?: readonly Obstacle[];
};

export type QuestionNote = {
  /** Whose power was asked for: of an agent, its own and that of its person. */
  readonly principal: string;
  readonly action: Action;
  /** `Table::"shop/public/orders"` */
  readonly object: string;
  readonly answer: Answer['kind'];
  readonly rules: readonly RuleNote[];
};

export type Explanation = {
  readonly verdict: Verdict;
  readonly questions: readonly QuestionNote[];
};

/** A question as it was asked. */
export type Heard = {
  readonly principal: Principal;
  readonly home: Home;
  readonly action: Action;
  readonly resource: Resource;
  readonly facts: Facts;
  readonly answer: Answer;
};

/** Answers that tell what they were asked. */
export class Overheard extends Answers {
  readonly #about: { readonly principal: Principal; readonly home: Home };
  readonly #heard: Heard[];

  constructor(book: RuleBook, principal: Principal, home: Home, heard: Heard[]) {
    super(book, principal, home);
    this.#about = { principal, home };
    this.#heard = heard;
  }

  override about(action: Action, resource: Resource, ask: AskFacts): Answer {
    const answer = super.about(action, resource, ask);
    this.#heard.push({ ...this.#about, action, resource, facts: ask(), answer });
    return answer;
  }
}

/** Each different question once, in the order in which they were asked. */
export function questionsOf(book: RuleBook, heard: readonly Heard[]): readonly QuestionNote[] {
  const notes = new Map<string, QuestionNote>();
  for (const one of heard) {
    const { principal, action, resource, facts } = one;
    const key = JSON.stringify([principal.uid, action, namesOf(resource).key, facts]);
    if (!notes.has(key)) notes.set(key, noteOf(book, one));
  }
  return [...notes.values()];
}

function noteOf(book: RuleBook, heard: Heard): QuestionNote {
  const { principal, action, resource, facts, answer, home } = heard;
  const chain = chainOf(resource, home);
  const situation: Situation = {
    principal: principal.uid,
    action,
    resource: { type: resource.type, id: namesOf(resource).id },
    context: toCedar(facts),
    entities: [...principal.entities, ...chain.entities],
  };
  const applying = new Set(
    (['all', 'permits'] as const).flatMap((set) => {
      const decision = book.sets.ask(set, situation);
      return decision.kind === 'decided' ? decision.reasons : [];
    }),
  );
  const rules = [...book.rules.values()]
    .filter(({ json }) => mayConcern(json, action, chain.keys))
    .map((rule) => ruleNote(rule, applying.has(rule.id), situation));
  return {
    principal: `${principal.uid.type}::${JSON.stringify(principal.uid.id)}`,
    action,
    object: `${resource.type}::${JSON.stringify(situation.resource.id)}`,
    answer: answer.kind,
    rules,
  };
}

function ruleNote(rule: Rule, applies: boolean, situation: Situation): RuleNote {
  const { id, effect, terms, json } = rule;
  const because = applies ? undefined : obstacleOf(json, situation);
  const clauses = applies && effect === 'forbid' ? clausesOf(json) : [];
  return {
    id,
    effect,
    ...(terms.hold && { hold: terms.hold.group }),
    ...(terms.message !== undefined && { message: terms.message }),
    ...(terms.fresh && { fresh: true as const }),
    applies,
    ...(because && { because }),
    ...(clauses.length > 0 && { clauses }),
  };
}
