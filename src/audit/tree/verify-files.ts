import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { leafHash } from '../chain.ts';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { Edge } from './edge.ts';
import { Malformed, parseNote } from './note.ts';
import { parseBundle, tilePath, tileWidth, WIDTH } from './tile.ts';
import type { Trust } from './trust.ts';
import { Chains, notThose, untrusted } from './verify-tree.ts';

/** Reads a file of a log by its name below the log's prefix; undefined when it is not there. */
export type LogFiles = (name: string) => Promise<Buffer | undefined>;

/** A folder, or the address of a log that serves tlog-tiles. */
export function logFiles(place: string): LogFiles {
  if (!/^https?:\/\//.test(place))
    return (name) =>
      readFile(join(place, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
  return async (name) => {
    const answer = await fetch(`${place.replace(/\/+$/, '')}/${name}`, {
      signal: AbortSignal.timeout(30_000),
    });
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
    return Buffer.from(await answer.arrayBuffer());
  };
}

export type FilesReport = {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly note: string;
  readonly writers: ReturnType<Chains['heads']>;
  readonly problems: readonly string[];
};

/**
 * Checks a log from its files alone: the signatures of its checkpoint, every entry against its tile, the tree against
 * the checkpoint and those that were seen before, and each writer's chain. Rejects with Malformed when there is no
 * checkpoint to be read.
 */
export async function verifyFiles(
  files: LogFiles,
  trust: Trust,
  options: {
    readonly seen?: readonly Checkpoint[];
    readonly onProgress?: (records: number) => void;
  } = {},
): Promise<FilesReport> {
  const note = (await files('checkpoint'))?.toString();
  if (note === undefined) throw new Malformed('there is no file named checkpoint');
  const head = parseCheckpoint(parseNote(note).text);
  const problems = [...untrusted(note, trust)];
  const edge = new Edge();
  const chains = new Chains();
  const { seen = [], onProgress } = options;
  for (let index = 0; edge.size < head.size && problems.length === 0; index += 1) {
    const width = tileWidth(0, index, head.size);
    // oxlint-disable-next-line no-await-in-loop -- in order, and one in memory at a time
    const taken = await takeBundle(files, index, width, chains);
    if (typeof taken === 'string') problems.push(taken);
    else problems.push(...appendTo(edge, taken, seen));
    onProgress?.(edge.size);
  }
  if (problems.length === 0 && !edge.root().equals(head.root))
    problems.push('the entries do not make the root that was signed');
  problems.push(...beyond(seen, head));
  return {
    origin: head.origin,
    size: head.size,
    root: head.root.toString('hex'),
    note,
    writers: chains.heads(),
    problems,
  };
}

const beyond = (seen: readonly Checkpoint[], head: Checkpoint): readonly string[] =>
  seen
    .filter(({ size }) => size > head.size)
    .map(({ size }) => `a tree of ${size} records was seen, and only ${head.size} are signed here`);

async function takeBundle(
  files: LogFiles,
  index: number,
  width: number,
  chains: Chains,
): Promise<readonly Buffer[] | string> {
  const [bundle, tile] = await Promise.all([
    read(files, 'entries', index, width),
    read(files, 0, index, width),
  ]);
  const first = index * WIDTH;
  const entries = bundle && parseBundle(bundle);
  if (!entries || entries.length < width)
    return `the entries from ${first} on are missing, or cut off: removed`;
  if (!tile || tile.length < width * 32) return `the tile of entries ${first} on is missing`;
  const hashes: Buffer[] = [];
  for (const [at, entry] of entries.slice(0, width).entries()) {
    const hash = leafHash(entry);
    if (!hash.equals(tile.subarray(at * 32, (at + 1) * 32)))
      return `entry ${first + at} is not the one that its tile says: changed`;
    const wrong = chains.take(entry);
    if (wrong !== undefined) return `entry ${first + at}: ${wrong}`;
    hashes.push(hash);
  }
  return hashes;
}

/** Compares with each head that was seen on the way; returns what is wrong. */
function appendTo(
  edge: Edge,
  hashes: readonly Buffer[],
  seen: readonly Checkpoint[],
): readonly string[] {
  const first = edge.size;
  const stops = seen.filter(({ size }) => size > first && size <= first + hashes.length);
  const wrong: string[] = [];
  for (const { size, root } of stops.toSorted((a, b) => a.size - b.size)) {
    edge.append(hashes.slice(edge.size - first, size - first));
    if (!edge.root().equals(root)) wrong.push(notThose(size, 'seen'));
  }
  edge.append(hashes.slice(edge.size - first));
  return wrong;
}

/** The partial file, or the full one that has taken its place. */
async function read(
  files: LogFiles,
  level: number | 'entries',
  index: number,
  width: number,
): Promise<Buffer | undefined> {
  const partial = await files(tilePath({ level, index, width }));
  if (partial || width === WIDTH) return partial;
  return files(tilePath({ level, index, width: WIDTH }));
}
