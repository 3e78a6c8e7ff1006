import { StringDecoder } from 'node:string_decoder';
import type {
  Cell,
  Digest,
  GapEvent,
  RecordingEvent,
  Said,
  SessionRecording,
  StatementEnd,
} from './port.ts';
import { newDigest } from './seal.ts';

/** What is sealed together: events in order, with about how many characters they have. */
export type Lot = { readonly events: RecordingEvent[]; size: number };

export type LotHooks = {
  /** Seals and stores a lot as this chunk; resolves when it is durable, or rejects when it was given up. In order. */
  seal(lot: Lot, chunk: number): Promise<void>;
  /** The first event is about to be kept. */
  begins(): void;
  /** Nothing more will come; so many chunks were sealed or given up, and so many events are in none of them. */
  ended(chunks: number, dropped: number): Promise<void>;
  onError(error: unknown): void;
  /** How many characters all sessions together may keep in memory still; negative when it is too much. */
  room(taken: number): number;
};

const CHUNK = 1024 * 1024;
const CHUNK_MS = 10_000;
/** What one session may keep in memory while the store does not take it. */
const MOST = 4 * 1024 * 1024;
/** What an event costs beside its texts. */
const EVENT = 64;

/** Hears of each event, and then `undefined` when there are no more. */
export type Listener = (event: RecordingEvent | undefined) => void;

/** Buffers events of one session into lots, each sealed after 10 s or 1 MiB. */
export class Buffered implements SessionRecording {
  readonly #hooks: LotHooks;
  readonly #key: Buffer;
  readonly #began = performance.now();
  readonly #decoders = { output: new StringDecoder('utf8'), input: new StringDecoder('utf8') };
  readonly #listeners = new Set<Listener>();
  /** What is being sealed, in order; the last one is still open. */
  readonly #lots: Lot[] = [];
  #size = 0;
  #dropped = 0;
  /** Events that are in no chunk, over the whole session. */
  #gone = 0;
  #timer: NodeJS.Timeout | undefined;
  #sealing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #any = false;
  /** The lot that is being sealed. */
  #busy: Lot | undefined;
  /** The number of the next chunk. One that was given up keeps its number: a key seals each only once. */
  #chunk = 0;

  constructor(key: Buffer, hooks: LotHooks) {
    this.#key = key;
    this.#hooks = hooks;
  }

