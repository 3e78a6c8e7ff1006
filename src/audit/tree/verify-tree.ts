import type { Database } from '../../store/database.ts';
import { leafHash, parseLeaf, readLeaf } from '../chain.ts';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { Edge, type GrownTile } from './edge.ts';
import { hexId, Malformed, parseNote } from './note.ts';
import { distrust, type Trust } from './trust.ts';

export type TreeReport = {
  /** Records in the tree. */
  readonly size: number;
  /** Records that are not in the tree yet. */
  readonly waiting: number;
  /** The newest checkpoint. */
  readonly signed?: { readonly size: number; readonly witnessed: boolean; readonly note: string };
  /** What is wrong, one sentence each. */
  readonly problems: readonly string[];
};

type Row = {
  index: string;
  writer: string;
  seq: string;
  leaf: Buffer | null;
  hash: Buffer | null;
};
type Signed = {
  readonly size: string;
  readonly root: Buffer;
  readonly note: string;
  witnessed: boolean;
};

const PAGE = 2_048;
const RECENT = 100;
const WITHHELD_MS = 60_000;

/**
 * Builds the tree anew from the records and compares it with the stored tiles and with every signed checkpoint. The
 * chains of the writers are `verifyLog`'s to check. With `trust`, the signatures of the newest checkpoint are checked, and that
 * each key of the log is one of its keys, and none signs again after another has taken its place.
 */
export async function verifyTree(
  db: Database,
  options: {
    readonly trust?: Trust;
    /** Checkpoints that somebody has kept, each of which this tree must continue. */
    readonly seen?: readonly Checkpoint[];
    readonly onProgress?: (records: number) => void;
  } = {},
): Promise<TreeReport> {
  // Read first: what grows meanwhile is more than this, and less would be missed.
  const { size, waiting } = await readHead(db);
  const { rows: signed } = await db.pool.query<Signed>(
    'select size, root, note, witnessed_at is not null as witnessed from countersign.tree_checkpoint order by size',
  );
  const newest = signed.at(-1);
  const problems: string[] = [];
  const walker = new Walker(headsOf(signed, options.seen ?? []), problems);
  await walkAll(db, walker, problems, options.onProgress);
  if (problems.length === 0) walker.end(size);
  problems.push(...(waiting > 0 ? await withheld(db) : []));
  problems.push(...signed.flatMap(misstated));
  if (options.trust) {
    problems.push(...untrustedHead(newest, walker.size, options.trust));
    problems.push(...untrustedKeys(signed, options.trust));
  }
  return {
    size: walker.size,
    waiting,
    ...(newest && {
      signed: { size: Number(newest.size), witnessed: newest.witnessed, note: newest.note },
    }),
    problems,
  };
}

async function readHead(db: Database): Promise<{ size: number; waiting: number }> {
  const { rows } = await db.pool.query<{ size: string; waiting: string }>(
    `select size, (select count(*) from countersign.record r where not exists (select from countersign.tree_entry e
       where e.writer = r.writer and e.seq = r.seq)) as waiting from countersign.tree_head`,
  );
  return { size: Number(rows[0]?.size ?? 0), waiting: Number(rows[0]?.waiting ?? 0) };
}

async function walkAll(
  db: Database,
  walker: Walker,
  problems: string[],
  onProgress: ((records: number) => void) | undefined,
): Promise<void> {
  for (;;) {
    const { rows } = await db.pool.query<Row>(
      `select e.index, e.writer, e.seq, r.leaf, r.hash from countersign.tree_entry e
       left join countersign.record r using (writer, seq) where e.index >= $1 order by e.index limit ${PAGE}`,
      [walker.size],
    );
    await compareTiles(db, walker.take(rows), problems);
    onProgress?.(walker.size);
    if (rows.length < PAGE || problems.length > 0) return;
  }
}

