import { z } from 'zod';
import type { Database } from '../store/database.ts';
import { checkRecord, type Finding, type StoredRecord } from './check.ts';

export type { Finding };

export type WriterReport = {
  readonly writer: string;
  /** Records that were walked; it ends at the first bad one. */
  readonly records: number;
  /** Of these, records whose body was erased: their place is proven, their content is gone. */
  readonly erased: number;
  /** Leaf hash of the last good record, hex. */
  readonly head?: { readonly seq: number; readonly hash: string };
  readonly bad?: Finding;
};

export type Verification = {
  readonly ok: boolean;
  readonly records: number;
  readonly erased: number;
  readonly writers: readonly WriterReport[];
};

export type VerifyOptions = { readonly onProgress?: (records: number) => void };

/** What recovery records of other writers say about the newest record that they saw of a writer. */
type Witnessed = { readonly writer: string; readonly seq: number; readonly hash: string };

type Row = Omit<StoredRecord, 'seq'> & { readonly seq: string };

const PAGE = 1_000;
const heads = z.object({
  heads: z.array(z.object({ writer: z.string(), seq: z.int(), hash: z.string() })),
});

/**
 * Walks the hash chain of every writer in pages and reports the first bad record of each. Reads only. What it cannot
 * see: that the newest records of a writer were removed, unless a later recovery record has seen them (FORMAT.md).
 */
export async function verifyLog(db: Database, options: VerifyOptions = {}): Promise<Verification> {
  const reports = new Map<string, WriterReport>();
  const witnessed: Witnessed[] = [];
  let walked = 0;
  const progress = (records: number) => options.onProgress?.((walked += records));
  for (let writer = await nextWriter(db, ''); writer; writer = await nextWriter(db, writer))
    reports.set(writer, await walk(db, writer, witnessed, progress));
  await checkWitnessed(db, reports, witnessed);
  await checkNameless(db, reports);
  await checkStrays(db, reports);
  const writers = [...reports.values()];
  return {
    ok: writers.every((report) => !report.bad),
    records: writers.reduce((sum, report) => sum + report.records, 0),
    erased: writers.reduce((sum, report) => sum + report.erased, 0),
    writers,
  };
}

async function nextWriter(db: Database, after: string): Promise<string | undefined> {
  const { rows } = await db.pool.query<{ writer: string | null }>(
    'select min(writer) as writer from countersign.record where writer > $1',
    [after],
  );
  return rows[0]?.writer ?? undefined;
}

async function walk(
  db: Database,
  writer: string,
  witnessed: Witnessed[],
  progress: (records: number) => void,
): Promise<WriterReport> {
  let seq = 0;
  let hash: Buffer = Buffer.alloc(0);
  let erased = 0;
  const report = (bad?: Finding): WriterReport => ({
    writer,
    records: seq,
    erased,
    ...(seq > 0 && { head: { seq, hash: hash.toString('hex') } }),
    ...(bad && { bad }),
  });
  for (;;) {
    const page = await readPage(db, writer, seq);
    for (const row of page) {
      const bad = checkRecord(row, { writer, seq, hash });
      if (bad) return report(bad);
      seq = row.seq;
      hash = row.hash;
      if (row.body === null) erased++;
      else if (row.kind === 'recovery') witnessed.push(...witnessedBy(row.body));
    }
    progress(page.length);
    if (page.length < PAGE) return report(await outsideChain(db, writer, seq));
  }
}

/** The chain is good: is there anything of this writer beside it, where no walk along it comes by? */
async function outsideChain(
  db: Database,
  writer: string,
  walked: number,
): Promise<Finding | undefined> {
  const { rows } = await db.pool.query<{ count: string }>(
    'select count(*) from countersign.record where writer = $1 and (seq is null or seq <= $2)',
    [writer, walked],
  );
  const more = Number(rows[0]?.count) - walked;
  const detail = `${more} records of this writer are there twice, or have no place in its chain`;
  return more === 0 ? undefined : { seq: walked, problem: 'inserted', detail };
}

async function readPage(db: Database, writer: string, after: number): Promise<StoredRecord[]> {
  const { rows } = await db.pool.query<Row>(
    `select r.writer, r.seq, r.id, r.leaf, r.hash, b.id is not null as "hasBody", b.writer as "bodyWriter",
       to_char(b.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as at, b.epoch::float8, b.kind, b.session, b.statement, b.request, b.person, b.agent, b.target, b.verdict, b.salt, b.body
     from (select * from countersign.record where writer = $1 and seq > $2 order by seq limit ${PAGE}) r
     left join countersign.record_body b using (id) order by r.seq`,
    [writer, after],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
}

function witnessedBy(body: string): readonly Witnessed[] {
  const text: unknown = JSON.parse(body);
  return z.object({ body: heads }).safeParse(text).data?.body.heads ?? [];
}

/** A chain alone does not show that its end was cut off; what others saw of it does. */
async function checkWitnessed(
  db: Database,
  reports: Map<string, WriterReport>,
  witnessed: readonly Witnessed[],
): Promise<void> {
  for (const { writer, seq, hash } of witnessed) {
    const report = reports.get(writer) ?? { writer, records: 0, erased: 0 };
    if (report.bad) continue;
    const { rowCount } = await db.pool.query(
      'select from countersign.record where writer = $1 and seq = $2 and hash = $3',
      [writer, seq, Buffer.from(hash, 'hex')],
    );
    if (rowCount) continue;
    const detail = `a later recovery record saw record ${seq} with the hash ${hash}; it is not there any more`;
    reports.set(writer, { ...report, bad: { seq, problem: 'removed', detail } });
  }
}

/** Records of no writer: they are in nobody's chain. */
async function checkNameless(db: Database, reports: Map<string, WriterReport>): Promise<void> {
  const { rows } = await db.pool.query<{ id: string | null }>(
    "select id from countersign.record where writer is null or writer = '' limit 1",
  );
  const [row] = rows;
  if (!row) return;
  const detail = 'this record has no writer, and so no place in any chain: it was inserted';
  const bad = { seq: 0, ...(row.id && { record: row.id }), problem: 'inserted' as const, detail };
  reports.set('', { writer: '', records: 0, erased: 0, bad });
}

async function checkStrays(db: Database, reports: Map<string, WriterReport>): Promise<void> {
  const { rows } = await db.pool.query<{ id: string; writer: string }>(
    `select distinct on (writer) coalesce(writer, '') as writer, id from countersign.record_body b
     where not exists (select from countersign.record r where r.id = b.id) order by writer, at`,
  );
  for (const { id, writer } of rows) {
    const report = reports.get(writer) ?? { writer, records: 0, erased: 0 };
    const detail = 'this body belongs to no record: it was inserted, or its record was removed';
    if (!report.bad)
      reports.set(writer, { ...report, bad: { seq: 0, record: id, problem: 'inserted', detail } });
  }
}
