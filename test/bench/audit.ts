import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCheckpoints } from '#src/audit/tree/checkpoints.ts';
import { parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
import { formatVkey, parseNote } from '#src/audit/tree/note.ts';
import { openTreeReader } from '#src/audit/tree/reader.ts';
import { startSequencer } from '#src/audit/tree/sequencer.ts';
import { openSigner, type Signer } from '#src/audit/tree/signer.ts';
import { tilePath, tileWidth, WIDTH, type TileName } from '#src/audit/tree/tile.ts';
import { parseTrust, type Trust } from '#src/audit/tree/trust.ts';
import { logFiles, verifyFiles } from '#src/audit/tree/verify-files.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { RUNNER, startStore } from '#src/store/embedded-store.ts';
import { removeCluster } from '#src/store/embedded.ts';
import { migrate } from '#src/store/migrate.ts';
import { grantRights } from '#src/store/rights.ts';
import { freePort } from '../fakes/postgres.ts';
import { fdatasyncMs } from './disk.ts';
import { median } from './median.ts';
import type { WriterJob, WriterResult } from './audit-process.ts';

export type AuditOptions = {
  readonly rounds: number;
  readonly seconds: number;
  /** How many records are verified. */
  readonly records: number;
  readonly say: (text: string) => void;
};

/** Medians over the rounds. */
export type Appending = {
  readonly gateways: number;
  /** Of each gateway. */
  readonly sessions: number;
  readonly recordsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How long the tree needs to hold all of it, after the last. */
  readonly treeLagSeconds: number;
};
export type Took = { readonly what: string; readonly records: number; readonly seconds: number };
export type AuditResults = {
  readonly appending: readonly Appending[];
  readonly took: readonly Took[];
  readonly storeFdatasyncMs: number;
};

const ORIGIN = 'bench.example.com/log';
const SIGNER = new URL('../../src/audit/tree/signer-main.ts', import.meta.url).pathname;
const WRITERS = 4;
const CASES = [
  { gateways: 1, sessions: 1 },
  { gateways: 1, sessions: 8 },
  { gateways: 1, sessions: 32 },
  { gateways: WRITERS, sessions: 32 },
];

type Bench = AuditOptions & {
  readonly db: Database;
  readonly url: string;
  readonly folder: string;
};

/** The log alone: how long its records take, and how long it takes to verify it, on a store of its own as the demo has it. */
export async function measureAudit(options: AuditOptions): Promise<AuditResults> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-bench-audit-'));
  await chmod(dir, 0o711);
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  opened.defer(() => removeCluster({ dir, name: 'store', log: quiet }));
  const store = opened.adopt(
    await startStore({ dir, port: await freePort(), log: quiet, password: 'bench' }),
    (cluster) => cluster.stop(),
  );
  const owner = openDatabase(store.ownerUrl, { onError: quiet });
  await migrate(owner);
  await grantRights(owner, RUNNER);
  await owner.close();
  const db = opened.adopt(openDatabase(store.url, { onError: quiet }), (open) => open.close());
  const folder = join(dir, 'log');
  await mkdir(folder);
  const bench: Bench = { ...options, db, url: store.url, folder };
  const appending: Appending[] = [];
  for (const one of CASES) appending.push(await append(bench, one));
  const took = await verifyMany(bench);
  return { appending, took, storeFdatasyncMs: await fdatasyncMs(dirname(store.logFile)) };
}

async function append(
  bench: Bench,
  one: { readonly gateways: number; readonly sessions: number },
): Promise<Appending> {
  const rounds: Omit<Appending, 'gateways' | 'sessions'>[] = [];
  for (let round = 0; round < bench.rounds; round += 1) {
    bench.say(`append: ${one.gateways} × ${one.sessions} sessions, round ${round + 1}`);
    const results = await runWriters(bench, one, { seconds: bench.seconds });
    rounds.push({
      recordsPerSecond: results.reduce((sum, { records, seconds }) => sum + records / seconds, 0),
      p50Ms: median(results.map(({ p50Ms }) => p50Ms)),
      p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
      treeLagSeconds: await sequenceAll(bench.db),
    });
  }
  const mid = (of: (round: (typeof rounds)[number]) => number): number => median(rounds.map(of));
  return {
    ...one,
    recordsPerSecond: mid((round) => round.recordsPerSecond),
    p50Ms: mid((round) => round.p50Ms),
    p99Ms: mid((round) => round.p99Ms),
    treeLagSeconds: mid((round) => round.treeLagSeconds),
  };
}

