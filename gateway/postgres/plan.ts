import { stricterMask } from '#src/policy/combine.ts';
import type { Mask, Obligations, RecordingTerms } from '#src/policy/verdict.ts';
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
  /** The most rows that it may change, together with the other statements of its string. */
  readonly changeLimit: number | undefined;
  /** The rules that set these limits. */
  readonly limitedBy: readonly string[];
  readonly recording: RecordingTerms | undefined;
  /** Columns that go out as they are, and that some rule hides from somebody who may read the recording. */
  readonly hidden: readonly boolean[] | 'all' | undefined;
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

/** `withhold` and `ruled` (column by column) say what of the result some rule hides from somebody. */
export function planOf(
  part: Part,
  obligations: Obligations,
  withhold: boolean,
  ruled: readonly boolean[] = [],
): ResultPlan {
  const { masks } = obligations;
  const columns =
    masks.size === 0 ? undefined : part.effect.outputs?.map((output) => maskOf(output, masks));
  return {
    part,
    masks: columns?.some((mask) => mask !== undefined) ? columns : undefined,
    withhold,
    rowLimit: part.returnsRows || part.copy === 'out' ? obligations.rows : undefined,
    changeLimit: countOf(part) === 'counted' ? obligations.changes : undefined,
    limitedBy: obligations.limitedBy ?? none,
    recording: obligations.recording,
    hidden: hiddenOf(part, columns, withhold, ruled),
  };
}
const none: readonly string[] = [];

/** What was computed out of sight, a plan with its conditions and a line of COPY cannot be taken apart by columns. */
function hiddenOf(
  part: Part,
  masks: ResultPlan['masks'],
  withhold: boolean,
  ruled: readonly boolean[],
): ResultPlan['hidden'] {
  const { outputs, opaque } = part.effect;
  const unseen = !outputs || opaque === true || part.class === 'explain';
  if (withhold && unseen && (part.returnsRows || part.copy === 'out')) return 'all';
  const hidden = ruled.map((is, i) => is && masks?.[i] === undefined);
  if (!hidden.includes(true)) return undefined;
  return part.copy === 'out' ? 'all' : hidden;
}

const QUERIES = new Set(['select', 'insert', 'update', 'delete', 'merge', 'fetch', 'lock']);

/** Does the tag say how many rows a statement changes? Code that cannot be seen may change any number. */
function countOf(part: Part): 'nothing' | 'counted' | 'uncounted' {
  if (part.effect.opaque) return 'uncounted';
  if (part.copy === 'in') return 'counted';
  const plain = QUERIES.has(part.class);
  if (plain && part.changes === 'counted') return 'counted';
  const harmless = plain && (part.changes === 'none' || part.class === 'lock' || part.fetches);
  return !writes(part) || harmless || part.declares || part.prepares ? 'nothing' : 'uncounted';
}

const writes = (part: Part): boolean =>
  part.effect.accesses.some(({ action }) => action === 'write' || action === 'delete');

/** Must what this did be undone when it goes beyond its limit? */
export function isUndone(plan: ResultPlan): boolean {
  if (plan.changeLimit !== undefined) return true;
  const { part, rowLimit } = plan;
  return rowLimit !== undefined && (part.effect.opaque === true || writes(part));
}

/** What cannot be done to a result on its way, or cannot be undone. */
export function unfit(parts: readonly Part[], obligations: Obligations): Refused | undefined {
  const { changes } = obligations;
  if (changes !== undefined && parts.some((part) => countOf(part) === 'uncounted'))
    return uncounted(changes, obligations);
  const controlled = parts.some(({ control }) => control !== undefined);
  if (controlled && parts.some((part) => isUndone(planOf(part, obligations, false))))
    return beyondControl;
  const unseen = (part: Part): boolean =>
    !part.copied && isFollowed(planOf(part, obligations, false));
  return parts.some(unseen) ? unfollowed : undefined;
}

/** COPY … TO STDOUT whose rows must be looked at one by one. */
export const isFollowed = ({ part, masks, rowLimit }: ResultPlan): boolean =>
  part.copy === 'out' && (masks !== undefined || rowLimit !== undefined);

const unfollowed: Refused = {
  rule: 'countersign/copy-masked',
  message: 'COPY with these options cannot carry masked columns, nor a limited number of rows',
  hint: 'Use the format text, csv or binary in UTF-8, or SELECT.',
  code: '42501',
};
function uncounted(changes: number, { limitedBy }: Obligations): Refused {
  const rule = limitedBy?.length ? `rule ${limitedBy.join(', ')}` : 'a rule';
  return {
    rule: 'countersign/changes-uncounted',
    message: `${rule} lets this change at most ${changes} rows, and how many it changes cannot be counted`,
    hint: 'Use a plain INSERT, UPDATE, DELETE, MERGE or COPY, one for each table, without functions that cannot be looked into.',
    code: '42501',
  };
}
const beyondControl: Refused = {
  rule: 'countersign/limited-control',
  message: 'a rule limits the rows of this, and it begins or ends a transaction in the same string',
  hint: 'Send BEGIN, COMMIT and the like by themselves.',
  code: '42501',
};
