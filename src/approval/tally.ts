import type { Standing } from '../identity/person.ts';
import type { Requirement } from '../policy/verdict.ts';
import { groupsNamed, type Seats, stageOf } from './asked.ts';
import type { Request } from './request.ts';

/**
 * Somebody who approved, with the groups the directory gives them now. `stage`: the one that was asked when they did;
 * 1 when absent.
 */
export type Voter = {
  readonly email: string;
  readonly groups: readonly string[];
  readonly stands?: readonly Standing[];
  readonly stage?: number;
};

/**
 * `counted`: which group each person counts for; `standing`: those of them who stand in for somebody, and for whom.
 * `missing`: what is still asked for, with how many persons. `stage`: the one whose turn it is; undefined when satisfied.
 */
export type Tally = {
  readonly satisfied: boolean;
  readonly counted: ReadonlyMap<string, string>;
  readonly standing: ReadonlyMap<string, string>;
  readonly missing: Requirement['groups'];
  readonly stage?: number;
};

/** E-mails are compared as people read them: without case, surrounding space or Unicode look-alike composition. */
export function sameKey(email: string): string {
  return email.normalize('NFKC').trim().toLowerCase();
}

/** What a request asks of whom, and who asked for it. */
export type Asking = Pick<Request, 'requirement' | 'escalated' | 'card'>;

/**
 * The groups named by this request that the person could count for, at whatever stage and hour: their own, on call, or in
 * the place of somebody who is away. Nobody stands in for who asked.
 */
export function authority(request: Asking, person: Voter): readonly string[] {
  const sources = sourcesOf(person, sameKey(request.card.person.email));
  return groupsNamed(request).filter((group) => sources.some(({ has }) => has.includes(group)));
}

/** Those of the seats that the person could take now, in the stage whose turn it is. */
export function seatsFor(
  seats: readonly Seats[],
  person: Voter,
  requester: string,
): readonly Seats[] {
  const sources = sourcesOf(person, sameKey(requester));
  return seats.filter((seat) => sources.some(({ has }) => groupFor(seat, has) !== undefined));
}

/** Whose authority somebody brings: their own, or that of an absent person. */
type Source = { readonly of: string; readonly has: readonly string[] };

function sourcesOf(person: Voter, requester: string): readonly [Source, ...Source[]] {
  const own = sameKey(person.email);
  const stands = person.stands ?? [];
  const duties = stands.filter((one) => one.for === undefined).map(({ group }) => group);
  const has = new Map<string, string[]>();
  for (const { group, for: absent } of stands) {
    const of = absent === undefined ? own : sameKey(absent);
    if (of !== own && of !== requester) has.set(of, [...(has.get(of) ?? []), group]);
  }
  return [
    { of: own, has: [...person.groups, ...duties] },
    ...Array.from(has, ([of, groups]) => ({ of, has: groups })),
  ];
}

/**
 * Counts approvals. One person counts for one group, nobody's authority counts twice, and the assignment is the one that
 * satisfies the most, the stages in their order (bipartite matching by augmenting paths): a person in two groups never
 * blocks somebody who is in only one of them. An approval counts in the stage in which it was given. The requester never
 * counts. A requirement that names no group is never satisfied.
 */
export function tally(
  asked: readonly Seats[],
  approvals: readonly Voter[],
  requester: string,
): Tally {
  const seats = asked
    .toSorted((a, b) => stageOf(a) - stageOf(b))
    .flatMap((one) => Array.from({ length: Math.max(1, one.quorum) }, () => one));
  const taken = match(seats, votersOf(asked, approvals, sameKey(requester)));
  const missing = asked.flatMap((one) => {
    const quorum = seats.filter((seat, i) => seat === one && !taken.has(i)).length;
    const { group, stage } = one;
    return quorum > 0 ? [{ group, quorum, ...(stage !== undefined && { stage }) }] : [];
  });
  const counted = new Map<string, string>();
  const standing = new Map<string, string>();
  for (const [seat, { key, sources }] of taken) {
    const place = seats[seat];
    const source = place && sources.find(({ has }) => groupFor(place, has) !== undefined);
    if (!source) continue;
    counted.set(key, groupFor(place, source.has) ?? place.group);
    if (source.of !== key) standing.set(key, source.of);
  }
  return {
    satisfied: seats.length > 0 && taken.size === seats.length,
    counted,
    standing,
    missing,
    ...(missing.length > 0 && { stage: Math.min(...missing.map(stageOf)) }),
  };
}

type Sitter = {
  readonly key: string;
  readonly stage: number;
  readonly sources: readonly Source[];
};

const groupFor = (seat: Seats, has: readonly string[]): string | undefined =>
  [seat.group, ...(seat.also ?? [])].find((group) => has.includes(group));

/**
 * Each person once, with what they may count for. Who votes although they are away votes for themselves, and one alone
 * stands in for an absent person: the first who has nothing of their own to vote with.
 */
function votersOf(
  asked: readonly Seats[],
  approvals: readonly Voter[],
  requester: string,
): readonly Sitter[] {
  const voters = new Map<string, Voter>();
  for (const voter of approvals) {
    const key = sameKey(voter.email);
    if (key !== requester) voters.set(key, voter);
  }
  const standsFor = new Map<string, string>();
  const found = Array.from(voters, ([key, voter]) => ({
    key,
    stage: stageOf(voter),
    sources: sourcesOf(voter, requester),
  }));
  const needs = ({ sources: [own] }: (typeof found)[number]): boolean =>
    asked.every((seat) => groupFor(seat, own.has) === undefined);
  for (const { key, sources } of [...found.filter(needs), ...found])
    for (const { of } of sources) if (!standsFor.has(of)) standsFor.set(of, key);
  return found.map((one) => ({
    ...one,
    sources: one.sources.filter(({ of }) =>
      of === one.key ? true : !voters.has(of) && standsFor.get(of) === one.key,
    ),
  }));
}

/** Seat → who sits there, as many seats as can be filled. A seat that comes earlier stays filled whatever comes later. */
function match(seats: readonly Seats[], voters: readonly Sitter[]): ReadonlyMap<number, Sitter> {
  const taken = new Map<number, Sitter>();
  const sits = new Map<string, number>();
  const fill = (seat: number, tried: Set<string>): boolean => {
    const place = seats[seat];
    for (const voter of voters) {
      const { key, stage, sources } = voter;
      if (!place || tried.has(key) || stage !== stageOf(place)) continue;
      if (!sources.some(({ has }) => groupFor(place, has) !== undefined)) continue;
      tried.add(key);
      const other = sits.get(key);
      if (other !== undefined && !fill(other, tried)) continue;
      taken.set(seat, voter);
      sits.set(key, seat);
      return true;
    }
    return false;
  };
  for (const seat of seats.keys()) fill(seat, new Set());
  return taken;
}
