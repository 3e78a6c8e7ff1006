import type { AskedGroup } from './verdict.ts';

/** Groups in the order of their turns: `2 of dba, then 1 of security`. */
export function inTurns(
  groups: readonly AskedGroup[],
  words: (asked: AskedGroup) => string,
): string {
  const stages = new Map<number, string[]>();
  for (const asked of groups) {
    const { stage = 1 } = asked;
    stages.set(stage, [...(stages.get(stage) ?? []), `${words(asked)}${termsOf(asked)}`]);
  }
  return [...stages]
    .toSorted(([a], [b]) => a - b)
    .map(([, texts]) => texts.join(' and '))
    .join(', then ');
}

/** ` (owner of shop.public.orders; outside Mon-Fri 09:00-17:00 oncall; after 10 min security, too)` */
function termsOf({ owns, hours, escalate = [] }: AskedGroup): string {
  const terms = [
    ...(owns ? [`owner of ${owns.join(', ')}`] : []),
    ...(hours ? [`outside ${hours.text} ${hours.timeZone} ${hours.outside}`] : []),
    ...escalate.map(({ afterMs, group }) => `after ${timeText(afterMs)} ${group}, too`),
  ];
  return terms.length > 0 ? ` (${terms.join('; ')})` : '';
}

/** `90 s`, `10 min`, `2 h` */
export function timeText(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60 || seconds % 60 !== 0) return `${seconds} s`;
  const minutes = seconds / 60;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
}
