import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../store/database.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { consistencyProof, rangeHash } from './merkle.ts';
import { formatNote, parseNote, signedBy, type Note, type NoteKey } from './note.ts';
import type { Signer } from './signer.ts';
import { overTree, treeSize } from './store.ts';
import { cosignaturesIn, witnessRequest } from './witness.ts';

/** A witness to be asked: `url` is its submission prefix. */
export type AskedWitness = { readonly name: string; readonly key: NoteKey; readonly url: string };

export type CheckpointOptions = {
  readonly db: Database;
  readonly leading: () => boolean;
  /** Opened when needed, and again after it was lost. */
  readonly openSigner: () => Promise<Signer>;
  readonly witnesses: readonly AskedWitness[];
  /** How many of them make a checkpoint witnessed; 0 when there are none. */
  readonly quorum: number;
  readonly onError: (error: Error) => void;
  readonly everyMs?: number;
};

type Head = { readonly size: number; readonly root: Buffer; readonly note: string };

const EVERY_MS = 1_000;
const PATIENCE_MS = 5_000;

/** While this process leads: has the grown tree signed and cosigned. Returns what stops it. */
export function startCheckpoints(options: CheckpointOptions): { close(): Promise<void> } {
  const stopping = new AbortController();
  const checkpoints = new Checkpoints(options);
  const done = (async () => {
    while (!stopping.signal.aborted) {
      // oxlint-disable no-await-in-loop -- one turn after the other
      if (options.leading()) await checkpoints.turn();
      await sleep(options.everyMs ?? EVERY_MS, undefined, { signal: stopping.signal }).catch(
        () => undefined,
      );
      // oxlint-enable no-await-in-loop
    }
    await checkpoints.close();
  })();
  return {
    async close() {
      stopping.abort();
      await done;
    },
  };
}

class Checkpoints {
  readonly #options: CheckpointOptions;
  #signer: Signer | undefined;
  /** What each witness has cosigned last, as far as it is known. */
  readonly #cosigned = new Map<string, number>();
  /** One that is slow keeps neither the signer nor the other witnesses waiting. */
  readonly #asking = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  /** The same error again is not news. */
  readonly #said = new Map<string, string>();

  constructor(options: CheckpointOptions) {
    this.#options = options;
  }

  async turn(): Promise<void> {
    const head = await this.#try('signer', () => this.#sign());
    const newest = head ?? (await this.#try('store', () => this.#newest()));
    if (!newest) return;
    for (const one of this.#options.witnesses)
      if (!this.#asking.has(one.name)) this.#asking.set(one.name, this.#ask(one, newest));
  }

  async #ask(witness: AskedWitness, head: Head): Promise<void> {
    if (await this.#try(witness.name, () => this.#witness(witness, head)))
      await this.#try('store', () => this.#witnessed(head));
    this.#asking.delete(witness.name);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#asking.values());
    await this.#signer?.close();
  }

  async #try<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const done = await work();
      this.#said.delete(what);
      return done;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (this.#said.get(what) !== message && !this.#closing.signal.aborted)
        this.#options.onError(new Error(`${what}: the checkpoint waits: ${message}`, { cause }));
      this.#said.set(what, message);
      return undefined;
    }
  }

  /** Signs the tree when it has grown. */
  async #sign(): Promise<Head | undefined> {
    const { db } = this.#options;
    const { size, signed } = await treeSize(db);
    if (size === 0 || signed >= size) return undefined;
    const note = await this.#signed(size);
    if (note === undefined) return undefined;
    const { root } = parseCheckpoint(parseNote(note).text);
    await db.pool.query(
      'insert into countersign.tree_checkpoint (size, root, note) values ($1, $2, $3) on conflict do nothing',
      [size, root, note],
    );
    return { size, root, note };
  }

  async #signed(size: number): Promise<string | undefined> {
    const { db, openSigner } = this.#options;
    const signer = (this.#signer ??= await openSigner());
    try {
      const { size: old } = signer;
      // The store is behind what was signed before: it was set back, or another one is asked.
      if (old > size)
        throw new Error(`a tree of ${old} records was signed before, and the store has ${size}`);
      const [root, proof] = await overTree(db, (subtrees) => [
        rangeHash(subtrees, 0, size),
        consistencyProof(subtrees, old, size),
      ]);
      const said = await signer.sign({ old, size, root, proof });
      return typeof said === 'string' ? said : undefined;
    } catch (error) {
      this.#signer = undefined;
      await signer.close();
      throw error;
    }
  }

  async #newest(): Promise<Head | undefined> {
    const { rows } = await this.#options.db.pool.query<Head & { size: string }>(
      'select size, root, note from countersign.tree_checkpoint order by size desc limit 1',
    );
    const [row] = rows;
    return row && { ...row, size: Number(row.size) };
  }

  /** True when it has cosigned now. */
  async #witness(witness: AskedWitness, head: Head): Promise<boolean> {
    const note = parseNote(head.note);
    if (signedBy(note, witness.key) !== false) return false;
    const old = this.#cosigned.get(witness.name) ?? 0;
    if (old >= head.size) return false;
    const proof = await overTree(this.#options.db, (subtrees) =>
      consistencyProof(subtrees, old, head.size),
    );
    const answer = await fetch(`${witness.url}/add-checkpoint`, {
      method: 'POST',
      body: witnessRequest(old, proof, head.note),
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(PATIENCE_MS)]),
      redirect: 'error',
    });
    const body = await answer.text();
    if (answer.status === 409 && /^\d{1,15}\n$/.test(body)) {
      const size = Number(body);
      if (size === old || size > head.size)
        throw new Error(`it has cosigned a tree of ${size}, the store has ${head.size}`);
      this.#cosigned.set(witness.name, size);
      return this.#witness(witness, head);
    }
    if (answer.status !== 200) throw new Error(`${answer.status}: ${body.trim().slice(0, 200)}`);
    const lines = cosignaturesIn(body, note.text, witness.key);
    if (lines.length === 0) throw new Error('its answer holds no cosignature of its key');
    await this.#add(head.size, { text: note.text, signatures: lines });
    this.#cosigned.set(witness.name, head.size);
    return true;
  }

  /** Adds signatures to a stored note; several witnesses answer at once. */
  async #add(size: number, { signatures }: Note): Promise<void> {
    const lines = formatNote({ text: '', signatures }).slice(1);
    await this.#options.db.pool.query(
      'update countersign.tree_checkpoint set note = note || $2 where size = $1',
      [size, lines],
    );
  }

  async #witnessed({ size }: Head): Promise<void> {
    const { db, witnesses, quorum } = this.#options;
    const { rows } = await db.pool.query<{ note: string }>(
      'select note from countersign.tree_checkpoint where size = $1',
      [size],
    );
    const note = parseNote(rows[0]?.note ?? '');
    const count = witnesses.filter(({ key }) => signedBy(note, key) !== false).length;
    if (count > 0 && count >= quorum)
      await db.pool.query(
        'update countersign.tree_checkpoint set witnessed_at = clock_timestamp() where size = $1 and witnessed_at is null',
        [size],
      );
  }
}
