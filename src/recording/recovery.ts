import type { AuditLog, Entry } from '../audit/log.ts';
import type { Database } from '../store/database.ts';
import type { ChunkStore } from './port.ts';
import { recordsOf } from './reader.ts';
import { digestOf, headOf } from './seal.ts';

type Parts = { readonly db: Database; readonly audit: AuditLog; readonly chunks: ChunkStore };
type Left = {
  readonly session: string;
  readonly person: string;
  readonly agent: string | null;
  readonly target: string;
};

const WHY = 'the gateway that recorded it went away';

class Done extends Error {}

/**
 * Ends the recordings of processes that are gone: a chunk that was stored and not yet recorded gets its record, and one
 * more says that what came after it is lost. Only of gateways whose statements were settled before, as recovery does it.
 */
export async function recoverRecordings(parts: Parts): Promise<void> {
  const { rows } = await parts.db.pool.query<Left>(
    `select r.session, r.person, r.agent, r.target from countersign.recording r
     join countersign.gateway g on g.name = r.gateway
     where r.ended_at is null and r.epoch <= g.recovered order by r.started_at limit 500`,
  );
  for (const left of rows)
    // oxlint-disable-next-line no-await-in-loop -- one lane writes them all
    await end(parts, left);
}

async function end({ db, audit, chunks }: Parts, left: Left): Promise<void> {
  const { session, person, agent, target } = left;
  const about = { session, person, ...(agent !== null && { agent }), target };
  const known = await recordsOf(db, session);
  const stored = await chunks.list(session);
  for (const chunk of stored.filter((number) => !known.chunks.has(number))) {
    // oxlint-disable-next-line no-await-in-loop -- in order
    const sealed = await chunks.get(session, chunk);
    const head = sealed && headOf(sealed);
    if (!head) continue;
    const body = { chunk, ...head, bytes: sealed.length, digest: digestOf(sealed), late: true };
    // oxlint-disable-next-line no-await-in-loop -- in order
    await audit.append({ kind: 'recording', ...about, body });
  }
  const all = Math.max(-1, ...known.chunks.keys(), ...stored) + 1;
  const body = { chunks: all, lost: true, why: WHY };
  await endOnce(audit, { kind: 'recording', ...about, body }, session);
}

/** Of two gateways that see it, one says it. */
async function endOnce(audit: AuditLog, entry: Entry, session: string): Promise<void> {
  await audit
    .append(entry, async (sql) => {
      const { rowCount } = await sql.query(
        `update countersign.recording set ended_at = clock_timestamp(), lost = true
         where session = $1 and ended_at is null`,
        [session],
      );
      if (rowCount === 0) throw new Done();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Done)) throw error;
    });
}
