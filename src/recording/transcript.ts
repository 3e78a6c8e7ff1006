import type { Cell, GapEvent, RecordingEvent, Said, SqlEvent } from './port.ts';

type Rest = { readonly rows?: number; readonly bytes: number; readonly digest?: string };
type End = { readonly tag?: string; readonly rows: number; readonly ms: number };

/** One result of a statement; a string of several statements has several. */
export type Result = {
  readonly names?: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Recorded rows that are not among `rows`, because more were not asked for. */
  readonly left: number;
  /** What was not recorded as it is. */
  readonly rest?: Rest;
  readonly sent?: { readonly bytes: number; readonly digest: string };
  readonly error?: Said;
  readonly end?: End;
};

/** What came back to one statement. */
export type Answer = { readonly results: readonly Result[]; readonly notices: readonly Said[] };

type Open = { -readonly [name in keyof Result]: Result[name] } & {
  rows: (readonly Cell[])[];
  begun: boolean;
};

/** Builds the answer of one statement from its events, keeping at most `most` rows and `mostCells` characters a result. */
export class AnswerBuilder {
  readonly #most: number;
  readonly #mostText: number;
  readonly #results: Open[] = [];
  readonly #notices: Said[] = [];
  #text = 0;

  constructor(most: number, mostText = 1_048_576) {
    this.#most = most;
    this.#mostText = mostText;
  }

  /** Resolves nothing and keeps order; events of other statements must not come here. */
  take(event: SqlEvent): void {
    switch (event.k) {
      case 'statement':
        return;
      case 'notice':
        if (this.#notices.length < 100) this.#notices.push(event);
        return;
      case 'columns':
        this.#fresh().names = event.names;
        return;
      case 'row':
        this.#row(event.cells);
        return;
      case 'rest':
      case 'sent':
      case 'error':
      case 'end':
        this.#close(event);
    }
  }

  get answer(): Answer {
    return { results: this.#results, notices: this.#notices };
  }

  #row(cells: readonly Cell[]): void {
    const open = this.#current();
    const text = cells.reduce((sum, cell) => sum + (cell?.length ?? 0), 0);
    if (open.rows.length >= this.#most || this.#text + text > this.#mostText) open.left += 1;
    else {
      this.#text += text;
      open.rows.push(cells);
    }
  }

  #close(event: Extract<SqlEvent, { k: 'rest' | 'sent' | 'error' | 'end' }>): void {
    const open = this.#current();
    if (event.k === 'rest') open.rest = event;
    else if (event.k === 'sent') open.sent = event;
    else if (event.k === 'error') open.error = event;
    else open.end = event;
    if (event.k === 'error' || event.k === 'end') open.begun = false;
  }

  /** The result that goes on. */
  #current(): Open {
    const last = this.#results.at(-1);
    return last?.begun ? last : this.#fresh();
  }

  #fresh(): Open {
    const open: Open = { rows: [], left: 0, begun: true };
    this.#results.push(open);
    return open;
  }
}

/** The statement that an event belongs to; undefined for what belongs to none. */
export function statementOf(event: RecordingEvent): string | undefined {
  if (event.k === 'statement') return event.id;
  return 's' in event ? event.s : undefined;
}

export const isSql = (event: RecordingEvent): event is SqlEvent => SQL.has(event.k);
const SQL: ReadonlySet<string> = new Set([
  'statement',
  'columns',
  'row',
  'rest',
  'sent',
  'error',
  'notice',
  'end',
]);

/** Why something is missing in a recording, as people read it. */
export function gapText({ reason, chunk, count }: GapEvent): string {
  const part = chunk === undefined ? 'a part' : `part ${chunk}`;
  const texts: Readonly<Record<GapEvent['reason'], string>> = {
    dropped: `${count === undefined ? 'some events' : `${count} events`} could not be recorded`,
    missing: `${part} of the recording is missing, although its record says that it was there`,
    changed: `${part} of the recording is not what its record says; somebody has changed it`,
    erased: 'the recording has been erased',
    locked: `${part} of the recording cannot be opened here: this gateway lacks the key of the one that sealed it`,
    lost: 'the gateway went away before it could seal the last part of the recording',
  };
  return texts[reason];
}

const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/iu;

/** Which columns hold nothing but numbers, so that they are aligned to the right. */
export function numericColumns(rows: readonly (readonly Cell[])[], count: number): boolean[] {
  return Array.from({ length: count }, (_, i) => {
    const cells = rows.map((row) => row[i] ?? null).filter((cell) => cell !== null);
    return cells.length > 0 && cells.every((cell) => NUMBER.test(cell));
  });
}
