import type { FreshSignIn } from '../../policy/fresh.ts';
import type { Database } from '../../store/database.ts';
import { personKey } from '../people.ts';
import type { SignIn } from '../sign-ins.ts';

/** A database session that is open, as its person is shown it before they sign in for it. */
export type OpenSession = {
  readonly id: string;
  readonly target: string;
  readonly database: string;
  /** Address of the client, and what it calls itself. */
  readonly client: string;
  readonly application: string;
  /** ISO 8601. */
  readonly startedAt: string;
};

/** Fresh sign-ins of people for their own database sessions; an agent's session has none. */
export type SessionSignIns = {
  /** An open session of this person; undefined for any other. */
  open(session: string, person: string): Promise<OpenSession | undefined>;
  /** The sign-in counts for this session from now on, in place of the one before. */
  remember(session: string, signIn: SignIn): Promise<void>;
  /** The same browser has signed in again: what the sign-in before stood for goes on with this one. */
  handOver(before: string, now: string): Promise<void>;
  /** The one that counts for this session now; undefined when there is none, or when it was ended. */
  current(session: string, person: string): Promise<FreshSignIn | undefined>;
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function openSessionSignIns(db: Database): SessionSignIns {
  return {
    async open(session, person) {
      if (!UUID.test(session)) return undefined;
      const { rows } = await db.pool.query<Omit<OpenSession, 'startedAt'> & { started: Date }>(
        `select id, target, database, client, application, started_at as started from countersign.session
         where id = $1 and lower(person) = $2 and agent is null and ended_at is null`,
        [session, personKey(person)],
      );
      const [row] = rows;
      if (!row) return undefined;
      const { started, ...rest } = row;
      return { ...rest, startedAt: started.toISOString() };
    },

    async remember(session, { id, authTime, acr, amr }) {
      if (authTime === undefined) throw new Error('a fresh sign-in says when it was made');
      // A provider whose clock runs ahead does not make a sign-in last longer.
      await db.pool.query(
        `insert into countersign.session_sign_in (session, sign_in, auth_time, acr, amr)
         values ($1, $2, least($3, clock_timestamp()), $4, $5)
         on conflict (session) do update set sign_in = excluded.sign_in, auth_time = excluded.auth_time,
           acr = excluded.acr, amr = excluded.amr`,
        [session, id, new Date(authTime), acr ?? null, amr ? [...amr] : null],
      );
    },

    async handOver(before, now) {
      await db.pool.query(
        'update countersign.session_sign_in set sign_in = $2 where sign_in = $1',
        [before, now],
      );
    },

    async current(session, person) {
      const { rows } = await db.pool.query<{
        id: string;
        auth_time: Date;
        acr: string | null;
        amr: string[] | null;
      }>(
        `select s.id, f.auth_time, f.acr, f.amr
         from countersign.session_sign_in f join countersign.sign_in s on s.id = f.sign_in
         where f.session = $1 and s.person = $2 and s.ended_at is null and s.ends_at > clock_timestamp()`,
        [session, personKey(person)],
      );
      const [row] = rows;
      if (!row) return undefined;
      const { id, auth_time: authTime, acr, amr } = row;
      return {
        id,
        authTime: authTime.getTime(),
        ...(acr !== null && { acr }),
        ...(amr && { amr }),
      };
    },
  };
}
