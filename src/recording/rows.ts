import type { Database } from '../store/database.ts';
import type { RecordedSession, RecordingInfo } from './port.ts';

/** A row of `recording`, with what opens its chunks. */
export type RecordingRow = RecordingInfo & {
  readonly gateway: string;
  readonly epoch: number;
  /** Wrapped; undefined once it was erased. */
  readonly key?: Buffer;
};

type Stored = {
  readonly session: string;
  readonly gateway: string;
  readonly epoch: string;
  readonly person: string;
  readonly agent: string | null;
  readonly target: string;
  readonly database: string | null;
  readonly protocol: string;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  readonly lost: boolean;
  readonly key: Buffer | null;
  readonly erased_at: Date | null;
  readonly chunks: number;
  readonly events: string;
  readonly bytes: string;
};

type Pool = Pick<Database, 'pool'>;

/** Safe to repeat. */
export async function insertRecording(
  { pool }: Pool,
  session: RecordedSession,
  by: { readonly gateway: string; readonly epoch: number },
  key: Buffer,
): Promise<void> {
  await pool.query(
    `insert into countersign.recording
       (session, gateway, epoch, person, agent, target, database, protocol, started_at, key)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (session) do nothing`,
    [
      session.id,
      by.gateway,
      by.epoch,
      session.person,
      session.agent ?? null,
      session.target,
      session.database ?? null,
      session.protocol,
      session.startedAt,
      key,
    ],
  );
}

/** One more chunk is stored. Safe to repeat. */
export async function countChunk(
  { pool }: Pool,
  session: string,
  { chunk, events, bytes }: { chunk: number; events: number; bytes: number },
): Promise<void> {
  await pool.query(
    `update countersign.recording set chunks = $2 + 1, events = events + $3, bytes = bytes + $4
     where session = $1 and chunks <= $2`,
    [session, chunk, events, bytes],
  );
}

export async function endRecording({ pool }: Pool, session: string): Promise<void> {
  await pool.query(
    'update countersign.recording set ended_at = clock_timestamp() where session = $1 and ended_at is null',
    [session],
  );
}

export async function findRecording(
  { pool }: Pool,
  session: string,
): Promise<RecordingRow | undefined> {
  const { rows } = await pool.query<Stored>(
    'select * from countersign.recording where session = $1',
    [session],
  );
  return rows[0] && rowOf(rows[0]);
}

/** The key first: what happens to the chunks afterwards does not matter any more. */
export async function forgetKey({ pool }: Pool, session: string): Promise<void> {
  await pool.query(
    `update countersign.recording set key = null, erased_at = coalesce(erased_at, clock_timestamp())
     where session = $1`,
    [session],
  );
}

function rowOf(row: Stored): RecordingRow {
  return {
    id: row.session,
    gateway: row.gateway,
    epoch: Number(row.epoch),
    person: row.person,
    ...(row.agent !== null && { agent: row.agent }),
    target: row.target,
    ...(row.database !== null && { database: row.database }),
    protocol: row.protocol,
    startedAt: row.started_at,
    ...(row.ended_at && { endedAt: row.ended_at }),
    state: stateOf(row),
    chunks: row.chunks,
    events: Number(row.events),
    bytes: Number(row.bytes),
    ...(row.key && { key: row.key }),
  };
}

function stateOf({ erased_at, lost, ended_at }: Stored): RecordingInfo['state'] {
  if (erased_at) return 'erased';
  if (lost) return 'lost';
  return ended_at ? 'closed' : 'open';
}
