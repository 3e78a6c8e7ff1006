import { randomUUID } from 'node:crypto';
import type { Span } from '#src/telemetry/tracing.ts';
import type { Admitted, Asked, GateDeps, GateRefusal, SessionFacts } from './asked.ts';
import { bind } from './binding.ts';
import { behindSignIn, tellHidden, withSignIn } from './fresh.ts';
import { hold } from './hold.ts';
import { judge, refusalOf, withRows } from './judge.ts';
import { issuePermit, type Permit } from './permit.ts';
import { ofSession, statementEntry } from './record.ts';
import { estimateFirst } from './rows.ts';
import { onShape, shaped } from './shape.ts';

export type * from './asked.ts';

/** Decide, record, hold if a rule asks for it, claim with its record, then permit: in that order, for every protocol. */
export async function admit(deps: GateDeps, asked: Asked): Promise<Admitted> {
  const { metrics, tracing } = deps.telemetry;
  const { session } = asked;
  const statement = randomUUID();
  const facts = { target: session.target.name, session: session.id, statement };
  const span = tracing?.start('statement', facts);
  try {
    const admitted = await decide(deps, asked, statement, span);
    if (admitted.kind === 'refuse') span?.end({ code: admitted.refusal.code });
    else if (span) tracing?.carry(admitted.permit, span);
    return admitted;
  } catch (error) {
    // Nothing can have run: a Permit is the last thing made.
    deps.onFailure(error, { statement });
    metrics.target(session.target.name).errors.gate += 1;
    span?.end({ code: unavailable.code }, true);
    return { kind: 'refuse', refusal: unavailable };
  }
}

const unavailable: GateRefusal = {
  code: 'unavailable',
  message: 'countersign: the statement was not run, because it cannot be recorded or judged now',
  hint: 'The audit store or the rules do not answer. Try again; if it lasts, ask the operator to run "countersign doctor".',
};

async function decide(
  deps: GateDeps,
  asked: Asked,
  statement: string,
  span: Span | undefined,
): Promise<Admitted> {
  const policy = deps.policy();
  const subject = await deps.subject(asked.session.person);
  const rows = policy.asksRows(asked.session.target, asked.look.effects)
    ? await estimateFirst(asked)
    : undefined;
  const look = withRows(asked.look, rows);
  const first = judge(policy, subject, asked, look);
  const verdict = first.fresh
    ? await behindSignIn(deps, { policy, subject, asked, look }, first)
    : first;
  deps.telemetry.metrics.target(asked.session.target.name).verdicts[verdict.kind] += 1;
  if (verdict.kind === 'hold') {
    asked.onJudged?.(statement, verdict.kind);
    const held = await shaped({ asked, statement, verdict, policy, subject, rows, span });
    return (await onShape(deps, held)) ?? hold(deps, held);
  }
  const { digest } = look;
  const receipt = await deps.audit.append(
    statementEntry({
      asked,
      statement,
      verdict,
      policy,
      subject,
      binds: { digest, verdict: verdict.kind },
    }),
  );
  asked.onJudged?.(statement, verdict.kind);
  if (verdict.kind === 'deny') {
    const refusal = refusalOf(verdict, look.refused);
    return { kind: 'refuse', refusal: withSignIn(deps, asked, verdict, refusal) };
  }
  if (verdict.fresh) tellHidden(deps, asked, verdict);
  return { kind: 'run', permit: issuePermit(statement, digest, receipt, verdict) };
}

/**
 * A permit for a statement of the gateway's own: a constant text that holds nothing of any person's. It is recorded
 * like every other, so that what the target ran and what the log says stay the same list.
 */
export async function admitOwn(
  deps: GateDeps,
  session: SessionFacts,
  text: string,
): Promise<Permit> {
  const statement = randomUUID();
  const digest = bind([session.protocol, session.id, text]);
  const receipt = await deps.audit.append({
    kind: 'statement',
    ...ofSession(session),
    statement,
    verdict: 'allow',
    binds: { digest, verdict: 'allow' },
    body: { text, class: ['countersign'], rules: ['countersign/own'] },
  });
  return issuePermit(statement, digest, receipt, { masks: new Map() });
}

/**
 * A permit for a query of the gateway's own that is made of a person's statement, to tell approvers of its rows. `exact`
 * is everything that is sent, and `masked` what others may read of it.
 */
export async function admitEstimate(
  deps: GateDeps,
  session: SessionFacts,
  query: {
    readonly exact: Buffer;
    readonly masked: string;
    readonly request: string | undefined;
  },
): Promise<Permit> {
  const statement = randomUUID();
  const digest = bind([session.protocol, session.id, query.exact]);
  const receipt = await deps.audit.append({
    kind: 'statement',
    ...ofSession(session),
    statement,
    verdict: 'allow',
    binds: { digest, verdict: 'allow' },
    body: {
      text: query.masked,
      class: ['countersign/estimate'],
      rules: ['countersign/own'],
      // Not the request's own statement: what becomes of this one says nothing about that.
      ...(query.request !== undefined && { about: query.request }),
    },
  });
  return issuePermit(statement, digest, receipt, { masks: new Map() });
}
