import type { Sql } from './database.ts';

/** A session as its row has it. */
export type SessionFound = {
  readonly id: string;
  readonly gateway: string;
  readonly person: string;
  readonly agent?: string;
  readonly target: string;
  readonly database: string;
  readonly protocol: string;
  /** Address of the client, as `host:port`. */
  readonly client: string;
  readonly application: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt?: string;
  /** Who ended it when nobody in it did, and their reason. */
  readonly endedBy?: string;
  readonly endedWhy?: string;
  /** `abandoned`: nobody has ended it, and its gateway is gone. */
  readonly state: 'running' | 'ended' | 'abandoned';
};

export type SessionFilter = {
  /** Default: all. */
  readonly state?: 'running' | 'ended';
  /** Exactly this person's. */
  readonly of?: string;
  /** Part of the person's address. */
  readonly person?: string;
  readonly target?: string;
  /** Id of a session: only older ones. */
  readonly before?: string;
  readonly limit: number;
};

type Row = {
  readonly [name in 'id' | 'gateway' | 'person' | 'target' | 'database' | 'protocol']: string;
} & {
  readonly client: string;
  readonly application: string;
  readonly agent: string | null;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  readonly ended_by: string | null;
  readonly ended_why: string | null;
  readonly alive: boolean;
};

const FOUND = `select s.id, s.gateway, s.person, s.agent, s.target, s.database, s.protocol, s.client, s.application,
    s.started_at, s.ended_at, s.ended_by, s.ended_why, coalesce(g.epoch = s.epoch and g.lease_until > clock_timestamp(), false) as alive
  from countersign.session s left join countersign.gateway g on g.name = s.gateway`;

export async function findSession(sql: Sql, id: string): Promise<SessionFound | undefined> {
  const { rows } = await sql.query<Row>(`${FOUND} where s.id = $1`, [id]);
  return rows[0] && foundOf(rows[0]);
}

/** Newest first. */
export async function listSessions(
  sql: Sql,
  filter: SessionFilter,
): Promise<readonly SessionFound[]> {
  const values: unknown[] = [];
  const put = (value: unknown): string => `$${values.push(value)}`;
  const { state, of, person, target, before } = filter;
  const where = [
    state === 'running' && 's.ended_at is null',
    state === 'ended' && 's.ended_at is not null',
    of !== undefined && `s.person = ${put(of)}`,
    person !== undefined && `strpos(lower(s.person), lower(${put(person)})) > 0`,
    target !== undefined && `s.target = ${put(target)}`,
    before !== undefined &&
      `(s.started_at, s.id) < (select started_at, id from countersign.session where id = ${put(before)}::uuid)`,
  ].filter((each) => each !== false);
  const filtered = where.length > 0 ? `where ${where.join(' and ')}` : '';
  const { rows } = await sql.query<Row>(
    `${FOUND} ${filtered} order by s.started_at desc, s.id desc limit ${put(filter.limit)}`,
    values,
  );
  return rows.map(foundOf);
}

/** Ends a session's row in somebody's name; false when it had ended already. Call it within the record of that. */
export async function endSessionBy(
  sql: Sql,
  id: string,
  { by, why }: { readonly by: string; readonly why: string },
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `update countersign.session set ended_at = clock_timestamp(), ended_by = $2, ended_why = $3
     where id = $1 and ended_at is null`,
    [id, by, why],
  );
  return rowCount === 1;
}

/** By session, of those that this process began: who has ended it, and why. */
export async function endedByOthers(
  sql: Sql,
  { gateway, epoch }: { readonly gateway: string; readonly epoch: number },
): Promise<ReadonlyMap<string, { readonly by: string; readonly why: string }>> {
  const { rows } = await sql.query<{ id: string; by: string; why: string }>(
    `select id, ended_by as by, coalesce(ended_why, '') as why from countersign.session
     where gateway = $1 and epoch = $2 and ended_by is not null`,
    [gateway, epoch],
  );
  return new Map(rows.map(({ id, by, why }) => [id, { by, why }]));
}

function foundOf(row: Row): SessionFound {
  const { agent, started_at, ended_at, ended_by, ended_why, alive, ...rest } = row;
  return {
    ...rest,
    ...(agent !== null && { agent }),
    startedAt: started_at.toISOString(),
    ...(ended_at && { endedAt: ended_at.toISOString() }),
    ...(ended_by !== null && { endedBy: ended_by }),
    ...(ended_why !== null && { endedWhy: ended_why }),
    state: ended_at ? 'ended' : alive ? 'running' : 'abandoned',
  };
}
