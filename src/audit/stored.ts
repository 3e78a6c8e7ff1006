import { textArray } from './encode.ts';
import type { Draft } from './draft.ts';

/** More are forgotten all at once: storing one again does nothing. */
const MOST = 20_000;

type Missing = { readonly digests: readonly string[]; readonly values: readonly unknown[] };

/** Which shared texts this process knows to be in the store. */
export class Stored {
  #known = new Set<string>();

  /** Those of these drafts that are not known to be there; undefined, and nothing allocated, when all are. */
  missing(drafts: readonly Draft[]): Missing | undefined {
    let found: Map<string, string> | undefined;
    for (const { entry } of drafts)
      for (const { digest, text } of entry.shared ?? [])
        if (!this.#known.has(digest)) (found ??= new Map()).set(digest, text);
    if (!found) return undefined;
    const digests = [...found.keys()];
    return { digests, values: [textArray(digests), textArray([...found.values()])] };
  }

  /** They were written. */
  add({ digests }: Missing): void {
    if (this.#known.size > MOST) this.#known = new Set();
    for (const digest of digests) this.#known.add(digest);
  }
}
