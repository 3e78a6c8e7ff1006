import { setTimeout as sleep } from 'node:timers/promises';
import { lastAnnounced, startBody } from './announcement.ts';
import { draftOf, type Draft } from './draft.ts';
import { Fenced, Lane, Refused, WithinFailed, type LaneOptions } from './lane.ts';
import { NotRecorded, type AuditLog, type Entry, type Receipt, type Within } from './log.ts';
import { Signatures } from './signatures.ts';
import type { Keys } from './tree/signing-key.ts';

export type AuditOptions = LaneOptions & {
  /** False as soon as this process may no longer be the only one with this name. */
  readonly held: () => boolean;
  readonly onError: (error: Error) => void;
  /** What the chain is signed with; without it nothing is. `heartbeatMs`: how often it will be heard of. */
  readonly signing?: { readonly keys: Keys; readonly heartbeatMs?: number | undefined };
  /** Hears of each transaction: how many records it wrote, and how many seconds each that was waited for took. */
  readonly onWritten?: (records: number, waited: readonly number[]) => void;
};

export type OpenAuditLog = AuditLog & {
  /** Writes what is queued (3 s at most), then refuses everything. */
  close(): Promise<void>;
  /** The store has refused a record within the last 10 s, and taken none since: it is full, or its tables are not as they should be. */
  refused(): boolean;
  /** Records have waited for their signature for more than 10 s. */
  unsigned(): boolean;
  /** Place of the newest record. */
  seq(): number;
  /** Resolves when nothing is queued or under way, outcomes included. */
  idle(): Promise<void>;
};

type Waiting = {
  readonly draft: Draft;
  readonly within: Within | undefined;
  readonly since: number;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
};
type Batch = { readonly waiting: readonly Waiting[]; readonly later: readonly Draft[] };

/** How long a store may take for one write. */
const PATIENCE_MS = 3_000;
/** Nobody waits longer than this behind the writes of others. */
const LONGEST_MS = 10_000;
const BATCH = 500;
const QUEUE = 10_000;
/** How long an outcome waits for a statement to share a write with. */
const LINGER_MS = 5;
const RETRY_MS = 100;
const REFUSED_MS = 10_000;
const CLOSED = 'it is closed';
const LEASE = 'this gateway may have lost its lease';

/**
 * Opens the log for one writer; rejects when the store cannot be reached, when somebody newer owns the name, or when the
 * chain is signed with a key that is not there.
 */
export async function openAuditLog(options: AuditOptions): Promise<OpenAuditLog> {
  const { db, writer, epoch, onError, signing } = options;
  const signatures = signing && new Signatures({ db, writer, key: signing.keys.current, onError });
  const lane = new Lane(options, signatures);
  await lane.connect();
  try {
    if (signing) {
      const before = await lastAnnounced(db, writer);
      const body = await startBody({ writer, epoch, ...signing, last: lane.tail, before });
      await lane.write([draftOf({ kind: 'writer', body }, epoch)]);
    }
  } catch (error) {
    await lane.end();
    throw error;
  }
  return new Writer(options, lane, signatures);
}

/** Queues entries in front of a Lane: one batch under way, everything that comes meanwhile in the next. */
class Writer implements OpenAuditLog {
  readonly #options: AuditOptions;
  readonly #lane: Lane;
  readonly #signatures: Signatures | undefined;
  #hot: Waiting[] = [];
  #later: Draft[] = [];
  /** Under way, or of unknown fate until the lane is connected again. */
  #flight: Batch | undefined;
  #flightSince = 0;
  #busy = false;
  #afterWithin = false;
  #linger: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;
  #downSince: number | undefined;
  #moved = 0;
  #refusedAt: number | undefined;
  #closing = false;
  #ended: Error | undefined;
  #onIdle: (() => void)[] = [];

  constructor(options: AuditOptions, lane: Lane, signatures: Signatures | undefined) {
    this.#options = options;
    this.#lane = lane;
    this.#signatures = signatures;
  }

