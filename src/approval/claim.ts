import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Binding } from '../audit/log.ts';
import type { Sql } from '../store/database.ts';
import { NotClaimed } from './port.ts';
import type { Request, RequestState } from './request.ts';
import { findRequest } from './rows.ts';

/** This gateway's lease in `countersign.gateway`; `held()` is what the process itself believes. */
export type RequestLease = {
  readonly gateway: string;
  readonly epoch: bigint | number;
  held(): boolean;
};

/** What the card shows of the statement: 16 hex digits of HMAC-SHA256 under the secret of its request. */
export function shownDigest(secret: Buffer, digest: Buffer): string {
  return createHmac('sha256', secret).update(digest).digest('hex').slice(0, 16);
}

/** Locks the lease's row against a take-over until the claim has committed. */
export async function demandLease(sql: Sql, id: string, lease: RequestLease): Promise<void> {
  const { rowCount } = await sql.query(
    `select from countersign.gateway g join countersign.request r on r.gateway = g.name and r.epoch = g.epoch
       where r.id = $1 and g.name = $2 and g.epoch = $3 and g.lease_until > clock_timestamp() for share of g`,
    [id, lease.gateway, String(lease.epoch)],
  );
  if (rowCount !== 1) throw new NotClaimed('lease-lost');
}

/** What was approved is what runs: the digest on the card must be the one of the statement that asks to run. */
export async function demandSameStatement(
  sql: Sql,
  request: Request,
  binds: Binding,
): Promise<void> {
  const { rows } = await sql.query<{ secret: Buffer | null }>(
    'select secret from countersign.request where id = $1',
    [request.id],
  );
  const secret = rows[0]?.secret;
  const now = secret ? shownDigest(secret, binds.digest) : '';
  const shown = Buffer.from(request.card.digest);
  if (now.length !== shown.length || !timingSafeEqual(Buffer.from(now), shown))
    throw new NotClaimed('changed');
}

/** What a request that could not be claimed is by now. */
export async function stateNow(sql: Sql, id: string): Promise<RequestState> {
  const found = await findRequest(sql, id);
  if (!found) return 'unknown';
  return found.request.state === 'approved' && found.overdue ? 'expired' : found.request.state;
}
