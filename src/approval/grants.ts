import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { Database, Sql } from '../store/database.ts';
import { GRANT, GrantRow } from './grant-rows.ts';
import { announce } from './moves.ts';
import type { Hint } from './queue.ts';
import type { Grant } from './request.ts';
import { sameKey } from './tally.ts';

/** Tells every gateway that a grant of a person began or ended; the payload is their e-mail address, in lower case. */
export const CHANGED = 'countersign_grant';

export type GrantFilter = {
  readonly person?: string;
  readonly target?: string;
  /** Those that have not ended. */
  readonly open?: boolean;
  /** Break-glass that nobody has reviewed yet. */
  readonly unreviewed?: boolean;
  /** Default 100. */
  readonly limit?: number;
};

export interface Grants {
  get(id: string): Promise<Grant | undefined>;
  /** Newest first. */
  list(filter: GrantFilter): Promise<readonly Grant[]>;
  /** Ends it before its time. False when it had ended. */
  end(id: string, why: string, by?: string): Promise<boolean>;
  /** What somebody else found who read what was done under break-glass. False when it was reviewed before. */
  review(id: string, by: string, text: string): Promise<boolean>;
  /** One round of what time does: starts what is used, ends what is over, and what `permitted` says why it may not last. */
  round(permitted: (grant: Grant) => Promise<string | undefined>): Promise<void>;
}

type Parts = {
  readonly db: Database;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly tell: (hint: Hint | undefined) => void;
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const BATCH = 100;

/** Somebody else was faster. */
class Passed extends Error {}

/** Each move is a compare-and-set in one transaction with its record, so any number of gateways may keep the time. */
export function openGrants({ db, audit, tell }: Parts): Grants {
  const find = async (where: string, values: readonly unknown[]): Promise<readonly Grant[]> => {
    const { rows } = await db.pool.query(`${GRANT} where ${where}`, [...values]);
    return rows.map((row) => GrantRow.parse(row));
  };

  /** `set` changes the row only as long as it is what `grant` says. */
  const change = async (
    grant: Grant,
    body: JsonObject,
    set: string,
    values: readonly unknown[],
    by = grant.person,
  ): Promise<boolean> => {
    let hint: Hint | undefined;
    try {
      await audit.append(
        {
          kind: 'grant',
          ...(grant.request !== undefined && { request: grant.request }),
          person: by,
          target: grant.target,
          body: { ...body, grant: grant.id, kind: grant.kind, role: grant.role, of: grant.person },
        },
        async (sql) => {
          const { rowCount } = await sql.query(`update countersign.access_grant set ${set}`, [
            grant.id,
            ...values,
          ]);
          if (rowCount !== 1) throw new Passed();
          await sql.query('select pg_notify($1, $2)', [CHANGED, grant.person]);
          hint = await touch(sql, grant.request);
        },
      );
    } catch (error) {
      if (error instanceof Passed) return false;
      throw error;
    }
    tell(hint);
    return true;
  };

  const get = async (id: string): Promise<Grant | undefined> =>
    UUID.test(id) ? (await find('g.id = $1', [id]))[0] : undefined;

  const start = (grant: Grant): Promise<boolean> =>
    change(
      grant,
      { event: 'started', durationMs: grant.durationMs },
      `starts_at = clock_timestamp(), begun_at = clock_timestamp(),
         ends_at = clock_timestamp() + duration_ms * interval '1 millisecond'
       where id = $1 and starts_at is null and ended_at is null and use_by > clock_timestamp()`,
      [],
    );

  /** It was to start at this time, which the rules of the moment need not be asked about: its row says so. */
  const begin = (grant: Grant): Promise<boolean> =>
    change(
      grant,
      { event: 'started', durationMs: grant.durationMs },
      `begun_at = starts_at where id = $1 and begun_at is null and ended_at is null and starts_at <= clock_timestamp()`,
      [],
    );

  const over = (grant: Grant): Promise<boolean> => {
    const why = grant.startsAt === undefined ? 'it was not used in time' : 'its time is over';
    return change(
      grant,
      { event: 'ended', why },
      `ended_at = coalesce(ends_at, use_by), ended_why = $2
       where id = $1 and ended_at is null and coalesce(ends_at, use_by) <= clock_timestamp()`,
      [why],
    );
  };

  const end = async (id: string, why: string, by?: string): Promise<boolean> => {
    const grant = await get(id);
    if (!grant || grant.state === 'ended') return false;
    return await change(
      grant,
      { event: 'revoked', why },
      `ended_at = clock_timestamp(), revoked_at = clock_timestamp(), revoked_by = $2, ended_why = $3
       where id = $1 and ended_at is null and coalesce(ends_at, use_by) > clock_timestamp()`,
      [by ?? null, why],
      by,
    );
  };

  return {
    get,
    list({ person, target, open, unreviewed, limit = BATCH }) {
      const values: unknown[] = [limit];
      const put = (value: unknown): string => `$${values.push(value)}`;
      const where = [
        'true',
        person !== undefined && `g.person = ${put(sameKey(person))}`,
        target !== undefined && `g.target = ${put(target)}`,
        open === true && OPEN,
        unreviewed === true && `g.kind = 'break-glass' and g.reviewed_at is null`,
      ].filter((one) => one !== false);
      return find(`${where.join(' and ')} order by g.created_at desc, g.id limit $1`, values);
    },
    end,
    async review(id, by, text) {
      const grant = await get(id);
      if (grant?.kind !== 'break-glass') return false;
      return await change(
        grant,
        { event: 'reviewed', review: text },
        `reviewed_at = clock_timestamp(), reviewed_by = $2, review = $3
         where id = $1 and reviewed_at is null`,
        [sameKey(by), text],
        sameKey(by),
      );
    },
    async round(permitted) {
      // One after the other: each is a transaction of the log's, and there are rarely more than a few.
      for (const grant of await find(OVER, [BATCH])) await over(grant);
      for (const grant of await find(USED, [BATCH])) await start(grant);
      for (const grant of await find(BEGINS, [BATCH])) await begin(grant);
      for (const grant of await find(`${OPEN} limit $1`, [BATCH * 10])) {
        const why = await permitted(grant);
        if (why !== undefined) await end(grant.id, why);
      }
    },
  };
}

const OPEN = `g.ended_at is null and coalesce(g.ends_at, g.use_by) > clock_timestamp()`;
const OVER = `g.ended_at is null and coalesce(g.ends_at, g.use_by) <= clock_timestamp() order by g.created_at limit $1`;
/** It was to start at a time that has come. */
const BEGINS = `g.ended_at is null and g.begun_at is null and g.starts_at <= clock_timestamp()
  and g.ends_at > clock_timestamp() order by g.starts_at limit $1`;
/** Its person has, or had since then, a session on its target. */
const USED = `g.ended_at is null and g.starts_at is null and g.use_by > clock_timestamp()
  and exists (select from countersign.session s where lower(s.person) = g.person and s.target = g.target
    and (s.ended_at is null or s.ended_at >= g.created_at)) order by g.created_at limit $1`;

/** Cards and pages of its request are brought up to it. */
async function touch(sql: Sql, request: string | undefined): Promise<Hint | undefined> {
  if (request === undefined) return undefined;
  const { rows } = await sql.query<{ version: number }>(
    'update countersign.request set version = version + 1 where id = $1 returning version',
    [request],
  );
  return rows[0] && (await announce(sql, request, rows[0].version));
}
