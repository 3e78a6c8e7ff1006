import type { QueryConfig } from 'pg';
import { textArray } from './encode.ts';
import { INSERT, INSERT_SHARED, type Draft } from './draft.ts';

/** More are forgotten all at once: storing one again does nothing. */
const MOST = 20_000;

/** Which shared texts this process knows to be in the store. */
export class Stored {
  #known = new Set<string>();

  /** The statement that appends these drafts, with the texts that are not known to be there. */
  insert(
    drafts: readonly Draft[],
    values: readonly unknown[],
  ): QueryConfig & { digests: string[] } {
    let found: Map<string, string> | undefined;
    for (const { entry } of drafts)
      for (const { digest, text } of entry.shared ?? [])
        if (!this.#known.has(digest)) (found ??= new Map()).set(digest, text);
    if (!found) return { name: 'append', text: INSERT, values: [...values], digests: [] };
    const digests = [...found.keys()];
    return {
      name: 'append-shared',
      text: INSERT_SHARED,
      values: [...values, textArray(digests), textArray([...found.values()])],
      digests,
    };
  }

  /** They were written. */
  add(digests: readonly string[]): void {
    if (this.#known.size > MOST) this.#known = new Set();
    for (const digest of digests) this.#known.add(digest);
  }
}