  append(entry: Entry, within?: Within): Promise<Receipt> {
    const refusal = this.#closing ? CLOSED : this.#refusal();
    if (refusal) return Promise.reject(new NotRecorded(refusal));
    let draft: Draft;
    try {
      draft = draftOf(entry, this.#options.epoch);
    } catch (cause) {
      return Promise.reject(new NotRecorded('the record cannot be written', { cause }));
    }
    return this.#queue(draft, within);
  }

  #queue(draft: Draft, within?: Within): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#hot.push({ draft, within, since: performance.now(), resolve, reject });
      this.#patience ??= setTimeout(() => this.#impatient(), PATIENCE_MS);
      this.#start();
    });
  }

  later(entry: Entry): void {
    try {
      if (this.#ended) throw this.#ended;
      if (this.#closing) throw new Error(CLOSED);
      if (this.#later.length >= QUEUE) throw new Error('too many records wait for the store');
      this.#later.push(draftOf(entry, this.#options.epoch));
    } catch (cause) {
      this.#options.onError(new NotRecorded(`an ${entry.kind} record was dropped`, { cause }));
      return;
    }
    if (!this.#busy) this.#linger ??= setTimeout(() => this.#start(), LINGER_MS);
  }

  refused(): boolean {
    return this.#refusedAt !== undefined && performance.now() - this.#refusedAt < REFUSED_MS;
  }

  unsigned(): boolean {
    return this.#signatures?.late() ?? false;
  }

  seq(): number {
    return this.#lane.tail.seq;
  }

  idle(): Promise<void> {
    if (!this.#busy && !this.#later.length) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  async close(): Promise<void> {
    if (!this.#ended) {
      const timer = new AbortController();
      const { signal } = timer;
      const patience = sleep(PATIENCE_MS, undefined, { signal }).catch(() => {});
      await Promise.race([this.idle().then(() => this.#signOff()), patience]);
      timer.abort();
      this.#stop(new Error(CLOSED));
    }
    await this.#lane.end().catch(() => {});
  }

  /** The last record says that it is the last, and is signed like the others. */
  async #signOff(): Promise<void> {
    if (!this.#signatures || this.#ended) return;
    this.#closing = true;
    const { epoch, onError } = this.#options;
    try {
      await this.#queue(draftOf({ kind: 'writer', body: { event: 'stop', epoch } }, epoch));
      await this.#signatures.close();
    } catch (cause) {
      onError(new Error('the log could not say that it ends', { cause }));
    }
  }

  #refusal(): string | undefined {
    if (this.#ended) return `the log cannot be written: ${this.#ended.message}`;
    if (!this.#options.held()) return LEASE;
    if (this.#hot.length >= QUEUE) return 'too many records wait for the store';
    if (this.#downSince !== undefined && performance.now() - this.#downSince > PATIENCE_MS)
      return 'the store cannot be reached';
    return undefined;
  }

  #start(): void {
    if (this.#busy || this.#ended) return;
    this.#busy = true;
    clearTimeout(this.#linger);
    this.#linger = undefined;
    // After the events of this turn, so that what comes together is written together.
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (
      !this.#ended &&
      (this.#hot.length || this.#later.length || this.#flight || this.#isDown)
    ) {
      const pause = await this.#step();
      if (pause) await sleep(pause);
    }
    this.#busy = false;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  get #isDown(): boolean {
    return this.#downSince !== undefined;
  }

  /** One attempt to get on; resolves with the milliseconds to wait before the next. */
  async #step(): Promise<number> {
    if (!this.#lane.connected && !(await this.#reconnect())) return RETRY_MS;
    if (!this.#options.held()) {
      for (const { reject } of this.#hot.splice(0)) reject(new NotRecorded(LEASE));
      return RETRY_MS;
    }
    const batch = this.#take();
    const drafts = [...batch.waiting.map(({ draft }) => draft), ...batch.later];
    const within = batch.waiting[0]?.within;
    const [first] = drafts;
    if (!first) return 0;
    this.#flight = batch;
    this.#flightSince = performance.now();
    try {
      if (within) await this.#lane.transact(first, within);
      else await this.#lane.write(drafts);
      this.#written(batch);
      return 0;
    } catch (error) {
      return this.#failed(batch, error);
    }
  }

  #take(): Batch {
    // Outcomes get their turn between two transactions, too.
    const alone = this.#hot[0]?.within !== undefined && !(this.#afterWithin && this.#later.length);
    this.#afterWithin = alone;
    if (alone) return { waiting: this.#hot.splice(0, 1), later: [] };
    const barrier = this.#hot.findIndex(({ within }) => within);
    const waiting = this.#hot.splice(0, barrier < 0 ? BATCH : Math.min(barrier, BATCH));
    return { waiting, later: this.#later.splice(0, BATCH) };
  }

  /** Settling what impatience has settled before does nothing. */
  #written(batch: Batch): void {
    this.#flight = undefined;
    this.#moved = performance.now();
    this.#refusedAt = undefined;
    const { writer } = this.#options;
    let seq = this.#lane.tail.seq - batch.waiting.length - batch.later.length;
    for (const { draft, resolve } of batch.waiting) resolve(receipt(draft, writer, ++seq));
    const now = performance.now();
    this.#options.onWritten?.(
      batch.waiting.length + batch.later.length,
      batch.waiting.map(({ since }) => (now - since) / 1_000),
    );
  }

  #notWritten(batch: Batch, cause: unknown): void {
    this.#flight = undefined;
    for (const { reject } of batch.waiting)
      reject(new NotRecorded('the store did not take the record', { cause }));
    this.#later.unshift(...batch.later);
  }

  #failed(batch: Batch, error: unknown): number {
    if (error instanceof Fenced) {
      this.#stop(error);
      return 0;
    }
    if (error instanceof WithinFailed) {
      this.#flight = undefined;
      batch.waiting[0]?.reject(error.cause);
      return 0;
    }
    if (error instanceof Refused) {
      this.#notWritten(batch, error);
      this.#refusedAt = performance.now();
      this.#options.onError(error);
      return batch.later.length ? RETRY_MS : 0;
    }
    // Its fate is open: reconnecting tells.
    this.#down(error);
    this.#lane.drop();
    return 0;
  }

  /** False when the store cannot be reached yet. Settles a write of unknown fate. */
  async #reconnect(): Promise<boolean> {
    try {
      const happened = await this.#lane.connect();
      this.#downSince = undefined;
      if (this.#ended) await this.#lane.end();
      if (this.#flight && happened) this.#written(this.#flight);
      else if (this.#flight) this.#notWritten(this.#flight, new Error('the connection was lost'));
      return true;
    } catch (error) {
      if (error instanceof Fenced) this.#stop(error);
      else this.#down(error);
      return false;
    }
  }

  #down(cause: unknown): void {
    if (this.#isDown) return;
    this.#downSince = performance.now();
    this.#options.onError(new Error('the log has lost the store', { cause }));
  }

  /** Rejects whoever has waited too long; a write that is stuck loses its connection. */
  #impatient(): void {
    const now = performance.now();
    const late = (waiting: Waiting) => now >= this.#lateAt(waiting) - 1;
    const error = new NotRecorded('the store did not answer in time');
    const stuck = this.#flight?.waiting.filter(late) ?? [];
    const queued = this.#hot.filter(late);
    for (const { reject } of [...stuck, ...queued]) reject(error);
    if (this.#flight && now - this.#flightSince >= PATIENCE_MS - 1) this.#lane.drop();
    this.#hot = this.#hot.slice(queued.length);
    const next = [...(this.#flight?.waiting ?? []), ...this.#hot].find((waiting) => !late(waiting));
    this.#patience =
      next && setTimeout(() => this.#impatient(), Math.max(1, this.#lateAt(next) - now));
  }

  /** A store that takes one record after another is only busy; one that takes none is stuck. */
  #lateAt({ since }: Waiting): number {
    return Math.min(Math.max(since, this.#moved) + PATIENCE_MS, since + LONGEST_MS);
  }

  #stop(error: Error): void {
    if (this.#ended) return;
    this.#ended = error;
    const cause = { cause: error };
    for (const { reject } of [...(this.#flight?.waiting ?? []), ...this.#hot])
      reject(new NotRecorded(`the log cannot be written: ${error.message}`, cause));
    const lost = this.#later.length + (this.#flight?.later.length ?? 0);
    [this.#hot, this.#later, this.#flight] = [[], [], undefined];
    clearTimeout(this.#patience);
    clearTimeout(this.#linger);
    this.#signatures?.stop();
    if (lost) this.#options.onError(new NotRecorded(`${lost} records were not written`, cause));
    if (error instanceof Fenced) {
      this.#lane.drop();
      this.#options.onError(error);
    }
  }
}

function receipt(draft: Draft, writer: string, seq: number): Receipt {
  const { binds } = draft.entry;
  const made = { record: draft.id, writer, seq: BigInt(seq), ...(binds && { binds }) };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place a Receipt is made
  return Object.freeze(made) as Receipt;
}
