import { randomUUID } from 'node:crypto';
import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { IdentityConfig } from '../config/identity.ts';
import type { Database, Sql } from '../store/database.ts';
import { personKey } from './people.ts';
import type { StepUpFor } from './oidc/flow.ts';
import { NotWelcome } from './sign-in.ts';
import type { Scope } from './token.ts';
import { LIVE } from './tokens.ts';
import type { Vault } from './vault.ts';

/** Somebody who is signed in to the console; times are ISO 8601. */
export type SignIn = {
  readonly id: string;
  readonly person: string;
  /** What it was made with: a provider, or the id of a token whose end ends it. */
  readonly provider?: string;
  readonly token?: string;
  readonly scopes: readonly Scope[];
  /** When the person proved who they are, by the provider; milliseconds since the epoch. */
  readonly authTime?: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
  /** The session at the provider. */
  readonly sid?: string;
  /** Address of the browser. */
  readonly client: string;
  readonly startedAt: string;
  readonly lastUsedAt: string;
  readonly endsAt: string;
};

export type NewSignIn = Omit<SignIn, 'id' | 'startedAt' | 'lastUsedAt' | 'endsAt'> & {
  readonly refreshToken?: string;
  readonly idToken?: string;
  /** The latest that it may end, in milliseconds since the epoch. */
  readonly until?: number;
  /** What it was made anew for; the record names it. */
  readonly stepUp?: StepUpFor;
};

/** Who may be asked about at a provider. */
export type Refreshable = {
  readonly signIn: string;
  readonly person: string;
  readonly provider: string;
  readonly refreshToken: string;
};

export type SignInStore = {
  /** `cookie` is a keyed hash of the cookie's id. Recorded. Rejects with NotWelcome for who was let go meanwhile. */
  start(cookie: Buffer, signIn: NewSignIn): Promise<SignIn>;
  /** The live one; `touch` is false for what a page does by itself, so that an abandoned screen is signed out. */
  find(cookie: Buffer, touch: boolean): Promise<SignIn | undefined>;
  /** The live one of this id. */
  get(id: string): Promise<SignIn | undefined>;
  /** Whether it is live, as it stays until the end of this transaction. */
  stands(sql: Sql, id: string): Promise<boolean>;
  /** Those that are live, newest first. */
  list(person: string): Promise<readonly SignIn[]>;
  /** False when there is no such live sign-in. Recorded. */
  revoke(id: string, why: string, by?: string): Promise<boolean>;
  /** Ends those that nobody has used for too long, that are too old, or whose token has ended. Each is recorded. */
  endOverdue(): Promise<void>;
  /** The id token, for the sign-out at the provider. */
  idToken(id: string): Promise<string | undefined>;
  /** Live sign-ins that were begun with this session at the provider, for its back-channel logout. */
  ofProvider(provider: string, sid: string): Promise<readonly SignIn[]>;
  /**
   * One refresh token each of active people whom their provider has not confirmed for `olderThanMs`; the newest that this
   * gateway can read. At most 1000, none of them of the providers `except`.
   */
  refreshable(olderThanMs: number, except?: readonly string[]): Promise<readonly Refreshable[]>;
  /** The provider gave another refresh token, or with undefined: this one is worth nothing any more. */
  keepRefreshToken(id: string, token: string | undefined): Promise<void>;
};

type Row = {
  readonly id: string;
  readonly person: string;
  readonly provider: string | null;
  readonly token: string | null;
  readonly scopes: Scope[];
  readonly auth_time: Date | null;
  readonly acr: string | null;
  readonly amr: string[] | null;
  readonly sid: string | null;
  readonly client: string;
  readonly started_at: Date;
  readonly seen_at: Date;
  readonly ends_at: Date;
};

const COLUMNS =
  's.id, s.person, s.provider, s.token, s.scopes, s.auth_time, s.acr, s.amr, s.sid, s.client, s.started_at, s.seen_at, s.ends_at';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MOST_AT_ONCE = 500;
/** Rows of sign-ins that are over are kept this long. */
const KEPT = "interval '30 days'";

