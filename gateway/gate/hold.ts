import { NotClaimed } from '#src/approval/port.ts';
import type { Card, Request, RequestState } from '#src/approval/request.ts';
import type { Policy } from '#src/policy/policy.ts';
import type { Hold, Requirement } from '#src/policy/verdict.ts';
import type { Person } from '#src/identity/person.ts';
import type { Span } from '#src/telemetry/tracing.ts';
import type { Admitted, Asked, GateDeps, GateRefusal, HeldNotice } from './asked.ts';
import { Withdrawal } from './holds.ts';
import { judge, refusalOf } from './judge.ts';
import { issuePermit } from './permit.ts';
import { statementBody } from './record.ts';
import { Wait } from './wait.ts';

type Held = {
  readonly asked: Asked;
  readonly statement: string;
  readonly verdict: Hold;
  readonly policy: Policy;
  readonly span?: Span | undefined;
};

/** Parks the statement, waits on the client's live connection, and claims it once approved. */
export async function hold(deps: GateDeps, held: Held): Promise<Admitted> {
  const { asked, statement, verdict } = held;
  const facts = { target: asked.session.target.name, session: asked.session.id, statement };
  const wait = new Wait(deps.telemetry, facts, held.span);
  const request = await deps.requests.open({
    kind: 'statement',
    session: asked.session.id,
    statement,
    requirement: bounded(verdict.requirement, asked),
    card: await cardOf(deps, asked, verdict),
    body: statementBody(asked, held.policy),
    binds: { digest: asked.look.digest, verdict: 'hold' },
    ...(wait.traceparent !== undefined && { traceparent: wait.traceparent }),
  });
  deps.holds.add(request.id, asked);
  wait.opened();
  try {
    asked.onHeld(noticeOf(deps, request, asked));
    return await decided(deps, held, request, wait);
  } catch (error) {
    // Nobody waits for it any more, so nobody should be asked. When the store is gone this fails too: the request then
    // ends by its expiry or with this gateway's lease.
    deps.requests
      .end(request.id, 'abandoned', 'the gateway could not go on with it')
      .catch(deps.onFailure);
    throw error;
  } finally {
    deps.holds.remove(request.id);
    wait.ended('abandoned');
  }
}

/** Inside a transaction a hold keeps locks, so the target's limit is the upper bound. */
function bounded(requirement: Requirement, asked: Asked): Requirement {
  if (!asked.context.inTransaction) return requirement;
  const expiresMs = Math.min(requirement.expiresMs, asked.session.holdInTransactionMs);
  return { ...requirement, expiresMs };
}

async function decided(
  deps: GateDeps,
  held: Held,
  request: Request,
  wait: Wait,
): Promise<Admitted> {
  const { asked, statement } = held;
  let settled: Request;
  try {
    settled = await deps.requests.settled(request.id, asked.signal);
    asked.signal.throwIfAborted();
  } catch (error) {
    if (error instanceof Withdrawal) wait.ended(error.state);
    return withdraw(deps, held, request, error);
  }
  wait.ended(settled.state);
  if (settled.state !== 'approved') return refuse(endedBy(settled, settled.state));
  const look = await asked.lookAgain();
  if (!look.digest.equals(asked.look.digest)) {
    await deps.requests.end(request.id, 'changed', 'what it would do changed while it waited');
    return refuse(endedBy(settled, 'changed'));
  }
  const again = judge(deps.policy(), await deps.subject(asked.session.person), asked, look);
  if (again.kind === 'deny') {
    await deps.requests.end(request.id, 'refused', again.message);
    return refuse(refusalOf(again));
  }
  if (again.kind === 'hold' && !covers(request.requirement, bounded(again.requirement, asked))) {
    await deps.requests.end(request.id, 'refused', 'the rules ask for other approvers now');
    return refuse(endedBy(settled, 'refused'));
  }
  if (asked.signal.aborted) return withdraw(deps, held, request, asked.signal.reason);
  try {
    const receipt = await deps.requests.claim(request.id, {
      digest: look.digest,
      verdict: 'approved',
    });
    const permit = issuePermit(statement, look.digest, receipt, again);
    return { kind: 'run', permit, request: request.id };
  } catch (error) {
    if (!(error instanceof NotClaimed)) throw error;
    const state = error.state === 'lease-lost' ? 'abandoned' : error.state;
    return refuse(endedBy(settled, state));
  }
}

