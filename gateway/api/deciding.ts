import type { Vote } from '#src/approval/port.ts';
import { NOT_FOUND } from '#src/approval/refusal.ts';
import type { Request } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import type { HttpDeps, Review } from './deps.ts';
import { Problem, refused } from './problem.ts';
import { ADMINISTER, maySeeRequest } from './rights.ts';

function mustReview(review: Review): string | undefined {
  if (review.kind === 'whole') return undefined;
  return review.kind === 'masked'
    ? 'Part of this write is hidden from you. Somebody who may see the values has to approve it; you can deny it.'
    : `Part of this write is hidden, and another gateway holds the exact statement. Review it in that gateway’s console${review.at === undefined ? '' : `: ${review.at}`}.`;
}

/**
 * One person's vote; throws the problem that says why it was not taken. Nobody approves what they cannot see: a write
 * that the masked text hides needs an approver who may reveal it.
 */
export async function decide(
  deps: HttpDeps,
  person: Person,
  id: string,
  vote: Omit<Vote, 'reviewed'>,
): Promise<Request> {
  // A denial needs no look, and must not fail with one.
  const review: Review =
    vote.decision === 'approve' ? await deps.review(id, person) : { kind: 'masked' };
  const decided = await deps.requests.decide(id, person, {
    ...vote,
    ...(review.kind === 'whole' && { reviewed: true }),
  });
  if (decided.ok) return decided.request;
  // As when they look at it; that they tried is recorded.
  if (decided.request && !maySeeRequest(person, decided.request)) throw refused(NOT_FOUND);
  const { code, message } = decided.refusal;
  if (code === 'must-review') throw refused({ code, message: mustReview(review) ?? message });
  const where = code === 'step-up-required' && vote.via === 'api';
  throw refused({
    code,
    message: where ? `${message} It is at ${deps.publicUrl}/requests/${id}` : message,
  });
}

/** Revokes an approved shape; throws the problem that says why it was not. */
export async function endShape(deps: HttpDeps, person: Person, id: string): Promise<void> {
  const request = await deps.requests.get(id);
  if (!request || !maySeeRequest(person, request)) throw refused(NOT_FOUND);
  const done = await deps.requests.revokeShape(id, person.email, ADMINISTER);
  if (done === 'not-yours')
    throw new Problem(
      403,
      'not-yours',
      'Only who asked for it, who could approve it, and members of security end it.',
    );
  if (done === 'none')
    throw new Problem(
      409,
      'no-shape',
      'Nothing of this request can run again: it has ended already.',
    );
}
