import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { AuditLog } from '../audit/log.ts';
import type { Database } from '../store/database.ts';
import { installationSecret } from '../store/secrets.ts';
import { ENDED } from './end.ts';
import { personKey } from './people.ts';
import { ITERATIONS, scramKeys } from './scram.ts';
import { isSecret, newSecret, secretHash } from './secret.ts';
import { NotWelcome } from './sign-in.ts';
import type { Scope, TokenInfo, Tokens } from './token.ts';

type Row = {
  readonly id: string;
  readonly person: string;
  readonly agent: string | null;
  readonly label: string;
  readonly scopes: Scope[];
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
};

const COLUMNS = `id, person, agent, label, scopes, created_at, expires_at, last_used_at, coalesce(token.revoked_at,
  (select p.revoked_at from countersign.token p where p.id = token.parent)) as revoked_at`;
/** Of a row of `countersign.token`: it was not revoked, has not expired, and nor has the one that it was exchanged for. */
export const LIVE = `token.revoked_at is null and token.expires_at > clock_timestamp()
  and countersign.token_live(token.*)`;
const SCOPES: readonly Scope[] = ['connect', 'read', 'decide'];
const SALT_BYTES = 16;
/** When a token was last used is known to the minute. */
const NOTED_MS = 60_000;
const MOST_NOTED = 10_000;

/** Tokens in the store. Nothing is cached, so a revocation counts at the next question. */
export async function openTokens(db: Database, audit: AuditLog): Promise<Tokens> {
  const saltKey = await installationSecret(db.pool, 'scram-salt');
  /** By id, when this process last noted its use; by `performance.now()`. */
  const noted = new Map<string, number>();
  // Derived for everybody alike, so that a salt does not tell who has a token.
  const saltOf = (person: string) =>
    createHmac('sha256', saltKey).update(person).digest().subarray(0, SALT_BYTES);

  const keep = async (
    secret: string,
    [email, scopes, label, lifetimeMs, kind = {}]: Parameters<Tokens['issue']>,
  ): Promise<TokenInfo> => {
    const person = personKey(email);
    const { agent, parent, password = true, stands } = kind;
    if (!scopes.length || scopes.some((scope) => !SCOPES.includes(scope)))
      throw new Error(`a token needs scopes out of ${SCOPES.join(', ')}`);
    if (!(lifetimeMs > 0)) throw new Error('a token needs a lifetime above zero');
    const keys = password ? scramKeys(secret, saltOf(person)) : undefined;
    const id = randomUUID();
    let info: TokenInfo | undefined;
    const more = { ...(parent !== undefined && { parent }), ...(!password && { password }) };
    await audit.append(
      {
        kind: 'token',
        person,
        ...(agent !== undefined && { agent }),
        body: { action: 'issue', token: id, scopes, label, lifetimeMs, ...more },
      },
      async (sql) => {
        if (stands && !(await stands(sql)))
          throw new NotWelcome('Your access was ended. Sign in again.');
        const { rows } = await sql.query<Row>(
          `insert into countersign.token
               (id, person, label, scopes, sha256, stored_key, server_key, agent, parent, expires_at)
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, least(clock_timestamp() + $10 * interval '1 ms', p.expires_at)
             from (select) as one left join countersign.token p on p.id = $9::uuid
             where $9::uuid is null or countersign.token_live(p.*)
             returning ${COLUMNS}`,
          [
            id,
            person,
            label,
            [...scopes],
            secretHash(secret),
            keys?.storedKey ?? null,
            keys?.serverKey ?? null,
            agent ?? null,
            parent ?? null,
            lifetimeMs,
          ],
        );
        if (!rows[0]) throw new NotWelcome('The token that it comes from has ended.');
        info = infoOf(rows[0]);
      },
    );
    if (!info) throw new Error('the store did not return the token');
    return info;
  };

  return {
    async issue(...asked) {
      const token = newSecret();
      return { token, info: await keep(token, asked) };
    },

    async standIn(other, person, label, lifetimeMs) {
      const known = await byHash(db, secretHash(other));
      if (known) return known.live ? infoOf(known) : undefined;
      try {
        return await keep(other, [person, ['connect'], label, lifetimeMs, { password: false }]);
      } catch (error) {
        // Two connections came with it at once.
        const meanwhile = await byHash(db, secretHash(other));
        if (!meanwhile) throw error;
        return meanwhile.live ? infoOf(meanwhile) : undefined;
      }
    },

    async check(token, scope) {
      if (!isSecret(token)) return undefined;
      const hash = secretHash(token);
      const { rows } = await db.pool.query<Row & { sha256: Buffer }>(
        `select ${COLUMNS}, sha256 from countersign.token where sha256 = $1 and ${LIVE}`,
        [hash],
      );
      const row = rows[0];
      if (!row || !timingSafeEqual(row.sha256, hash) || !row.scopes.includes(scope))
        return undefined;
      touch(db, row);
      return infoOf(row);
    },

    async scram(email) {
      const person = personKey(email);
      const { rows } = await db.pool.query<{
        id: string;
        agent: string | null;
        stored_key: Buffer;
        server_key: Buffer;
      }>(
        `select id, agent, stored_key, server_key from countersign.token
         where person = $1 and 'connect' = any (scopes) and stored_key is not null and ${LIVE}
         order by created_at desc`,
        [person],
      );
      return {
        salt: saltOf(person),
        iterations: ITERATIONS,
        verifiers: rows.map((row) => ({
          token: row.id,
          ...(row.agent !== null && { agent: row.agent }),
          storedKey: row.stored_key,
          serverKey: row.server_key,
        })),
      };
    },

    async list(email) {
      const { rows } = await db.pool.query<Row>(
        `select ${COLUMNS} from countersign.token where $1::text is null or person = $1
         order by (${LIVE}) desc, created_at desc, id limit 1000`,
        [email === undefined ? null : personKey(email)],
      );
      return rows.map(infoOf);
    },

    find: (id) => liveToken(db, id),

    used(id) {
      const now = performance.now();
      if (now - (noted.get(id) ?? -Infinity) < NOTED_MS) return;
      if (noted.size >= MOST_NOTED) noted.clear();
      noted.set(id, now);
      touch(db, { id, last_used_at: null });
    },

    async revoke(id, by) {
      const owner = await liveToken(db, id);
      if (!owner) return false;
      const body = { action: 'revoke', token: id, ...(by !== undefined && { by: personKey(by) }) };
      try {
        await audit.append({ kind: 'token', person: owner.person, body }, async (sql) => {
          const { rowCount } = await sql.query(
            `update countersign.token set revoked_at = clock_timestamp() where id = $1 and ${LIVE}`,
            [id],
          );
          if (!rowCount) throw new NotLive();
          // What it has opened ends now, not at the next look.
          await sql.query(`select pg_notify($1, '')`, [ENDED]);
        });
        return true;
      } catch (error) {
        if (error instanceof NotLive) return false;
        throw error;
      }
    },
  };
}

