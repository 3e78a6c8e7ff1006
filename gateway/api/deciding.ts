import type { Vote } from '#src/approval/port.ts';
import type { Request } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import type { HttpDeps } from './deps.ts';
import { Problem, refused } from './problem.ts';
import { mayDecide } from './rights.ts';

/** Nobody approves what they cannot see: a write that the masked text hides needs an approver who may reveal it. */
async function demandReview(deps: HttpDeps, id: string, person: Person): Promise<void> {
  const request = await deps.requests.get(id);
  if (!request?.card.hidesWrite || !mayDecide(person, request)) return;
  const review = await deps.review(id, person);
  if (review.kind === 'whole') return;
  throw new Problem(
    403,
    'must-review',
    review.kind === 'elsewhere'
      ? 'Part of this write is hidden, and another gateway holds the exact statement. Review it in that gateway’s console.'
      : 'Part of this write is hidden from you. Somebody who may see the values has to approve it; you can deny it.',
  );
}

/** One person's vote; throws the problem that says why it was not taken. */
export async function decide(
  deps: HttpDeps,
  person: Person,
  id: string,
  vote: Vote,
): Promise<Request> {
  if (vote.decision === 'approve') await demandReview(deps, id, person);
  const decided = await deps.requests.decide(id, person, vote);
  if (!decided.ok) throw refused(decided.refusal);
  return decided.request;
}
