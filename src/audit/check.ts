import { z } from 'zod';
import { canonical } from './canonical.ts';
import { commitment, leafHash, readLeaf, type Leaf } from './chain.ts';

export type Problem =
  | 'changed'
  | 'removed'
  | 'reordered'
  | 'inserted'
  | 'body'
  | 'index'
  | 'signature'
  | 'unsigned'
  | 'writer-key'
  | 'silent';

/** The first bad record of a writer, and what is wrong with it in words. */
export type Finding = {
  readonly seq: number;
  readonly record?: string;
  readonly problem: Problem;
  readonly detail: string;
};

/** A row of `record` with its row of `record_body`; the fields of the latter are null when that is missing. */
export type StoredRecord = {
  readonly writer: string;
  readonly seq: number;
  readonly id: string;
  readonly leaf: Buffer;
  readonly hash: Buffer;
  readonly hasBody: boolean;
  readonly bodyWriter: string | null;
  /** UTC, `YYYY-MM-DDTHH:MM:SS.ssssss`. */
  readonly at: string | null;
  readonly epoch: number | null;
  readonly kind: string | null;
  readonly session: string | null;
  readonly statement: string | null;
  readonly request: string | null;
  readonly person: string | null;
  readonly agent: string | null;
  readonly target: string | null;
  readonly verdict: string | null;
  readonly salt: Buffer | null;
  readonly body: string | null;
  /** The erasure that has taken salt and body away. */
  readonly erasedBy: string | null;
};

/** What erasures and dropped months have taken away; see `readCovered`. */
export type Gone = {
  byErasure(erasure: string | null): boolean;
  byMonth(record: string, time: string): boolean;
};

/** What a leaf commits to. */
const committed = z.strictObject({
  body: z.record(z.string(), z.unknown()),
  epoch: z.int(),
  session: z.string().optional(),
  statement: z.string().optional(),
  request: z.string().optional(),
  person: z.string().optional(),
  agent: z.string().optional(),
  target: z.string().optional(),
  verdict: z.string().optional(),
});
const COLUMNS = [
  'epoch',
  'session',
  'statement',
  'request',
  'person',
  'agent',
  'target',
  'verdict',
] as const;

/** The record before it; seq 0 and an empty hash at the start. */
type Before = { readonly writer: string; readonly seq: number; readonly hash: Buffer };

/** Checks one record in its place; undefined when it is good. Pure. */
export function checkRecord(row: StoredRecord, before: Before, gone: Gone): Finding | undefined {
  const wrong = problem(row, before, gone);
  return wrong && { seq: row.seq, record: row.id, problem: wrong[0], detail: wrong[1] };
}

function problem(row: StoredRecord, before: Before, gone: Gone): Wrong | undefined {
  const wrong = linkProblem(row, before);
  const leaf = wrong ? undefined : readLeaf(row.leaf);
  if (!leaf) return wrong;
  if (leaf.id !== row.id) return ['changed', `its leaf belongs to the id ${leaf.id}`];
  return bodyProblem(row, leaf, gone);
}

type Wrong = readonly [Problem, string];

/** Checks a leaf in its place of the chain, and nothing of its body; undefined when it is good. Pure. */
export function linkProblem(
  row: Pick<StoredRecord, 'writer' | 'seq' | 'leaf' | 'hash'>,
  before: Before,
): Wrong | undefined {
  const expected = before.seq + 1;
  if (row.seq < expected) return ['inserted', 'it, or its body, is there twice'];
  if (row.seq > expected)
    return ['removed', `${row.seq - expected} records from ${expected} on are missing before it`];
  if (!leafHash(row.leaf).equals(row.hash))
    return ['changed', 'its leaf does not have the hash that is stored'];
  const leaf = readLeaf(row.leaf);
  if (!leaf) return ['changed', 'its leaf is not in the format of version 1'];
  if (leaf.writer !== row.writer || leaf.seq !== row.seq)
    return [
      'reordered',
      `its leaf is record ${leaf.seq} of ${leaf.writer}: it was moved, or records were inserted before it`,
    ];
  if (leaf.prev !== before.hash.toString('base64'))
    return [
      'inserted',
      `it does not follow record ${before.seq}: that one or this one was replaced or inserted`,
    ];
  return undefined;
}

function bodyProblem(row: StoredRecord, leaf: Leaf, gone: Gone): Wrong | undefined {
  if (!row.hasBody)
    return gone.byMonth(row.id, leaf.time)
      ? undefined
      : ['body', 'its body is missing, and no record of an erasure says so'];
  if (row.bodyWriter !== leaf.writer || row.kind !== leaf.kind)
    return ['index', 'the writer or kind of its body is not that of its leaf'];
  // Finer than a leaf tells, so that records cannot be put into another order unseen.
  if (row.at !== leaf.time.replace('Z', '000'))
    return ['index', `the time of its body is not that of its leaf, ${leaf.time}`];
  if (row.salt === null && row.body === null)
    return gone.byErasure(row.erasedBy)
      ? undefined
      : ['body', 'its body is gone, and no record of an erasure says so'];
  if (row.salt === null || row.body === null)
    return ['body', 'only one of its salt and its body is left'];
  if (commitment(row.salt, row.body) !== leaf.commit)
    return ['body', 'its body is not the one that its leaf commits to'];
  return columnProblem(row, row.body);
}

function columnProblem(row: StoredRecord, body: string): Wrong | undefined {
  const data = read(() => {
    const value: unknown = JSON.parse(body);
    return canonical(value) === body ? committed.safeParse(value).data : undefined;
  });
  if (!data) return ['body', 'its body is not in the format of version 1'];
  const column = COLUMNS.find((name) => (data[name] ?? null) !== row[name]);
  return column && ['index', `the column ${column} is not what its body says`];
}

/** Undefined for what cannot be read: whoever forges a record may put anything there, and must not end the walk with it. */
function read<T>(look: () => T | undefined): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
