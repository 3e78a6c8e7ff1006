import type { Subject } from '../identity/person.ts';
import {
  type Action,
  type Effect,
  type Escape,
  type GrantAction,
  type Resource,
} from '../statement/effect.ts';
import { Answers } from './answers.ts';
import { judgeAccess, rolesNamed } from './access.ts';
import { mayConcern, principalOf } from './ast.ts';
import { TwoGenerations } from './cache.ts';
import { RuleBook } from './book.ts';
import { chainOf, principalsOf } from './entities.ts';
import { Overheard, questionsOf, type Explanation, type Heard } from './explain.ts';
import { factsOf, type AskFacts } from './facts.ts';
import { columnsNamed, Hiding } from './hidden.ts';
import { maskOf, namesColumn } from './hiding.ts';
import type { AccessAsked, Context, Policy, TargetFacts } from './policy.ts';
import { Remembered } from './remembered.ts';
import type { Rule } from './rule.ts';
import { ownRules, Tally } from './tally.ts';
import type { Grounds } from './ownership.ts';
import type { Owners } from './owners.ts';
import { unrestricted } from './unrestricted.ts';
import type { Access, Verdict } from './verdict.ts';

const maxScopes = 1_024;
const opening = { class: 'connect', bounded: true } as const;

/** One version of the rules over Cedar, with the answers it has given. */
export class CedarPolicy implements Policy {
  readonly version: string;
  readonly #book: RuleBook;
  /** Per subject and target; a subject whose groups or grants changed is another subject. */
  readonly #scopes = new TwoGenerations<string, readonly Answers[]>(maxScopes);
  /** By the effects of an analysis: what was allowed without a look at any fact of the moment is allowed again. */
  readonly #verdicts = new Remembered();
  /** May this subject connect to this target, where no fact of the moment matters? */
  readonly #doors = new WeakMap<readonly Answers[], Verdict>();
  readonly #free = new WeakMap<readonly Answers[], boolean>();
  readonly #hiding: Hiding;
  readonly #subjects = new WeakMap<Subject, string>();
  readonly #targets = new WeakMap<TargetFacts, Resource>();
  readonly #owners: Owners | undefined;

  constructor(version: string, rules: readonly Rule[], owners?: Owners) {
    this.version = version;
    this.#owners = owners;
    this.#book = new RuleBook(rules);
    this.#hiding = new Hiding(this.#book);
  }

  get rules(): Iterable<Rule> {
    return this.#book.rules.values();
  }

