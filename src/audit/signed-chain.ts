import { verify } from 'node:crypto';
import {
  announcedKey,
  handedOver,
  headText,
  readAnnouncement,
  type Start,
} from './announcement.ts';
import type { Finding, Problem } from './check.ts';
import type { Tail } from './draft.ts';
import { MISSED } from './heartbeat.ts';
import { UNSIGNED_MS } from './signatures.ts';
import { hexId, type NoteKey } from './tree/note.ts';

/** A record whose place in the chain and body have been found good. `body` is null when it was erased. */
export type ChainRecord = Tail & {
  readonly kind: string;
  /** Milliseconds since 1970, by the writer's clock. */
  readonly time: number;
  readonly body: string | null;
};
export type ChainSignature = { readonly key: string; readonly signature: Buffer };

/** A time in which a writer wrote nothing and had not said that it stops; `to` is missing when it never wrote again. */
export type Silence = {
  readonly from: string;
  readonly to?: string;
  /** Its last record before. */
  readonly seq: number;
  readonly why: 'it wrote nothing' | 'it ended without saying so';
};

const NOTHING: Tail = { seq: 0, hash: Buffer.alloc(0) };

/** Follows one chain: which key it has announced, what that has signed, and whether its heartbeats came. */
export class SignedChain {
  readonly #writer: string;
  readonly #known: readonly NoteKey[] | undefined;
  readonly silences: Silence[] = [];
  /** Announced last; `gone` when what announced it was erased. */
  #key: NoteKey | 'gone' | undefined;
  #start: Start | undefined;
  #announcedAt: number | undefined;
  #stopped = false;
  #last: Tail = NOTHING;
  #lastTime = 0;
  /** The first record that no signature is behind. */
  #open: { readonly seq: number; readonly time: number } | undefined;
  /** The newest signature, not checked yet: it stands for all before it. */
  #pending: (ChainSignature & { readonly over: Tail }) | undefined;

  /** With `known`, the first key must be one of these, and one of these may follow without the word of the old one. */
  constructor(writer: string, known?: readonly NoteKey[]) {
    this.#writer = writer;
    this.#known = known;
  }

  /** Goes on behind a record, with the key that was announced before it. */
  static from(writer: string, last: Tail, key: NoteKey | undefined): SignedChain {
    const chain = new SignedChain(writer);
    chain.#last = last;
    chain.#key = key;
    return chain;
  }

  /** Undefined where none is announced, or what announced it was erased. */
  get key(): NoteKey | undefined {
    return this.#key === 'gone' ? undefined : this.#key;
  }

  /** Milliseconds between the first and the last of the newest records that no signature is behind. */
  get unsignedMs(): number {
    return this.#open ? this.#lastTime - this.#open.time : 0;
  }

  /** Where the chain first says with what key it is signed; undefined when it never does. */
  get announcedAt(): number | undefined {
    return this.#announcedAt;
  }

  take(record: ChainRecord, signature: ChainSignature | undefined): Finding | undefined {
    const wrong = record.kind === 'writer' ? this.#writerRecord(record) : this.#otherRecord(record);
    if (wrong) return wrong;
    if (signature) {
      this.#pending = { ...signature, over: record };
      this.#open = undefined;
    } else this.#open ??= record;
    this.#last = { seq: record.seq, hash: record.hash };
    this.#lastTime = record.time;
    return undefined;
  }

