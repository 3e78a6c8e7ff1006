import type { Directory } from '../identity/person.ts';
import { seatsAt } from './asked.ts';
import type { Decision, Request } from './request.ts';
import { type Tally, tally, type Voter } from './tally.ts';

/**
 * The approvals of a request that `accepts` lets through, with the authority that their persons have now: who has lost a
 * group, is on call no more, or stands in for somebody who is back, does not count.
 */
export async function approvalsOf(
  directory: Directory,
  request: Request,
  accepts: (decision: Decision) => boolean = () => true,
): Promise<readonly Voter[]> {
  const given = request.decisions.filter((one) => one.decision === 'approve' && accepts(one));
  const people = await Promise.all(given.map(({ person }) => directory.find(person)));
  return people.flatMap((person, i) =>
    person && !person.machine ? [{ ...person, stage: given[i]?.stage ?? 1 }] : [],
  );
}

/** What these approvals come to, by what the request asks at that moment (milliseconds since the epoch). */
export function countOf(request: Request, approvals: readonly Voter[], now: number): Tally {
  const { requirement, escalated = [], card } = request;
  return tally(seatsAt(requirement.groups, escalated, now), approvals, card.person.email);
}

/** What is there, and what is missing, at that moment (milliseconds since the epoch). */
export async function countNow(
  directory: Directory,
  request: Request,
  now = Date.now(),
): Promise<Tally> {
  return countOf(request, await approvalsOf(directory, request), now);
}
