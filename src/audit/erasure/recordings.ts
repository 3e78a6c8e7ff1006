import { storeInFolder } from '../../recording/chunk-store.ts';
import type { Sql } from '../../store/database.ts';
import { shareHolds } from './plan.ts';
import type { EraseParts } from './job.ts';

/** Recordings of targets that fit, which ended before. Of several rules that fit a target, the first counts. */
export type Due = { readonly target: string; readonly before: string };

const BATCH = 100;
/** Of one run. */
const MOST = 1_000;

/** Ids of the sessions whose recordings are to go, oldest first; what a hold keeps is not among them. */
export async function dueRecordings(
  sql: Sql,
  rules: readonly Due[],
  limit: number,
): Promise<readonly string[]> {
  if (rules.length === 0) return [];
  const values = rules.flatMap(({ target, before }) => [target, before]);
  const cases = rules.map(
    (_, i) => `when countersign.fits(target, $${2 * i + 1}) then $${2 * i + 2}::timestamptz`,
  );
  const { rows } = await sql.query<{ session: string }>(
    `select session from countersign.recording where erased_at is null and ended_at < case ${cases.join(' ')} end
       and countersign.held_by(person, target, session, started_at) is null
       and countersign.held_by(person, target, session, ended_at) is null
     order by ended_at limit ${limit}`,
    values,
  );
  return rows.map(({ session }) => session);
}

/** Removes what a folder holds of a recording, where chunks are kept in one. */
export function removesChunks(folder: string | undefined): EraseParts['removeChunks'] {
  const chunks = folder === undefined ? undefined : storeInFolder(folder);
  return async (session) => chunks?.remove(session);
}

/** Erases them: first the record, then key and chunks. How many. Killed, the next run goes on. */
export async function eraseRecordings(
  { owner, audit, removeChunks, failpoint }: EraseParts,
  rules: readonly Due[],
): Promise<number> {
  let erased = 0;
  while (erased < MOST) {
    // oxlint-disable no-await-in-loop -- one batch after the other
    const sessions = await dueRecordings(owner.pool, rules, BATCH);
    if (sessions.length === 0) break;
    const body = {
      event: 'recordings',
      recordings: sessions,
      reason: 'their time by the rules of retention is over',
    };
    await audit.append({ kind: 'erasure', body });
    await failpoint?.('recordings');
    for (const session of sessions) await removeChunks(session);
    const gone = await owner.transaction(async (sql) => {
      await shareHolds(sql);
      return forget(sql, sessions);
    });
    erased += gone;
    if (gone === 0) break;
    // oxlint-enable no-await-in-loop
  }
  return erased;
}

async function forget(sql: Sql, sessions: readonly string[]): Promise<number> {
  const { rows } = await sql.query<{ session: string }>(
    `update countersign.recording set key = null, erased_at = clock_timestamp()
     where session = any ($1) and erased_at is null and countersign.held_by(person, target, session, ended_at) is null
     returning session`,
    [sessions],
  );
  const gone = rows.map(({ session }) => session);
  await sql.query('delete from countersign.recording_chunk where session = any ($1)', [gone]);
  return gone.length;
}
