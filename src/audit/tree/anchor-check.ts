import type { Database } from '../../store/database.ts';
import { checkpointsInGit, type GitCheckpoint, type GitPlace } from './anchor-git.ts';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { rangeHash, type Subtrees } from './merkle.ts';
import { Malformed, parseNote, signedBy } from './note.ts';
import { overTree, treeSize } from './store.ts';
import { subtreesOf, tilePath, tilesNeeded, tileWidth } from './tile.ts';
import type { Trust } from './trust.ts';
import type { LogFiles } from './verify-files.ts';

/** The log that laid down checkpoints are compared with. */
export type ComparedLog = {
  readonly size: number;
  /** Computes over its tree. */
  over<T>(compute: (subtrees: Subtrees) => T): Promise<T>;
};

/** The log in the store. */
export async function storedLog(db: Pick<Database, 'pool'>): Promise<ComparedLog> {
  const { size } = await treeSize(db);
  return { size, over: (compute) => overTree(db, compute) };
}

/** The log in its files, up to the checkpoint that they come with. */
export async function filedLog(files: LogFiles): Promise<ComparedLog> {
  const note = await files('checkpoint');
  if (!note) throw new Malformed('there is no file named checkpoint');
  const { size } = parseCheckpoint(parseNote(note.toString()).text);
  return {
    size,
    async over(compute) {
      const tiles = new Map<string, Buffer>();
      for (const { level, index } of tilesNeeded(compute)) {
        const width = tileWidth(Number(level), index, size);
        // oxlint-disable-next-line no-await-in-loop -- few, and one server
        const bytes = await files(tilePath({ level, index, width }));
        if (bytes) tiles.set(`${level}/${index}`, bytes);
      }
      return compute(subtreesOf((level, index) => tiles.get(`${level}/${index}`)));
    },
  };
}

/** A checkpoint that was found somewhere; `where` names that for whoever reads a finding. */
export type Found = { readonly where: string; readonly note: string };

const AT_ONCE = 200;

/**
 * What is wrong between checkpoints and the log, one sentence each: of another log, not signed by it, longer than it
 * (truncation), with another root (fork), or shorter than one that was laid down before.
 */
export async function compareHeads(
  found: readonly Found[],
  log: ComparedLog,
  trust: Trust | undefined,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const read: (Checkpoint & { where: string })[] = [];
  for (const { where, note } of found) {
    const head = readHead(note, trust);
    if (typeof head === 'string') problems.push(`${where}: ${head}`);
    else if (head.size > log.size)
      problems.push(
        `${where}: a tree of ${head.size} records was laid down, and only ${log.size} are there: the newest were removed`,
      );
    else read.push({ ...head, where });
  }
  for (const [at, { where, size }] of read.entries())
    if (size < (read[at - 1]?.size ?? 0))
      problems.push(`${where}: it is shorter than the one before it: the order was changed`);
  for (let at = 0; at < read.length; at += AT_ONCE) {
    const part = read.slice(at, at + AT_ONCE);
    // oxlint-disable-next-line no-await-in-loop -- some at once, so that their tiles are read once
    const roots = await log.over((subtrees) =>
      part.map(({ size }) => rangeHash(subtrees, 0, size)),
    );
    for (const [n, { where, size, root }] of part.entries())
      if (!roots[n]?.equals(root))
        problems.push(
          `${where}: the first ${size} records are not those that were laid down: the log is a fork`,
        );
  }
  return problems;
}

/** The checkpoint, or why it is not the log's. Cosignatures may come after a checkpoint was laid down, and are not asked for. */
function readHead(text: string, trust: Trust | undefined): Checkpoint | string {
  try {
    const note = parseNote(text);
    const head = parseCheckpoint(note.text);
    const logs = trust?.logs.filter(({ key }) => key.name === head.origin);
    if (logs && !logs.some(({ key }) => signedBy(note, key) === true))
      return `no log of the policy has signed it as ${head.origin}`;
    return head;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return error.message;
  }
}

/** Which commits were laid down, and are not in the repository any more: its history was written anew. */
export async function missingCommits(
  db: Pick<Database, 'pool'>,
  place: string,
  there: readonly GitCheckpoint[],
): Promise<readonly string[]> {
  const { rows } = await db.pool.query<{ size: string; reference: string }>(
    'select size, reference from countersign.tree_anchor where place = $1 and reference is not null order by size',
    [place],
  );
  const known = new Set(there.map(({ commit }) => commit));
  return rows
    .filter(({ reference }) => !known.has(reference))
    .map(
      ({ size, reference }) =>
        `${place}: the checkpoint of ${size} records, commit ${reference}, is not in the repository any more`,
    );
}

/** Reads git anchors back, and compares every checkpoint in them with the log in the store. */
export async function readGitAnchors(
  db: Pick<Database, 'pool'>,
  anchors: readonly { readonly name: string; readonly place: GitPlace }[],
  trust: Trust | undefined,
): Promise<{ readonly compared: number; readonly problems: readonly string[] }> {
  const log = await storedLog(db);
  const problems: string[] = [];
  let compared = 0;
  for (const { name, place } of anchors)
    try {
      // oxlint-disable no-await-in-loop -- few
      const there = await checkpointsInGit(place);
      const found = there.map(({ commit, note }) => ({ where: `${name}, commit ${commit}`, note }));
      compared += found.length;
      problems.push(
        ...(await compareHeads(found, log, trust)),
        ...(await missingCommits(db, name, there)),
      );
      // oxlint-enable no-await-in-loop
    } catch (error) {
      problems.push(
        `${name}: it cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  return { compared, problems };
}
