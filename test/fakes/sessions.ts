import { randomUUID } from 'node:crypto';
import type { SessionEnd, SessionsList } from '#src/audit/sessions.ts';
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
