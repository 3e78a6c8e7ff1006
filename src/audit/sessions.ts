import type { Database } from '../store/database.ts';
import {
  endSessionBy,
  findSession,
  listSessions,
  type SessionFilter,
  type SessionFound,
} from '../store/session-list.ts';
import type { AuditLog } from './log.ts';

/** Tells every gateway that somebody has ended a session; who and why is in its row. */
export const SESSION_ENDED = 'countersign_session_ended';

export type SessionEnd = {
  /** Whoever ends it, and how they came. */
  readonly by: string;
  readonly via: string;
  readonly reason: string;
};

/** The sessions of all gateways of this store. */
export interface SessionsList {
  get(id: string): Promise<SessionFound | undefined>;
  /** Newest first. */
  list(filter: SessionFilter): Promise<readonly SessionFound[]>;
  /**
   * Ends it on whichever gateway it is: resolves once that is recorded, and its gateway ends it when it hears of that, at
   * the latest 2 s after. False when it had ended already. Rejects when it cannot be recorded; then it goes on.
   */
  end(session: SessionFound, end: SessionEnd): Promise<boolean>;
}

class Ended extends Error {}

export function openSessionsList({
  db,
  audit,
}: {
  readonly db: Database;
  readonly audit: AuditLog;
}): SessionsList {
  return {
    get: (id) => findSession(db.pool, id),
    list: (filter) => listSessions(db.pool, filter),
    async end({ id, person, agent, target }, { by, via, reason }) {
      const entry = {
        kind: 'session-end',
        session: id,
        person,
        ...(agent !== undefined && { agent }),
        target,
        body: { by, reason, via },
      } as const;
      try {
        await audit.append(entry, async (sql) => {
          if (!(await endSessionBy(sql, id, { by, why: reason }))) throw new Ended();
          await sql.query('select pg_notify($1, $2)', [SESSION_ENDED, id]);
        });
        return true;
      } catch (error) {
        if (error instanceof Ended) return false;
        throw error;
      }
    },
  };
}
