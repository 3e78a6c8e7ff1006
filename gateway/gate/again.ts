import type { Request, Rows } from '#src/approval/request.ts';
import type { Subject } from '#src/identity/person.ts';
import type { Policy } from '#src/policy/policy.ts';
import { coversAsked } from '#src/policy/who.ts';
import type { Allow, Hold, Requirement, Verdict } from '#src/policy/verdict.ts';
import type { Look } from '#src/statement/statement.ts';
import type { Span } from '#src/telemetry/tracing.ts';
import type { Asked, GateDeps, GateRefusal, Shape } from './asked.ts';
import { endedBy } from './endings.ts';
import { behindSignIn } from './fresh.ts';
import { judge, refusalOf, withRows } from './judge.ts';

/** A statement that waits, with the verdict and the rules that hold it. */
export type Held = {
  readonly asked: Asked;
  readonly statement: string;
  readonly verdict: Hold;
  readonly policy: Policy;
  readonly subject: Subject | undefined;
  /** What rules asked to know before they gave this verdict. */
  readonly rows?: Rows | undefined;
  /** What may be approved with it; only where every rule that holds it allows that. */
  readonly shape?: Shape | undefined;
  readonly span?: Span | undefined;
};

export type Again =
  | { readonly ok: true; readonly look: Look; readonly verdict: Allow | Hold }
  | { readonly ok: false; readonly refusal: GateRefusal };

/**
 * Looks at a held statement again, past every cache, and asks the rules as they are now: after the approval, and at once
 * when the rules change. What would be refused now, needs other approvers now, or would be shown to them otherwise now,
 * ends. What the rules would let through by now goes on waiting: somebody was asked.
 */
export async function judgeAgain(deps: GateDeps, held: Held, request: Request): Promise<Again> {
  const { asked } = held;
  const look = withRows(await asked.lookAgain(), held.rows);
  if (!look.digest.equals(asked.look.digest)) {
    await deps.requests.end(request.id, 'changed', 'what it would do changed while it waited');
    return { ok: false, refusal: endedBy(request, 'changed') };
  }
  const policy = deps.policy();
  const subject = await deps.subject(asked.session.person);
  const first = judge(policy, subject, asked, look);
  const verdict = await behindSignIn(deps, { policy, subject, asked, look }, first);
  const refused = refusalNow(held, policy, look, verdict, request);
  if (refused) {
    await deps.requests.end(request.id, 'refused', refused.why);
    return { ok: false, refusal: refused.refusal };
  }
  if (verdict.kind === 'deny') throw new Error('a denial was not refused');
  return { ok: true, look, verdict };
}

type RefusedNow = { readonly why: string; readonly refusal: GateRefusal };

function refusalNow(
  held: Held,
  policy: Policy,
  look: Look,
  verdict: Verdict,
  request: Request,
): RefusedNow | undefined {
  const { asked } = held;
  const changed = policy.version === held.policy.version ? '' : 'the rules changed: ';
  if (verdict.kind === 'deny') {
    const why = `${changed}${verdict.message}`;
    return { why, refusal: { ...refusalOf(verdict), message: `countersign: ${why}` } };
  }
  const other = (what: string): RefusedNow => ({
    why: `the rules changed: ${what}`,
    refusal: {
      ...endedBy(request, 'refused'),
      message: `countersign: the rules changed: ${what}; nothing was run`,
    },
  });
  if (verdict.kind === 'hold' && !covers(request.requirement, bounded(verdict.requirement, asked)))
    return other('it needs other approvers now');
  // Approvers must not go on reading what the new rules hide, nor decide on less than they would be shown.
  const shown = look.masked === asked.look.masked && look.hidesWrite === asked.look.hidesWrite;
  return policy === held.policy || shown
    ? undefined
    : other('approvers may see other parts of it now');
}

/** Inside a transaction a hold keeps locks, so the target's limit is the upper bound. */
export function bounded(requirement: Requirement, asked: Asked): Requirement {
  if (!asked.context.inTransaction) return requirement;
  const expiresMs = Math.min(requirement.expiresMs, asked.session.holdInTransactionMs);
  return { ...requirement, expiresMs };
}

/** True when what was satisfied is at least what is asked now. */
export function covers(satisfied: Requirement, asked: Requirement): boolean {
  return (
    coversShown(satisfied, asked) &&
    coversAsked(satisfied.groups, asked.groups) &&
    (!asked.reasonRequired || satisfied.reasonRequired) &&
    satisfied.expiresMs <= asked.expiresMs &&
    (!satisfied.reactionsVote || asked.reactionsVote) &&
    (satisfied.resendMs ?? 0) <= (asked.resendMs ?? 0) &&
    coversSignIn(satisfied, asked)
  );
}

/** What approvers were to see, and what they could allow beyond this one statement. */
function coversShown(satisfied: Requirement, asked: Requirement): boolean {
  return (
    (satisfied.count === true || asked.count !== true) &&
    (satisfied.sample ?? 0) >= (asked.sample ?? 0) &&
    (satisfied.shapeMs ?? 0) <= (asked.shapeMs ?? 0)
  );
}

function coversSignIn(satisfied: Requirement, asked: Requirement): boolean {
  return (
    (asked.stepUpMs === undefined || (satisfied.stepUpMs ?? Infinity) <= asked.stepUpMs) &&
    has(satisfied.acr, asked.acr) &&
    has(satisfied.amr, asked.amr)
  );
}

const has = (had: readonly string[] = [], asked: readonly string[] = []): boolean =>
  asked.every((each) => had.includes(each));