/** Sign-ins in the store: a restart keeps them, every gateway knows them, and an end counts at the next question. */
export function openSignIns({
  db,
  audit,
  vault,
  sessions,
}: {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly vault: Vault;
  readonly sessions: IdentityConfig['sessions'];
}): SignInStore {
  const { idleMs, longestMs } = sessions;
  const touchMs = Math.min(15_000, idleMs / 10);
  // One made with a token ends with that token.
  const live = `s.ended_at is null and s.ends_at > clock_timestamp()
    and s.seen_at > clock_timestamp() - ${idleMs} * interval '1 ms'
    and (s.token is null or exists (select from countersign.token where token.id = s.token and ${LIVE}))`;

  return {
    async start(cookie, { refreshToken, idToken, until, stepUp, ...signIn }) {
      const id = randomUUID();
      const person = personKey(signIn.person);
      const seal = (text: string | undefined, use: string): Buffer | null =>
        text === undefined ? null : vault.seal(text, useOf(use, id));
      let row: Row | undefined;
      const isForLink = stepUp !== undefined && 'chatLink' in stepUp;
      const entry = {
        kind: 'sign-in',
        person,
        ...(!isForLink && stepUp),
        body: { ...told(id, signIn), ...(isForLink && stepUp) },
      } as const;
      await audit.append(entry, async (sql) => {
        // Locked: else one that was begun before the end of everything could come to life when they are let in again.
        const known = await sql.query<{ state: string }>(
          'select state from countersign.person where email = $1 for share',
          [person],
        );
        if ((known.rows[0]?.state ?? 'active') !== 'active')
          throw new NotWelcome('Your access ended while you signed in. Try again.');
        const { rows } = await sql.query<Row>(
          `insert into countersign.sign_in as s (id, cookie, person, provider, token, scopes, auth_time, acr, amr, sid,
             client, refresh_token, id_token, ends_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             least(clock_timestamp() + $14 * interval '1 ms', $15::timestamptz)) returning ${COLUMNS}`,
          [
            id,
            cookie,
            person,
            signIn.provider ?? null,
            signIn.token ?? null,
            [...signIn.scopes],
            signIn.authTime === undefined ? null : new Date(signIn.authTime),
            signIn.acr ?? null,
            signIn.amr ? [...signIn.amr] : null,
            signIn.sid ?? null,
            signIn.client,
            seal(refreshToken, 'refresh'),
            seal(idToken, 'id'),
            longestMs,
            until === undefined ? null : new Date(until),
          ],
        );
        row = rows[0];
        await sql.query(
          `delete from countersign.sign_in where ends_at < clock_timestamp() - ${KEPT}`,
        );
      });
      if (!row) throw new Error('the store did not return the sign-in');
      return signInOf(row);
    },

    async find(cookie, touch) {
      const { rows } = await db.pool.query<Row>(
        `select ${COLUMNS} from countersign.sign_in s where s.cookie = $1 and ${live}`,
        [cookie],
      );
      const row = rows[0];
      if (!row) return undefined;
      if (touch)
        // Nobody is signed out while they work, so this is waited for; seldom, since a few seconds do not matter.
        await db.pool.query(
          `update countersign.sign_in set seen_at = clock_timestamp()
           where id = $1 and seen_at < clock_timestamp() - $2 * interval '1 ms'`,
          [row.id, touchMs],
        );
      return signInOf(row);
    },

    async get(id) {
      if (!UUID.test(id)) return undefined;
      const { rows } = await db.pool.query<Row>(
        `select ${COLUMNS} from countersign.sign_in s where s.id = $1 and ${live}`,
        [id],
      );
      return rows[0] && signInOf(rows[0]);
    },

    async stands(sql, id) {
      const { rowCount } = await sql.query(
        `select from countersign.sign_in s where s.id = $1 and ${live} for share of s`,
        [id],
      );
      return rowCount === 1;
    },

    async list(person) {
      const { rows } = await db.pool.query<Row>(
        `select ${COLUMNS} from countersign.sign_in s where s.person = $1 and ${live}
         order by s.started_at desc, s.id limit 1000`,
        [personKey(person)],
      );
      return rows.map(signInOf);
    },

    async revoke(id, why, by) {
      if (!UUID.test(id)) return false;
      const { rows } = await db.pool.query<Row>(
        `select ${COLUMNS} from countersign.sign_in s where s.id = $1 and s.ended_at is null`,
        [id],
      );
      const found = rows[0];
      if (!found) return false;
      const body = { signIn: id, why, ...(by !== undefined && { by: personKey(by) }) };
      try {
        await audit.append({ kind: 'sign-out', person: found.person, body }, async (sql) => {
          const { rowCount } = await sql.query(
            `update countersign.sign_in set ended_at = clock_timestamp(), ended_why = $2
             where id = $1 and ended_at is null`,
            [id, why],
          );
          if (!rowCount) throw new NotLive();
        });
        return true;
      } catch (error) {
        if (error instanceof NotLive) return false;
        throw error;
      }
    },

    async endOverdue() {
      const { rows } = await db.pool.query<{ id: string; why: string }>(
        `select s.id, case when s.ends_at <= clock_timestamp() then 'its time was over'
             when s.seen_at <= clock_timestamp() - ${idleMs} * interval '1 ms' then 'it was not used for too long'
             else 'the token that it was made with has ended' end as why
         from countersign.sign_in s where s.ended_at is null and not (${live}) order by s.ends_at limit ${MOST_AT_ONCE}`,
      );
      // oxlint-disable-next-line no-await-in-loop -- many may be over at once, and others want to write too
      for (const { id, why } of rows) await this.revoke(id, why);
    },

    async idToken(id) {
      const { rows } = await db.pool.query<{ id_token: Buffer | null }>(
        'select id_token from countersign.sign_in where id = $1',
        [id],
      );
      const sealed = rows[0]?.id_token;
      return sealed ? vault.open(sealed, useOf('id', id)) : undefined;
    },

    async ofProvider(provider, sid) {
      const { rows } = await db.pool.query<Row>(
        `select ${COLUMNS} from countersign.sign_in s where s.provider = $1 and s.sid = $2 and ${live}
         order by s.started_at desc, s.id limit 1000`,
        [provider, sid],
      );
      return rows.map(signInOf);
    },

    async refreshable(olderThanMs, except = []) {
      const { rows } = await db.pool.query<{
        id: string;
        person: string;
        provider: string;
        refresh_token: Buffer;
      }>(
        `select s.id, s.person, s.provider, s.refresh_token
         from countersign.sign_in s join countersign.person p on p.email = s.person and p.provider = s.provider
         where s.refresh_token is not null and p.state = 'active'
           and p.checked_at < clock_timestamp() - $1 * interval '1 ms' and s.provider <> all ($2)
         order by p.checked_at, s.started_at desc limit 1000`,
        [olderThanMs, [...except]],
      );
      const newest = new Map<string, Refreshable>();
      for (const { id, person, provider, refresh_token: sealed } of rows) {
        const refreshToken = vault.open(sealed, useOf('refresh', id));
        if (refreshToken !== undefined && !newest.has(person))
          newest.set(person, { signIn: id, person, provider, refreshToken });
      }
      return [...newest.values()];
    },

    async keepRefreshToken(id, token) {
      // What was ended meanwhile must not come back.
      await db.pool.query(
        'update countersign.sign_in set refresh_token = $2 where id = $1 and refresh_token is not null',
        [id, token === undefined ? null : vault.seal(token, useOf('refresh', id))],
      );
    },
  };
}

