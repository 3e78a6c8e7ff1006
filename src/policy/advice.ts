import type { Obstacle } from './conditions.ts';
import type { Explanation, QuestionNote, RuleNote } from './explain.ts';

/** One thing that would have to be otherwise, and the rule that would then speak differently. */
export type Advice = { readonly rule: string; readonly text: string };

/** What would have to change for a statement to be allowed, or for a column to be shown; each thing once. */
export function adviceFor({ questions }: Pick<Explanation, 'questions'>): readonly Advice[] {
  const found = new Map<string, Advice>();
  for (const question of questions)
    for (const advice of adviceOn(question)) found.set(`${advice.rule} ${advice.text}`, advice);
  return [...found.values()];
}

function adviceOn({ answer, rules, action, object }: QuestionNote): Advice[] {
  if (answer === 'permit') return [];
  const forbids = rules.filter((rule) => rule.effect === 'forbid' && rule.applies);
  const permits = rules.filter((rule) => rule.effect === 'permit');
  const missing = {
    rule: '',
    text: `no rule permits ${action} on ${object} to anybody: write one`,
  };
  if (permits.length === 0) return [...forbids.flatMap(lifting), missing];
  const permitted = permits.some((rule) => rule.applies && !rule.fresh);
  return [...forbids.flatMap(lifting), ...(permitted ? [] : permits.flatMap(applying))];
}

/** A permit that did not apply, or not yet. */
function applying({ id, because, fresh }: RuleNote): Advice[] {
  if (because) return [{ rule: id, text: `it would permit this ${otherwise(because)}` }];
  return fresh ? [{ rule: id, text: 'it permits this behind a fresh sign-in' }] : [];
}

/** A forbid that applies. */
function lifting({ id, hold, clauses = [] }: RuleNote): Advice[] {
  const held = hold === undefined ? [] : [{ rule: id, text: `a member of ${hold} can lift it` }];
  const ways = clauses.map((clause) => ({
    rule: id,
    text: `it would not apply ${exempting(clause)}`,
  }));
  return [...held, ...ways];
}

const TIMES = ['hour', 'weekday', 'time', 'date'];

/** What is asked in words where there are some, and in the rule's own. */
function otherwise({ kind, text, facts, named }: Obstacle): string {
  if (kind === 'principal') return `to ${named[0] ?? `a ${text}`}`;
  const how = wordsFor(facts);
  if (kind === 'unless') return `were it not so that ${text}`;
  return how === undefined ? `when ${text}` : `when ${text}: ${how}`;
}

function exempting({ kind, text, facts }: Obstacle): string {
  const how = wordsFor(facts);
  const also = how === undefined ? '' : `: ${how}`;
  return kind === 'unless' ? `when ${text}${also}` : `were it not so that ${text}`;
}

function wordsFor(facts: readonly string[]): string | undefined {
  const said = [
    facts.includes('bounded') && 'give every UPDATE and DELETE a WHERE',
    facts.includes('reason') && `SET countersign.reason = '…'`,
    facts.includes('purpose') && `SET countersign.purpose = '…'`,
    facts.some((fact) => TIMES.includes(fact)) && 'at another time',
    facts.includes('inTransaction') && 'mind the open transaction',
  ].filter((words) => words !== false);
  return said.length > 0 ? said.join('; ') : undefined;
}