/** Records that wait although the sequencer has placed others since; by the times in the leaves, as writers said them. */
async function withheld(db: Database): Promise<readonly string[]> {
  const [recent, first] = await Promise.all([
    db.pool.query<{ leaf: Buffer }>(
      `select leaf from (select writer, seq from countersign.tree_entry order by index desc limit ${RECENT}) e
       join countersign.record using (writer, seq)`,
    ),
    db.pool.query<{ writer: string; seq: string; leaf: Buffer }>(
      `select distinct on (writer) writer, seq, leaf from countersign.record r where not exists (
         select from countersign.tree_entry e where e.writer = r.writer and e.seq = r.seq) order by writer, seq`,
    ),
  ]);
  const times = recent.rows.map(({ leaf }) => timeOf(leaf)).filter((time) => !Number.isNaN(time));
  const newest = Math.max(...times);
  return first.rows
    .filter(({ leaf }) => timeOf(leaf) < newest - WITHHELD_MS)
    .map(
      ({ writer, seq }) =>
        `${writer}: record ${seq} and those after it are not in the tree, where records of others are that were written a minute later: withheld, or its chain is broken`,
    );
}

/** Not a number for a leaf that cannot be read: of that the walk along its chain tells. */
const timeOf = (leaf: Buffer): number => Date.parse(readLeaf(leaf)?.time ?? '');

/** Size and root of a checkpoint repeat what its note says, and the note is what was signed. */
function misstated({ size, root, note }: Signed): readonly string[] {
  try {
    const said = parseCheckpoint(parseNote(note).text);
    if (said.size === Number(size) && said.root.equals(root)) return [];
    return [
      `the checkpoint of ${size} records is not what was signed: its size or root was changed`,
    ];
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return [`the checkpoint of ${size} records cannot be read: ${error.message}`];
  }
}

function untrustedHead(head: Signed | undefined, size: number, trust: Trust): readonly string[] {
  if (head) return untrusted(head.note, trust);
  return size > 0 ? ['the tree has no signed checkpoint'] : [];
}

/** A head that the tree must have had on its way; `by` says how that is known. */
type Head = Pick<Checkpoint, 'size' | 'root'> & { readonly by: 'signed' | 'seen' };

function headsOf(signed: readonly Signed[], seen: readonly Checkpoint[]): readonly Head[] {
  const heads: Head[] = [
    ...signed.map(({ size, root }) => ({ size: Number(size), root, by: 'signed' as const })),
    ...seen.map(({ size, root }) => ({ size, root, by: 'seen' as const })),
  ];
  return heads.toSorted((a, b) => a.size - b.size);
}

/** What is wrong when the first records do not make that root. */
export const notThose = (size: number, by: 'signed' | 'seen'): string =>
  by === 'signed'
    ? `the first ${size} records are not those that were signed: changed, removed or reordered`
    : `the first ${size} records are not those of the checkpoint that was seen: this log was rewritten, or is another view of it`;

/** Of each key that has signed, the first checkpoint and the last. */
function untrustedKeys(signed: readonly Signed[], trust: Trust): string[] {
  const problems: string[] = [];
  const runs = new Map<number, { first: Signed; last: Signed }>();
  let current: number | undefined;
  for (const head of signed) {
    const id = signerOf(head.note);
    if (id === undefined) continue;
    const run = runs.get(id);
    if (run && id !== current)
      problems.push(
        `the checkpoint of ${head.size} records is signed with the key ${hexId(id)}, after another had taken its place`,
      );
    if (run) run.last = head;
    else runs.set(id, { first: head, last: head });
    current = id;
  }
  for (const { first, last } of runs.values())
    for (const { note, size } of first === last ? [first] : [first, last])
      problems.push(...unknownKey(note, size, trust));
  return problems;
}

