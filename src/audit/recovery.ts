import { z } from 'zod';
import { Moved, move } from '../approval/moves.ts';
import type { RequestState } from '../approval/request.ts';
import type { Database } from '../store/database.ts';
import { abandonedSessions, endSession } from '../store/sessions.ts';
import { readAnnouncement } from './announcement.ts';
import { readHeads } from './heads.ts';
import { fence } from './lane.ts';
import type { AuditLog, Entry, Within } from './log.ts';

export type Recovered = {
  /** Statements that may or may not have run. */
  readonly unknown: number;
  /** Requests that had not run and now never can. */
  readonly abandoned: number;
};

type Parts = { readonly db: Database; readonly audit: AuditLog; readonly gateway: string };

/** Processes of this gateway with an epoch up to `upTo` are dead. */
type Dead = Parts & { readonly upTo: number };

type Left = {
  readonly id: string;
  readonly state: string;
  readonly session: string;
  readonly statement: string;
  readonly person: string;
  readonly target: string | null;
};
type Unfinished = Pick<Left, 'statement' | 'person' | 'target'> & {
  readonly session: string | null;
  readonly request: string | null;
  readonly agent: string | null;
};

const PAGE = 500;

/**
 * At the start, before anything is accepted: notes where every chain ends, then puts right what older processes of this
 * gateway left. Their requests end as abandoned, or as unknown when they were running; a statement that was let through
 * and has no outcome gets the outcome `unknown`; sessions end. Rejects when the store fails; asking again goes on.
 */
export async function recover(parts: Parts & { readonly epoch: number }): Promise<Recovered> {
  const { audit, db, gateway, epoch } = parts;
  await audit.append({ kind: 'recovery', body: { gateway, epoch, heads: await readHeads(db) } });
  return settle({ ...parts, upTo: epoch - 1 });
}

/**
 * The same for other gateways whose lease lapsed at least `graceMs` ago (default 10 s: after an outage of the store each
 * gets the time to renew). Raises their epoch first, so that none of them can come back.
 */
export async function recoverLapsed(
  parts: Parts & { readonly graceMs?: number },
): Promise<Recovered> {
  const { rows } = await parts.db.pool.query<{ name: string; epoch: string }>(
    `update countersign.gateway set epoch = epoch + 1
     where name <> $1 and lease_until <= clock_timestamp() - $2 * interval '1 ms' and recovered < epoch
     returning name, epoch`,
    [parts.gateway, parts.graceMs ?? 10_000],
  );
  let sum: Recovered = { unknown: 0, abandoned: 0 };
  for (const { name, epoch } of rows) {
    await fence(parts.db, name);
    if (!(await hasStopped(parts.db, name))) {
      const found = { gateway: name, epoch: Number(epoch), heads: await readHeads(parts.db) };
      await parts.audit.append({ kind: 'recovery', body: found });
    }
    const done = await settle({ ...parts, gateway: name, upTo: Number(epoch) });
    sum = { unknown: sum.unknown + done.unknown, abandoned: sum.abandoned + done.abandoned };
  }
  return sum;
}

/** Its newest record says so, or there is none. */
async function hasStopped(db: Database, writer: string): Promise<boolean> {
  const { rows } = await db.pool.query<{ kind: string; body: string | null }>(
    `select kind, body from countersign.record_body where id =
       (select id from countersign.record where writer = $1 order by seq desc limit 1)`,
    [writer],
  );
  const [last] = rows;
  if (!last) return true;
  return last.kind === 'writer' && readAnnouncement(last.body ?? '{}')?.event === 'stop';
}

async function settle(dead: Dead): Promise<Recovered> {
  const requests = await settleRequests(dead);
  const statements = await settleStatements(dead);
  await settleSessions(dead);
  await dead.db.pool.query(
    'update countersign.gateway set recovered = greatest(recovered, $2) where name = $1',
    [dead.gateway, dead.upTo],
  );
  return { unknown: requests.unknown + statements, abandoned: requests.abandoned };
}

