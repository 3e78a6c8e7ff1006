import type { Database } from '../store/database.ts';
import { headText } from './announcement.ts';
import type { Tail } from './draft.ts';
import { ED25519, hexId, noteKey } from './tree/note.ts';
import type { SigningKey } from './tree/signing-key.ts';

/** A writer's signature over its record `seq`, and so over every one before it. */
export type Signature = { readonly seq: number; readonly key: string; readonly bytes: Buffer };

export type SignaturesOptions = {
  readonly db: Pick<Database, 'pool'>;
  readonly writer: string;
  readonly key: SigningKey;
  readonly onError: (error: Error) => void;
};

// Making one costs the main thread about 26 µs, so that of busy times not every batch has its own: the next covers it.
const EVERY_MS = 25;
/** How long a signature waits for a batch to travel with. */
const LINGER_MS = 75;
const RETRY_MS = 1_000;
/** What is not signed by then is said to be late: as `verify` does. */
export const UNSIGNED_MS = 10_000;

/** Signs the newest record of a chain, over and over, beside the writing. */
export class Signatures {
  readonly #options: SignaturesOptions;
  readonly #id: string;
  /** The newest record, as long as it is not signed. */
  #head: Tail | undefined;
  #headSince = 0;
  /** Made, and not known to be stored. */
  #ready: Signature | undefined;
  #readySince = 0;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> | undefined;
  #failing = false;
  #closed = false;

  constructor(options: SignaturesOptions) {
    this.#options = options;
    this.#id = hexId(noteKey(options.writer, ED25519, options.key.key).id);
  }

  /** What the next batch should take with it. */
  get ready(): Signature | undefined {
    return this.#ready;
  }

  /** A batch that ends with `head` is durable, and `stored` with it. */
  written(head: Tail, stored?: Signature): void {
    if (stored && stored === this.#ready) this.#ready = undefined;
    if (!this.#head) this.#headSince = performance.now();
    this.#head = head;
    this.#plan(EVERY_MS);
  }

  /** Records have waited for too long to be signed. */
  late(): boolean {
    const since = this.#head ? this.#headSince : this.#ready && this.#readySince;
    return since !== undefined && performance.now() - since > UNSIGNED_MS;
  }

  /** Nothing more is signed. */
  stop(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Signs and stores what is left. Rejects when it could not. */
  async close(): Promise<void> {
    this.stop();
    await this.#turn;
    if (this.#head) await this.#sign(this.#head);
    if (this.#ready) await this.#store(this.#ready);
  }

  #plan(ms: number): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#turn = this.#work().then((pause) => {
        this.#timer = undefined;
        this.#turn = undefined;
        if (pause || this.#head || this.#ready) this.#plan(pause ?? EVERY_MS);
      });
    }, ms);
  }

  /** Resolves with how long to wait when it did not work. */
  async #work(): Promise<number | undefined> {
    try {
      if (this.#head) await this.#sign(this.#head);
      else if (this.#ready && performance.now() - this.#readySince >= LINGER_MS)
        await this.#store(this.#ready);
      this.#failing = false;
      return undefined;
    } catch (cause) {
      if (!this.#failing) this.#options.onError(new Error('records are not signed now', { cause }));
      this.#failing = true;
      return RETRY_MS;
    }
  }

  /** One that is ready and not stored is replaced: the newer one covers it. */
  async #sign(head: Tail): Promise<void> {
    const { writer, key } = this.#options;
    const bytes = await key.sign(Buffer.from(headText(writer, head)));
    if (this.#head === head) this.#head = undefined;
    else this.#headSince = performance.now();
    if (!this.#ready) this.#readySince = performance.now();
    this.#ready = { seq: head.seq, key: this.#id, bytes };
  }

  async #store(made: Signature): Promise<void> {
    const { db, writer } = this.#options;
    await db.pool.query(
      'insert into countersign.record_signature (writer, seq, key, signature) values ($1, $2, $3, $4) on conflict do nothing',
      [writer, made.seq, made.key, made.bytes],
    );
    if (this.#ready === made) this.#ready = undefined;
  }
}
