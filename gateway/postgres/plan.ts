import { stricterMask } from '#src/policy/combine.ts';
import type { Mask, Obligations } from '#src/policy/verdict.ts';
import { type Output, resourceId } from '#src/statement/effect.ts';
import type { Analysis } from '#src/statement/sql/analysis.ts';
import type { Refused } from '#src/statement/statement.ts';

export type Part = Analysis['parts'][number];

/** What must be done to one statement's result on its way to the client. */
export type ResultPlan = {
  readonly part: Part;
  /** Column by column; undefined when nothing is masked. */
  readonly masks: readonly (Mask | undefined)[] | undefined;
  /** The text of errors and notices is withheld: it may carry a value that some rule hides. */
  readonly withhold: boolean;
  readonly rowLimit: number | undefined;
};

const NULL: Mask = { kind: 'null' };

/** The mask of one output: the strictest of its sources; a value that was computed from them keeps nothing. */
export function maskOf(output: Output, masks: ReadonlyMap<string, Mask>): Mask | undefined {
  let strictest: Mask | undefined;
  for (const source of output.sources) {
    const mask = masks.get(resourceId(source));
    if (!mask) continue;
    if (!output.verbatim) return NULL;
    strictest = strictest ? stricterMask(strictest, mask) : mask;
  }
  return strictest;
}

export function planOf(part: Part, obligations: Obligations, withhold: boolean): ResultPlan {
  const { masks } = obligations;
  const columns =
    masks.size === 0 ? undefined : part.effect.outputs?.map((output) => maskOf(output, masks));
  return {
    part,
    masks: columns?.some((mask) => mask !== undefined) ? columns : undefined,
    withhold,
    rowLimit: part.returnsRows ? obligations.rows : undefined,
  };
}

/** What cannot be done to a result on its way: COPY is not masked cell by cell, a cursor's rows are not counted together. */
export function unfit(parts: readonly Part[], obligations: Obligations): Refused | undefined {
  for (const part of parts) {
    const limited = obligations.rows !== undefined && (part.copy === 'out' || part.declares);
    if (limited) return unlimitable;
    if (part.copy === 'out' && planOf(part, obligations, false).masks) return unmaskable;
  }
  return undefined;
}

const unmaskable: Refused = {
  rule: 'countersign/copy-masked',
  message: 'COPY cannot carry masked columns',
  hint: 'Leave the masked columns out, or use SELECT.',
  code: '42501',
};
const unlimitable: Refused = {
  rule: 'countersign/rows-uncounted',
  message: 'a rule limits the rows of this result, and COPY and cursors cannot be limited',
  hint: 'Use SELECT.',
  code: '42501',
};
