import type { Requirement } from '../policy/verdict.ts';

type Groups = Requirement['groups'];

/** Somebody who approved, with the groups the directory gives them now. */
export type Voter = { readonly email: string; readonly groups: readonly string[] };

/** `counted`: which group each person counts for. `missing`: what is still asked for, with how many persons. */
export type Tally = {
  readonly satisfied: boolean;
  readonly counted: ReadonlyMap<string, string>;
  readonly missing: Groups;
};

/** E-mails are compared as people read them: without case, surrounding space or Unicode look-alike composition. */
export function sameKey(email: string): string {
  return email.normalize('NFKC').trim().toLowerCase();
}

/** The groups of the requirement that this person could count for. */
export function authority(groups: Groups, person: Voter): readonly string[] {
  return groups.map((asked) => asked.group).filter((group) => person.groups.includes(group));
}

/**
 * Counts approvals. One person counts for one group, and the assignment is the one that satisfies the most: a person in
 * two groups never blocks somebody who is in only one of them (bipartite matching by augmenting paths).
 * The requester never counts. A requirement that names no group is never satisfied.
 */
export function tally(groups: Groups, approvals: readonly Voter[], requester: string): Tally {
  const voters = new Map<string, Voter>();
  for (const voter of approvals) {
    const key = sameKey(voter.email);
    if (key !== sameKey(requester)) voters.set(key, voter);
  }
  const seats = groups.flatMap(({ group, quorum }) =>
    Array.from({ length: Math.max(1, quorum) }, () => group),
  );
  const taken = match(seats, voters);
  const counted = new Map<string, string>();
  for (const [seat, key] of taken) counted.set(key, seats[seat] ?? '');
  const missing = groups.flatMap(({ group }) => {
    const quorum = seats.filter((seat, i) => seat === group && !taken.has(i)).length;
    return quorum > 0 ? [{ group, quorum }] : [];
  });
  return { satisfied: seats.length > 0 && taken.size === seats.length, counted, missing };
}

/** Seat index → voter key, as many seats as can be filled. */
function match(
  seats: readonly string[],
  voters: ReadonlyMap<string, Voter>,
): ReadonlyMap<number, string> {
  const taken = new Map<number, string>();
  const place = (key: string, tried: Set<number>): boolean => {
    const own = voters.get(key)?.groups ?? [];
    for (const [seat, group] of seats.entries()) {
      if (tried.has(seat) || !own.includes(group)) continue;
      tried.add(seat);
      const sitting = taken.get(seat);
      if (sitting === undefined || place(sitting, tried)) {
        taken.set(seat, key);
        return true;
      }
    }
    return false;
  };
  for (const key of voters.keys()) place(key, new Set());
  return taken;
}
