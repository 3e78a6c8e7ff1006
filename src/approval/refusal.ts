import type { Person } from '../identity/person.ts';
import type { Vote } from './port.ts';
import type { Refusal, Request } from './request.ts';
import { stepUpRefusal } from './step-up.ts';
import { groupsNamed, seatsAt, stageOf } from './asked.ts';
import type { Found } from './rows.ts';
import { authority, sameKey, seatsFor, type Tally } from './tally.ts';

const refuse = (code: Refusal['code'], message: string): Refusal => ({ code, message });

/**
 * Why this person's vote cannot be taken on this request as it is now; undefined when it can. The order matters:
 * a stranger learns no more than that the request is closed or not theirs.
 */
export function refusalOf(
  { request, overdue, now }: Found,
  tally: Tally | undefined,
  person: Person | undefined,
  vote: Vote,
): Refusal | undefined {
  return (
    closed(request, overdue) ??
    unfit(request, person, vote) ??
    notTheirTurn(request, tally, person, vote, now) ??
    lacking(request, vote)
  );
}

/** What is said when a request that was asked for does not exist. */
export const NOT_FOUND = refuse('not-found', 'There is no such request.');

function closed(request: Request, overdue: boolean): Refusal | undefined {
  if (request.state === 'expired' || (request.state === 'pending' && overdue))
    return refuse(
      'expired',
      request.kind === 'statement'
        ? 'This request has expired. The requester can run the statement again.'
        : 'This request has expired. The requester can ask again.',
    );
  if (request.state === 'pending') return undefined;
  const last = request.decisions.at(-1);
  const by = last && (request.state === 'denied' || request.state === 'approved');
  return refuse(
    'already-decided',
    by
      ? `This request was already ${request.state} by ${last.person}.`
      : `This request can no longer be decided: it is ${request.state}.`,
  );
}

function unfit(request: Request, person: Person | undefined, vote: Vote): Refusal | undefined {
  if (!person) return refuse('not-an-approver', 'You are not known to Countersign as an approver.');
  if (person.machine)
    return refuse('not-an-approver', 'A machine asks and never decides: a person has to.');
  const key = sameKey(person.email);
  if (key === sameKey(request.card.person.email) || key === sameKey(request.card.agent ?? ''))
    return refuse('own-request', 'You asked for this yourself: a second person has to decide.');
  if (authority(request, person).length === 0)
    return refuse(
      'not-an-approver',
      `This is decided by members of ${groupsNamed(request).join(', ')}; you are in none of them.`,
    );
  const before = request.decisions.find((decision) => sameKey(decision.person) === key);
  // Taking an approval back by a denial is safe; everything else is a second vote.
  if (before && !(before.decision === 'approve' && vote.decision === 'deny'))
    return refuse('already-voted', 'Your vote on this request has been counted already.');
  if (isStale(request, vote))
    return refuse(
      'stale',
      'This request has changed since you looked at it. Look again, then decide.',
    );
  return undefined;
}

/** Something came since they looked that they have to see first. */
const isStale = ({ version, quietFrom = version }: Request, vote: Vote): boolean =>
  vote.version !== undefined && (vote.version < quietFrom || vote.version > version);

/** They may decide it, but not yet, or not at this hour. Who may decide it at all may always deny it. */
function notTheirTurn(
  request: Request,
  tally: Tally | undefined,
  person: Person | undefined,
  vote: Vote,
  now: number,
): Refusal | undefined {
  if (!tally || !person || vote.decision === 'deny') return undefined;
  const { requirement, escalated = [], card } = request;
  const seats = seatsAt(requirement.groups, escalated, now);
  const own = seatsFor(seats, person, card.person.email);
  const turn = tally.stage ?? 1;
  if (own.some((seat) => stageOf(seat) <= turn)) return undefined;
  const asked = seats.filter((seat) => stageOf(seat) === turn).map(({ group }) => group);
  return refuse(
    'not-your-turn',
    own.length > 0
      ? `It is not your turn yet: ${asked.join(' and ')} agree first. You can deny it now.`
      : `At this hour it is decided by ${asked.join(' and ')}. You can deny it.`,
  );
}

function lacking(request: Request, vote: Vote): Refusal | undefined {
  const { requirement, card } = request;
  if (vote.reaction && !requirement.reactionsVote)
    return refuse('no-reactions', 'Reactions do not vote on this request: use its buttons.');
  const more = moreThanAsked(card, vote);
  if (more) return more;
  if (requirement.reasonRequired && vote.reason.trim() === '')
    return refuse('reason-required', 'The rule asks for a reason: decide again and give one.');
  if (vote.decision === 'deny') return undefined;
  if (card.hidesWrite && vote.reviewed !== true)
    return refuse(
      'must-review',
      'Part of this write is hidden here. Review it in the console, where you can see it whole.',
    );
  return stepUpRefusal(request, vote.stepUp);
}

/** What they would let happen beyond this one statement, or this role for this time. */
function moreThanAsked(card: Request['card'], vote: Vote): Refusal | undefined {
  if (vote.shape === true && (vote.decision === 'deny' || card.shape === undefined))
    return refuse(
      'no-shape',
      'Only this one statement can be approved: not every rule that holds it allows its shape, or it cannot be told what the same is.',
    );
  const { durationMs } = vote;
  const most = card.access?.durationMs;
  if (durationMs === undefined || (most !== undefined && durationMs > 0 && durationMs <= most))
    return undefined;
  return refuse(
    'no-duration',
    most === undefined
      ? 'A statement runs once: only a role can be approved for a time.'
      : 'It cannot be approved for a longer time than was asked for.',
  );
}
