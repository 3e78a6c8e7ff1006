import { randomUUID } from 'node:crypto';
import type { Requests } from '#src/approval/port.ts';
import type { AuditLog, Receipt } from '#src/audit/log.ts';
import type { Subject } from '#src/identity/person.ts';
import type { Context, Policy, TargetFacts } from '#src/policy/policy.ts';
import type { Deny, Obligations, Verdict } from '#src/policy/verdict.ts';
import type { Look, Protocol, Refused } from '#src/statement/statement.ts';
import { bind } from './binding.ts';
import { hold, type Holds } from './hold.ts';
import { issuePermit, type Permit } from './permit.ts';
import { ofSession, statementEntry } from './record.ts';

export type GateDeps = {
  readonly audit: AuditLog;
  readonly requests: Requests;
  readonly policy: () => Policy;
  /** The person as the directory knows them now, with the roles of their live grants. */
  readonly subject: (email: string) => Promise<Subject | undefined>;
  readonly holds: Holds;
  readonly publicUrl: string;
  /** Hears the cause when a statement was refused because the store or the queue failed. */
  readonly onFailure: (error: unknown) => void;
};

/** Who asks, from where, for which target: fixed for the life of a session. */
export type SessionFacts = {
  readonly id: string;
  readonly protocol: Protocol;
  readonly person: string;
  readonly target: TargetFacts;
  readonly database: string;
  readonly client: string;
  readonly application: string;
  /** Longest hold inside an open transaction, in milliseconds. */
  readonly holdInTransactionMs: number;
};

/** One statement (or one string of them), as a protocol's session asks for it. */
export type Asked = {
  readonly session: SessionFacts;
  /** Exactly what would run, for reviewers in the console; it stays in this process. */
  readonly exact: string;
  readonly look: Look;
  /** Looks again, past every cache: called after an approval, before the claim. */
  readonly lookAgain: () => Promise<Look>;
  readonly context: Omit<Context, 'now'>;
  /** When the open transaction around it began, in milliseconds since the epoch. */
  readonly transactionSince?: number;
  /** What the protocol cannot do under these obligations, e.g. mask inside COPY. */
  readonly unfit?: (obligations: Obligations) => Refused | undefined;
  /** Aborted with a Withdrawal when the client cancels or goes away, or the gateway stops. */
  readonly signal: AbortSignal;
  /** Tells the client at once that its statement waits. */
  readonly onHeld: (notice: HeldNotice) => void;
};

export type HeldNotice = {
  readonly message: string;
  readonly detail: string;
  readonly hint: string;
};

export type RefusalCode =
  | 'denied'
  | 'refused'
  | 'decided-no'
  | 'expired'
  | 'withdrawn'
  | 'abandoned'
  | 'changed'
  | 'unavailable';

/** What the person reads instead of a result; each protocol maps `code` to its own. */
export type GateRefusal = {
  readonly code: RefusalCode;
  readonly sqlstate?: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
};

export type Admitted =
  | { readonly kind: 'run'; readonly permit: Permit; readonly request?: string }
  | { readonly kind: 'refuse'; readonly refusal: GateRefusal };

/** Decide, record, hold if a rule asks for it, claim with its record, then permit: in that order, for every protocol. */
export async function admit(deps: GateDeps, asked: Asked): Promise<Admitted> {
  try {
    return await decide(deps, asked);
  } catch (error) {
    // Nothing can have run: a Permit is the last thing made.
    deps.onFailure(error);
    return { kind: 'refuse', refusal: unavailable };
  }
}

const unavailable: GateRefusal = {
  code: 'unavailable',
  message: 'countersign: the statement was not run, because it cannot be recorded or judged now',
  hint: 'The audit store or the rules do not answer. Try again; if it lasts, ask the operator to run "countersign doctor".',
};

async function decide(deps: GateDeps, asked: Asked): Promise<Admitted> {
  const statement = randomUUID();
  const policy = deps.policy();
  const verdict = judge(policy, await deps.subject(asked.session.person), asked, asked.look);
  if (verdict.kind === 'hold') return hold(deps, { asked, statement, verdict, policy });
  const { digest } = asked.look;
  const receipt: Receipt = await deps.audit.append(
    statementEntry({ asked, statement, verdict, policy, binds: { digest, verdict: verdict.kind } }),
  );
  if (verdict.kind === 'deny')
    return { kind: 'refuse', refusal: refusalOf(verdict, asked.look.refused) };
  return { kind: 'run', permit: issuePermit(statement, digest, receipt, verdict) };
}

/** The rules' answer, behind what the gateway itself refuses. Also asked anew after an approval. */
export function judge(
  policy: Policy,
  subject: Subject | undefined,
  asked: Asked,
  look: Look,
): Verdict {
  if (look.refused) return denyBy(look.refused);
  if (!subject) return denyBy(unknownPerson);
  const context: Context = { ...asked.context, now: Date.now() };
  const verdict = policy.judge(subject, asked.session.target, look.effects, context);
  if (verdict.kind === 'deny') return verdict;
  const unfit =
    asked.unfit?.(verdict) ?? (verdict.kind === 'hold' ? inHeldString(look) : undefined);
  return unfit ? denyBy(unfit) : verdict;
}

const unknownPerson: Refused = {
  rule: 'countersign/unknown-person',
  message: 'this person is no longer known here',
  hint: 'Ask the operator whether the account was removed.',
};

/** COMMIT inside a held string would let its first half outlive a refusal of the rest. */
function inHeldString(look: Look): Refused | undefined {
  if (look.effects.length < 2 || look.effects.every((e) => e.class !== 'transaction'))
    return undefined;
  return {
    rule: 'countersign/transaction-control',
    message: 'a string that needs approval cannot hold transaction control',
    hint: 'Send BEGIN and COMMIT as statements of their own.',
  };
}

const denyBy = (refused: Refused): Deny => ({
  kind: 'deny',
  rules: [refused.rule],
  message: refused.message,
  ...(refused.hint !== undefined && { hint: refused.hint }),
});

/** `countersign: <message>`, with the rule as detail: the same form wherever a rule says no. */
export function refusalOf(verdict: Deny, refused?: Refused): GateRefusal {
  return {
    code: refused ? 'refused' : 'denied',
    ...(refused?.code !== undefined && { sqlstate: refused.code }),
    message: `countersign: ${verdict.message}`,
    detail: `Refused by rule ${verdict.rules.join(', ')}.`,
    hint: verdict.hint ?? 'Ask the owner of the rule, or change the statement and send it again.',
  };
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
