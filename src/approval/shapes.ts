import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AuditLog, Entry, Receipt } from '../audit/log.ts';
import type { Directory } from '../identity/person.ts';
import type { Database, Sql } from '../store/database.ts';
import { demandActive, Gone } from './active.ts';
import { announce, entryFor } from './moves.ts';
import { NotClaimed, type Revoked, type ShapeAsked } from './port.ts';
import type { Hint } from './queue.ts';
import type { Request } from './request.ts';
import { findRequest } from './rows.ts';
import { approvalsOf, countOf } from './count.ts';
import { authority, sameKey } from './tally.ts';

type Parts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly directory: Directory;
  readonly tell: (hint: Hint | undefined) => void;
};

/** It counts from the first run on: what never ran leaves nothing behind. */
const LIVE = `s.revoked_at is null and s.ends_at > clock_timestamp() and r.state in ('running', 'done', 'unknown')`;
const MOST = 50;

/** What is stored of a shape's digest: HMAC-SHA256 under the secret of the request that it was approved with. */
export function shapeKey(secret: Buffer, digest: Buffer): Buffer {
  return createHmac('sha256', secret).update('shape').update(digest).digest();
}

/**
 * A live approval of this shape by people who could all approve it now; undefined when there is none. The newest that
 * `suits`.
 */
export async function findShape(
  { db, directory }: Parts,
  asked: ShapeAsked,
  suits: (request: Request) => boolean,
): Promise<Request | undefined> {
  const { rows } = await db.pool.query<{ id: string; shape: Buffer; secret: Buffer }>(
    `select r.id, r.shape, r.secret from countersign.shape s join countersign.request r on r.id = s.request
     where s.person = $1 and s.agent is not distinct from $2 and s.target = $3 and ${LIVE}
       and r.shape is not null and r.secret is not null
     order by s.starts_at desc limit ${MOST}`,
    [sameKey(asked.person), asked.agent ?? null, asked.target],
  );
  for (const { id, shape, secret } of rows) {
    const now = shapeKey(secret, asked.digest);
    if (now.length !== shape.length || !timingSafeEqual(now, shape)) continue;
    // oxlint-disable-next-line no-await-in-loop -- hardly ever more than one
    const request = (await findRequest(db.pool, id))?.request;
    // oxlint-disable-next-line no-await-in-loop
    if (request && suits(request) && (await stillApproved(directory, request))) return request;
  }
  return undefined;
}

/**
 * Those who approved it count with the authority that they have now; who is nobody any more does not. Hours count as they
 * were when it was approved.
 */
async function stillApproved(directory: Directory, request: Request): Promise<boolean> {
  const approvers = request.shape?.approvers ?? [];
  const voters = await approvalsOf(directory, request, ({ person }) => approvers.includes(person));
  if (voters.length < approvers.length) return false;
  const last = Math.max(...request.decisions.map(({ at }) => Date.parse(at)));
  return countOf(request, voters, last).satisfied;
}

/**
 * Writes the record of a statement that runs on an approved shape, if the shape still holds by the database's clock and
 * everybody concerned is active: one transaction. Whoever revokes it or lets one of them go waits, or is seen. Rejects
 * with NotClaimed otherwise.
 */
export async function runOnShape(
  { audit }: Parts,
  request: Request,
  entry: Entry,
): Promise<Receipt> {
  try {
    return await audit.append({ ...entry, request: request.id }, async (sql) => {
      // People before shapes, as when somebody is let go.
      await demandActive(sql, [
        sameKey(request.card.person.email),
        ...(request.shape?.approvers ?? []),
      ]);
      const { rowCount } = await sql.query(
        `select from countersign.shape s join countersign.request r on r.id = s.request
         where s.request = $1 and ${LIVE} for share of s`,
        [request.id],
      );
      if (rowCount !== 1) throw new NotClaimed('expired');
    });
  } catch (error) {
    if (error instanceof Gone) throw new NotClaimed('abandoned');
    throw error;
  }
}

/** In the transaction of the approval that grants it. */
export async function grantShape(
  sql: Sql,
  request: Request,
  approvers: readonly string[],
): Promise<void> {
  const { rowCount } = await sql.query(
    `insert into countersign.shape (request, person, agent, target, approvers, ends_at)
     select id, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 millisecond'
     from countersign.request where id = $1 and shape is not null and secret is not null`,
    [
      request.id,
      sameKey(request.card.person.email),
      request.card.agent ?? null,
      request.card.target,
      approvers,
      request.requirement.shapeMs,
    ],
  );
  if (rowCount !== 1) throw new Error(`the request ${request.id} has no shape to approve`);
}

/** Ends an approved shape at once. Whoever could approve it may, who asked for it, and the members of `also`. */
export async function revokeShape(
  { db, audit, directory, tell }: Parts,
  id: string,
  email: string,
  also: readonly string[],
): Promise<Revoked> {
  const request = (await findRequest(db.pool, id))?.request;
  if (!request?.shape) return 'none';
  const person = await directory.find(email);
  if (!person) return 'not-yours';
  const own = sameKey(person.email) === sameKey(request.card.person.email);
  const may =
    own ||
    authority(request, person).length > 0 ||
    person.groups.some((group) => also.includes(group));
  if (!may) return 'not-yours';
  const by = sameKey(person.email);
  let hint: Hint | undefined;
  try {
    await audit.append(
      entryFor(request, 'request', { event: 'shape-revoked' }, by),
      async (sql) => {
        const { rowCount } = await sql.query(
          `update countersign.shape set revoked_at = clock_timestamp(), revoked_by = $2
         where request = $1 and revoked_at is null and ends_at > clock_timestamp()`,
          [id, by],
        );
        if (rowCount !== 1) throw new NotLive();
        hint = await touch(sql, id);
      },
    );
  } catch (error) {
    if (error instanceof NotLive) return 'none';
    throw error;
  }
  tell(hint);
  return 'revoked';
}

class NotLive extends Error {}

/** The request says something else now, in the state that it is in: cards and pages are brought up to it. */
async function touch(sql: Sql, id: string): Promise<Hint | undefined> {
  const { rows } = await sql.query<{ version: number }>(
    'update countersign.request set version = version + 1 where id = $1 returning version',
    [id],
  );
  return rows[0] && (await announce(sql, id, rows[0].version));
}