  connect(subject: Subject, target: TargetFacts, context: Context): Verdict {
    return failClosed(() => this.#door(this.#scope(subject, target), subject, target, context));
  }

  judge(
    subject: Subject,
    target: TargetFacts,
    effects: readonly Effect[],
    context: Context,
  ): Verdict {
    return failClosed(() =>
      this.#judge(this.#scope(subject, target), subject, target, effects, context),
    );
  }

  /** As `judge`, with every question that was asked on the way, and why each rule did or did not apply. */
  explain(
    subject: Subject,
    target: TargetFacts,
    effects: readonly Effect[],
    context: Context,
  ): Explanation {
    const heard: Heard[] = [];
    const scope = principalsOf(subject).map(
      (principal) => new Overheard(this.#book, principal, target, heard),
    );
    const verdict = failClosed(() => this.#judge(scope, subject, target, effects, context));
    return { verdict, questions: questionsOf(this.#book, heard) };
  }

  #judge(
    scope: readonly Answers[],
    subject: Subject,
    target: TargetFacts,
    effects: readonly Effect[],
    context: Context,
  ): Verdict {
    // The right to connect may have ended since the session began.
    const connected = this.#door(scope, subject, target, context);
    if (connected.kind !== 'allow') return connected;
    const agent = subject.agent !== undefined;
    // What a person proves about themselves shows a program nothing.
    const asker = { scope, signIn: agent ? undefined : context.signIn };
    const before = this.#verdicts.get(effects, asker, context.now);
    if (before) return before;
    const tally = new Tally(this.#grounds(target), asker.signIn, context.now);
    let lasting = true;
    for (const effect of effects) {
      const facts = factsOf(effect, context, agent, target.timeZone);
      this.#judgeEffect(tally, scope, effect, facts);
      lasting &&= !facts.asked;
    }
    const verdict = tally.verdict(context.reason);
    // Whether a hold stands depends on the reason that was given.
    if (verdict.kind === 'allow' && lasting) this.#verdicts.set(effects, asker, verdict);
    return verdict;
  }

  access(subject: Subject, target: TargetFacts, action: GrantAction, asked: AccessAsked): Access {
    const scopeOf = (who: Subject): readonly Answers[] => this.#scope(who, target);
    return judgeAccess(scopeOf, subject, this.#grounds(target), target, action, asked);
  }

  #grounds({ timeZone }: TargetFacts): Grounds {
    return { timeZone, owners: this.#owners };
  }

  roles(target: string): readonly string[] {
    return rolesNamed(this.rules, target);
  }

  asksRows(target: TargetFacts, effects: readonly Effect[]): boolean {
    return this.#book.asksRows(effects, target);
  }

  unrestricted(subject: Subject, target: TargetFacts): boolean {
    const scope = this.#scope(subject, target);
    let free = this.#free.get(scope);
    if (free === undefined)
      this.#free.set(scope, (free = unrestricted(this.#book.rules.values(), subject, target)));
    return free;
  }

  hides(target: TargetFacts): boolean {
    return this.#hiding.hides(target);
  }

  isRuled(target: TargetFacts, column: Resource): boolean {
    return this.#hiding.isRuled(target, column);
  }

  #scope(subject: Subject, target: TargetFacts): readonly Answers[] {
    let who = this.#subjects.get(subject);
    if (who === undefined) {
      const { person, agent, roles } = subject;
      who = JSON.stringify([person.email, person.groups, roles, agent?.id, agent?.groups]);
      this.#subjects.set(subject, who);
    }
    const key = `${target.name}\0${target.environment}\0${who}`;
    let scope = this.#scopes.get(key);
    if (!scope) {
      scope = principalsOf(subject).map((principal) => new Answers(this.#book, principal, target));
      this.#scopes.set(key, scope);
    }
    return scope;
  }

  #door(
    scope: readonly Answers[],
    subject: Subject,
    target: TargetFacts,
    context: Context,
  ): Verdict {
    const before = this.#doors.get(scope);
    if (before) return before;
    const tally = new Tally(this.#grounds(target));
    const facts = factsOf(opening, context, subject.agent !== undefined, target.timeZone);
    const resource = this.#targets.get(target) ?? { type: 'Target', path: [target.name] };
    this.#targets.set(target, resource);
    this.#count(tally, scope, 'connect', resource, facts);
    const verdict = tally.verdict(context.reason);
    if (verdict.kind === 'allow' && !facts.asked) this.#doors.set(scope, verdict);
    return verdict;
  }

  #judgeEffect(tally: Tally, scope: readonly Answers[], effect: Effect, facts: AskFacts): void {
    for (const { action, resource } of effect.accesses)
      this.#count(tally, scope, action, resource, facts);
    this.#judgeColumns(tally, scope, effect, facts);
    if (effect.opaque) this.#opaque(tally, scope, effect, facts);
    if (effect.escapes) this.#escape(tally, scope, effect.escapes, facts);
  }

  /** A way past the tables that rules speak of is the administrator's, whatever else is permitted. */
  #escape(
    tally: Tally,
    scope: readonly Answers[],
    escapes: readonly Escape[],
    facts: AskFacts,
  ): void {
    for (const answers of scope) {
      const target: Resource = { type: 'Target', path: [answers.target] };
      const { kind } = answers.about('administer', target, facts);
      if (kind !== 'permit' && kind !== 'hold') {
        const message = `it reaches past the tables that rules speak of (${escapes.join(', ')})`;
        tally.deny([ownRules.escape], message, `only who may administer ${answers.target} can`);
      }
      this.#count(tally, [answers], 'administer', target, facts);
    }
  }

  #judgeColumns(tally: Tally, scope: readonly Answers[], effect: Effect, facts: AskFacts): void {
    for (const { action, column } of effect.columns) {
      if (action === 'reveal') this.#reveal(tally, scope, column, facts);
      else this.#count(tally, scope, action, column, facts);
      if (action === 'assign') this.#assign(tally, scope, effect, column, facts);
    }
    const revealed = effect.outputs?.flatMap(({ sources }) => sources) ?? [];
    for (const column of revealed) this.#reveal(tally, scope, column, facts);
    for (const column of effect.flows ?? []) this.#flow(tally, scope, column, facts);
    for (const column of effect.computed ?? []) this.#computed(tally, scope, column, facts);
  }

  /** Counts one answer per principal, so that an agent never gets more than its person. */
  #count(
    tally: Tally,
    scope: readonly Answers[],
    action: Action,
    resource: Resource,
    facts: AskFacts,
  ): void {
    for (const answers of scope) {
      const answer = answers.about(action, resource, facts);
      if (answer.kind === 'permit') tally.permit(answer.permits, action);
      else if (answer.kind === 'error') tally.fail(answer);
      else if (answer.kind === 'forbid') tally.forbid(answer.forbids, words(action, resource));
      else if (answer.kind !== 'hold') this.#refuse(tally, action, resource);
      else {
        tally.hold(answer.holds, action, resource);
        tally.permit(answer.permits, action);
      }
    }
  }

  #refuse(tally: Tally, action: Action, resource: Resource): void {
    const message = `no rule permits ${words(action, resource)}`;
    tally.deny([ownRules.noPermit], message, this.#whoMay(action, resource));
  }

  /** Whom the permits for this name, so that the refused person knows whom to ask. */
  #whoMay(action: Action, resource: Resource): string {
    const keeper = `ask whoever keeps the rules of ${resource.path[0] ?? 'this target'} to permit it`;
    const { keys } = chainOf(resource, { name: resource.path[0] ?? '', environment: '' });
    const groups = [...this.#book.rules.values()].flatMap(({ effect, json }) => {
      const principal = principalOf(json);
      const named = effect === 'permit' && principal?.type === 'Group';
      return named && mayConcern(json, action, keys) ? principal.id : [];
    });
    const names = [...new Set(groups)].toSorted().join(', ');
    return names === '' ? keeper : `members of ${names} may; or ${keeper}`;
  }

  #reveal(tally: Tally, scope: readonly Answers[], column: Resource, facts: AskFacts): void {
    for (const answers of scope) {
      const answer = answers.about('reveal', column, facts);
      if (answer.kind === 'error') tally.fail(answer);
      const masked = maskOf(answer, tally, column);
      if (masked) tally.mask(column, masked.mask, masked.rules);
      else if (answer.kind === 'permit') tally.permit(answer.permits, 'reveal');
    }
  }

