import { randomUUID } from 'node:crypto';
import type { Entry, JsonObject } from '../audit/log.ts';
import type { Sql } from '../store/database.ts';
import type { Hint } from './queue.ts';
import type { Outcome, Request, RequestState } from './request.ts';
import { CHANNEL } from './wake.ts';

/** The compare found something else than was read: nothing was moved, the caller reads again. */
export class Moved extends Error {
  override name = 'Moved';
}

/** What a move leaves for chat and for those who wait, in its own transaction. Returns the hint to publish afterwards. */
export async function announce(sql: Sql, request: string, version: number): Promise<Hint> {
  const hint = { outbox: randomUUID(), request };
  await sql.query(
    `with told as (insert into countersign.outbox (id, request, version) values ($1, $2, $3))
     select pg_notify($4, $2::uuid::text)`,
    [hint.outbox, request, version, CHANNEL],
  );
  return hint;
}

/** A move out of one of `from`; throws `Moved` when the row is in none of them or `guard` does not hold. */
export type Move = {
  readonly id: string;
  readonly from: readonly RequestState[];
  readonly to: RequestState;
  readonly version?: number;
  readonly outcome?: Outcome;
  /** Also demands that it has not expired by the database's clock. */
  readonly unexpired?: boolean;
};

const OPEN: readonly RequestState[] = ['pending', 'approved', 'running'];

/** The one compare-and-set that every change of a request's state goes through. */
export async function move(sql: Sql, step: Move): Promise<Hint> {
  const { rows } = await sql.query<{ version: number }>(
    `update countersign.request
       set state = $2, version = version + 1, outcome = coalesce($5, outcome),
           ended_at = case when $6 then clock_timestamp() end
       where id = $1 and state = any($3) and ($4::int is null or version = $4)
         and (not $7 or expires_at > clock_timestamp())
       returning version`,
    [
      step.id,
      step.to,
      step.from,
      step.version ?? null,
      step.outcome ?? null,
      !OPEN.includes(step.to),
      step.unexpired === true,
    ],
  );
  const [row] = rows;
  if (!row) throw new Moved(`request ${step.id} is not what was read`);
  return await announce(sql, step.id, row.version);
}

/** A record about a request, with the fields every such record has. */
export function entryFor(
  request: Request,
  kind: Entry['kind'],
  body: JsonObject,
  person = request.card.person.email,
): Entry {
  const { agent } = request.card;
  return {
    kind,
    ...(request.session !== undefined && { session: request.session }),
    ...(request.statement !== undefined && { statement: request.statement }),
    request: request.id,
    person,
    ...(agent !== undefined && person === request.card.person.email && { agent }),
    target: request.card.target,
    body,
  };
}