async function settleRequests({ db, audit, gateway, upTo }: Dead): Promise<Recovered> {
  let [unknown, abandoned] = [0, 0];
  const { rows } = await db.pool.query<Left>(
    `select id, state, session, statement, person, card->>'target' as target from countersign.request
     where gateway = $1 and epoch <= $2 and state in ('pending', 'approved', 'running') order by created_at`,
    [gateway, upTo],
  );
  for (const left of rows) {
    const running = left.state === 'running';
    const to = running ? 'unknown' : 'abandoned';
    const from: RequestState[] = running ? ['running'] : ['pending', 'approved'];
    if (running && (await settledByRecord(db, left))) continue;
    const { id: request, target, session, statement, person } = left;
    const about = { session, statement, request, person, ...present({ target }) };
    const entry: Entry = running
      ? { kind: 'outcome', ...about, body: UNKNOWN }
      : { kind: 'request', ...about, body: { event: 'abandoned', why: WHY } };
    const ended = await appendIf(audit, entry, async (sql) => {
      await move(sql, { id: request, from, to });
    });
    if (ended && running) unknown++;
    else if (ended) abandoned++;
  }
  return { unknown, abandoned };
}

/** The outcome was recorded, and only the request did not hear of it: then it says the same. */
async function settledByRecord(db: Database, { id, statement }: Left): Promise<boolean> {
  const { rows } = await db.pool.query<{ body: string | null }>(
    `select body from countersign.record_body where statement = $1 and kind = 'outcome' limit 1`,
    [statement],
  );
  const [row] = rows;
  if (!row) return false;
  const { data } = recorded.safeParse(row.body === null ? undefined : JSON.parse(row.body));
  const outcome = data && !data.body.unknown ? data.body : undefined;
  const step = {
    id,
    from: ['running' as const],
    to: outcome ? ('done' as const) : ('unknown' as const),
  };
  await db
    .transaction((sql) => move(sql, outcome ? { ...step, outcome } : step))
    .catch((error: unknown) => {
      if (!(error instanceof Moved)) throw error;
    });
  return true;
}

async function settleStatements({ db, audit, gateway, upTo }: Dead): Promise<number> {
  let count = 0;
  for (;;) {
    const { rows } = await db.pool.query<Unfinished>(UNFINISHED, [gateway, upTo]);
    for (const { statement, ...row } of rows) {
      const settled = await appendIf(
        audit,
        { kind: 'outcome', statement, ...present(row), body: UNKNOWN },
        async (sql, record) => {
          // Two sweepers of the same gateway must not both write it.
          await sql.query('select from countersign.gateway where name = $1 for update', [gateway]);
          const { rowCount } = await sql.query(
            `select from countersign.record_body where statement = $1 and kind = 'outcome' and id <> $2`,
            [statement, record],
          );
          if (rowCount) throw new Moved('the outcome is there');
        },
      );
      if (settled) count++;
    }
    if (rows.length < PAGE) return count;
  }
}

async function settleSessions({ db, audit, gateway, upTo }: Dead): Promise<void> {
  for (;;) {
    const sessions = await abandonedSessions(db.pool, gateway, upTo, PAGE);
    for (const { id, person, target } of sessions)
      await appendIf(
        audit,
        { kind: 'session-end', session: id, person, target, body: { why: WHY } },
        async (sql) => {
          if (!(await endSession(sql, id))) throw new Moved('the session has ended');
        },
      );
    if (sessions.length < PAGE) return;
  }
}

/** The fields that are not null. */
function present(fields: Readonly<Record<string, string | null>>): Record<string, string> {
  const all = Object.entries(fields).flatMap(([name, value]) =>
    value === null ? [] : [[name, value]],
  );
  return Object.fromEntries(all);
}

/** False when somebody else has done it meanwhile. */
async function appendIf(audit: AuditLog, entry: Entry, within: Within): Promise<boolean> {
  try {
    await audit.append(entry, within);
    return true;
  } catch (error) {
    if (error instanceof Moved) return false;
    throw error;
  }
}

const WHY = 'the gateway that held it went away';
const UNKNOWN = { ok: false, unknown: true, why: WHY };
const recorded = z.object({
  body: z.object({
    ok: z.boolean(),
    unknown: z.boolean().optional(),
    rows: z.number().exactOptional(),
    durationMs: z.number().exactOptional(),
    code: z.string().exactOptional(),
  }),
});
const UNFINISHED = `
  select distinct on (s.statement) s.statement, s.session, s.request, s.person, s.agent, s.target
  from countersign.record_body s
  where s.writer = $1 and s.epoch <= $2
    and s.epoch > (select recovered from countersign.gateway where name = $1)
    and s.kind in ('statement', 'claim') and s.verdict in ('allow', 'approved') and s.statement is not null
    and not exists (select from countersign.record_body o where o.statement = s.statement and o.kind = 'outcome')
  order by s.statement limit ${PAGE}`;
