import { isUtf8 } from 'node:buffer';
import { HIDDEN } from '#src/recording/clean.ts';
import type { Cell, Digest, RecordingLimit, SessionRecording } from '#src/recording/port.ts';
import { cellText } from './cell-text.ts';
import type { Field } from './codec.ts';

/** What of a result may be recorded. */
export type Recorded = {
  readonly limit: RecordingLimit;
  /** Columns whose values some rule hides from somebody, and that this client got: nobody may read them here. */
  readonly hidden: readonly boolean[] | 'all' | undefined;
  /** Where nobody has described the result. */
  readonly names?: readonly string[] | undefined;
};

type Rest = { bytes: number; rows: number; readonly digest: Digest | undefined };

const HEADER = 5;
const COPY_DATA = 0x64;
const NULL = 0xff_ff_ff_ff;

/**
 * What one statement gives its client, message by message as it goes out: recorded up to the limit, then counted and
 * digested. Messages may come in any pieces, since large results pass without being looked at.
 */
export class Tape {
  readonly #recording: SessionRecording;
  readonly #statement: string;
  #recorded: Recorded = { limit: { rows: 0, bytes: 0 }, hidden: 'all' };
  #fields: readonly Field[] | undefined;
  #named = false;
  #open = false;
  /** Over the life of the statement, whatever its results and pieces. */
  #rows = 0;
  #bytes = 0;
  #over = false;
  #rest: Rest | undefined;
  /** A message that goes on in the next piece, and how many of its bytes are there. */
  #begun: Buffer | undefined;
  #have = 0;

  constructor(recording: SessionRecording, statement: string) {
    this.#recording = recording;
    this.#statement = statement;
  }

  /** A result begins, or goes on where a portal was suspended. */
  begin(recorded: Recorded, fields: readonly Field[] | undefined): void {
    if (this.#open) return;
    this.#open = true;
    this.#named = false;
    this.#recorded = recorded;
    this.#fields = fields;
    this.#over = recorded.hidden === 'all' || this.#rows >= recorded.limit.rows;
  }

  described(fields: readonly Field[]): void {
    this.#fields = fields;
    this.#name();
  }

  /** Bytes of DataRow or CopyData messages; `begun` headers are among them, where that is known. */
  push(buffer: Buffer, start: number, end: number, begun?: number): void {
    let at = this.#begun ? this.#goOn(this.#begun, buffer, start, end) : start;
    let seen = 0;
    while (at < end && !this.#over) {
      const next = at + 1 + buffer.readInt32BE(at + 1);
      if (this.#bytes + next - at > this.#recorded.limit.bytes) this.#over = true;
      else if (next > end) at = this.#keep(buffer, at, end, next - at);
      else if (this.#message(buffer, at, next)) at = next;
      if (!this.#over) seen += 1;
    }
    if (at < end) this.#count(buffer, at, end, begun === undefined ? undefined : begun - seen);
  }

  /** The result is complete. */
  completed(end: { readonly tag: string; readonly rows: number; readonly ms: number }): void {
    this.#name();
    this.cut();
    this.#recording.end(this.#statement, {
      tag: end.tag,
      rows: end.rows,
      durationMs: end.ms,
    });
  }

  /** Nothing more of this result will come. */
  cut(): void {
    const rest = this.#rest;
    this.#rest = undefined;
    this.#begun = undefined;
    this.#open = false;
    if (!rest) return;
    const { rows, bytes, digest } = rest;
    this.#recording.rest(this.#statement, {
      rows,
      bytes,
      ...(digest && { digest: digest.done() }),
    });
  }

  #goOn(message: Buffer, buffer: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + message.length - this.#have);
    buffer.copy(message, this.#have, start, stop);
    this.#have += stop - start;
    if (this.#have < message.length) return stop;
    this.#begun = undefined;
    if (!this.#message(message, 0, message.length)) this.#count(message, 0, message.length, 1);
    return stop;
  }

  #keep(buffer: Buffer, at: number, end: number, length: number): number {
    this.#begun = Buffer.alloc(length);
    this.#have = buffer.copy(this.#begun, 0, at, end);
    return end;
  }

  /** False when it is one too many, or cannot be shown. */
  #message(buffer: Buffer, start: number, end: number): boolean {
    const { limit } = this.#recorded;
    const cells = this.#cells(buffer, start, end);
    if (!cells || this.#rows >= limit.rows) {
      this.#over = true;
      return false;
    }
    this.#name();
    this.#rows += 1;
    this.#bytes += end - start;
    this.#recording.row(this.#statement, cells);
    return true;
  }

  #cells(buffer: Buffer, start: number, end: number): Cell[] | undefined {
    if (buffer[start] === COPY_DATA) return copied(buffer.subarray(start + HEADER, end));
    const cells: Cell[] = [];
    const { hidden } = this.#recorded;
    let at = start + HEADER + 2;
    for (let i = 0; at + 4 <= end; i += 1) {
      const length = buffer.readUInt32BE(at);
      at += 4;
      if (length === NULL) cells.push(null);
      else {
        const next = at + length;
        const shown = !(hidden && hidden[i] === true);
        cells.push(shown ? cellText(buffer.subarray(at, next), this.#fields?.[i]) : HIDDEN);
        at = next;
      }
    }
    return cells;
  }

  #count(buffer: Buffer, start: number, end: number, begun: number | undefined): void {
    const { limit } = this.#recorded;
    // Where a rule says that nothing is to be recorded, not even a digest is.
    const nothing = limit.rows === 0 && limit.bytes === 0;
    this.#rest ??= {
      bytes: 0,
      rows: 0,
      digest: nothing ? undefined : this.#recording.digest(),
    };
    this.#rest.bytes += end - start;
    this.#rest.rows += begun ?? messages(buffer, start, end);
    this.#rest.digest?.update(buffer.subarray(start, end));
  }

  #name(): void {
    if (this.#named) return;
    this.#named = true;
    const names = this.#fields?.map(({ name }) => name) ?? this.#recorded.names;
    if (names && names.length > 0) this.#recording.columns(this.#statement, names);
  }
}

function messages(buffer: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = start; at + HEADER <= end; at += 1 + buffer.readInt32BE(at + 1)) count += 1;
  return count;
}

/** A line of COPY: its columns by tabs, as COPY's text format has them; undefined for what is no text. */
function copied(line: Buffer): Cell[] | undefined {
  if (line.includes(0) || !isUtf8(line)) return undefined;
  return line
    .toString('utf8')
    .replace(/\r?\n$/, '')
    .split('\t')
    .map((cell) => (cell === '\\N' ? null : cell));
}
