import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Database, Sql } from '../../store/database.ts';
import { secretHash } from '../secret.ts';
import type { Assertion } from '../sign-in.ts';
import { refuse } from './refuse.ts';

const FLOW = "interval '10 minutes'";
/** From the provider's answer to the browser's next request. */
const TICKET = "interval '2 minutes'";
/** Sign-ins on their way to a provider. */
const MOST = 20_000;
/** Longer than an answer of a provider is good for. */
const OVERTAKEN = "interval '1 hour'";

/** A sign-in that a provider has answered and this browser has begun. */
export type Answered = {
  readonly assertion: Assertion;
  readonly next: string;
};

export type SamlStore = {
  /** Opens a sign-in for one browser, which `browser` stands for, and returns the id of its request. */
  begin(provider: string, browser: Buffer, next: string): Promise<string>;
  /**
   * Takes an assertion: for the request that it answers, or with `request` undefined for none. Each request and each
   * assertion is taken once, on whichever gateway. Returns the ticket that the browser finishes with. Rejects with
   * NotWelcome.
   */
  take(taken: {
    readonly provider: string;
    readonly request: string | undefined;
    readonly id: string;
    readonly until: number;
    readonly assertion: Assertion;
  }): Promise<string>;
  /** Ends the sign-in of this ticket; undefined when there is none, or another browser began it. */
  finish(
    provider: string,
    ticket: string,
    browser: Buffer | undefined,
  ): Promise<Answered | undefined>;
  /** Remembers a message until it would be refused anyway. Rejects with NotWelcome when it has been here before. */
  useOnce(provider: string, id: string, until: number): Promise<void>;
  /** As if it had not been used: what it asks for could not be done. */
  forget(provider: string, id: string): Promise<void>;
  /**
   * What was begun with these sessions at the provider and is on its way here comes to nothing; `at` is when they ended,
   * by its clock.
   */
  sessionsEnded(
    provider: string,
    subject: string,
    sessions: readonly string[],
    at: number,
  ): Promise<void>;
  /** E-mail address of who has signed in as this subject; with `sessions` only when in one of them. */
  whoSignedIn(
    provider: string,
    subject: string,
    sessions: readonly string[],
  ): Promise<string | undefined>;
};

/** An id for XML, where none begins with a digit: 160 random bits. */
export const newId = (): string => `_${randomBytes(20).toString('hex')}`;

export function openSamlStore(db: Database): SamlStore {
  return {
    async begin(provider, browser, next) {
      const id = newId();
      await sweep(db.pool);
      // A flood pushes out only what is older than all of it: no stranger can keep others from signing in.
      await db.pool.query(
        `delete from countersign.saml_flow where ticket is null and expires_at <
           (select expires_at from countersign.saml_flow where ticket is null order by expires_at desc offset $1 limit 1)`,
        [MOST],
      );
      await db.pool.query(
        `insert into countersign.saml_flow (id, provider, browser, next, expires_at)
         values ($1, $2, $3, $4, clock_timestamp() + ${FLOW})`,
        [id, provider, browser, next],
      );
      return id;
    },

    take: ({ provider, request, id, until, assertion }) =>
      db.transaction(async (sql) => {
        await use(sql, provider, id, until);
        await demandOpen(sql, assertion);
        const ticket = randomBytes(32).toString('base64url');
        const answer = [secretHash(ticket), JSON.stringify(assertion)];
        if (request === undefined)
          await sql.query(
            `insert into countersign.saml_flow (id, provider, next, ticket, said, expires_at)
             values ($1, $2, '', $3, $4, clock_timestamp() + ${TICKET})`,
            [newId(), provider, ...answer],
          );
        else {
          const { rowCount } = await sql.query(
            `update countersign.saml_flow set ticket = $3, said = $4, expires_at = clock_timestamp() + ${TICKET}
             where id = $1 and provider = $2 and ticket is null and expires_at > clock_timestamp()`,
            [request, provider, ...answer],
          );
          if (!rowCount)
            refuse(
              'it answers a sign-in that was not begun here, is over, or was begun too long ago',
            );
        }
        return ticket;
      }),

    async finish(provider, ticket, browser) {
      const { rows } = await db.pool.query<{ said: unknown; next: string }>(
        `delete from countersign.saml_flow
         where ticket = $1 and provider = $2 and (browser is null or browser = $3)
           and expires_at > clock_timestamp() returning said, next`,
        [secretHash(ticket), provider, browser ?? null],
      );
      const row = rows[0];
      return row && { assertion: said.parse(row.said), next: row.next };
    },

    useOnce: (provider, id, until) => use(db.pool, provider, id, until),

    async forget(provider, id) {
      await db.pool.query('delete from countersign.saml_used where provider = $1 and id = $2', [
        provider,
        id,
      ]);
    },

    async sessionsEnded(provider, subject, sessions, at) {
      await db.pool.query(
        `insert into countersign.saml_used (provider, id, expires_at)
         select $1, key, $3::timestamptz + ${OVERTAKEN} from unnest($2::text[]) key
         on conflict (provider, id) do update set expires_at = greatest(saml_used.expires_at, excluded.expires_at)`,
        [provider, [...new Set(sessions.map((sid) => sessionKey(subject, sid)))], new Date(at)],
      );
      await db.pool.query(
        `delete from countersign.saml_flow where provider = $1 and said ->> 'subject' = $2`,
        [provider, subject],
      );
    },

    async whoSignedIn(provider, subject, sessions) {
      // A token outlives the sign-in that it was made in, so sign-ins that are over count too.
      const { rows } = await db.pool.query<{ email: string }>(
        `select p.email from countersign.person p
         where p.provider = $1 and p.subject = $2 and (cardinality($3::text[]) = 0 or exists
           (select from countersign.sign_in s where s.provider = $1 and s.person = p.email and s.sid = any ($3)))`,
        [provider, subject, sessions],
      );
      return rows[0]?.email;
    },
  };
}

/** No id of XML holds a blank. */
const sessionKey = (subject: string, sid: string): string => `session ${subject} ${sid}`;

/** Refuses a sign-in whose session at the provider has ended while it was on its way. */
async function demandOpen(sql: Sql, said: Assertion): Promise<void> {
  const { provider, subject, sid, authTime = 0 } = said;
  if (sid === undefined) return;
  const { rowCount } = await sql.query(
    // A provider may give the next session the same name.
    `select from countersign.saml_used where provider = $1 and id = $2 and expires_at - ${OVERTAKEN} >= $3`,
    [provider, sessionKey(subject, sid), new Date(authTime)],
  );
  if (rowCount) refuse('you have signed out at the provider meanwhile');
}

async function use(sql: Sql, provider: string, id: string, until: number): Promise<void> {
  const { rowCount } = await sql.query(
    `insert into countersign.saml_used (provider, id, expires_at) values ($1, $2, $3) on conflict do nothing`,
    [provider, id, new Date(until)],
  );
  if (!rowCount) refuse('it has been used before');
}

/** By the database's clock, an hour later than needed: gateways compare by their own. */
async function sweep(sql: Sql): Promise<void> {
  await sql.query('delete from countersign.saml_flow where expires_at < clock_timestamp()');
  await sql.query(
    "delete from countersign.saml_used where expires_at < clock_timestamp() - interval '1 hour'",
  );
}

const said = z.strictObject({
  provider: z.string(),
  subject: z.string(),
  email: z.string(),
  name: z.string(),
  groups: z.array(z.string()),
  authTime: z.number().exactOptional(),
  acr: z.string().exactOptional(),
  sid: z.string().exactOptional(),
  idToken: z.string().exactOptional(),
  until: z.number().exactOptional(),
});
