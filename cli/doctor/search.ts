import { searchLag } from '#src/audit/search/project.ts';
import type { Database } from '#src/store/database.ts';
import type { Check } from './check.ts';

/** More than a gateway under load is behind. */
const LATE = 5_000;

/** Is what was recorded found, and fast? */
export async function search(db: Database): Promise<Check> {
  const what = 'searching';
  const lag = await searchLag(db);
  const { rows } = await db.pool.query<{ trigrams: boolean }>(
    `select to_regclass('countersign.search_record_text') is not null as trigrams`,
  );
  if (!rows[0]?.trigrams)
    return {
      what,
      state: 'warn',
      found: 'without pg_trgm, so words are looked for row by row',
      next: 'install it (on Debian postgresql-contrib, or as an administrator: create extension pg_trgm), then countersign audit search rebuild',
    };
  return {
    what,
    state: lag > LATE ? 'warn' : 'ok',
    found: lag > 0 ? `${lag} records behind` : 'finds every record of the tree',
    ...(lag > LATE && {
      next: 'does countersign serve run, and what does its log say of searching?',
    }),
  };
}
