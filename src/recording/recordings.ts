import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { Vault } from '../identity/vault.ts';
import type { Database } from '../store/database.ts';
import { followHere, followThere } from './follow.ts';
import type { ChunkStore, RecordedSession, RecordingInfo, Recordings } from './port.ts';
import { Reader, wrappedFor } from './reader.ts';
import { recoverRecordings } from './recovery.ts';
import { countChunk, endRecording, findRecording, forgetKey, insertRecording } from './rows.ts';
import { Scribe } from './scribe.ts';
import { digestOf, newKey, sealChunk } from './seal.ts';
import { Buffered, type Lot } from './session-recording.ts';

export type RecordingsOptions = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly chunks: ChunkStore;
  /** Wraps the key of each recording. */
  readonly vault: Vault;
  readonly gateway: string;
  readonly epoch: number;
  readonly onError: (error: unknown) => void;
};

/** What all sessions together may keep in memory while the store does not take it. */
const MOST = 256 * 1024 * 1024;
const CLOSE_MS = 3_000;
const RETRY_MS = [100, 500, 1_000, 2_000];
const SWEEP_MS = 10_000;

/** Opens the recordings of this process, and puts right what dead ones left, now and from time to time. */
export function openRecordings(options: RecordingsOptions): Recordings {
  return new Open(options);
}

class Open implements Recordings {
  readonly #options: RecordingsOptions;
  readonly #scribe = new Scribe();
  readonly #live = new Map<string, Buffered>();
  readonly #reader: Reader;
  readonly #stopped = new AbortController();
  readonly #sweep: NodeJS.Timeout;
  #room = MOST;
  #recovering: Promise<void> | undefined;

  constructor(options: RecordingsOptions) {
    this.#options = options;
    this.#reader = new Reader(options);
    this.#sweep = setInterval(() => this.#recover(), SWEEP_MS).unref();
    this.#recover();
  }

  open(session: RecordedSession): Buffered {
    const { db, vault, onError } = this.#options;
    const key = newKey();
    let begun: Promise<void> | undefined;
    // Once it is known that a key cannot be kept, what it seals could never be read.
    const begin = (): Promise<void> =>
      this.#insist(() => {
        const wrapped = vault.seal(key.toString('base64'), wrappedFor(session.id));
        return insertRecording(db, session, this.#options, wrapped);
      });
    const recording = new Buffered(key, {
      begins: () => {
        begun = begin();
        // Whoever seals hears of it.
        begun.catch(() => undefined);
      },
      seal: async (lot, chunk) => {
        await begun;
        await this.#seal(session, key, lot, chunk);
      },
      ended: (chunks, dropped) => this.#ended(session, chunks, dropped),
      onError,
      room: (taken) => (this.#room -= taken),
    });
    this.#live.set(session.id, recording);
    const close = recording.close.bind(recording);
    recording.close = async () => {
      await close();
      this.#live.delete(session.id);
    };
    return recording;
  }

  async info(session: string): Promise<RecordingInfo | undefined> {
    const row = await findRecording(this.#options.db, session);
    if (!row) return undefined;
    const { key: _key, gateway: _gateway, epoch: _epoch, ...info } = row;
    return info;
  }

  readRecording(session: string) {
    return this.#reader.read(session);
  }

  readChunk(session: string, chunk: number) {
    return this.#reader.chunk(session, chunk);
  }

  follow(session: string, signal: AbortSignal) {
    const live = this.#live.get(session);
    return live
      ? followHere(this.#reader, session, live, signal)
      : followThere(this.#reader, session, signal);
  }

  async erase(session: string): Promise<void> {
    await forgetKey(this.#options.db, session);
    await this.#options.chunks.remove(session);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    const all = Promise.allSettled([...this.#live.values()].map((one) => one.close()));
    const deadline = new AbortController();
    const { signal } = deadline;
    await Promise.race([all, sleep(CLOSE_MS, undefined, { signal }).catch(() => undefined)]);
    deadline.abort();
    this.#stopped.abort();
    await all;
    await this.#recovering;
    await this.#scribe.close();
  }

  async #seal(session: RecordedSession, key: Buffer, lot: Lot, chunk: number): Promise<void> {
    const { db, chunks } = this.#options;
    const [first, last] = [lot.events[0], lot.events.at(-1)];
    if (!first || !last) return;
    const text = await this.#scribe.write(lot.events, lot.size);
    const head = { events: lot.events.length, from: first.t, to: last.t };
    const sealed = await sealChunk(key, { session: session.id, chunk }, text, head);
    await this.#insist(() => chunks.put(session.id, chunk, sealed));
    const bytes = sealed.length;
    const body = { chunk, ...head, bytes, digest: digestOf(sealed) };
    await this.#insist(() => this.#record(session, body));
    await this.#insist(() => countChunk(db, session.id, { chunk, events: head.events, bytes }));
  }

  async #ended(session: RecordedSession, chunks: number, dropped: number): Promise<void> {
    const body = { chunks, ended: true, ...(dropped > 0 && { dropped }) };
    await this.#insist(() => this.#record(session, body));
    await this.#insist(() => endRecording(this.#options.db, session.id));
  }

  async #record(session: RecordedSession, body: JsonObject): Promise<void> {
    const { id, person, agent, target } = session;
    await this.#options.audit.append({
      kind: 'recording',
      session: id,
      person,
      ...(agent !== undefined && { agent }),
      target,
      body,
    });
  }

  /** Again and again, ever more slowly, until it is done or the gateway stops: then it rejects with what failed last. */
  async #insist(work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopped;
    for (let round = 0; ; round += 1)
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) throw error;
        if (round === 0) this.#options.onError(error);
        const pause = RETRY_MS[Math.min(round, RETRY_MS.length - 1)];
        await sleep(pause, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) throw error;
      }
  }

  #recover(): void {
    this.#recovering ??= recoverRecordings(this.#options)
      .catch(this.#options.onError)
      .finally(() => {
        this.#recovering = undefined;
      });
  }
}
