import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Checkpoint } from './checkpoint.ts';
import { emptyRoot, verifyConsistency } from './merkle.ts';

/** A tree head, and the proof that the tree of `old` entries is its beginning. */
export type Step = Checkpoint & { readonly old: number; readonly proof: readonly Buffer[] };

/** `conflict`: the last tree has another size than `old`; `fork`: the new tree does not continue the last one. */
export type Kept<T> =
  | { readonly kind: 'kept'; readonly value: T }
  | { readonly kind: 'conflict'; readonly size: number }
  | { readonly kind: 'fork' };

const stored = z.strictObject({
  origin: z.string(),
  size: z.int().min(0),
  root: z.base64().length(44),
});

/**
 * Remembers the last tree of each origin that its owner has vouched for, in files of its own: what it vouches for can
 * only grow, whatever the database says. One process a folder.
 */
export class Keeper {
  readonly #folder: string;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The size of the last tree; 0 when there was none. */
  async size(origin: string): Promise<number> {
    return (await this.#read(origin)).size;
  }

  /** Moves on to `step` and resolves with what `vouch` makes, once the step is durable; checks come one after the other. */
  advance<T>(step: Step, vouch: () => T): Promise<Kept<T>> {
    const next = this.#turn.then(() => this.#advance(step, vouch));
    this.#turn = next.catch(() => undefined);
    return next;
  }

  async #advance<T>(step: Step, vouch: () => T): Promise<Kept<T>> {
    const last = await this.#read(step.origin);
    if (last.size !== step.old) return { kind: 'conflict', size: last.size };
    const { old, size, proof, root } = step;
    const follows = verifyConsistency(old, size, proof, last.root, root);
    if (!follows) return { kind: 'fork' };
    if (size > old || last.isNew) await this.#write(step);
    return { kind: 'kept', value: vouch() };
  }

  async #read(origin: string): Promise<{ size: number; root: Buffer; isNew: boolean }> {
    const text = await readFile(this.#file(origin), 'utf8').catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      },
    );
    if (text === undefined) return { size: 0, root: emptyRoot, isNew: true };
    const { size, root, origin: own } = stored.parse(JSON.parse(text));
    if (own !== origin) throw new Error(`${this.#file(origin)} is about ${own}`);
    return { size, root: Buffer.from(root, 'base64'), isNew: false };
  }

  async #write({ origin, size, root }: Checkpoint): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#file(origin);
    const draft = `${file}.new`;
    await written(draft, JSON.stringify({ origin, size, root: root.toString('base64') }));
    await rename(draft, file);
    // The name is durable with the folder.
    await synced(this.#folder);
  }

  #file(origin: string): string {
    const name = createHash('sha256').update(origin).digest('hex').slice(0, 32);
    return join(this.#folder, `${name}.json`);
  }
}

async function written(path: string, text: string): Promise<void> {
  await using file = await open(path, 'w', 0o600);
  await file.writeFile(text);
  await file.sync();
}

async function synced(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}