  /** Blind changes of what one may not see are how masks are worn away: only a permit for this very column allows them. */
  #assign(
    tally: Tally,
    scope: readonly Answers[],
    effect: Effect,
    column: Resource,
    facts: AskFacts,
  ): void {
    if ((effect.class === 'insert' || effect.class === 'copy') && !effect.upsert) return;
    for (const answers of scope) {
      const masked = maskOf(answers.about('reveal', column, facts), tally, column);
      if (!masked || namesColumn(answers.about('assign', column, facts), column)) continue;
      const message = `${words('assign', column)} is refused: its values are hidden from you`;
      const hint = `only a permit for assign on this very column (resource == Column::"…") allows it`;
      tally.deny([ownRules.maskedAssign, ...masked.rules], message, hint);
    }
  }

  /** Computing with a hidden column tells as much as a condition on it, so it asks for the same right. */
  #computed(tally: Tally, scope: readonly Answers[], column: Resource, facts: AskFacts): void {
    const hidden = scope.some((answers) =>
      maskOf(answers.about('reveal', column, facts), tally, column),
    );
    if (hidden) this.#count(tally, scope, 'filter', column, facts);
  }

  #flow(tally: Tally, scope: readonly Answers[], column: Resource, facts: AskFacts): void {
    for (const answers of scope) {
      const masked = maskOf(answers.about('reveal', column, facts), tally, column);
      if (!masked) continue;
      const message = `${column.path.join('.')} is hidden from you, so its values may not be copied into a table, a setting or a notification`;
      tally.deny([ownRules.maskedFlow, ...masked.rules], message, 'leave the column out');
    }
  }

  #opaque(tally: Tally, scope: readonly Answers[], effect: Effect, facts: AskFacts): void {
    const touched = new Map<string, Resource>();
    const add = (column: Resource): void => void touched.set(column.path.join('\0'), column);
    for (const { column } of effect.columns) add(column);
    for (const output of effect.outputs ?? []) output.sources.forEach(add);
    for (const { resource } of effect.accesses)
      if (resource.type === 'Table') columnsNamed(this.#book.rules, resource).forEach(add);
    for (const column of touched.values())
      for (const answers of scope) {
        const masked = maskOf(answers.about('reveal', column, facts), tally, column);
        if (!masked) continue;
        const { path } = column;
        const what =
          path.at(-1) === '*' ? `columns of ${path.slice(0, -1).join('.')}` : path.join('.');
        const message = `this runs code that cannot be looked into, over ${what}, hidden from you`;
        const hint = 'use built-in functions only, or leave the table out';
        tally.deny([ownRules.opaque, ...masked.rules], message, hint);
      }
  }
}

const words = (action: Action, resource: Resource): string =>
  `${action} on ${resource.path.join('.')}`;

/** Whatever goes wrong while rules are asked is a refusal. */
function failClosed(judge: () => Verdict): Verdict {
  try {
    return judge();
  } catch {
    const tally = new Tally({ timeZone: 'UTC' });
    tally.fail({ kind: 'error', rules: [] });
    return tally.verdict(undefined);
  }
}