/** Id of the log's own key on a note that `misstated` has read; undefined when it cannot be read. */
function signerOf(text: string): number | undefined {
  try {
    const note = parseNote(text);
    const { origin } = parseCheckpoint(note.text);
    return note.signatures.find(({ name }) => name === origin)?.id;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function unknownKey(text: string, size: string, trust: Trust): string[] {
  // Only the newest must be witnessed: that vouches for all before it.
  const [wrong] = untrusted(text, { ...trust, quorum: () => true });
  return wrong === undefined ? [] : [`the checkpoint of ${size} records: ${wrong}`];
}

/** Builds the tree entry by entry. */
class Walker {
  readonly #edge = new Edge();
  readonly #heads: Head[];
  readonly #problems: string[];
  /** The newest record of each writer that is in the tree. */
  readonly #writers = new Map<string, number>();

  constructor(heads: readonly Head[], problems: string[]) {
    this.#heads = heads.toReversed();
    this.#problems = problems;
  }

  get size(): number {
    return this.#edge.size;
  }

  take(rows: readonly Row[]): readonly GrownTile[] {
    const grown = new Map<string, GrownTile>();
    let hashes: Buffer[] = [];
    const flush = (): void => {
      for (const tile of this.#edge.append(hashes)) grown.set(`${tile.level}/${tile.index}`, tile);
      hashes = [];
    };
    for (const row of rows) {
      const problem = this.#problem(row, this.size + hashes.length);
      if (problem) {
        this.#problems.push(problem);
        break;
      }
      if (row.hash) hashes.push(row.hash);
      if (this.size + hashes.length !== this.#heads.at(-1)?.size) continue;
      flush();
      this.#compareHeads();
    }
    flush();
    return [...grown.values()];
  }

  #problem({ index, writer, seq, leaf, hash }: Row, expected: number): string | undefined {
    const place = `entry ${index} of the tree`;
    if (Number(index) !== expected) return `entry ${expected} of the tree is missing: removed`;
    if (!leaf || !hash) return `${place}: record ${seq} of ${writer} is not there: removed`;
    if (!leafHash(leaf).equals(hash)) return `${place}: its leaf was changed`;
    const next = (this.#writers.get(writer) ?? 0) + 1;
    this.#writers.set(writer, Number(seq));
    if (Number(seq) !== next)
      return `${place} is record ${seq} of ${writer}, and ${next} comes next: reordered or removed`;
    return undefined;
  }

  #compareHeads(): void {
    const root = this.#edge.root();
    for (let head = this.#heads.at(-1); head?.size === this.size; head = this.#heads.at(-1)) {
      if (!head.root.equals(root)) this.#problems.push(notThose(head.size, head.by));
      this.#heads.pop();
    }
  }

  end(stored: number): void {
    const beyond = this.#heads.at(-1);
    if (beyond)
      this.#problems.push(
        `a tree of ${beyond.size} records was ${beyond.by}, and only ${this.size} are there: the newest were removed`,
      );
    else if (stored > this.size)
      this.#problems.push(`the tree says that it has ${stored} records, and has ${this.size}`);
  }
}

async function compareTiles(
  db: Database,
  grown: readonly GrownTile[],
  problems: string[],
): Promise<void> {
  const { rows } = await db.pool.query<{ level: number; index: string; hashes: Buffer }>(
    `select t.level, t.index, t.hashes from unnest($1::smallint[], $2::bigint[]) as g (level, index)
     join countersign.tree_tile t using (level, index)`,
    [grown.map(({ level }) => level), grown.map(({ index }) => index)],
  );
  const stored = new Map(rows.map(({ level, index, hashes }) => [`${level}/${index}`, hashes]));
  for (const { level, index, hashes } of grown) {
    const tile = stored.get(`${level}/${index}`);
    // It may have grown since.
    if (!tile?.subarray(0, hashes.length).equals(hashes))
      problems.push(`tile ${level}/${index} is not what its records make: changed`);
  }
}

/** Why a signed checkpoint is not to be trusted; empty when it is. */
export function untrusted(text: string, trust: Trust): readonly string[] {
  try {
    const note = parseNote(text);
    const why = distrust(trust, note, parseCheckpoint(note.text).origin);
    return why === undefined ? [] : [`the checkpoint is not trusted: ${why}`];
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return [`the checkpoint cannot be read: ${error.message}`];
  }
}

/** Follows each writer's chain in the order of the tree, leaf by leaf, without bodies. */
export class Chains {
  readonly #heads = new Map<string, { readonly seq: number; readonly hash: Buffer }>();

  /** What is wrong with the next leaf; undefined when it follows. */
  take(leaf: Buffer): string | undefined {
    const parsed = parseLeaf(leaf);
    if (!parsed) return 'it is not in the format of version 1';
    const { writer, seq, prev } = parsed;
    const before = this.#heads.get(writer) ?? { seq: 0, hash: Buffer.alloc(0) };
    this.#heads.set(writer, { seq, hash: leafHash(leaf) });
    if (seq !== before.seq + 1)
      return `it is record ${seq} of ${writer}, and ${before.seq + 1} comes next`;
    if (prev !== before.hash.toString('base64'))
      return `record ${seq} of ${writer} does not follow the one before it`;
    return undefined;
  }

  heads(): readonly { readonly writer: string; readonly seq: number; readonly hash: string }[] {
    return [...this.#heads].map(([writer, { seq, hash }]) => ({
      writer,
      seq,
      hash: hash.toString('hex'),
    }));
  }
}
