import type { TargetConfig } from '#src/config/config.ts';
import type { Subject } from '#src/identity/person.ts';
import { adviceFor } from '#src/policy/advice.ts';
import type { QuestionNote, RuleNote } from '#src/policy/explain.ts';
import type { Verdict } from '#src/policy/verdict.ts';
import type { Tried } from '#gateway/postgres/trial.ts';
import { printable, type Terminal } from '../terminal.ts';
import { masksOf, requirementText, verdictText } from './words.ts';

/** For scripts. */
export function jsonOf(tried: Tried, subject: Subject, target: TargetConfig): unknown {
  const { verdict, questions, words } = tried;
  return {
    verdict: {
      ...verdict,
      ...(verdict.kind !== 'deny' && { masks: Object.fromEntries(masksOf(verdict)) }),
    },
    target: target.name,
    person: subject.person,
    roles: subject.roles,
    ...(subject.agent && { agent: subject.agent }),
    does: words,
    questions,
    changes: adviceFor({ questions }),
  };
}

const COLOURS = { allow: 'green', hold: 'yellow', deny: 'red' } as const;

/** For people: the verdict, who asks, what it would do, every question with its rules, and what would change it. */
export function* linesOf(
  tried: Tried,
  subject: Subject,
  target: TargetConfig,
  terminal: Terminal,
): Generator<string> {
  const { verdict, questions, words } = tried;
  yield* verdictLines(verdict, terminal);
  yield '';
  yield whoLine(subject, target);
  for (const each of words) yield `  ${printable(each)}`;
  yield* obligations(tried, terminal);
  if (questions.length > 0) yield* ['', terminal.paint('bold', 'Asked')];
  for (const question of questions) yield* questionLines(question, subject, terminal);
  const fine = verdict.kind === 'allow' && verdict.masks.size === 0;
  const advice = fine ? [] : adviceFor(tried);
  if (advice.length > 0) yield* ['', terminal.paint('bold', 'What would change it')];
  for (const { rule, text } of advice) yield `  ${rule === '' ? '' : `${rule}: `}${text}`;
}

function* verdictLines(verdict: Verdict, terminal: Terminal): Generator<string> {
  yield terminal.paint(COLOURS[verdict.kind], verdictText(verdict));
  if (verdict.kind !== 'allow') yield `  ${printable(verdict.message)}`;
  if (verdict.kind === 'hold') yield `  ${requirementText(verdict.requirement)}`;
  if (verdict.kind === 'deny' && verdict.hint !== undefined) yield `  ${verdict.hint}`;
}

function whoLine({ person, agent, roles }: Subject, target: TargetConfig): string {
  const groups = [...person.groups, ...roles].join(', ') || 'no group';
  const through = agent ? ` through ${agent.id}` : '';
  return `${person.email} (${groups})${through} on ${target.name} (${target.environment})`;
}

function* obligations({ verdict, questions }: Tried, terminal: Terminal): Generator<string> {
  if (verdict.kind === 'deny') return;
  const masks = masksOf(verdict);
  const width = Math.max(0, ...[...masks.keys()].map((column) => column.length));
  if (masks.size > 0) yield* ['', terminal.paint('bold', 'Masks')];
  for (const [column, mask] of masks)
    yield `  ${column.padEnd(width)}  ${mask.padEnd(8)} ${maskedBy(column, questions)}`;
  if (verdict.rows !== undefined) yield `  at most ${verdict.rows} rows of the result`;
  if (verdict.changes !== undefined) yield `  at most ${verdict.changes} rows changed`;
}

function maskedBy(column: string, questions: readonly QuestionNote[]): string {
  const asked = questions.filter(
    (one) => one.action === 'reveal' && one.object.endsWith(`/${column}"`),
  );
  const rules = asked.flatMap((one) =>
    one.rules.filter((rule) => rule.effect === 'forbid' && rule.applies).map((rule) => rule.id),
  );
  return rules.length > 0 ? `by ${[...new Set(rules)].join(', ')}` : 'because no rule reveals it';
}

const ANSWERS: Readonly<Record<QuestionNote['answer'], string>> = {
  permit: 'yes',
  hold: 'held',
  forbid: 'no',
  none: 'no',
  asking: 'no',
  error: 'error',
};

function* questionLines(
  { principal, action, object, answer, rules }: QuestionNote,
  { agent }: Subject,
  terminal: Terminal,
): Generator<string> {
  const colour = answer === 'permit' ? 'green' : answer === 'hold' ? 'yellow' : 'red';
  const said = terminal.paint(colour, ANSWERS[answer].padEnd(5));
  const as = agent ? `${principal.startsWith('Agent') ? 'agent' : 'person'} ` : '';
  yield `  ${said} ${as}${action.padEnd(10)} ${printable(object)}`;
  for (const rule of rules) yield `          ${ruleLine(rule)}`;
  if (rules.length === 0) yield '          no rule speaks of it';
}

function ruleLine({ id, effect, applies, hold, because }: RuleNote): string {
  const what = effect === 'forbid' && hold !== undefined ? 'hold' : effect;
  const head = `${applies ? '*' : ' '} ${what.padEnd(6)} ${id}`;
  if (applies || !because) return head;
  if (because.kind === 'principal') return `${head}   (only for ${printable(because.text)})`;
  const is = because.kind === 'when' ? 'not so' : 'it is so';
  return `${head}   (${because.kind} ${printable(because.text)}: ${is})`;
}
