import { z } from 'zod';
import type { Database } from '../../store/database.ts';
import { canonical } from '../canonical.ts';
import { bodySalt, commitment, leafHash, parseLeaf, type Leaf } from '../chain.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { inclusionProof, verifyInclusion } from './merkle.ts';
import { Malformed, parseNote } from './note.ts';
import { formatProof, parseProof } from './proof.ts';
import { overTree } from './store.ts';
import type { Trust } from './trust.ts';
import { untrusted } from './verify-tree.ts';

/** How far a record has come; each state holds what the ones before it say. */
export type RecordState = 'durable' | 'sequenced' | 'signed' | 'witnessed' | 'anchored';
export type RecordPlace = { readonly state: RecordState; readonly index?: number };

type Row = {
  index: string | null;
  signed: string | null;
  witnessed: boolean;
  anchored: boolean;
};

/** Where a record stands in the tree; undefined when there is no such record. */
export async function placeOf(
  db: Pick<Database, 'pool'>,
  id: string,
): Promise<RecordPlace | undefined> {
  const { rows } = await db.pool.query<Row>(
    `select e.index,
       (select min(size) from countersign.tree_checkpoint c where c.size > e.index) as signed,
       exists (select from countersign.tree_checkpoint c where c.size > e.index and c.witnessed_at is not null) as witnessed,
       exists (select from countersign.tree_anchor a where a.size > e.index) as anchored
     from countersign.record r left join countersign.tree_entry e using (writer, seq) where r.id = $1`,
    [id],
  );
  const [row] = rows;
  if (!row) return undefined;
  if (row.index === null) return { state: 'durable' };
  const state = row.anchored
    ? 'anchored'
    : row.witnessed
      ? 'witnessed'
      : row.signed === null
        ? 'sequenced'
        : 'signed';
  return { state, index: Number(row.index) };
}

/** What a proof file carries beside the proof: the leaf, and what it commits to unless that was erased. */
const carried = z.strictObject({
  leaf: z.string(),
  body: z.string().optional(),
  salt: z.base64().optional(),
});

/**
 * The proof file of a record (C2SP tlog-proof) under the newest checkpoint, the witnessed one if there is one for it.
 * Undefined when no checkpoint holds it yet.
 */
export async function recordProof(
  db: Pick<Database, 'pool'>,
  id: string,
): Promise<string | undefined> {
  const { rows } = await db.pool.query<{
    index: string;
    leaf: Buffer;
    salt: Buffer | null;
    body: string | null;
    size: string;
    note: string;
  }>(
    `select e.index, r.leaf, b.salt, b.body, c.size, c.note from countersign.record r
     join countersign.tree_entry e using (writer, seq) left join countersign.record_body b using (id)
     cross join lateral (select size, note from countersign.tree_checkpoint where size > e.index
       order by witnessed_at is null, size desc limit 1) c where r.id = $1`,
    [id],
  );
  const [row] = rows;
  if (!row) return undefined;
  const [index, size] = [Number(row.index), Number(row.size)];
  const hashes = await overTree(db, (subtrees) => inclusionProof(subtrees, index, size));
  const extra = canonical({
    leaf: row.leaf.toString(),
    ...(row.salt && row.body !== null && shown(row.salt, row.body)),
  });
  return formatProof({ index, hashes, checkpoint: row.note, extra: Buffer.from(extra) });
}

/** Where one salt serves both the body and the digest in it, whoever had it could guess the digest: the body stays out. */
function shown(salt: Buffer, body: string): { readonly salt?: string; readonly body?: string } {
  if (salt.length === 32 && bodyOf(body).digest !== undefined) return {};
  return { salt: Buffer.from(bodySalt(salt)).toString('base64'), body };
}

const digested = z.object({ body: z.object({ digest: z.string().optional() }) });
const bodyOf = (text: string): { readonly digest?: string | undefined } =>
  digested.parse(JSON.parse(text)).body;

export type ProofReport = {
  readonly index: number;
  readonly origin: string;
  readonly size: number;
  readonly leaf: Leaf;
  /** What the record says, checked against its commitment; undefined when it was erased. */
  readonly body?: unknown;
  readonly problems: readonly string[];
  /** The same by what was looked at, in this order; a part without a problem is good. */
  readonly parts: readonly ProofPart[];
};

export type ProofPart = {
  /** Signatures of the checkpoint; the record's place in the tree; what it says, unless the file does not hold that. */
  readonly part: 'checkpoint' | 'place' | 'content';
  readonly problem?: string;
};

/** Checks a proof file without asking anybody. Throws Malformed when it is none of this log's. */
export function verifyProof(text: string, trust: Trust): ProofReport {
  const { index, hashes, checkpoint, extra } = parseProof(text);
  const { leaf, body, salt } = carriedBy(extra);
  const bytes = Buffer.from(leaf);
  const parsed = parseLeaf(bytes);
  if (!parsed) throw new Malformed('the leaf of the proof is not in the format of version 1');
  const { origin, size, root } = parseCheckpoint(parseNote(checkpoint).text);
  const [distrusted] = untrusted(checkpoint, trust);
  const included = verifyInclusion(leafHash(bytes), index, size, hashes, root);
  const committed =
    body !== undefined &&
    salt !== undefined &&
    commitment(Buffer.from(salt, 'base64'), body) === parsed.commit;
  const carries = body !== undefined || salt !== undefined;
  const parts: ProofPart[] = [
    partOf('checkpoint', distrusted),
    partOf(
      'place',
      included ? undefined : `the record is not entry ${index} of the ${size} that were signed`,
    ),
    ...(carries ? [partOf('content', committed ? undefined : CHANGED)] : []),
  ];
  const content: unknown = committed && body !== undefined ? JSON.parse(body) : undefined;
  return {
    index,
    origin,
    size,
    leaf: parsed,
    ...(content !== undefined && { body: content }),
    problems: parts.flatMap(({ problem }) => problem ?? []),
    parts,
  };
}

const CHANGED = 'what the file says that happened is not what the record commits to: changed';

const partOf = (part: ProofPart['part'], problem: string | undefined): ProofPart => ({
  part,
  ...(problem !== undefined && { problem }),
});

function carriedBy(extra: Buffer | undefined): z.infer<typeof carried> {
  try {
    return carried.parse(JSON.parse(extra?.toString() ?? ''));
  } catch {
    throw new Malformed('the proof carries no record of Countersign');
  }
}