/** So many processes that write at once, each as a writer of its own. */
async function runWriters(
  { url, folder }: Bench,
  { gateways, sessions }: { readonly gateways: number; readonly sessions: number },
  until: WriterJob['until'],
): Promise<WriterResult[]> {
  const children = Array.from({ length: gateways }, () => {
    const writer = `bench-${++writers}`;
    const job: WriterJob = { url, folder, writer, sessions, until };
    return fork(new URL('audit-process.ts', import.meta.url), [JSON.stringify(job)]);
  });
  const heard = (): Promise<unknown[]> =>
    Promise.all(
      children.map(async (child) => {
        const ended = once(child, 'exit').then(() => {
          throw new Error('a writer ended before it was done');
        });
        const [said] = await Promise.race([once(child, 'message'), ended]);
        return said;
      }),
    );
  await heard();
  const results = heard();
  for (const child of children) child.send('go');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- audit-process.ts says it
  return results as Promise<WriterResult[]>;
}
let writers = 0;

const quiet = (): void => undefined;

function fail(error: unknown): never {
  throw error;
}

/** Waits until every record is in the tree; resolves with the seconds. */
async function sequenceAll(db: Database): Promise<number> {
  const from = performance.now();
  const sequencer = startSequencer({ db, followMs: 50, onError: fail, onProblem: fail });
  for (;;) {
    const { rows } = await db.pool.query<{ left: boolean }>(
      `select exists (select from (select distinct on (writer) writer, seq from countersign.record order by writer, seq desc) r
         left join countersign.tree_writer t using (writer) where t.seq is distinct from r.seq) as left`,
    );
    if (!rows[0]?.left) break;
    await sleep(20);
  }
  await sequencer.close();
  return (performance.now() - from) / 1_000;
}

async function verifyMany(bench: Bench): Promise<Took[]> {
  const { db, say, folder } = bench;
  const took: Took[] = [];
  const time = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    say(what);
    const from = performance.now();
    await work();
    took.push({
      what,
      records: await recordCount(db),
      seconds: (performance.now() - from) / 1_000,
    });
  };
  const each = Math.ceil(Math.max(0, bench.records - (await recordCount(db))) / WRITERS);
  if (each > 0)
    await time('written by four writers', () =>
      runWriters(bench, { gateways: WRITERS, sessions: 500 }, { records: each }),
    );
  await time('the rest put into the tree', () => sequenceAll(db));
  const trust = await sign(bench);
  await time('the chains verified, from the store', async () => {
    const { ok, writers: found } = await verifyLog(db);
    if (!ok) throw new Error(JSON.stringify(found.find(({ bad }) => bad)));
  });
  await time('the tree verified, from the store', async () => {
    const { problems } = await verifyTree(db, { trust });
    if (problems.length > 0) throw new Error(problems.join('; '));
  });
  const mirror = join(folder, 'mirror');
  await time('mirrored into a folder', () => copy(db, mirror));
  await time('verified from the folder', async () => {
    const { problems } = await verifyFiles(logFiles(mirror), trust);
    if (problems.length > 0) throw new Error(problems.join('; '));
  });
  return took;
}

async function recordCount(db: Database): Promise<number> {
  const { rows } = await db.pool.query<{ size: string }>('select size from countersign.tree_head');
  return Number(rows[0]?.size);
}

/** Has the tree signed once; resolves with the trust in whoever did. */
async function sign({ db, folder }: Bench): Promise<Trust> {
  let signer: Signer | undefined;
  const failed: Error[] = [];
  const checkpoints = startCheckpoints({
    db,
    leading: () => true,
    openSigner: async () =>
      (signer = await openSigner(
        [process.execPath, SIGNER, join(folder, 'signer.pem'), join(folder, 'signed'), ORIGIN],
        (text) => failed.push(new Error(text)),
      )),
    witnesses: [],
    quorum: 0,
    onError: (error) => failed.push(error),
  });
  try {
    for (;;) {
      if (failed[0]) throw failed[0];
      const { rowCount } = await db.pool.query(
        'select from countersign.tree_head join countersign.tree_checkpoint using (size)',
      );
      if (rowCount && signer) return parseTrust(`log ${formatVkey(signer.key)}\nquorum none\n`);
      await sleep(50);
    }
  } finally {
    await checkpoints.close();
  }
}

/** The log's files, as `audit mirror` writes them. */
async function copy(db: Database, folder: string): Promise<void> {
  const tree = openTreeReader(db);
  const note = await tree.file('checkpoint');
  if (!note) throw new Error('nothing is signed');
  const { size } = parseCheckpoint(parseNote(note.toString()).text);
  const write = async (name: TileName): Promise<void> => {
    const path = tilePath(name);
    const bytes = await tree.file(path);
    if (!bytes) throw new Error(`${path} is missing`);
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  };
  for (let index = 0; index * WIDTH < size; index += 1) {
    const width = tileWidth(0, index, size);
    await write({ level: 0, index, width });
    await write({ level: 'entries', index, width });
  }
  await writeFile(join(folder, 'checkpoint'), note);
}