/** True when what was satisfied is at least what is asked now. */
function covers(satisfied: Requirement, asked: Requirement): boolean {
  return (
    asked.groups.every(({ group, quorum }) =>
      satisfied.groups.some((had) => had.group === group && had.quorum >= quorum),
    ) &&
    (!asked.reasonRequired || satisfied.reasonRequired) &&
    (asked.stepUpMs === undefined || (satisfied.stepUpMs ?? Infinity) <= asked.stepUpMs)
  );
}

async function withdraw(
  deps: GateDeps,
  held: Held,
  request: Request,
  cause: unknown,
): Promise<Admitted> {
  if (!(cause instanceof Withdrawal)) throw cause;
  const { state, message } = cause;
  const ended = await deps.requests.end(request.id, state, message).catch(deps.onFailure);
  if (ended === false) {
    const now = await deps.requests.get(request.id).catch(() => undefined);
    if (now && now.state !== 'approved' && now.state !== 'pending')
      return refuse(endedBy(now, now.state));
  }
  return refuse({ ...endedBy(request, state), message: `countersign: ${message}` });
}

const refuse = (refusal: GateRefusal): Admitted => ({ kind: 'refuse', refusal });

type Ending = Omit<GateRefusal, 'detail'>;

/** What the person reads when their request ended without running. */
function endedBy(request: Request, state: RequestState): GateRefusal {
  const detail = `Held by rule ${request.card.rules.join(', ')}; request ${request.id}.`;
  const ending = ENDINGS[state]?.(request) ?? ABANDONED;
  return { ...ending, detail };
}

const ABANDONED: Ending = {
  code: 'abandoned',
  message: 'countersign: the request ended before the statement could run; nothing was run',
  hint: 'Send it again.',
};

const ENDINGS: { readonly [state in RequestState]?: (request: Request) => Ending } = {
  denied: ({ decisions }) => {
    const no = decisions.findLast((d) => d.decision === 'deny');
    return {
      code: 'decided-no',
      message: `countersign: denied by ${no?.person ?? 'an approver'}${no?.reason ? `: ${no.reason}` : ''}`,
      hint: 'Talk to the approver, then change the statement and send it again.',
    };
  },
  expired: ({ requirement }) => ({
    code: 'expired',
    message: 'countersign: nobody decided in time, so the statement was not run',
    hint: `Ask ${groupsOf(requirement)} and send it again.`,
  }),
  withdrawn: () => ({
    code: 'withdrawn',
    message: 'countersign: the request was withdrawn',
    hint: 'Nothing was run. Send it again when you need it.',
  }),
  changed: () => ({
    code: 'changed',
    message: 'countersign: what the statement would do changed while it waited, so it was not run',
    hint: 'Send it again: approvers then see what it does now.',
  }),
};

const groupsOf = (requirement: Requirement): string =>
  requirement.groups
    .map(({ group, quorum }) =>
      quorum > 1 ? `${quorum} of group ${group}` : `one of group ${group}`,
    )
    .join(' and ');

function noticeOf(deps: GateDeps, request: Request, asked: Asked): HeldNotice {
  const open =
    asked.transactionSince === undefined ? '' : openFor(Date.now() - asked.transactionSince);
  return {
    message: `countersign: held by rule ${request.card.rules.join(', ')}: ${request.card.message}`,
    detail: `${groupsOf(request.requirement)} can release it until ${request.expiresAt}; Ctrl-C withdraws it.${open}`,
    hint: `${deps.publicUrl}/requests/${request.id}`,
  };
}

const openFor = (ms: number): string =>
  ` The transaction around it has been open for ${Math.max(0, Math.round(ms / 1000))} s and holds its locks while you wait.`;

async function cardOf(deps: GateDeps, asked: Asked, verdict: Hold): Promise<Omit<Card, 'digest'>> {
  const { session, look, context } = asked;
  const subject = await deps.subject(session.person);
  const person: Person = subject?.person ?? {
    email: session.person,
    name: session.person,
    groups: [],
  };
  return {
    person,
    target: session.target.name,
    database: session.database,
    masked: look.masked,
    hidesWrite: look.hidesWrite,
    words: look.words,
    rules: verdict.rules,
    message: verdict.message,
    client: session.client,
    application: session.application,
    ...(context.reason !== undefined && { reason: context.reason }),
    ...(asked.transactionSince !== undefined && {
      transactionOpenMs: Math.max(0, Date.now() - asked.transactionSince),
    }),
    ...(subject?.agent && { agent: subject.agent.id }),
  };
}
