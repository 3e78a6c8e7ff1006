import type { QueryConfig } from 'pg';
import { textArray } from './encode.ts';
import { INSERT, INSERT_SHARED, INSERT_SIGNED, type Draft } from './draft.ts';
import type { Signature } from './signatures.ts';

/** More are forgotten all at once: storing one again does nothing. */
const MOST = 20_000;

/** A statement that stores records, with the digests of the shared texts in it. */
export type Insert = QueryConfig & {
  readonly name: string;
  readonly digests: readonly string[];
};

const NONE: ReadonlyMap<string, string> = new Map();

/** Which shared texts this process knows to be in the store. */
export class Stored {
  #known = new Set<string>();

  /** The statement that appends these drafts, with the texts that are not known to be there, and a signature if there is one. */
  insert(drafts: readonly Draft[], values: readonly unknown[], signature?: Signature): Insert {
    const found = this.#unknown(drafts);
    if (found.size === 0 && !signature)
      return { name: 'append', text: INSERT, values: [...values], digests: [] };
    const digests = [...found.keys()];
    const all = [...values, textArray(digests), textArray([...found.values()])];
    if (!signature) return { name: 'append-shared', text: INSERT_SHARED, values: all, digests };
    const { seq, key, bytes } = signature;
    return {
      name: 'append-signed',
      text: INSERT_SIGNED,
      values: [...all, seq, key, bytes],
      digests,
    };
  }

  #unknown(drafts: readonly Draft[]): ReadonlyMap<string, string> {
    let found: Map<string, string> | undefined;
    for (const { entry } of drafts)
      for (const { digest, text } of entry.shared ?? [])
        if (!this.#known.has(digest)) (found ??= new Map()).set(digest, text);
    return found ?? NONE;
  }

  /** They were written. */
  add(digests: readonly string[]): void {
    if (this.#known.size > MOST) this.#known = new Set();
    for (const digest of digests) this.#known.add(digest);
  }
}
