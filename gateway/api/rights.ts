import { seatsAt, stageOf } from '#src/approval/asked.ts';
import type { RequestFilter, RequestReader } from '#src/approval/list.ts';
import type { Request } from '#src/approval/request.ts';
import type { RecordView } from '#src/audit/reader.ts';
import { maySeeRequest, WATCH_REQUESTS } from '#src/approval/sight.ts';
import { authority, seatsFor } from '#src/approval/tally.ts';
import type { Person } from '#src/identity/person.ts';

export { maySeeRequest, WATCH_REQUESTS };

export const ADMINISTER: readonly string[] = ['security'];
const READ_ALL_RECORDS = ['dba', 'security', 'oncall'];

const inOneOf = (person: Person, groups: readonly string[]): boolean =>
  person.groups.some((group) => groups.includes(group));

/** For the store to look for: what they may decide for beside their groups is like a group there. */
export const readerOf = ({ email, groups, stands = [] }: Person): RequestReader => ({
  email,
  groups: [...groups, ...stands.map(({ group }) => group)],
});

/** What `maySeeRequest` lets through, for the store to look for; undefined means every request. */
export const visibleTo = (person: Person): RequestFilter['visibleTo'] =>
  inOneOf(person, WATCH_REQUESTS) ? undefined : readerOf(person);

/** What the console offers; the decision itself is judged again by `Requests.decide`. */
export function mayDecide(person: Person, request: Request): boolean {
  return (
    request.state === 'pending' &&
    !person.machine &&
    request.card.person.email !== person.email &&
    authority(request, person).length > 0 &&
    !request.decisions.some((decision) => decision.person === person.email)
  );
}

/** It is their turn, at this hour; who may decide it can always deny it. */
export function isTheirTurn(person: Person, request: Request, now = Date.now()): boolean {
  const { requirement, escalated = [], stage = 1, card } = request;
  const seats = seatsAt(requirement.groups, escalated, now).filter(
    (seat) => stageOf(seat) <= stage,
  );
  return seatsFor(seats, person, card.person.email).length > 0;
}

/** They broke the glass, and only their own fresh sign-in is missing. */
export const mayTake = (person: Person, { kind, state, card }: Request): boolean =>
  kind === 'break-glass' && state === 'pending' && card.person.email === person.email;

/** Members of `dba`, `security` and `oncall` read every record; everybody else reads the records of their own acts. */
export const maySeeAllRecords = (person: Person): boolean => inOneOf(person, READ_ALL_RECORDS);

export function maySeeRecord(person: Person, record: Pick<RecordView, 'person'>): boolean {
  return record.person === person.email || maySeeAllRecords(person);
}

/** Members of `security` see what opens something for anybody, and end it. */
export const mayAdminister = (person: Person): boolean => inOneOf(person, ADMINISTER);

/** What the console offers; the revocation itself is judged again. */
export function mayEndShape(person: Person, request: Request): boolean {
  return (
    request.card.person.email === person.email ||
    authority(request, person).length > 0 ||
    inOneOf(person, ADMINISTER)
  );
}
