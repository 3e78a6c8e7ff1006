import type { RequestFilter } from '#src/approval/list.ts';
import type { Request } from '#src/approval/request.ts';
import type { JsonObject } from '#src/audit/log.ts';
import type { RecordsPart, RecordView } from '#src/audit/reader.ts';
import { searchInRecord } from '#src/audit/search/in-record.ts';
import type { Person } from '#src/identity/person.ts';
import type { Caller } from './authenticate.ts';
import type { HttpDeps, Review } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import { maySeeAllRecords, maySeeRecord, maySeeRequest, visibleTo } from './rights.ts';

export type Via = 'api' | 'console' | 'slack' | 'teams';
export type Reader = { readonly person: Person; readonly agent?: string; readonly via: Via };

/** Whoever asks over the API. */
export const apiReader = ({ person, agent }: Caller): Reader => ({
  person,
  via: 'api',
  ...(agent !== undefined && { agent }),
});

const SESSION_RECORDS = 500;

/** Records a look before its answer goes out; when that cannot be recorded, nothing is shown. */
export async function recordLook(
  deps: Pick<HttpDeps, 'audit'>,
  { person, agent, via }: Reader,
  body: JsonObject,
  about: { readonly session?: string; readonly request?: string } = {},
): Promise<void> {
  await deps.audit.append({
    kind: 'look',
    person: person.email,
    ...(agent !== undefined && { agent }),
    ...about,
    body: { via, ...body },
  });
}

/** Newest first, and only those that the person may see. */
export async function listRequests(
  deps: HttpDeps,
  person: Person,
  filter: Omit<RequestFilter, 'visibleTo'>,
): Promise<readonly Request[]> {
  const mine = visibleTo(person);
  const found = await deps.requests.list({ ...filter, ...(mine && { visibleTo: mine }) });
  return found.filter((request) => maySeeRequest(person, request));
}

/** Throws a 404 when there is none, or none that the person may see: both look the same. */
export async function readRequest(deps: HttpDeps, person: Person, id: string): Promise<Request> {
  const request = await deps.requests.get(id);
  if (!request || !maySeeRequest(person, request)) throw notFound('request');
  return request;
}

/** The exact statement, for an approver who may reveal it; showing more than the masked text is a look. */
export async function reviewRequest(
  deps: HttpDeps,
  reader: Reader,
  request: Request,
): Promise<Review> {
  const review = await deps.review(request.id, reader.person);
  if (review.kind === 'whole' && review.text !== request.card.masked)
    await recordLook(deps, reader, { looked: 'exact statement' }, { request: request.id });
  return review;
}

/** Newest first. Who may read only their own records searches only those. */
export async function searchRecords(
  deps: HttpDeps,
  reader: Reader,
  q: string,
  limit: number,
  part: RecordsPart = {},
): Promise<readonly RecordView[]> {
  const { person } = reader;
  await recordLook(deps, reader, { ...searchInRecord(q), limit, ...part });
  // In front, where no quote in the query can swallow it.
  const scoped = maySeeAllRecords(person) ? q : `person:${person.email} ${q}`.trim();
  const found = await deps.records.search(scoped, limit, part);
  return found.filter((record) => maySeeRecord(person, record));
}

/** Throws a 404 when there is none, or none that the person may see. */
export async function readRecord(deps: HttpDeps, reader: Reader, id: string): Promise<RecordView> {
  const record = await deps.records.get(id);
  if (!record || !maySeeRecord(reader.person, record)) throw notFound('record');
  if (record.person !== reader.person.email)
    await recordLook(deps, reader, { looked: 'record', record: id });
  const log = await deps.tree?.place(id);
  return { ...record, ...(log && { log }) };
}

/** The proof of a record, with the record in it: whoever may not read that has none of it either. */
export async function readProof(deps: HttpDeps, reader: Reader, id: string): Promise<string> {
  const record = await deps.records.get(id);
  if (!record || !maySeeRecord(reader.person, record)) throw notFound('record');
  if (record.person !== reader.person.email)
    await recordLook(deps, reader, { looked: 'proof', record: id });
  const proof = await deps.tree?.proof(id);
  if (proof !== undefined) return proof;
  const why = deps.tree
    ? 'The record is durable, and not signed yet; try again in a second.'
    : 'This gateway keeps no tree over its records.';
  throw new Problem(409, 'not-signed', why);
}

export type SessionView = {
  readonly id: string;
  readonly person?: string;
  readonly agent?: string;
  readonly target?: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** Oldest first; of a long session the newest 500 (of the part that was asked for). */
  readonly records: readonly RecordView[];
  /** There are earlier ones: those before the record with this id. */
  readonly earlier?: string;
};

/** A session as its records tell it. Throws a 404 when it has none that the person may see. */
export async function readSession(
  deps: HttpDeps,
  reader: Reader,
  id: string,
  part: RecordsPart = {},
): Promise<SessionView> {
  const [first] = await deps.records.search(`session:${id} kind:session-start`, 1);
  const found = await deps.records.search(`session:${id}`, SESSION_RECORDS, part);
  const start = first ?? found.at(-1);
  if (!start || !maySeeRecord(reader.person, start)) throw notFound('session');
  if (start.person !== reader.person.email)
    await recordLook(deps, reader, { looked: 'session' }, { session: id });
  const [end] = await deps.records.search(`session:${id} kind:session-end`, 1);
  return {
    id,
    ...(start.person && { person: start.person }),
    ...(start.agent && { agent: start.agent }),
    ...(start.target && { target: start.target }),
    ...(start.kind === 'session-start' && { startedAt: start.at }),
    ...(end && { endedAt: end.at }),
    ...earlierThan(found),
    // Who looked at it, and who tried to vote, is not the requester's to see.
    records: found.filter((record) => maySeeRecord(reader.person, record)).toReversed(),
  };
}

function earlierThan(found: readonly RecordView[]): Pick<SessionView, 'earlier'> {
  const oldest = found.at(-1);
  return found.length === SESSION_RECORDS && oldest ? { earlier: oldest.id } : {};
}