/** Somebody else ended it meanwhile. */
class NotLive extends Error {}

const useOf = (what: string, id: string): string => `sign_in.${what}:${id}`;

/** What the record holds: no sid, which would sign somebody out at some providers, and no token. */
function told(id: string, signIn: NewSignIn): JsonObject {
  const { provider, token, scopes, authTime, acr, amr, client } = signIn;
  return {
    via: 'console',
    signIn: id,
    ...(provider !== undefined && { provider }),
    ...(token !== undefined && { token }),
    scopes,
    client,
    ...(authTime !== undefined && { authTime: new Date(authTime).toISOString() }),
    ...(acr !== undefined && { acr }),
    ...(amr !== undefined && { amr }),
  };
}

function signInOf(row: Row): SignIn {
  return {
    id: row.id,
    person: row.person,
    ...(row.provider !== null && { provider: row.provider }),
    ...(row.token !== null && { token: row.token }),
    scopes: row.scopes,
    ...(row.auth_time && { authTime: row.auth_time.getTime() }),
    ...(row.acr !== null && { acr: row.acr }),
    ...(row.amr && { amr: row.amr }),
    ...(row.sid !== null && { sid: row.sid }),
    client: row.client,
    startedAt: row.started_at.toISOString(),
    lastUsedAt: row.seen_at.toISOString(),
    endsAt: row.ends_at.toISOString(),
  };
}
