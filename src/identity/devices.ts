import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import type { AuditLog } from '../audit/log.ts';
import type { Database, Sql } from '../store/database.ts';
import { personKey } from './people.ts';
import { secretHash } from './secret.ts';
import type { Scope } from './token.ts';

/** A program that asks to be signed in. */
export type DeviceLogin = {
  readonly id: string;
  /** As the person compares it: `BCDF-GHJK`. */
  readonly code: string;
  /** What the program calls itself; proves nothing. */
  readonly client: string;
  /** Where it asked from. */
  readonly address: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
};

export type Begun = {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly expiresIn: number;
  /** Both in seconds. */
  readonly interval: number;
};

/** What a program learns when it asks for its token. `approved` is said once. */
export type Polled =
  | { readonly kind: 'pending' | 'too-fast' | 'denied' | 'expired' | 'unknown' }
  | {
      readonly kind: 'approved';
      readonly person: string;
      readonly scopes: readonly Scope[];
      readonly lifetimeMs: number;
      readonly parent?: string;
      readonly address: string;
      /** For `stands`. */
      readonly login: string;
    };

export type Found =
  | { readonly kind: 'found'; readonly login: DeviceLogin }
  | { readonly kind: 'unknown' }
  /** Too many codes that were none; seconds until the next may be tried. */
  | { readonly kind: 'wait'; readonly seconds: number };

/** Who decides in the console, and what their own sign-in can hand on. */
export type Decider = {
  readonly person: string;
  readonly address: string;
  readonly scopes: readonly Scope[];
  readonly lifetimeMs: number;
  /** Id of the token that they have signed in with: the terminal's token ends with it. */
  readonly parent?: string | undefined;
  /** Whether their sign-in is live, as it stays until the end of this transaction. */
  readonly stands: (sql: Sql) => Promise<boolean>;
};

/** Device authorizations (RFC 8628), shared by all gateways of a store. */
export interface Devices {
  /** Undefined when the code was taken already, which is as rare as a guess that hits. */
  begin(client: string, address: string): Promise<Begun | undefined>;
  poll(deviceCode: string, client: string): Promise<Polled>;
  /** The pending login of a code that this person has typed; each miss counts against them. */
  find(code: string, person: string): Promise<Found>;
  /** False when it is not pending any more. Recorded. */
  decide(id: string, decision: 'approve' | 'deny', by: Decider): Promise<boolean>;
  /** Whether the person's word for a login that was polled still counts, as it does until the end of this transaction. */
  stands(sql: Sql, id: string): Promise<boolean>;
}

/** RFC 8628 section 6.1: consonants make no words and have no look-alikes; 20^8 codes are 34 bits. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const DEVICE_CODE = /^csd_[\w-]{43}$/u;
const LIFETIME_MS = 10 * 60_000;
const INTERVAL_MS = 2_000;
/** What the network may shorten of an interval. */
const JITTER_MS = 500;
const SLOWER_MS = 5_000;
const SLOWEST_MS = 60_000;
const MOST = 100_000;
const GUESSES = 10;
const GUESS_WINDOW_MS = 10 * 60_000;

type Row = {
  readonly id: string;
  readonly user_code: string;
  readonly client: string;
  readonly address: string;
  readonly state: string;
  readonly person: string | null;
  readonly scopes: Scope[];
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly expired: boolean;
  readonly too_fast: boolean;
  readonly left_ms: number;
  readonly parent: string | null;
};

