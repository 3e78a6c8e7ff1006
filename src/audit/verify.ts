import type { Database } from '../store/database.ts';
import { checkRecord, type Finding, type Gone, type StoredRecord } from './check.ts';
import { readCovered } from './erasure/covered.ts';
import { readLeaf } from './chain.ts';
import {
  SignedChain,
  type ChainRecord,
  type ChainSignature,
  type Silence,
} from './signed-chain.ts';
import type { NoteKey } from './tree/note.ts';
import { Witnessed } from './witnessed.ts';

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
  /** Times in which it wrote nothing and had not said that it stops. */
  readonly silences?: readonly Silence[];
};

export type Verification = {
  readonly ok: boolean;
  readonly records: number;
  readonly erased: number;
  readonly writers: readonly WriterReport[];
  /** Where what is gone is not what the records of erasures say. */
  readonly erasures: readonly string[];
};

export type VerifyOptions = {
  readonly onProgress?: (records: number) => void;
  /** The keys of writers as they are known from elsewhere: no chain may begin with another, nor change to one by itself. */
  readonly keys?: readonly NoteKey[];
};

type Row = Omit<StoredRecord, 'seq'> & { readonly seq: string };

const PAGE = 1_000;

/**
 * Walks the hash chain of every writer in pages, with its signatures, and reports the first bad record of each. Reads only.
 * That the newest records of a writer were removed it sees by what others have seen of them, and by its silence (FORMAT.md).
 */
export async function verifyLog(db: Database, options: VerifyOptions = {}): Promise<Verification> {
  const reports = new Map<string, WriterReport>();
  const witnessed = new Witnessed();
  const ends = new Map<string, End>();
  let walked = 0;
  const progress = (records: number) => options.onProgress?.((walked += records));
  const gone = await readCovered(db);
  for (let writer = await nextWriter(db, ''); writer; writer = await nextWriter(db, writer))
    reports.set(
      writer,
      await walk(db, writer, { witnessed, gone, progress, ends, keys: options.keys }),
    );
  checkWitnessed(reports, witnessed);
  await checkNameless(db, reports);
  await checkStrays(db, reports);
  await checkSigned(db, reports);
  await checkUnannounced(db, reports, ends);
  for (const [writer, { chain, now }] of ends)
    amend(reports, writer, chain.end(now, witnessed.recovered(writer)));
  const writers = [...reports.values()].map((report) => withSilences(report, ends));
  const erasures = gone.problems();
  return {
    ok: writers.every((report) => !report.bad) && erasures.length === 0,
    records: writers.reduce((sum, report) => sum + report.records, 0),
    erased: writers.reduce((sum, report) => sum + report.erased, 0),
    writers,
    erasures,
  };
}

async function nextWriter(db: Database, after: string): Promise<string | undefined> {
  const { rows } = await db.pool.query<{ writer: string | null }>(
    'select min(writer) as writer from countersign.record where writer > $1',
    [after],
  );
  return rows[0]?.writer ?? undefined;
}

type Walk = {
  readonly witnessed: Witnessed;
  readonly gone: Gone;
  readonly progress: (records: number) => void;
  readonly ends: Map<string, End>;
  readonly keys: readonly NoteKey[] | undefined;
};

/** A chain that is good to its end, and when that was read, by the store's clock. */
type End = { readonly chain: SignedChain; readonly now: number };

function withSilences(report: WriterReport, ends: ReadonlyMap<string, End>): WriterReport {
  const silences = ends.get(report.writer)?.chain.silences ?? [];
  return silences.length > 0 ? { ...report, silences } : report;
}

/** A writer's first problem is the one that is told. */
function amend(reports: Map<string, WriterReport>, writer: string, bad: Finding | undefined): void {
  const report = reports.get(writer) ?? { writer, records: 0, erased: 0 };
  if (bad && !report.bad) reports.set(writer, { ...report, bad });
}

async function walk(
  db: Database,
  writer: string,
  { witnessed, gone, progress, ends, keys }: Walk,
): Promise<WriterReport> {
  let seq = 0;
  let hash: Buffer = Buffer.alloc(0);
  let erased = 0;
  const chain = new SignedChain(
    writer,
    keys?.filter(({ name }) => name === writer),
  );
  const report = (bad?: Finding): WriterReport => ({
    writer,
    records: seq,
    erased,
    ...(seq > 0 && { head: { seq, hash: hash.toString('hex') } }),
    ...(bad && { bad }),
  });
  for (;;) {
    const now = await storeTime(db);
    const page = await readPage(db, writer, seq);
    const signatures = await readSignatures(db, writer, seq, page.at(-1)?.seq ?? seq);
    for (const row of page) {
      const bad =
        checkRecord(row, { writer, seq, hash }, gone) ??
        chain.take(chainRecord(row), signatures.get(row.seq));
      if (bad) return report(bad.seq === row.seq ? { ...bad, record: row.id } : bad);
      seq = row.seq;
      hash = row.hash;
      if (row.body === null) erased++;
    }
    await witnessed.read(db, page);
    progress(page.length);
    const bad = chain.settle();
    if (bad) return report(bad);
    if (page.length === PAGE) continue;
    ends.set(writer, { chain, now });
    return report(await outsideChain(db, writer, seq));
  }
}

