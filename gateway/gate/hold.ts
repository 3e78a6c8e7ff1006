import { NotClaimed } from '#src/approval/port.ts';
import type { Card, Request } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import { oneLine } from '#src/mask/visible.ts';
import type { Admitted, Asked, GateDeps, GateRefusal, HeldNotice } from './asked.ts';
import { bounded, judgeAgain, type Held } from './again.ts';
import { endedBy, groupsOf } from './endings.ts';
import { tellHidden } from './fresh.ts';
import { Withdrawal } from './holds.ts';
import { issuePermit } from './permit.ts';
import { statementBody } from './record.ts';
import { limited, rowsAtFirst, tellRows } from './rows.ts';
import { Wait } from './wait.ts';

/** Parks the statement, waits on the client's live connection, and claims it once approved. */
export async function hold(deps: GateDeps, held: Held): Promise<Admitted> {
  const { asked, statement, verdict } = held;
  const facts = { target: asked.session.target.name, session: asked.session.id, statement };
  const wait = new Wait(deps.telemetry, facts, held.span);
  const alike = asked.particulars?.alike(asked.look);
  const rows = rowsAtFirst(held);
  const request = await deps.requests.open({
    kind: 'statement',
    session: asked.session.id,
    statement,
    requirement: bounded(verdict.requirement, asked),
    card: await cardOf(deps, held),
    ...statementBody(asked, held.policy, held.subject),
    binds: { digest: asked.look.digest, verdict: 'hold' },
    ...(wait.traceparent !== undefined && { traceparent: wait.traceparent }),
    ...(alike !== undefined && { alike }),
    ...(held.shape && { shape: held.shape.digest }),
    ...(rows && { rows }),
  });
  deps.holds.add(request.id, asked);
  wait.opened();
  try {
    asked.onHeld(noticeOf(deps, request, asked));
    tellRows(deps, held, request);
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

async function decided(
  deps: GateDeps,
  held: Held,
  request: Request,
  wait: Wait,
): Promise<Admitted> {
  const { asked, statement } = held;
  let settled: Request | GateRefusal;
  try {
    settled = await settledUnderRules(deps, held, request);
  } catch (error) {
    if (error instanceof Withdrawal) wait.ended(error.state);
    return withdraw(deps, held, request, error);
  }
  if ('code' in settled) {
    wait.ended('refused');
    return refuse(settled);
  }
  wait.ended(settled.state);
  if (settled.state !== 'approved') return refuse(endedBy(settled, settled.state));
  const again = await judgeAgain(deps, held, request);
  if (!again.ok) return refuse(again.refusal);
  const { look, verdict } = again;
  if (asked.signal.aborted) return withdraw(deps, held, request, asked.signal.reason);
  try {
    const receipt = await deps.requests.claim(request.id, {
      digest: look.digest,
      verdict: 'approved',
    });
    const permit = issuePermit(statement, look.digest, receipt, limited(verdict, settled));
    tellHidden(deps, asked, verdict);
    return { kind: 'run', permit, request: request.id };
  } catch (error) {
    if (!(error instanceof NotClaimed)) throw error;
    const state = error.state === 'lease-lost' ? 'abandoned' : error.state;
    return refuse(endedBy(settled, state));
  }
}

/** Waits for the decision; when the rules change meanwhile, judges again at once, so that nobody decides in vain. */
async function settledUnderRules(
  deps: GateDeps,
  held: Held,
  request: Request,
): Promise<Request | GateRefusal> {
  const { signal } = held.asked;
  const seen = questionsTold(deps, held, request);
  let { policy } = held;
  for (;;) {
    // Before the look at the policy, so that a change in between is not missed.
    const changed = deps.holds.changed();
    if (deps.policy() !== policy) {
      policy = deps.policy();
      // oxlint-disable-next-line eslint/no-await-in-loop -- one look after the other
      const again = await judgeAgain(deps, held, request);
      if (!again.ok) return again.refusal;
    }
    try {
      // oxlint-disable-next-line eslint/no-await-in-loop
      const settled = await deps.requests.settled(
        request.id,
        AbortSignal.any([signal, changed]),
        seen,
      );
      signal.throwIfAborted();
      return settled;
    } catch (error) {
      if (signal.aborted || !changed.aborted) throw error;
    }
  }
}

/** Tells the client each question once, when it is first seen. */
function questionsTold(deps: GateDeps, { asked }: Held, { id }: Request): (now: Request) => void {
  const told = new Set<string>();
  return ({ questions = [] }) => {
    for (const { id: question, person, text, answer } of questions) {
      if (answer !== undefined || told.has(question)) continue;
      told.add(question);
      asked.onQuestion?.({
        message: `countersign: ${oneLine(person)} asks: ${oneLine(text)}`,
        detail: 'Your statement waits on. Those who decide it read the answer.',
        hint: `countersign requests answer ${id} "…", in chat, or at ${deps.publicUrl}/requests/${id}`,
      });
    }
  };
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

async function cardOf(deps: GateDeps, held: Held): Promise<Omit<Card, 'digest'>> {
  const { asked, verdict, shape } = held;
  const { session, look, context } = asked;
  const ms = verdict.requirement.shapeMs;
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
    ...(shape && ms !== undefined && { shape: { words: shape.words, ms } }),
  };
}
