import type { RecordVerdict } from '#src/audit/log.ts';

/**
 * Recordings of sessions: what a client sent and what it got, masked, in sealed chunks. Kept in the tables
 * `recording` (one row a session, with the key of its chunks) and `recording_chunk` (the sealed bytes, unless a folder
 * holds them). Destroying the key erases the recording; `Recordings.erase` does that and removes the chunks.
 */
export type RecordedSession = {
  readonly id: string;
  readonly person: string;
  readonly agent?: string;
  readonly target: string;
  readonly database?: string;
  /** `postgres` is recorded as events of SQL, everything else as a terminal. */
  readonly protocol: string;
  readonly startedAt: Date;
};

/** How much of one statement's result is recorded as it is; the rest is counted and digested. */
export type RecordingLimit = { readonly rows: number; readonly bytes: number };

/** A cell as the client's text format has it, `\x…` for bytes that have no simple text; null for NULL. */
export type Cell = string | null;

type At = {
  /** Milliseconds since the session began. */
  readonly t: number;
};
/** `s` is the id of the statement that the answer belongs to, absent when it belongs to none. */
type Of = At & { readonly s?: string };

export type Said = {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
};

/** One line of a recording (NDJSON). All text is masked. */
export type SqlEvent =
  /** Comes again with the same id when what was held is approved. */
  | (At & {
      readonly k: 'statement';
      readonly id: string;
      readonly text: string;
      readonly verdict: RecordVerdict;
    })
  | (Of & { readonly k: 'columns'; readonly names: readonly string[] })
  | (Of & { readonly k: 'row'; readonly cells: readonly Cell[] })
  /**
   * What was not recorded as it is. `digest` is hex of nonce (12 bytes) and tag (16 bytes) of AES-256-GMAC over the
   * messages that carried it, under a key that is erased with the recording.
   */
  | (Of & {
      readonly k: 'rest';
      /** Absent where rows could not be told apart. */
      readonly rows?: number;
      readonly bytes: number;
      readonly digest?: string;
    })
  /** COPY FROM STDIN: what the client sent, of which only this is kept; the digest as in `rest`. */
  | (Of & { readonly k: 'sent'; readonly bytes: number; readonly digest: string })
  | (Of & Said & { readonly k: 'error' })
  | (Of & Said & { readonly k: 'notice' })
  /** The end of one result; a string of several statements has several. */
  | (Of & {
      readonly k: 'end';
      readonly tag?: string;
      readonly rows: number;
      readonly ms: number;
    });

/** `output` and `input` are text of the terminal; bytes that are no UTF-8 are U+FFFD. */
export type TerminalEvent =
  | (At & { readonly k: 'output' | 'input'; readonly data: string })
  | (At & { readonly k: 'resize'; readonly cols: number; readonly rows: number })
  | (At & { readonly k: 'marker'; readonly label: string })
  | (At & { readonly k: 'exit'; readonly status: number });

/**
 * Something is missing here. `dropped`: events that could not be kept (`count` of them); `missing`, `changed`: a chunk is
 * not what its record says (`chunk`); `erased`: the key is gone; `locked`: the key cannot be used here, because another gateway has sealed it
 * and this one lacks a copy of its `identity.key`; `lost`: the process died, so its last chunk was never sealed.
 */
export type GapEvent = At & {
  readonly k: 'gap';
  readonly reason: 'dropped' | 'missing' | 'changed' | 'erased' | 'locked' | 'lost';
  readonly chunk?: number;
  readonly count?: number;
};

export type RecordingEvent = SqlEvent | TerminalEvent | GapEvent;

/** A keyed digest: without the key, which never leaves the gateway, nobody can guess what it stands for. */
export interface Digest {
  update(bytes: Uint8Array): void;
  /** Hex; call it once. */
  done(): string;
}

/** What was said of a statement's end. */
export type StatementEnd = {
  readonly tag?: string;
  readonly rows: number;
  readonly durationMs: number;
};

/** One session as it goes by. Every method only buffers: it never throws and never waits. */
export interface SessionRecording {
  statement(statement: {
    readonly id: string;
    readonly text: string;
    readonly verdict: RecordVerdict;
  }): void;
  columns(statement: string | undefined, names: readonly string[]): void;
  row(statement: string | undefined, cells: readonly Cell[]): void;
  rest(
    statement: string | undefined,
    rest: { readonly rows?: number; readonly bytes: number; readonly digest?: string },
  ): void;
  /** Begins a digest of what is not recorded itself. */
  digest(): Digest;
  sent(
    statement: string | undefined,
    sent: { readonly bytes: number; readonly digest: string },
  ): void;
  error(statement: string | undefined, said: Said): void;
  notice(statement: string | undefined, said: Said): void;
  end(statement: string | undefined, end: StatementEnd): void;
  /** Terminals. A character may be cut by the border between two calls. */
  output(bytes: Uint8Array): void;
  input(bytes: Uint8Array): void;
  resize(cols: number, rows: number): void;
  marker(label: string): void;
  exit(status: number): void;
  /** Seals what is left; resolves when it is stored or given up. */
  close(): Promise<void>;
}

/** What is known of a recording without opening it. */
export type RecordingInfo = RecordedSession & {
  readonly endedAt?: Date;
  /** `open`: it goes on, here or in another gateway; `lost`: its process died. */
  readonly state: 'open' | 'closed' | 'lost' | 'erased';
  readonly chunks: number;
  readonly events: number;
  /** Of the sealed chunks. */
  readonly bytes: number;
};

export interface Recordings {
  open(session: RecordedSession): SessionRecording;
  /** Undefined when the session was never recorded. */
  info(session: string): Promise<RecordingInfo | undefined>;
  /** All events in order; each chunk is checked against its record, and a gap is said where it does not fit. */
  readRecording(session: string): AsyncIterable<RecordingEvent>;
  /** The same for one chunk (from 0), as the projection for searching takes it. */
  readChunk(session: string, chunk: number): Promise<readonly RecordingEvent[]>;
  /** `readRecording`, and then what comes until the session ends or the signal aborts. */
  follow(session: string, signal: AbortSignal): AsyncIterable<RecordingEvent>;
  /** Seals what is left of open sessions; 3 s at most. */
  close(): Promise<void>;
  /** Destroys key and chunks. What reads it from then on gets a gap; records of its chunks stay. */
  erase(session: string): Promise<void>;
}

/** Sealed bytes of chunks, wherever they are kept. */
export interface ChunkStore {
  /** Resolves once it is durable. The same chunk may be put again. */
  put(session: string, chunk: number, sealed: Buffer): Promise<void>;
  get(session: string, chunk: number): Promise<Buffer | undefined>;
  /** Numbers of the chunks that are there, ascending. */
  list(session: string): Promise<readonly number[]>;
  remove(session: string): Promise<void>;
}
