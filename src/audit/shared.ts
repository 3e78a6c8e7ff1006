import { createHash } from 'node:crypto';
import type { Sql } from '../store/database.ts';

/**
 * Text that many records have in common. It is kept once, beside the log, and a record's body names it by `digest`: the
 * record commits to it, and need not repeat it.
 */
export type Shared = { readonly digest: string; readonly text: string };

/** Longer ones are not kept: a record then says nothing of it. */
const LONGEST = 256 * 1024;

/** Undefined for a text that is too long. It must not hold anybody's data: it outlives the erasure of a record. */
export function shared(text: string): Shared | undefined {
  return text.length > LONGEST ? undefined : { digest: digestOf(text), text };
}

/** The first 16 bytes of SHA-256, in base64url. */
const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

/** The texts behind digests; what is not there, or is not what was committed to, is left out. */
export async function readShared(
  sql: Sql,
  digests: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (digests.length === 0) return new Map();
  const { rows } = await sql.query<Shared>(
    'select digest, text from countersign.record_shared where digest = any($1)',
    [digests],
  );
  return new Map(
    rows
      .filter(({ digest, text }) => digestOf(text) === digest)
      .map((row) => [row.digest, row.text]),
  );
}
