import type { Vote } from '#src/approval/port.ts';
import type { Request } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import type { HttpDeps, Review } from './deps.ts';
import { refused } from './problem.ts';

const MUST_REVIEW: Readonly<Record<Review['kind'], string | undefined>> = {
  whole: undefined,
  elsewhere:
    'Part of this write is hidden, and another gateway holds the exact statement. Review it in that gateway’s console.',
  masked:
    'Part of this write is hidden from you. Somebody who may see the values has to approve it; you can deny it.',
};

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
  const kind = vote.decision === 'approve' ? (await deps.review(id, person)).kind : 'masked';
  const decided = await deps.requests.decide(id, person, {
    ...vote,
    ...(kind === 'whole' && { reviewed: true }),
  });
  if (decided.ok) return decided.request;
  const { code, message } = decided.refusal;
  const why = code === 'must-review' ? (MUST_REVIEW[kind] ?? message) : message;
  throw refused({ code, message: why });
}