  statement({ id, text, verdict }: Parameters<SessionRecording['statement']>[0]): void {
    this.#add({ t: this.#now(), k: 'statement', id, text, verdict }, text.length);
  }
  columns(s: string | undefined, names: readonly string[]): void {
    this.#add({ t: this.#now(), k: 'columns', ...of(s), names }, lengthOf(names));
  }
  row(s: string | undefined, cells: readonly Cell[]): void {
    this.#add({ t: this.#now(), k: 'row', ...of(s), cells }, lengthOf(cells));
  }
  rest(s: string | undefined, rest: Parameters<SessionRecording['rest']>[1]): void {
    this.#add({ t: this.#now(), k: 'rest', ...of(s), ...rest }, 0);
  }
  sent(s: string | undefined, sent: Parameters<SessionRecording['sent']>[1]): void {
    this.#add({ t: this.#now(), k: 'sent', ...of(s), ...sent }, 0);
  }
  error(s: string | undefined, said: Said): void {
    this.#add({ t: this.#now(), k: 'error', ...of(s), ...said }, saidLength(said));
  }
  notice(s: string | undefined, said: Said): void {
    this.#add({ t: this.#now(), k: 'notice', ...of(s), ...said }, saidLength(said));
  }
  end(s: string | undefined, { tag, rows, durationMs }: StatementEnd): void {
    const told = tag === undefined ? {} : { tag };
    this.#add({ t: this.#now(), k: 'end', ...of(s), ...told, rows, ms: durationMs }, 0);
  }
  output(bytes: Uint8Array): void {
    this.#text('output', this.#decoders.output.write(Buffer.from(bytes)));
  }
  input(bytes: Uint8Array): void {
    this.#text('input', this.#decoders.input.write(Buffer.from(bytes)));
  }
  resize(cols: number, rows: number): void {
    this.#add({ t: this.#now(), k: 'resize', cols, rows }, 0);
  }
  marker(label: string): void {
    this.#add({ t: this.#now(), k: 'marker', label }, label.length);
  }
  exit(status: number): void {
    this.#add({ t: this.#now(), k: 'exit', status }, 0);
  }
  digest(): Digest {
    return newDigest(this.#key);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** What is not stored yet (chunks from that one on), and from then on every event at once; and how to stop. */
  listen(listener: Listener): {
    readonly from: number;
    readonly waiting: readonly RecordingEvent[];
    readonly stop: () => void;
  } {
    this.#listeners.add(listener);
    return {
      from: this.#chunk,
      waiting: this.#lots.flatMap(({ events }) => events),
      stop: () => void this.#listeners.delete(listener),
    };
  }

  async #close(): Promise<void> {
    this.#text('output', this.#decoders.output.end());
    this.#text('input', this.#decoders.input.end());
    this.#gap();
    for (const listener of this.#listeners) listener(undefined);
    this.#listeners.clear();
    while (this.#lots.length > 0) {
      this.#seal();
      // oxlint-disable-next-line no-await-in-loop -- in order
      await this.#sealing;
    }
    clearTimeout(this.#timer);
    if (!this.#any) return;
    try {
      await this.#hooks.ended(this.#chunk, this.#gone);
    } catch (error) {
      this.#hooks.onError(error);
    }
  }

  #now(): number {
    return Math.round(performance.now() - this.#began);
  }

  /** A character that was cut comes with its end. */
  #text(k: 'output' | 'input', data: string): void {
    if (data !== '') this.#add({ t: this.#now(), k, data }, data.length);
  }

  #add(event: RecordingEvent, length: number): void {
    if (!this.#any) {
      this.#any = true;
      this.#hooks.begins();
    }
    const size = length + EVENT;
    // Room for the gap itself is always there.
    if (this.#size + size > MOST || this.#hooks.room(0) < size) {
      this.#drop(1);
      return;
    }
    if (this.#dropped > 0) this.#gap();
    this.#keep(event, size);
  }

  #drop(events: number): void {
    this.#dropped += events;
    this.#gone += events;
  }

  #gap(): void {
    if (this.#dropped === 0) return;
    const gap: GapEvent = {
      t: this.#now(),
      k: 'gap',
      reason: 'dropped',
      count: this.#dropped,
    };
    this.#dropped = 0;
    this.#keep(gap, EVENT);
  }

  #keep(event: RecordingEvent, size: number): void {
    const lot = this.#open();
    lot.events.push(event);
    lot.size += size;
    this.#size += size;
    this.#hooks.room(size);
    for (const listener of this.#listeners) listener(event);
    if (lot.size >= CHUNK) this.#seal();
    else this.#timer ??= setTimeout(() => this.#seal(), CHUNK_MS).unref();
  }

  /** The lot that takes events now: never one that is being sealed. */
  #open(): Lot {
    const last = this.#lots.at(-1);
    if (last && last !== this.#busy && last.size < CHUNK) return last;
    const lot = { events: [], size: 0 };
    this.#lots.push(lot);
    return lot;
  }

  /** Seals what there is, one lot after another; what comes meanwhile waits for its own time. */
  #seal(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sealing ??= this.#sealAll().finally(() => {
      this.#sealing = undefined;
    });
  }

  async #sealAll(): Promise<void> {
    const until = this.#lots.at(-1);
    for (let lot = this.#lots[0]; lot; lot = this.#lots[0]) {
      this.#busy = lot;
      try {
        // oxlint-disable-next-line no-await-in-loop -- in order
        await this.#hooks.seal(lot, this.#chunk);
      } catch (error) {
        this.#drop(lot.events.length);
        this.#hooks.onError(error);
      }
      this.#busy = undefined;
      this.#chunk += 1;
      this.#lots.shift();
      this.#size -= lot.size;
      this.#hooks.room(-lot.size);
      const full = (this.#lots[0]?.size ?? 0) >= CHUNK;
      if (lot === until && !full && !this.#closing) return;
    }
  }
}

const of = (s: string | undefined): { s?: string } => (s === undefined ? {} : { s });

function lengthOf(texts: readonly Cell[]): number {
  let length = 0;
  for (const text of texts) length += (text?.length ?? 4) + 3;
  return length;
}

const saidLength = ({ message, detail = '', hint = '' }: Said): number =>
  message.length + detail.length + hint.length;
