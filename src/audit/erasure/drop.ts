import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Sql } from '../../store/database.ts';
import type { RetentionRule } from '../../config/config.ts';
import { eraseBeside } from './beside.ts';
import { alone, type EraseParts } from './job.ts';
import { dropMonth, type Month, monthExists, monthsBefore, STAYS } from './months.ts';
import { coversOf, type Covers, shareHolds } from './plan.ts';

export type RetentionParts = EraseParts & {
  readonly rules: readonly RetentionRule[];
  /** Milliseconds since 1970; the clock of this process. */
  readonly now: number;
};

/** A month of which nothing may be kept any longer. */
export type DueMonth = {
  readonly month: Month;
  readonly covers: Covers;
  /** Records that earlier erasures have taken in, by erasure. */
  readonly earlier: Readonly<Record<string, number>>;
  /** Records whose body is still there. */
  readonly left: number;
};

const Filter = z.object({
  month: z.object({ table: z.string(), from: z.string(), to: z.string() }),
  covers: z.object({ records: z.number(), ids: z.string() }),
  earlier: z.record(z.string(), z.number()),
});
type Filter = z.infer<typeof Filter>;
type Row = { readonly id: string; readonly state: string; readonly filter: unknown };

const REASON = 'all of the month is older than the rules of retention say';

/** Months that can go as a whole: all has expired by its own rule, nothing is held, and no session of it goes on. */
export async function dueMonths({
  owner,
  rules,
  now,
}: RetentionParts): Promise<readonly DueMonth[]> {
  const ours = rules.filter(({ kind }) => kind === 'records');
  if (ours.length === 0) return [];
  const shortest = Math.min(...ours.map(({ keepMs }) => keepMs));
  const due: DueMonth[] = [];
  for (const month of await monthsBefore(owner.pool, new Date(now - shortest))) {
    // oxlint-disable-next-line no-await-in-loop -- one month after the other
    const found = (await hasLeft(owner.pool, month, ours, now))
      ? undefined
      : await lookAt(owner.pool, month);
    // An empty month is in nobody's way.
    if (found && found.covers.records > 0) due.push(found);
  }
  return due;
}

async function hasLeft(
  sql: Sql,
  { table }: Month,
  rules: readonly RetentionRule[],
  now: number,
): Promise<boolean> {
  const values = rules.flatMap(({ target, keepMs }) => [
    target,
    new Date(now - keepMs).toISOString(),
  ]);
  const expires = rules.map(
    (_, i) => `when countersign.fits(b.target, $${2 * i + 1}) then $${2 * i + 2}::timestamptz`,
  );
  const { rowCount } = await sql.query(
    `select from countersign.${table} b where not ${STAYS} and (
       (b.erased_by is null and b.at >= case ${expires.join(' ')} else '-infinity' end)
       or (b.erased_by is null and countersign.held_by(b.person, b.target, b.session, b.at) is not null)
       or exists (select from countersign.session s where s.id = b.session and s.ended_at is null)
       or exists (select from countersign.erasure_item i where i.record = b.id)) limit 1`,
    values,
  );
  return rowCount !== 0;
}

async function lookAt(sql: Sql, month: Month): Promise<DueMonth> {
  const rows = `select id from countersign.${month.table} where not ${STAYS}`;
  const covers = await coversOf(sql, rows, []);
  const found = await sql.query<{ erased_by: string | null; count: number }>(
    `select erased_by, count(*)::float8 as count from countersign.${month.table} where not ${STAYS} group by 1`,
  );
  const left = found.rows.find(({ erased_by }) => erased_by === null)?.count ?? 0;
  const earlier = Object.fromEntries(
    found.rows.flatMap(({ erased_by, count }) => (erased_by === null ? [] : [[erased_by, count]])),
  );
  return { month, covers, earlier, left };
}