async function byHash(db: Database, hash: Buffer): Promise<(Row & { live: boolean }) | undefined> {
  const { rows } = await db.pool.query<Row & { live: boolean }>(
    `select ${COLUMNS}, ${LIVE} as live from countersign.token where sha256 = $1`,
    [hash],
  );
  return rows[0];
}

async function liveToken(db: Database, id: string): Promise<TokenInfo | undefined> {
  if (!UUID.test(id)) return undefined;
  const { rows } = await db.pool.query<Row>(
    `select ${COLUMNS} from countersign.token where id = $1 and ${LIVE}`,
    [id],
  );
  return rows[0] && infoOf(rows[0]);
}

/** Those of these tokens (ids) that were revoked, have expired, or are not there any more. */
export async function endedTokens(
  db: Database,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await db.pool.query<{ id: string }>(
    `select asked.id from unnest($1::uuid[]) asked (id)
     where not exists (select from countersign.token where token.id = asked.id and ${LIVE})`,
    [ids],
  );
  return new Set(rows.map(({ id }) => id));
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Somebody else revoked it meanwhile, or it expired. */
class NotLive extends Error {}

// Once a minute is enough, and nobody waits for it: a failure costs a time stamp.
function touch(db: Database, row: Pick<Row, 'id' | 'last_used_at'>): void {
  if (row.last_used_at && Date.now() - row.last_used_at.getTime() < 60_000) return;
  db.pool
    .query(
      `update countersign.token set last_used_at = clock_timestamp()
       where id = $1 and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')`,
      [row.id],
    )
    .catch(() => {});
}

function infoOf(row: Row): TokenInfo {
  return {
    id: row.id,
    person: row.person,
    ...(row.agent !== null && { agent: row.agent }),
    label: row.label,
    scopes: row.scopes,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    ...(row.revoked_at && { revokedAt: row.revoked_at.toISOString() }),
    ...(row.last_used_at && { lastUsedAt: row.last_used_at.toISOString() }),
  };
}
