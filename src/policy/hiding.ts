import type { Resource } from '../statement/effect.ts';
import type { Answer } from './answers.ts';
import { mayConcern } from './ast.ts';
import { stricterMask } from './combine.ts';
import { namesOf } from './entities.ts';
import { ownRules, type Tally } from './tally.ts';
import type { Mask } from './verdict.ts';

/** A mask with the rules that ask for it. */
type Masked = { readonly mask: Mask; readonly rules: readonly string[] };

/** Undefined when the column is shown. Nothing permitted, or no answer: null, the strictest. */
export function maskOf(answer: Answer, tally: Tally, column: Resource): Masked | undefined {
  if (answer.kind === 'permit') return undefined;
  if (answer.kind === 'asking' && tally.shows(answer.asking, column)) return undefined;
  if (answer.kind !== 'forbid') return { mask: { kind: 'null' }, rules: [ownRules.noPermit] };
  const rules = answer.forbids.map((rule) => rule.id);
  const permitted = answer.permitted || (answer.asking && tally.shows(answer.asking, column));
  if (!permitted) return { mask: { kind: 'null' }, rules };
  return { mask: answer.forbids.map((rule) => rule.terms.mask).reduce(stricterMask), rules };
}

/** Whether a permit for `assign` names this very column. */
export function namesColumn(answer: Answer, column: Resource): boolean {
  if (answer.kind !== 'permit' && answer.kind !== 'hold') return false;
  const own = [namesOf(column).key];
  return answer.permits.some(
    ({ json }) => json.resource.op === '==' && mayConcern(json, 'assign', own),
  );
}
