import { maskDetected } from '../mask/detect.ts';
import { secretUnder } from '../mask/structure.ts';
import type { Cell, RecordingEvent } from './port.ts';

/** What stands in a recording for a value that some rule hides from somebody. */
export const HIDDEN = '[hidden]';

/**
 * Takes out of texts what detectors find, before they are kept or shown: a client may have got what others must not
 * read. A column whose name says that it holds a secret is hidden as a whole.
 */
export class Cleaner {
  #secret: readonly (string | undefined)[] = [];

  /** The names of the columns are remembered for the rows behind them. */
  clean(event: RecordingEvent): RecordingEvent {
    if (event.k === 'row') {
      const secret = this.#secret;
      return { ...event, cells: event.cells.map((cell, i) => cleanCell(cell, secret[i])) };
    }
    if (event.k === 'columns') {
      this.#secret = event.names.map(secretName);
      return { ...event, names: event.names.map(cleanText) };
    }
    if ('message' in event) return { ...event, ...cleanSaid(event) };
    if ('data' in event) return { ...event, data: cleanText(event.data) };
    if ('label' in event) return { ...event, label: cleanText(event.label) };
    // Statements come masked, as in their records; the rest holds numbers.
    return event;
  }
}

function cleanSaid(said: { message: string; detail?: string; hint?: string }) {
  return {
    message: cleanText(said.message),
    ...(said.detail !== undefined && { detail: cleanText(said.detail) }),
    ...(said.hint !== undefined && { hint: cleanText(said.hint) }),
  };
}

const cleanCell = (cell: Cell, secret: string | undefined): Cell =>
  cell === null ? null : (secret ?? cleanText(cell));

/** Shorter texts hold nothing that a detector knows. */
const SHORTEST = 5;

const cleanText = (text: string): string => (text.length < SHORTEST ? text : maskDetected(text));

/** `[password]` or `[token]`, where a column is called so; undefined where its name says nothing. */
function secretName(name: string): string | undefined {
  const kind = secretUnder(name);
  return kind === undefined ? undefined : `[${kind}]`;
}
