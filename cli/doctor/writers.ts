import { flaggedWriters, liveWriters } from '#src/audit/silence.ts';
import type { Database } from '#src/store/database.ts';
import type { Check } from './check.ts';

/** Is every process that writes the log still there, or has it said that it stops; and is each chain as it should be? */
export async function writers(db: Pick<Database, 'pool'>): Promise<Check> {
  const what = 'writers of the log';
  const [live, flagged] = await Promise.all([liveWriters(db), flaggedWriters(db)]);
  const silent = live.filter((one) => one.silent);
  const wrong = [
    ...silent.map(
      ({ writer, seq, at, seconds }) =>
        `${writer} is silent since ${at.toISOString()} (${Math.round(seconds)} s, record ${seq}) and did not say that it stops`,
    ),
    ...flagged.map(({ writer, why }) => `${writer}: ${why}`),
  ];
  if (wrong.length === 0)
    return { what, state: 'ok', found: `${live.length} are heard of, and none is missing` };
  return {
    what,
    state: 'fail',
    found: wrong.join('; '),
    next: 'does that process run? If not, start it; then countersign audit verify: docs/audit.md says what it may mean',
  };
}
