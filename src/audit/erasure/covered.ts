import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Database } from '../../store/database.ts';
import { COVERS, type Covers } from './plan.ts';

/** What the records of erasures say is gone, and whether that is what is gone. */
export type Covered = {
  /** Whether the body of a record is gone by this erasure, which takes in exactly what its record says. */
  byErasure(erasure: string | null): boolean;
  /** The row of this record is gone: true when a month that was dropped takes in its time. Call it once a record. */
  byMonth(record: string, time: string): boolean;
  /** Erasures that do not fit their records, and months that took more or less than theirs says. After the walk. */
  problems(): readonly string[];
};

const covers = z.object({ records: z.number(), ids: z.string() });
const said = z.object({
  body: z.object({
    event: z.string(),
    erasure: z.string(),
    covers: covers.optional(),
    month: z.object({ table: z.string(), from: z.string(), to: z.string() }).optional(),
    /** Records of the month that other erasures had taken in before. */
    earlier: z.record(z.string(), z.number()).optional(),
  }),
});
type Said = z.infer<typeof said>['body'];
type Month = {
  readonly from: number;
  readonly to: number;
  readonly covers: Covers;
  readonly gone: string[];
};

/** Reads what erasures have left. Their own records must be good: the walk along the chain sees to that. */
export async function readCovered(db: Pick<Database, 'pool'>): Promise<Covered> {
  const told = await readSaid(db);
  const found = await readFound(db);
  const problems: string[] = [];
  const good = new Set<string>();
  for (const [erasure, gone] of found) {
    // oxlint-disable-next-line no-await-in-loop -- few
    const wrong = await problemOf(db, erasure, gone, told);
    if (wrong === undefined) good.add(erasure);
    else problems.push(`erasure ${erasure}: ${wrong}`);
  }
  problems.push(...missing(told, found));
  const months = monthsOf(told);
  return {
    byErasure: (erasure) => erasure !== null && good.has(erasure),
    byMonth(record, time) {
      const at = Date.parse(time);
      const month = months.find(({ from, to }) => at >= from && at < to);
      month?.gone.push(record);
      return month !== undefined;
    },
    problems: () => [...problems, ...months.flatMap(wrongMonth)],
  };
}

async function readSaid({ pool }: Pick<Database, 'pool'>): Promise<readonly Said[]> {
  const { rows } = await pool.query<{ body: string }>(
    `select b.body from countersign.record_body b join countersign.record r using (id)
     where b.kind = 'erasure' and b.body is not null order by b.at, r.writer, r.seq`,
  );
  const told = rows.flatMap(({ body }) => {
    const parsed = said.safeParse(JSON.parse(body));
    return parsed.success ? [parsed.data.body] : [];
  });
  // Where the process died after it had dropped a month, its end is still to be told.
  const tables = told.flatMap(({ month }) => month?.table ?? []);
  const there = await pool.query<{ table: string }>(
    `select c.relname as table from pg_class c where relnamespace = 'countersign'::regnamespace and relname = any ($1)`,
    [tables],
  );
  const left = new Set(there.rows.map(({ table }) => table));
  return told.map((one) =>
    one.event === 'begin' && one.month && !left.has(one.month.table)
      ? { ...one, event: 'end' }
      : one,
  );
}

async function readFound({ pool }: Pick<Database, 'pool'>): Promise<ReadonlyMap<string, Covers>> {
  const { rows } = await pool.query<Covers & { erased_by: string }>(
    `select erased_by, ${COVERS} from countersign.record_body where erased_by is not null group by erased_by`,
  );
  return new Map(rows.map(({ erased_by, ...one }) => [erased_by, one]));
}

async function problemOf(
  db: Pick<Database, 'pool'>,
  erasure: string,
  gone: Covers,
  told: readonly Said[],
): Promise<string | undefined> {
  const own = told.filter((one) => one.erasure === erasure);
  const ended = own.findLast(({ event }) => event === 'end' || event === 'stop');
  const begun = own.findLast(({ event }) => event === 'begin');
  if (!begun) return `it has no record, and ${gone.records} records are marked with it`;
  if (!ended) return underWay(db, erasure, gone, begun);
  const before = earlier(told, erasure);
  const same =
    ended.covers?.records === gone.records + before &&
    (before > 0 || ended.covers.ids === gone.ids);
  return same
    ? undefined
    : `its record says ${ended.covers?.records ?? 0} records, and ${gone.records + before} others or more are gone`;
}

/** Of one that was not finished, the plan is still there, and what is gone is a part of it. */
async function underWay(
  { pool }: Pick<Database, 'pool'>,
  erasure: string,
  gone: Covers,
  begun: Said,
): Promise<string | undefined> {
  const { rows } = await pool.query<Covers & { planned: number }>(
    `select ${COVERS}, (select count(*) from countersign.record_body b join countersign.erasure_item i
         on i.record = b.id and i.erasure = $1 where b.erased_by = $1)::float8 as planned
     from (select record as id from countersign.erasure_item where erasure = $1) items`,
    [erasure],
  );
  const [plan] = rows;
  const same = plan?.ids === begun.covers?.ids && plan?.planned === gone.records;
  return same ? undefined : 'what is gone is not what its record says that it would take in';
}

const earlier = (told: readonly Said[], erasure: string): number =>
  lastWords(told).reduce((sum, one) => sum + (one.earlier?.[erasure] ?? 0), 0);

/** The last word on each. */
function lastWords(told: readonly Said[]): readonly Said[] {
  return [
    ...new Map(
      told.filter(({ event }) => event === 'end').map((one) => [one.erasure, one]),
    ).values(),
  ];
}

/** What a record says is gone, and no row is marked with. */
function missing(told: readonly Said[], found: ReadonlyMap<string, Covers>): readonly string[] {
  return lastWords(told).flatMap((one) => {
    const left = (one.covers?.records ?? 0) - earlier(told, one.erasure);
    if (one.month || left === 0 || found.has(one.erasure)) return [];
    return [`erasure ${one.erasure}: its record says ${left} records, and none is marked with it`];
  });
}

/** Months that are gone, or about to be: the record goes before the work. */
function monthsOf(told: readonly Said[]): readonly Month[] {
  const last = new Map(told.flatMap((one) => (one.month ? [[one.erasure, one] as const] : [])));
  return [...last.values()].flatMap(({ month, event, covers: all }) =>
    month && all && event !== 'stop'
      ? [{ from: Date.parse(month.from), to: Date.parse(month.to), covers: all, gone: [] }]
      : [],
  );
}

function wrongMonth({ from, covers: all, gone }: Month): readonly string[] {
  const ids = createHash('sha256');
  for (const id of gone.toSorted()) ids.update(Buffer.from(id.replaceAll('-', ''), 'hex'));
  // A month that was announced and not dropped is whole.
  if (gone.length === 0 || (gone.length === all.records && ids.digest('base64') === all.ids))
    return [];
  const when = new Date(from).toISOString();
  return [
    `of the month from ${when} on ${gone.length} records are gone, and its record says ${all.records}`,
  ];
}