  /** Checks the newest signature. */
  settle(): Finding | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending || this.#key === 'gone') return undefined;
    const { over, key, signature } = pending;
    if (!this.#key || Number.parseInt(key, 16) !== this.#key.id)
      return finding(
        over.seq,
        'signature',
        `it is signed with the key ${key}, and ${this.#key ? hexId(this.#key.id) : 'none'} is the one that its writer has announced`,
      );
    const good = verify(
      undefined,
      Buffer.from(headText(this.#writer, over)),
      this.#key.key,
      signature,
    );
    return good
      ? undefined
      : finding(
          over.seq,
          'signature',
          'its signature was not made with the key of its writer: it, or one before it, was replaced',
        );
  }

  /** `now`: milliseconds since 1970; `recovered`: the newest epoch of this writer that another one has recovered. */
  end(now: number, recovered: number): Finding | undefined {
    const wrong = this.settle();
    if (wrong || !this.#start || this.#stopped) return wrong ?? this.#tail(now);
    if (recovered >= this.#start.epoch) {
      this.#ended(undefined);
      return this.#rest();
    }
    const { heartbeat } = this.#start;
    if (heartbeat === undefined || Math.abs(now - this.#lastTime) <= MISSED * heartbeat)
      return this.#tail(now);
    const from = iso(this.#lastTime);
    const seconds = Math.round((now - this.#lastTime) / 1_000);
    return finding(
      this.#last.seq,
      'silent',
      `nothing follows it since ${from} (${seconds} s), and its writer did not say that it stops: it ended, or newer records were removed or are withheld${this.#unsigned()}`,
    );
  }

  #writerRecord(record: ChainRecord): Finding | undefined {
    this.#announcedAt ??= record.seq;
    if (record.body === null) {
      [this.#key, this.#start, this.#stopped] = ['gone', undefined, false];
      return undefined;
    }
    const said = readAnnouncement(record.body);
    if (!said) return finding(record.seq, 'writer-key', 'what its writer announces cannot be read');
    if (said.event === 'start') return this.settle() ?? this.#started(record, said);
    const wrong = this.#otherRecord(record);
    this.#stopped = true;
    return wrong;
  }

  #started(record: ChainRecord, said: Start): Finding | undefined {
    const wrong = this.#stopped ? undefined : this.#rest();
    if (wrong) return wrong;
    if (this.#start && !this.#stopped) this.#ended(record.time);
    const { seq } = record;
    const key = announcedKey(this.#writer, said);
    if (!key) return finding(seq, 'writer-key', 'its writer announces no key of its own');
    const why = this.#distrust(said, key);
    if (why !== undefined) return finding(seq, 'writer-key', why);
    [this.#key, this.#start, this.#stopped] = [key, said, false];
    this.#open = undefined;
    return undefined;
  }

  #distrust(said: Start, key: NoteKey): string | undefined {
    const known = this.#known?.some(({ raw }) => raw.equals(key.raw)) ?? false;
    const old = this.#key;
    if (old === undefined || old === 'gone')
      return this.#known && !known
        ? `its writer begins with the key ${said.key}, which is not a known one`
        : undefined;
    if (old.raw.equals(key.raw) || known || handedOver(this.#writer, this.#last, said, old))
      return undefined;
    return `its writer announces the key ${said.key}, and the key before it has not signed that`;
  }

  #otherRecord({ seq, time }: ChainRecord): Finding | undefined {
    if (this.#stopped)
      return finding(
        seq,
        'inserted',
        'it comes after its writer said that it stops, and before it began again',
      );
    const { heartbeat } = this.#start ?? {};
    if (heartbeat !== undefined && time - this.#lastTime > MISSED * heartbeat)
      this.#silent('it wrote nothing', time);
    return undefined;
  }

  /** What the process that ended had left unsigned: no more than it can have written between two signatures. */
  #rest(): Finding | undefined {
    if (!this.#start || !this.#open || this.#lastTime - this.#open.time <= UNSIGNED_MS)
      return undefined;
    return finding(
      this.#open.seq,
      'unsigned',
      `it and those up to ${this.#last.seq} were not signed by the process that wrote them`,
    );
  }

  #tail(now: number): Finding | undefined {
    if (!this.#start || !this.#open) return undefined;
    // Whoever forges a time may as well put it into the future.
    const age = Math.max(now - this.#open.time, Math.abs(now - this.#lastTime));
    if (age <= UNSIGNED_MS) return undefined;
    return finding(
      this.#open.seq,
      'unsigned',
      `it and those up to ${this.#last.seq} are not signed by their writer, since ${iso(this.#open.time)}`,
    );
  }

  #ended(to: number | undefined): void {
    this.#silent('it ended without saying so', to);
  }

  #silent(why: Silence['why'], to: number | undefined): void {
    const from = iso(this.#lastTime);
    this.silences.push({
      from,
      ...(to !== undefined && { to: iso(to) }),
      seq: this.#last.seq,
      why,
    });
  }

  #unsigned(): string {
    return this.#open ? `; records ${this.#open.seq} to ${this.#last.seq} are not signed` : '';
  }
}

const iso = (time: number): string => new Date(time).toISOString();
const finding = (seq: number, problem: Problem, detail: string): Finding => ({
  seq,
  problem,
  detail,
});
