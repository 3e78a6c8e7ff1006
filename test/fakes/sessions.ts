import { randomUUID } from 'node:crypto';
import type { SessionEnd, SessionsList } from '#src/audit/sessions.ts';
import type { RecordView } from '#src/audit/reader.ts';
import type { Timeline, TimelineRecord } from '#src/audit/timeline.ts';
import type { RecordingEvent, RecordingInfo, Recordings } from '#src/recording/port.ts';
import type { SessionFound } from '#src/store/session-list.ts';

export type SessionEnds = { readonly id: string; readonly end: SessionEnd }[];

export function makeSession(change: Partial<SessionFound> = {}): SessionFound {
  return {
    id: randomUUID(),
    gateway: 'local',
    person: 'engineer@example.com',
    target: 'shop',
    database: 'shop',
    protocol: 'postgres',
    client: '127.0.0.1:51234',
    application: 'psql',
    startedAt: '2026-11-20T20:14:00.000Z',
    state: 'running',
    ...change,
  };
}

/** Lists what is in `sessions`; who wanted to end one is in `ends`, and only a running one lets itself be ended. */
export function fakeSessions(sessions: readonly SessionFound[], ends: SessionEnds): SessionsList {
  return {
    get: (id) => Promise.resolve(sessions.find((session) => session.id === id)),
    list({ of, state, person: part = '', target, before, limit }) {
      const first = sessions.findIndex(({ id }) => id === before) + 1;
      return Promise.resolve(
        sessions
          .slice(first)
          .filter(({ person }) => of === undefined || person === of)
          .filter((session) => state === undefined || session.state === state)
          .filter((session) => target === undefined || session.target === target)
          .filter(({ person }) => person.includes(part))
          .slice(0, limit),
      );
    },
    end({ id, state }, end) {
      ends.push({ id, end });
      return Promise.resolve(state === 'running');
    },
  };
}

/** A session's steps from a plain list of records, newest first as the store's searches give them. */
export function fakeTimeline(records: readonly RecordView[]): Timeline {
  return {
    read(session, { verdict, after, before, at, latest, limit }) {
      const own = records.filter((record) => record.session === session).toReversed();
      const firsts = own
        .filter(({ kind }) => kind === 'statement')
        .filter((record) => verdict === undefined || record.verdict === verdict);
      const place = (test: (record: RecordView) => boolean): number => firsts.findIndex(test);
      const begin =
        after !== undefined
          ? place(({ id }) => id === after) + 1
          : Math.max(0, at === undefined ? 0 : place(({ statement }) => statement === at));
      const end = before === undefined ? firsts.length : place(({ id }) => id === before);
      const backwards = before !== undefined || latest === true;
      const from = backwards ? Math.max(0, end - limit) : begin;
      const shown = firsts.slice(from, Math.min(end, from + limit));
      const steps = shown.map((first: TimelineRecord) => ({
        first,
        all: own.filter(({ statement }) => statement === first.statement),
      }));
      const later = from + shown.length < firsts.length;
      return Promise.resolve({ steps, earlier: from > 0, later });
    },
  };
}

/** What a session got, as the reader would give it; with `coming`, what comes to who follows it. */
export function fakeRecordings(
  events: readonly RecordingEvent[],
  info: Partial<RecordingInfo> = {},
  coming?: (signal: AbortSignal) => AsyncIterable<RecordingEvent>,
): Pick<Recordings, 'info' | 'readRecording' | 'follow'> {
  // oxlint-disable-next-line require-await -- as the reader, which waits
  async function* stored(): AsyncGenerator<RecordingEvent> {
    yield* events;
  }
  return {
    info: (id) =>
      Promise.resolve({
        id,
        person: 'engineer@example.com',
        target: 'shop',
        protocol: 'postgres',
        startedAt: new Date('2026-11-20T20:00:00.000Z'),
        state: 'closed',
        chunks: 1,
        events: events.length,
        bytes: 1234,
        ...info,
      }),
    readRecording: () => stored(),
    async *follow(_session, signal) {
      yield* stored();
      if (coming) yield* coming(signal);
    },
  };
}
