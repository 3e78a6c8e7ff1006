import type { Sql } from './database.ts';

export type SessionRow = {
  readonly id: string;
  readonly gateway: string;
  readonly epoch: number;
  readonly person: string;
  readonly agent?: string;
  readonly target: string;
  readonly database: string;
  readonly protocol: string;
  /** Address of the client, as `host:port`. */
  readonly client: string;
  readonly application: string;
};

/** Writes a session's row; call it within the record of its start, so that one is never without the other. */
export async function startSession(sql: Sql, session: SessionRow): Promise<void> {
  await sql.query(
    `insert into countersign.session
       (id, gateway, epoch, person, agent, target, database, protocol, client, application)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      session.id,
      session.gateway,
      session.epoch,
      session.person,
      session.agent ?? null,
      session.target,
      session.database,
      session.protocol,
      session.client,
      session.application,
    ],
  );
}

/** Ends a session's row; false when it had ended already. */
export async function endSession(sql: Sql, id: string): Promise<boolean> {
  const { rowCount } = await sql.query(
    'update countersign.session set ended_at = clock_timestamp() where id = $1 and ended_at is null',
    [id],
  );
  return rowCount === 1;
}

/** Sessions that processes of this gateway with an epoch up to `upTo` left open, oldest first; at most `limit`. */
export async function abandonedSessions(
  sql: Sql,
  gateway: string,
  upTo: number,
  limit: number,
): Promise<readonly { readonly id: string; readonly person: string; readonly target: string }[]> {
  const { rows } = await sql.query<{ id: string; person: string; target: string }>(
    `select id, person, target from countersign.session
     where gateway = $1 and epoch <= $2 and ended_at is null order by started_at limit $3`,
    [gateway, upTo, limit],
  );
  return rows;
}
