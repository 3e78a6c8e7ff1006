import { createHash } from 'node:crypto';
import type { StepUp } from '../../approval/step-up.ts';
import type { Database } from '../../store/database.ts';
import type { SignIn } from '../sign-ins.ts';

const SWEEP = 'delete from countersign.seen_once where until < clock_timestamp()';

/** What providers send once, who is asked about now, and the fresh sign-ins for one request. */
export type OidcStore = {
  /** True the first time that these parts come; remembered until `until` (milliseconds since the epoch), at every gateway. */
  once(parts: readonly string[], until: number): Promise<boolean>;
  seen(parts: readonly string[]): Promise<boolean>;
  forget(parts: readonly string[]): Promise<void>;
  /** Everybody who has signed in with this session at the provider; when nobody did, who this subject is. */
  whoSignedIn(
    provider: string,
    by: { readonly sid?: string | undefined; readonly subject?: string | undefined },
  ): Promise<readonly string[]>;
  /** How this provider knows the person, for ever. */
  subjectOf(provider: string, person: string): Promise<string | undefined>;
  /**
   * False while another gateway asks about this person, or when it has had an answer meanwhile: their provider confirmed
   * them less than `olderThanMs` ago.
   */
  claim(person: string, olderThanMs: number, forMs: number): Promise<boolean>;
  unclaim(person: string): Promise<void>;
  /** Refresh tokens of this person that any gateway has, beside the one of this sign-in. */
  hasOtherRefreshToken(person: string, signIn: string): Promise<boolean>;
  rememberStepUp(signIn: string, stepUp: Pick<StepUp, 'request' | 'skewMs'>): Promise<void>;
  /** What this sign-in proves for this request; undefined when it was not made for it. */
  stepUp(signIn: SignIn, request: string): Promise<StepUp | undefined>;
};

export function openOidcStore(db: Database): OidcStore {
  return {
    async once(parts, until) {
      await db.pool.query(SWEEP);
      const { rowCount } = await db.pool.query(
        'insert into countersign.seen_once (key, until) values ($1, $2) on conflict do nothing',
        [keyOf(parts), new Date(until)],
      );
      return rowCount === 1;
    },

    async seen(parts) {
      const { rowCount } = await db.pool.query(
        'select from countersign.seen_once where key = $1 and until > clock_timestamp()',
        [keyOf(parts)],
      );
      return rowCount === 1;
    },

    async forget(parts) {
      await db.pool.query('delete from countersign.seen_once where key = $1', [keyOf(parts)]);
    },

    async whoSignedIn(provider, { sid, subject }) {
      // A token outlives the sign-in that it was made in, so sign-ins that are over count too.
      const { rows } = await db.pool.query<{ person: string }>(
        `select distinct person from countersign.sign_in where provider = $1 and sid = $2`,
        [provider, sid ?? null],
      );
      if (rows.length > 0) return rows.map(({ person }) => person);
      const known = await db.pool.query<{ email: string }>(
        'select email from countersign.person where provider = $1 and subject = $2',
        [provider, subject ?? null],
      );
      return known.rows.map(({ email }) => email);
    },

    async subjectOf(provider, person) {
      const { rows } = await db.pool.query<{ subject: string | null }>(
        'select subject from countersign.person where provider = $1 and email = $2',
        [provider, person],
      );
      return rows[0]?.subject ?? undefined;
    },

    async claim(person, olderThanMs, forMs) {
      const { rowCount } = await db.pool.query(
        `insert into countersign.recheck as r (person, until)
         values ($1, clock_timestamp() + $2 * interval '1 ms')
         on conflict (person) do update set until = excluded.until where r.until < clock_timestamp()`,
        [person, forMs],
      );
      if (rowCount !== 1) return false;
      // Looked at only now: whoever had the claim before has written what came of it.
      const due = await db.pool.query(
        `select from countersign.person where email = $1 and state = 'active'
           and checked_at < clock_timestamp() - $2 * interval '1 ms'`,
        [person, olderThanMs],
      );
      if (due.rowCount !== 1) await this.unclaim(person);
      return due.rowCount === 1;
    },

    async unclaim(person) {
      await db.pool.query('delete from countersign.recheck where person = $1', [person]);
    },

    async hasOtherRefreshToken(person, signIn) {
      const { rowCount } = await db.pool.query(
        `select from countersign.sign_in s join countersign.person p on p.email = s.person and p.provider = s.provider
         where s.person = $1 and s.id <> $2 and s.refresh_token is not null limit 1`,
        [person, signIn],
      );
      return rowCount === 1;
    },

    async rememberStepUp(signIn, { request, skewMs }) {
      await db.pool.query(
        'insert into countersign.step_up (sign_in, request, skew_ms) values ($1, $2, $3)',
        [signIn, request, skewMs],
      );
    },

    async stepUp({ id, authTime, acr, amr }, request) {
      const { rows } = await db.pool.query<{ request: string; skew_ms: string }>(
        'select request, skew_ms from countersign.step_up where sign_in = $1 and request::text = $2',
        [id, request],
      );
      const row = rows[0];
      if (!row || authTime === undefined) return undefined;
      return {
        request: row.request,
        authTime,
        skewMs: Number(row.skew_ms),
        ...(acr !== undefined && { acr }),
        ...(amr && { amr }),
      };
    },
  };
}

/** Length-prefixed, so that no two lists of parts are the same. */
function keyOf(parts: readonly string[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest();
}
