import { consoleOfHolder } from '#src/approval/rows.ts';
import { rolesOf } from '#src/identity/grants.ts';
import type { Person, Subject } from '#src/identity/person.ts';
import type { Policy } from '#src/policy/policy.ts';
import type { Database } from '#src/store/database.ts';
import { mayReveal, type Holds, type Review } from './gate/holds.ts';

type Parts = {
  readonly db: Database;
  readonly holds: Holds;
  readonly subject: (email: string) => Promise<Subject | undefined>;
  readonly policy: () => Policy;
  readonly publicUrl: string;
};

/** Shows a held statement whole to who may see it: here if this gateway holds it, else it says where. */
export function reviews({ db, holds, subject, policy, publicUrl }: Parts) {
  return async (id: string, person: Person): Promise<Review & { readonly at?: string }> => {
    const known = await subject(person.email);
    // A look is no use that starts a grant: one that waits for its first use shows nothing here.
    const reader = known && { ...known, roles: (await rolesOf(db, person.email)).started };
    const review = holds.review(
      id,
      (asked) => reader !== undefined && mayReveal(policy(), reader, asked),
    );
    if (review.kind !== 'elsewhere') return review;
    const there = await consoleOfHolder(db.pool, id, publicUrl);
    return { ...review, ...(there !== undefined && { at: `${there}/requests/${id}` }) };
  };
}