/** Its record, what other tables repeat of it, the month itself, the record of its end. */
export async function drop(
  parts: RetentionParts,
  { month, covers, earlier }: DueMonth,
): Promise<void> {
  const { owner, failpoint } = parts;
  const filter: Filter = { month, covers, earlier };
  const id = randomUUID();
  await owner.pool.query(
    `insert into countersign.erasure (id, state, filter, reason, pseudonym) values ($1, 'planned', $2, $3, 'erased')`,
    [id, JSON.stringify(filter), REASON],
  );
  await begin(parts, id, filter);
  await failpoint?.('month begun');
  await finish(parts, id, filter);
}

async function begin(parts: RetentionParts, id: string, filter: Filter): Promise<void> {
  const record = await tell(parts, 'begin', id, filter);
  await parts.owner.pool.query(
    "update countersign.erasure set state = 'recorded', record = $2 where id = $1",
    [id, record],
  );
}

async function finish(parts: RetentionParts, id: string, filter: Filter): Promise<void> {
  const { owner, failpoint } = parts;
  const { month } = filter;
  if (await monthExists(owner.pool, month)) {
    const { rows } = await owner.pool.query<{ session: string }>(
      `select distinct b.session from countersign.${month.table} b join countersign.recording r on r.session = b.session
       where r.erased_at is null and b.kind = 'session-start'`,
    );
    // oxlint-disable-next-line no-await-in-loop -- files, one folder after the other
    for (const { session } of rows) await parts.removeChunks(session);
    await owner.transaction(async (sql) => {
      await shareHolds(sql);
      await demandSame(sql, filter);
      const gone = `select id from countersign.${month.table} where not ${STAYS}`;
      await eraseBeside(sql, id, 'erased', gone);
      await failpoint?.('month beside');
      await dropMonth(sql, month);
    });
  }
  await failpoint?.('month dropped');
  await tell(parts, 'end', id, filter);
  await owner.pool.query(
    "update countersign.erasure set state = 'done', filter = null, ended_at = clock_timestamp() where id = $1",
    [id],
  );
}

/** What its record says is what goes: nothing came late, nothing is held since. */
async function demandSame(sql: Sql, { month, covers }: Filter): Promise<void> {
  const { table } = month;
  await sql.query(`lock table countersign.${table} in share mode`);
  const now = await coversOf(sql, `select id from countersign.${table} where not ${STAYS}`, []);
  const held = await sql.query(
    `select from countersign.${table} b where b.erased_by is null
       and countersign.held_by(b.person, b.target, b.session, b.at) is not null limit 1`,
  );
  if (now.ids !== covers.ids || held.rowCount)
    throw new Changed(
      `${table} is not as it was when it was decided that it goes; the next run looks again`,
    );
}

class Changed extends Error {}

/** Goes on with months that a process which died has left. */
export async function resumeDrops(parts: RetentionParts): Promise<void> {
  await alone(parts.owner, async () => {
    const { rows } = await parts.owner.pool.query<Row>(
      `select id, state, filter from countersign.erasure where state in ('planned', 'recorded') and filter ? 'month'`,
    );
    for (const row of rows)
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await resume(parts, row);
  });
}

async function resume(parts: RetentionParts, { id, state, filter: stored }: Row): Promise<void> {
  const filter = Filter.parse(stored);
  try {
    if (state === 'planned') await begin(parts, id, filter);
    await finish(parts, id, filter);
  } catch (error) {
    if (!(error instanceof Changed)) throw error;
    // It was announced and did not happen: the month is whole, and that is what is said.
    await tell(parts, 'stop', id, filter);
    await parts.owner.pool.query('delete from countersign.erasure where id = $1', [id]);
  }
}

async function tell(
  { audit }: RetentionParts,
  event: 'begin' | 'end' | 'stop',
  erasure: string,
  { month: { table, from, to }, covers, earlier }: Filter,
): Promise<string> {
  const body = { event, erasure, month: { table, from, to }, covers, earlier, reason: REASON };
  return (await audit.append({ kind: 'erasure', body })).record;
}
