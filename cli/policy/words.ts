import { inTurns } from '#src/policy/words.ts';
import type { Mask, Requirement, Verdict } from '#src/policy/verdict.ts';

/** A mask as `@mask("…")` spells it. */
export function maskText(mask: Mask): string {
  switch (mask.kind) {
    case 'fixed':
      return `fixed:${mask.text}`;
    case 'last':
      return `last${mask.keep}`;
    case 'hash':
      return mask.class === undefined ? 'hash' : `hash:${mask.class}`;
    case 'detect':
      return mask.kinds === undefined ? 'detect' : `detect:${mask.kinds.join(',')}`;
    case 'null':
    case 'email':
      return mask.kind;
  }
}

/** `15m`, as `@expires("…")` spells it. */
export function durationText(ms: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const)
    if (ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}

/** `2 of dba, then 1 of security (after 10 min oncall, too)` */
export const whoText = ({ groups }: Requirement): string =>
  inTurns(groups, ({ group, quorum }) => `${quorum} of ${group}`);

/** `2 of dba and 1 of security, within 15m, with a reason`. */
export function requirementText(requirement: Requirement): string {
  return [
    whoText(requirement),
    `within ${durationText(requirement.expiresMs)}`,
    ...(requirement.reasonRequired ? ['with a reason'] : []),
    ...(requirement.stepUpMs === undefined
      ? []
      : [`after a sign-in at most ${durationText(requirement.stepUpMs)} old`]),
  ].join(', ');
}

/** `deny by no-unbounded-write`; the rules of an allow are many and say little. */
export function verdictText(verdict: Verdict): string {
  return `${verdict.kind} by ${verdict.rules.join(', ')}`;
}

/** Masks by column, without the target's name: `public/customers/card` → `last4`. */
export function masksOf(verdict: Verdict): ReadonlyMap<string, string> {
  if (verdict.kind === 'deny') return new Map();
  return new Map(
    [...verdict.masks].map(([column, mask]) => [
      column.slice(column.indexOf('/') + 1),
      maskText(mask),
    ]),
  );
}
