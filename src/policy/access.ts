import type { Subject } from '../identity/person.ts';
import { resourceId, type GrantAction, type Resource } from '../statement/effect.ts';
import type { Answer, Answers } from './answers.ts';
import { mentions } from './ast.ts';
import { combineHolds } from './combine.ts';
import { Ownership, type Grounds } from './ownership.ts';
import { factsOf } from './facts.ts';
import { decodeName } from './hidden.ts';
import type { AccessAsked, TargetFacts } from './policy.ts';
import type { Rule } from './rule.ts';
import { ownRules } from './tally.ts';
import type { Access, AccessTerms, FreshTerms } from './verdict.ts';

const HOUR_MS = 3_600_000;
const WAITS_MS = 24 * HOUR_MS;

/** What the answers to everybody who asks together come to: a person, or an agent and the person it acts for. */
class Asked {
  readonly permits = new Set<Rule>();
  readonly holds = new Set<Rule>();
  readonly denials: { readonly rules: readonly string[]; readonly message: string }[] = [];

  add(answer: Answer, none: string): void {
    switch (answer.kind) {
      case 'permit':
        answer.permits.forEach((rule) => this.permits.add(rule));
        break;
      case 'asking':
        answer.asking.forEach((rule) => this.permits.add(rule));
        break;
      case 'hold':
        answer.holds.forEach((rule) => this.holds.add(rule));
        answer.permits.forEach((rule) => this.permits.add(rule));
        break;
      case 'forbid':
        for (const { id, terms } of answer.forbids)
          this.denials.push({ rules: [id], message: terms.message ?? `rule ${id} forbids it` });
        break;
      case 'error':
        this.denials.push({ rules: [ownRules.ruleError, ...answer.rules], message: FAILED });
        break;
      case 'none':
        this.denials.push({ rules: [ownRules.noPermit], message: none });
        break;
      default:
        answer satisfies never;
    }
  }
}

const FAILED = 'a rule could not be evaluated, and a failed rule never lets anything pass';
const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)].toSorted();
const idsOf = (rules: Iterable<Rule>): readonly string[] => [...rules].map(({ id }) => id);

/** What the rules say to somebody who asks for a role, or takes it at once; the role itself never counts for that. */
export function judgeAccess(
  scopeOf: (subject: Subject) => readonly Answers[],
  subject: Subject,
  grounds: Grounds,
  target: TargetFacts,
  action: GrantAction,
  { role: name, minutes, reason, now }: AccessAsked,
): Access {
  const role: Resource = { type: 'Role', path: [target.name, name] };
  const doing = { class: action, bounded: true, ...(minutes !== undefined && { minutes }) };
  const context = { inTransaction: false, now, ...(reason !== undefined && { reason }) };
  const asked = new Asked();
  try {
    const facts = factsOf(doing, context, subject.agent !== undefined, target.timeZone);
    const id = resourceId(role);
    const without = { ...subject, roles: subject.roles.filter((each) => each !== id) };
    for (const answers of scopeOf(without))
      asked.add(answers.about(action, role, facts), nothing(action, role));
  } catch {
    asked.add({ kind: 'error', rules: [] }, FAILED);
  }
  const owned = new Ownership(grounds);
  for (const rule of asked.holds) owned.touched(rule, role);
  return summed(asked, owned);
}

function summed({ permits, holds, denials }: Asked, owned: Ownership): Access {
  if (denials.length > 0)
    return {
      kind: 'deny',
      rules: [...new Set(denials.flatMap(({ rules }) => rules))],
      message: [...new Set(denials.map(({ message }) => message))].join('; '),
    };
  const nobodys = owned.nobodys();
  if (nobodys) return nobodys;
  const requirement = combineHolds([...holds], owned);
  const terms = termsOf([...permits], [...holds], requirement.channels);
  if (holds.size === 0) return { kind: 'allow', rules: idsOf(permits), terms };
  const said = [...holds].map(
    ({ id, terms: { message, hold } }) =>
      message ?? `rule ${id} asks for ${hold?.group ?? 'a second person'}`,
  );
  return {
    kind: 'hold',
    rules: idsOf(holds),
    message: [...new Set(said)].join('; '),
    requirement,
    terms,
  };
}

/** The roles on a target that rules name, sorted. */
export function rolesNamed(rules: Iterable<Rule>, target: string): readonly string[] {
  const found = new Set<string>();
  for (const { json } of rules)
    for (const { type, id } of mentions(json)) {
      const [on, role = '', ...more] = id.split('/').map(decodeName);
      if (type === 'Role' && on === target && role !== '' && more.length === 0) found.add(role);
    }
  return [...found].toSorted();
}

const nothing = (action: GrantAction, { path }: Resource): string =>
  action === 'request'
    ? `no rule lets you ask for the role ${path[1]} on ${path[0]}`
    : `no rule lets you take the role ${path[1]} on ${path[0]} by break-glass`;

/** `channels`: of the rules that hold it and are asked first. */
function termsOf(
  permits: readonly Rule[],
  holds: readonly Rule[],
  channels: readonly string[],
): AccessTerms {
  const said = [...permits, ...holds].flatMap(({ terms }) => terms.grant ?? []);
  const holding = holds.flatMap(({ terms }) => terms.hold ?? []);
  const lengths = said.flatMap(({ longestMs }) => longestMs ?? []);
  const fresh = freshOf(permits);
  return {
    longestMs: lengths.length > 0 ? Math.min(...lengths) : HOUR_MS,
    start: said.some(({ start }) => start === 'approval') ? 'approval' : 'use',
    waitsMs: WAITS_MS,
    // What one rule wants ended at once is ended at once.
    ends: said.length > 0 && said.every(({ ends }) => ends === 'finish') ? 'finish' : 'cancel',
    reasonRequired: [...said, ...holding].some(({ reasonRequired }) => reasonRequired),
    tickets: unique(said.flatMap(({ ticket }) => ticket ?? [])),
    reviewers: unique(said.flatMap(({ review }) => review ?? [])),
    channels: unique([...channels, ...permits.flatMap(({ terms }) => terms.grant?.channel ?? [])]),
    ...(fresh && { fresh }),
  };
}

/** A permit that asks for no sign-in is enough by itself; of several that do, all that they ask. */
function freshOf(permits: readonly Rule[]): FreshTerms | undefined {
  const asked = permits.flatMap(({ terms }) => terms.fresh ?? []);
  if (asked.length === 0 || asked.length < permits.length) return undefined;
  const acr = asked.find((each) => each.acr !== undefined)?.acr;
  const amr = [...new Set(asked.flatMap((each) => each.amr ?? []))];
  return {
    ageMs: Math.min(...asked.map(({ ageMs }) => ageMs)),
    ...(acr !== undefined && { acr }),
    ...(amr.length > 0 && { amr }),
  };
}
