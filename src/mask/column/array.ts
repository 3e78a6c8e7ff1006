import { int32, setInt32, Slab } from '../slab.ts';
import type { CellMask } from './cell.ts';

const HAS_NULL = 1;
const MOST_DIMENSIONS = 6;

/** Element by element; the form of the array stays. What is no array of this shape becomes NULL. */
export function arrayMask(element: CellMask, format: 0 | 1): CellMask {
  if (format === 1)
    return (cell, start, end, out) => {
      const before = out.at - out.start;
      const made = binary(element, cell.subarray(start, end), out);
      if (!made) out.cut(before);
      return made;
    };
  const scratch = new Slab();
  return (cell, start, end, out) => {
    const made = textual(element, cell.toString('utf8', start, end), scratch);
    if (made !== undefined) out.text(made);
    return made !== undefined;
  };
}

/** array_send: dimensions, flags, element type; for each dimension its length and first index; then the elements. */
function binary(element: CellMask, cell: Buffer, out: Slab): boolean {
  const header = cell.length < 12 ? 0 : 12 + 8 * cell.readUInt32BE(0);
  if (header === 0 || header > 12 + 8 * MOST_DIMENSIONS || cell.length < header) return false;
  const flags = out.at - out.start + 4;
  out.append(cell, 0, header);
  let nulls = false;
  let at = header;
  while (at < cell.length) {
    const end = sizedEnd(cell, at, cell.length);
    if (end === undefined) return false;
    const mask = cell.readInt32BE(at) < 0 ? undefined : element;
    if (!appendSized(mask, cell, at + 4, end, out)) nulls = true;
    at = end;
  }
  out.buffer.writeInt32BE(nulls ? HAS_NULL : 0, out.start + flags);
  return true;
}

/** Where a value with its length before it ends; undefined when that is beyond `limit`. */
export function sizedEnd(cell: Buffer, at: number, limit: number): number | undefined {
  if (at + 4 > limit) return undefined;
  const length = int32(cell, at);
  const end = at + 4 + Math.max(0, length);
  return length < -1 || end > limit ? undefined : end;
}

/** Appends a value with its length before it; false when it became NULL. Without a mask it is NULL. */
export function appendSized(
  mask: CellMask | undefined,
  cell: Buffer,
  start: number,
  end: number,
  out: Slab,
): boolean {
  out.reserve(4);
  const place = out.at - out.start;
  out.at += 4;
  const shown = mask?.(cell, start, end, out) === true;
  const length = shown ? out.at - out.start - place - 4 : -1;
  setInt32(out.buffer, out.start + place, length);
  return shown;
}

/** array_out: braces, commas; an element in quotes has its quotes and backslashes escaped; NULL without quotes is NULL. */
const token = /[{},]|"(?:[^"\\]|\\[^])*"|[^{},"\\]+/y;

function textual(element: CellMask, text: string, scratch: Slab): string | undefined {
  let made = /^(?:\[-?\d+:-?\d+\])+=/.exec(text)?.[0] ?? '';
  let at = made.length;
  while (at < text.length) {
    token.lastIndex = at;
    const found = token.exec(text)?.[0];
    if (found === undefined) return undefined;
    made += /^[{},]/.test(found) ? found : printed(masked(element, found, scratch));
    at += found.length;
  }
  return made.endsWith('}') ? made : undefined;
}

function masked(element: CellMask, found: string, scratch: Slab): string | undefined {
  if (found === 'NULL') return undefined;
  const value = found.startsWith('"') ? found.slice(1, -1).replace(/\\([^])/g, '$1') : found;
  const cell = Buffer.from(value);
  scratch.begin();
  return element(cell, 0, cell.length, scratch) ? scratch.item().toString() : undefined;
}

function printed(value: string | undefined): string {
  if (value === undefined) return 'NULL';
  const bare = value !== '' && !/[{}",\\\s]/.test(value) && value.toUpperCase() !== 'NULL';
  return bare ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}