export function openDevices(db: Database, audit: AuditLog): Devices {
  return {
    async begin(client, address) {
      // A flood pushes out only what is older than all of it: no stranger can keep others from signing in.
      await db.pool.query(
        `delete from countersign.device_login where expires_at < greatest(clock_timestamp() - interval '1 hour',
           (select expires_at from countersign.device_login order by expires_at desc offset $1 limit 1))`,
        [MOST],
      );
      const deviceCode = `csd_${randomBytes(32).toString('base64url')}`;
      const userCode = newUserCode();
      const { rowCount } = await db.pool.query(
        `insert into countersign.device_login (id, device_sha256, user_code, client, address, interval_ms, expires_at)
         values ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7 * interval '1 ms') on conflict do nothing`,
        [randomUUID(), secretHash(deviceCode), userCode, client, address, INTERVAL_MS, LIFETIME_MS],
      );
      if (!rowCount) return undefined;
      return {
        deviceCode,
        userCode: shown(userCode),
        expiresIn: LIFETIME_MS / 1_000,
        interval: INTERVAL_MS / 1_000,
      };
    },

    async poll(deviceCode, client) {
      if (!DEVICE_CODE.test(deviceCode)) return { kind: 'unknown' };
      return db.transaction((sql) => poll(sql, secretHash(deviceCode), client));
    },

    async find(code, person) {
      const seconds = await countGuess(db, personKey(person));
      if (seconds > 0) return { kind: 'wait', seconds };
      const { rows } = await db.pool.query<Row>(
        `select * from countersign.device_login
         where user_code = $1 and state = 'pending' and expires_at > clock_timestamp()`,
        [plainCode(code)],
      );
      const row = rows[0];
      if (!row) {
        await audit.append({
          kind: 'sign-in',
          person: personKey(person),
          body: { via: 'device', action: 'wrong-code' },
        });
        return { kind: 'unknown' };
      }
      await db.pool.query(
        'update countersign.device_guess set failed = greatest(failed - 1, 0) where person = $1',
        [personKey(person)],
      );
      return { kind: 'found', login: loginOf(row) };
    },

    async decide(id, decision, by) {
      if (!UUID.test(id)) return false;
      const { rows } = await db.pool.query<Row>(
        'select * from countersign.device_login where id = $1',
        [id],
      );
      const row = rows[0];
      if (!row) return false;
      const person = personKey(by.person);
      const scopes = decision === 'approve' ? by.scopes : [];
      const body = {
        via: 'device',
        action: decision,
        login: row.id,
        program: row.client,
        program_address: row.address,
        client: by.address,
        scopes,
      };
      try {
        await audit.append({ kind: 'sign-in', person, body }, async (sql) => {
          if (!(await by.stands(sql))) throw new NotPending();
          const { rowCount } = await sql.query(
            `update countersign.device_login
             set state = $2, person = $3, scopes = $4, token_until = clock_timestamp() + $5 * interval '1 ms',
               parent = $6
             where id = $1 and state = 'pending' and expires_at > clock_timestamp()`,
            [
              row.id,
              decision === 'approve' ? 'approved' : 'denied',
              person,
              [...scopes],
              by.lifetimeMs,
              by.parent ?? null,
            ],
          );
          if (!rowCount) throw new NotPending();
        });
        return true;
      } catch (error) {
        if (error instanceof NotPending) return false;
        throw error;
      }
    },

    async stands(sql, id) {
      const { rowCount } = await sql.query(
        `select from countersign.device_login where id = $1 and state = 'used' for update`,
        [id],
      );
      return rowCount === 1;
    },
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

class NotPending extends Error {}

/** Locks the row, so that of two programs with one code only one is told that it was approved. */
async function poll(sql: Sql, hash: Buffer, client: string): Promise<Polled> {
  const { rows } = await sql.query<Row>(
    `select *, expires_at <= clock_timestamp() as expired,
       polled_at > clock_timestamp() - (interval_ms - $3) * interval '1 ms' as too_fast,
       extract(epoch from token_until - clock_timestamp())::float8 * 1000 as left_ms
     from countersign.device_login where device_sha256 = $1 and client = $2 for update`,
    [hash, client, JITTER_MS],
  );
  const row = rows[0];
  if (!row || row.state === 'used') return { kind: 'unknown' };
  if (row.expired) return { kind: 'expired' };
  if (row.state === 'denied') return { kind: 'denied' };
  if (row.state === 'approved') {
    await sql.query(`update countersign.device_login set state = 'used' where id = $1`, [row.id]);
    return {
      kind: 'approved',
      person: row.person ?? '',
      scopes: row.scopes,
      lifetimeMs: row.left_ms,
      ...(row.parent !== null && { parent: row.parent }),
      address: row.address,
      login: row.id,
    };
  }
  await sql.query(
    `update countersign.device_login set polled_at = clock_timestamp(), interval_ms = least(interval_ms + $2, $3)
     where id = $1`,
    [row.id, row.too_fast ? SLOWER_MS : 0, SLOWEST_MS],
  );
  return { kind: row.too_fast ? 'too-fast' : 'pending' };
}

/** Counted before the look, so that many guesses at once do not slip through; a hit takes it back. */
async function countGuess(db: Database, person: string): Promise<number> {
  const { rows } = await db.pool.query<{ failed: number; left_ms: number }>(
    `insert into countersign.device_guess as g (person, failed, since) values ($1, 1, clock_timestamp())
     on conflict (person) do update set
       failed = case when g.since < clock_timestamp() - $2 * interval '1 ms' then 1 else least(g.failed + 1, 1000) end,
       since = case when g.since < clock_timestamp() - $2 * interval '1 ms' then clock_timestamp() else g.since end
     returning failed, extract(epoch from since - clock_timestamp())::float8 * 1000 + $2 as left_ms`,
    [person, GUESS_WINDOW_MS],
  );
  const row = rows[0];
  if (!row || row.failed <= GUESSES) return 0;
  return Math.max(1, Math.ceil(row.left_ms / 1_000));
}

function newUserCode(): string {
  return Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

/** As people type it: any case, with or without a hyphen or spaces. */
const plainCode = (code: string): string => code.toUpperCase().replaceAll(/[^A-Z]/gu, '');
const shown = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`;

function loginOf(row: Row): DeviceLogin {
  return {
    id: row.id,
    code: shown(row.user_code),
    client: row.client,
    address: row.address,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