/** The leaf says kind and time where a month of bodies was dropped. */
function chainRecord({ seq, hash, leaf, kind, at, body }: StoredRecord): ChainRecord {
  if (kind !== null && at !== null)
    return { seq, hash, kind, time: Date.parse(`${at.slice(0, 23)}Z`), body };
  const { kind: said = '', time = '' } = readLeaf(leaf) ?? {};
  return { seq, hash, kind: said, time: Date.parse(time), body };
}

async function storeTime(db: Database): Promise<number> {
  const { rows } = await db.pool.query<{ now: Date }>('select clock_timestamp() as now');
  return rows[0]?.now.getTime() ?? Date.now();
}

async function readSignatures(
  db: Database,
  writer: string,
  after: number,
  last: number,
): Promise<ReadonlyMap<number, ChainSignature>> {
  const { rows } = await db.pool.query<ChainSignature & { seq: string }>(
    'select seq, key, signature from countersign.record_signature where writer = $1 and seq > $2 and seq <= $3',
    [writer, after, last],
  );
  return new Map(rows.map((row) => [Number(row.seq), row]));
}

/** A chain without signatures is older than those of the writers that sign, or somebody else's. */
async function checkUnannounced(
  db: Database,
  reports: Map<string, WriterReport>,
  ends: ReadonlyMap<string, End>,
): Promise<void> {
  const announced = [...ends].flatMap(([writer, { chain }]) =>
    chain.announcedAt === undefined ? [] : [{ writer, seq: chain.announcedAt }],
  );
  if (announced.length === 0) return;
  const places = await Promise.all(announced.map(({ writer, seq }) => indexOf(db, writer, seq)));
  const first = Math.min(...places);
  for (const [writer, { chain }] of ends) {
    const seq = reports.get(writer)?.head?.seq;
    if (chain.announcedAt !== undefined || seq === undefined) continue;
    // oxlint-disable-next-line no-await-in-loop -- few chains are so old
    if ((await indexOf(db, writer, seq)) < first) continue;
    const detail =
      'its writer has announced no key, and others had already: somebody else may have written this chain';
    amend(reports, writer, { seq, problem: 'unsigned', detail });
  }
}

/** Place in the tree; infinite when it has none yet. */
async function indexOf(db: Database, writer: string, seq: number): Promise<number> {
  const { rows } = await db.pool.query<{ index: string }>(
    'select index from countersign.tree_entry where writer = $1 and seq = $2',
    [writer, seq],
  );
  return rows[0] ? Number(rows[0].index) : Number.POSITIVE_INFINITY;
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
       to_char(b.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as at, b.epoch::float8, b.kind, b.session, b.statement, b.request, b.person, b.agent, b.target, b.verdict, b.salt, b.body,
       b.erased_by as "erasedBy"
     from (select * from countersign.record where writer = $1 and seq > $2 order by seq limit ${PAGE}) r
     left join countersign.record_body b using (id) order by r.seq`,
    [writer, after],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
}

/** A chain alone does not show that its end was cut off; what others saw of it does. */
function checkWitnessed(reports: Map<string, WriterReport>, { missing }: Witnessed): void {
  for (const { writer, seq, hash } of missing)
    amend(reports, writer, {
      seq,
      problem: 'removed',
      detail: `another writer’s record saw record ${seq} with the hash ${hash}; it is not there any more`,
    });
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
  const detail = 'this body belongs to no record: it was inserted, or its record was removed';
  for (const { id, writer } of rows)
    amend(reports, writer, { seq: 0, record: id, problem: 'inserted', detail });
}

/** What was signed and is not there any more. */
async function checkSigned(db: Database, reports: Map<string, WriterReport>): Promise<void> {
  const { rows } = await db.pool.query<{ writer: string; seq: string }>(
    `select writer, max(seq) as seq from countersign.record_signature s where not exists
       (select from countersign.record r where r.writer = s.writer and r.seq = s.seq) group by writer`,
  );
  for (const { writer, seq } of rows)
    amend(reports, writer, {
      seq: Number(seq),
      problem: 'removed',
      detail: 'there is a signature over it, and it is not there any more',
    });
}
