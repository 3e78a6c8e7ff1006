import type { Step, TimelinePart, TimelineQuery } from '#src/audit/timeline.ts';
import type { GapEvent, RecordingEvent, RecordingInfo } from '#src/recording/port.ts';
import { AnswerBuilder, isSql, statementOf, type Answer } from '#src/recording/transcript.ts';
import type { SessionFound } from '#src/store/session-list.ts';
import type { HttpDeps } from './deps.ts';
import { notFound } from './problem.ts';
import { recordLook, type Reader } from './reading.ts';
import { maySeeRecord } from './rights.ts';

/** What is known of a session; of one that was refused at its start, what its record says. */
export type SessionFacts = Partial<Omit<SessionFound, 'state'>> & {
  readonly id: string;
  readonly state: SessionFound['state'] | 'refused';
};

export type SessionPart = TimelinePart & {
  readonly session: SessionFacts;
  readonly recording?: RecordingInfo;
  /** By statement, of those in `steps`. */
  readonly answers: ReadonlyMap<string, Answer>;
  /** What is missing of the recording in this part. */
  readonly gaps: readonly GapEvent[];
  /** How many events of the recording were read. */
  readonly read: number;
};

/** Rows of a result on a page of many statements, and on the page of one. */
export const FEW_ROWS = 20;
const ALL_ROWS = 1_000;
/** Steps a part. */
const PAGE = 50;
const FEW_CHARACTERS = 20_000;
/** Events behind the last statement that is looked for: in a pipeline answers come later than the next statements. */
const BEHIND = 2_000;

/** With `statement` only that one, with all its rows. */
export type PartQuery = Omit<TimelineQuery, 'limit'> & { readonly statement?: string };

const partOf = ({ statement, ...rest }: PartQuery): TimelineQuery =>
  statement === undefined ? { ...rest, limit: PAGE } : { at: statement, limit: 1 };

/**
 * A part of a session's timeline with what came back. Throws a 404 when there is none that the person may see. The look is
 * recorded before anything of it is read: of one's own session when its recording is opened, of others always.
 */
export async function readSessionPart(
  deps: HttpDeps,
  reader: Reader,
  id: string,
  query: PartQuery,
): Promise<SessionPart> {
  const session = await readSessionFacts(deps, reader, id);
  const recording = await deps.recordings?.info(id);
  const opened = recording?.protocol === 'postgres';
  if (opened || !isOwn(reader, session)) {
    const looked = opened ? 'recording' : 'session';
    const about = query.statement === undefined ? {} : { statement: query.statement };
    await recordLook(deps, reader, { looked, ...about }, { session: id });
  }
  const part = await deps.timeline.read(id, partOf(query));
  const steps = part.steps.map(({ first, all }) => ({
    first,
    // Who tried to vote is not the requester's to see.
    all: all.filter((record) => maySeeRecord(reader.person, record)),
  }));
  const most = query.statement === undefined ? FEW_ROWS : ALL_ROWS;
  const events = opened ? deps.recordings?.readRecording(id) : undefined;
  return {
    ...part,
    steps,
    session,
    ...(recording && { recording }),
    ...(await answersOf(events, steps, most)),
  };
}

const isOwn = ({ person }: Reader, session: { readonly person?: string | undefined }): boolean =>
  session.person === person.email;

/** Throws a 404 when there is none that the person may see; says nothing to the log. */
export async function readSessionFacts(
  deps: HttpDeps,
  { person }: Reader,
  id: string,
): Promise<SessionFacts> {
  const found = await deps.sessions.get(id);
  if (found) {
    if (!maySeeRecord(person, found)) throw notFound('session');
    return found.state === 'ended' && found.endedBy === undefined && (await isAbandoned(deps, id))
      ? { ...found, state: 'abandoned' }
      : found;
  }
  const [start] = await deps.records.search(`session:${id} kind:session-start`, 1);
  if (!start || !maySeeRecord(person, start)) throw notFound('session');
  return {
    id,
    state: 'refused',
    startedAt: start.at,
    ...(start.person && { person: start.person }),
    ...(start.agent && { agent: start.agent }),
    ...(start.target && { target: start.target }),
  };
}

/** The record of its end says so, when its gateway did not live to write it. */
async function isAbandoned({ records }: HttpDeps, id: string): Promise<boolean> {
  const [end] = await records.search(`session:${id} kind:session-end`, 1);
  return end?.body?.['why'] !== undefined;
}

async function answersOf(
  events: AsyncIterable<RecordingEvent> | undefined,
  steps: readonly Step[],
  most: number,
): Promise<Pick<SessionPart, 'answers' | 'gaps' | 'read'>> {
  const wanted = new Set(steps.flatMap(({ first }) => first.statement ?? []));
  const builders = new Map<string, AnswerBuilder>();
  const gaps: GapEvent[] = [];
  const seen = new Set<string>();
  let behind = 0;
  let read = 0;
  for await (const event of events ?? []) {
    read += 1;
    if (event.k === 'gap') gaps.push(event);
    const statement = statementOf(event);
    if (statement === undefined || !isSql(event)) continue;
    if (!wanted.has(statement)) {
      // What comes before the first one is passed over, what comes long after the last one is not read.
      behind = seen.size === wanted.size ? behind + 1 : 0;
      if (behind > BEHIND) break;
      continue;
    }
    if (event.k === 'statement') seen.add(statement);
    const builder = builders.get(statement) ?? new AnswerBuilder(most, FEW_CHARACTERS * most);
    builders.set(statement, builder);
    builder.take(event);
  }
  return {
    answers: new Map([...builders].map(([id, builder]) => [id, builder.answer])),
    gaps,
    read,
  };
}
