import { z } from 'zod';
import type { AuditLog, Entry } from '../audit/log.ts';
import type { Database, Sql } from '../store/database.ts';
import { PERSON } from './directory.ts';

/** Tells every gateway what to end: the payload is an `Ended` in JSON, or empty when tokens were revoked. */
export const ENDED = 'countersign_ended';

export type Ended = { readonly email: string; readonly why: string };

/** A notice holds 8000 bytes. */
const LONGEST_WHY = 500;

/**
 * Everything that can be ended by marking a row, in one statement each; `$1` is the person, `$2` why. What others are made
 * on the word of comes first: who makes them locks that row, so each is seen here, or finds the row ended.
 */
const ENDINGS = [
  `update countersign.sign_in set ended_at = clock_timestamp(), ended_why = $2, refresh_token = null, id_token = null
   where person = $1 and (ended_at is null or refresh_token is not null)`,
  // 'used' too: its token may be on the way.
  `update countersign.confirmation set state = 'ended' where person = $1 and state in ('pending', 'confirmed', 'used')`,
  // A terminal that was confirmed.
  `update countersign.device_login set state = 'denied' where person = $1 and state in ('approved', 'used')`,
  // Their accounts in chat, and links that wait. One that is being linked is seen here, or finds its sign-in ended.
  `select pg_advisory_xact_lock(hashtext('countersign chat ' || $1))`,
  `delete from countersign.chat_account where person = $1`,
  `update countersign.chat_link set state = 'ended' where person = $1 and state in ('open', 'confirmed')`,
  // What they could run again, and what others could on their word.
  `update countersign.shape set revoked_at = clock_timestamp()
   where (person = $1 or $1 = any (approvers)) and revoked_at is null and ends_at > clock_timestamp()`,
  `update countersign.access_grant set ended_at = clock_timestamp(), revoked_at = clock_timestamp(), ended_why = $2
   where person = $1 and ended_at is null and coalesce(ends_at, use_by) > clock_timestamp()`,
  `update countersign.token set revoked_at = clock_timestamp()
   where person = $1 and revoked_at is null and expires_at > clock_timestamp()`,
];

/**
 * Lets nothing of this person go on, and records it: one transaction for all of it and for `within`; sessions end when the
 * gateways hear of it. `email` is a key.
 */
export async function endEverything(
  { db, audit }: { readonly db: Database; readonly audit: AuditLog },
  { email, why, ...body }: Ended & { readonly action: string; readonly by?: string },
  within: (sql: Sql) => Promise<void> = async () => undefined,
): Promise<void> {
  const said = why.slice(0, LONGEST_WHY);
  const entry: Entry = {
    kind: 'person',
    person: email,
    body: { ...body, why: said, ...(await liveOf(db, email)) },
  };
  await audit.append(entry, async (sql) => {
    await within(sql);
    for (const ending of ENDINGS)
      // oxlint-disable-next-line no-await-in-loop -- one connection
      await sql.query(ending, ending.includes('$2') ? [email, said] : [email]);
    await sql.query('select pg_notify($1, $2), pg_notify($3, $4)', [
      PERSON,
      email,
      ENDED,
      JSON.stringify({ email, why: said } satisfies Ended),
    ]);
  });
}

/** What the record names: ids of live tokens and sign-ins, and accounts in chat. */
async function liveOf(db: Database, email: string) {
  const { rows } = await db.pool.query<{ tokens: string[]; sign_ins: string[]; chat: string[] }>(
    `select
       array(select id::text from countersign.token
             where person = $1 and revoked_at is null and expires_at > clock_timestamp()) as tokens,
       array(select id::text from countersign.sign_in where person = $1 and ended_at is null) as sign_ins,
       array(select platform || ' ' || workspace || '/' || account from countersign.chat_account
             where person = $1) as chat`,
    [email],
  );
  return {
    tokens: rows[0]?.tokens ?? [],
    signIns: rows[0]?.sign_ins ?? [],
    chatAccounts: rows[0]?.chat ?? [],
  };
}

const ended = z.object({ email: z.string(), why: z.string() });

/** What came over `ENDED`; undefined when it says nothing. */
export function endedFrom(payload: string): Ended | undefined {
  try {
    return ended.parse(JSON.parse(payload));
  } catch {
    return undefined;
  }
}
