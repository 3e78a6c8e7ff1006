import { appendSized, sizedEnd } from '#src/mask/column/array.ts';
import type { CellMask } from '#src/mask/column.ts';
import { Slab } from '#src/mask/slab.ts';
import type { CopyFormat } from '#src/statement/sql/copy-format.ts';
import { ProtocolViolation } from './codec.ts';
import { cellMasks, type CellMasks, type Masking, type Piece } from './masker.ts';
import { isFollowed, type ResultPlan } from './plan.ts';

type Written = Exclude<CopyFormat, { kind: 'binary' }>;
/** A CopyData message: one row, or what stands before or behind the rows. */
export type CopyPiece = { readonly counts: boolean; readonly piece: Piece };

const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
/** Signature, flags, length of the header's extension. */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const HEADER = SIGNATURE.length + 8;
const TRAILER = -1;
const COPY_DATA = 0x64;
/** Type and length of a message. */
const MESSAGE = 5;

/**
 * The rows of COPY … TO STDOUT, as they come in any pieces, each with its masked columns rewritten. Sources: the page
 * of COPY, and CopyToState in src/backend/commands/copyto.c.
 */
export class CopyRows {
  readonly #format: CopyFormat;
  readonly #cells: CellMasks;
  readonly #masking: Masking;
  readonly #slab = new Slab();
  readonly #value = new Slab();
  #rest: Buffer = Buffer.alloc(0);
  #header: boolean;

  constructor(format: CopyFormat, cells: CellMasks, masking: Masking) {
    this.#format = format;
    this.#cells = cells;
    this.#masking = masking;
    this.#header = format.kind === 'binary' || format.header;
  }

  /** The whole rows that `data` completes. */
  *push(data: Buffer): Generator<CopyPiece> {
    const buffer = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    let at = 0;
    for (;;) {
      const end = this.#end(buffer, at);
      if (end === undefined || end > buffer.length) break;
      yield this.#piece(buffer.subarray(at, end));
      at = end;
    }
    this.#rest = at === buffer.length ? none : Buffer.from(buffer.subarray(at));
  }

  /** Throws when the data ended inside a row. */
  end(): void {
    if (this.#rest.length > 0) throw broken('ends inside a row');
  }

  /** Where the row (or the header) that begins at `at` ends; undefined when that is not known yet. */
  #end(buffer: Buffer, at: number): number | undefined {
    const format = this.#format;
    if (at >= buffer.length) return undefined;
    if (format.kind === 'text') return after(buffer.indexOf(NEWLINE, at));
    if (format.kind === 'csv') return csvEnd(buffer, at, format);
    if (!this.#header) return tupleEnd(buffer, at);
    return buffer.length < at + HEADER
      ? undefined
      : at + HEADER + buffer.readUInt32BE(at + HEADER - 4);
  }

  #piece(row: Buffer): CopyPiece {
    const slab = this.#slab;
    slab.begin();
    slab.reserve(MESSAGE + row.length);
    slab.at += MESSAGE;
    const counts = this.#write(row);
    slab.buffer[slab.start] = COPY_DATA;
    slab.buffer.writeInt32BE(slab.at - slab.start - 1, slab.start + 1);
    return { counts, piece: { buffer: slab.buffer, start: slab.start, end: slab.at } };
  }

  /** True when it was a row. */
  #write(row: Buffer): boolean {
    const format = this.#format;
    const header = this.#header;
    this.#header = false;
    if (header && format.kind === 'binary' && !row.subarray(0, SIGNATURE.length).equals(SIGNATURE))
      throw broken('begins with another signature');
    if (header || (format.kind === 'binary' && row.readInt16BE(0) === TRAILER)) {
      this.#slab.append(row);
      return false;
    }
    if (format.kind === 'binary') this.#tuple(row);
    else this.#written(row, format);
    return true;
  }

  #tuple(row: Buffer): void {
    if (row.readInt16BE(0) !== this.#cells.length) throw broken('has a row of other columns');
    const slab = this.#slab;
    slab.append(row, 0, 2);
    let at = 2;
    for (const mask of this.#cells) {
      const end = sizedEnd(row, at, row.length);
      if (end === undefined) throw broken('has a row of other columns');
      if (mask === undefined || row.readInt32BE(at) < 0) slab.append(row, at, end);
      else {
        this.#masking.tally.maskedCells += 1;
        appendSized(mask ?? undefined, row, at + 4, end, slab);
      }
      at = end;
    }
    if (at !== row.length) throw broken('has a row of other columns');
  }

  #written(row: Buffer, format: Written): void {
    const fields = [...(format.kind === 'csv' ? csvFields(row, format) : textFields(row, format))];
    if (fields.length !== Math.max(1, this.#cells.length))
      throw broken('has a row of other columns');
    const slab = this.#slab;
    for (const [i, field] of fields.entries()) {
      if (i > 0) slab.text(format.delimiter);
      const mask = this.#cells[i];
      if (mask === undefined || field.value === undefined) slab.append(row, field.start, field.end);
      else {
        this.#masking.tally.maskedCells += 1;
        const value = this.#masked(mask, field.value);
        slab.text(value === undefined ? format.null : escaped(value, field.quoted, format));
      }
    }
    slab.text('\n');
  }

  #masked(mask: CellMask | null, value: Buffer): string | undefined {
    this.#value.begin();
    const shown = mask?.(value, 0, value.length, this.#value) === true;
    return shown ? this.#value.item().toString() : undefined;
  }
}

/** Undefined where the data goes out as it comes. */
export function copyRows(plan: ResultPlan, masking: Masking): CopyRows | undefined {
  const { copied, ownType } = plan.part;
  if (!isFollowed(plan) || !copied) return undefined;
  const { format, types } = copied;
  const binary = format.kind === 'binary' ? 1 : 0;
  const fields = types.map((typeOid) => ({ typeOid, typeModifier: -1, format: binary }));
  const masks = plan.masks ?? types.map(() => undefined);
  return new CopyRows(format, cellMasks(masks, fields, masking.key, ownType), masking);
}

const none: Buffer = Buffer.alloc(0);
const after = (at: number): number | undefined => (at < 0 ? undefined : at + 1);
const broken = (what: string): ProtocolViolation =>
  new ProtocolViolation(`the data of a COPY ${what}`, '08P01', true);

/** A field of a row: where it stands there, and its value (undefined for NULL). */
type CopyField = {
  readonly start: number;
  readonly end: number;
  readonly quoted: boolean;
  readonly value: Buffer | undefined;
};

/** In text, delimiters and newlines inside values stand behind a backslash, or as letters behind one. */
function* textFields(row: Buffer, format: Written): Generator<CopyField> {
  const delimiter = format.delimiter.charCodeAt(0);
  const nothing = Buffer.from(format.null);
  let start = 0;
  for (let at = 0; at < row.length; at += 1) {
    const byte = row[at];
    if (byte === BACKSLASH) at += 1;
    else if (byte === delimiter || at === row.length - 1) {
      const raw = row.subarray(start, at);
      const value = raw.equals(nothing) ? undefined : unescaped(raw);
      yield { start, end: at, quoted: false, value };
      start = at + 1;
    }
  }
}

const letters: ReadonlyMap<string, string> = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

function unescaped(raw: Buffer): Buffer {
  if (!raw.includes(BACKSLASH)) return raw;
  const text = raw.toString().replace(/\\([^])/g, (_, one: string) => letters.get(one) ?? one);
  return Buffer.from(text);
}

function csvEnd(buffer: Buffer, start: number, format: Written): number | undefined {
  let at = start;
  for (;;) {
    const field = csvField(buffer, at, format);
    if (!field) return undefined;
    if (buffer[field.end] === NEWLINE) return field.end + 1;
    at = field.end + 1;
  }
}

function* csvFields(row: Buffer, format: Written): Generator<CopyField> {
  for (let at = 0; at < row.length;) {
    const field = csvField(row, at, format);
    if (!field) throw broken('has a row of other columns');
    yield field;
    at = field.end + 1;
  }
}

/** The field at `start`, with its end known: a delimiter or a newline stands there. */
function csvField(buffer: Buffer, start: number, format: Written): CopyField | undefined {
  const delimiter = format.delimiter.charCodeAt(0);
  const quote = format.quote.charCodeAt(0);
  if (buffer[start] === quote) return quotedField(buffer, start, format);
  for (let at = start; at < buffer.length; at += 1) {
    const byte = buffer[at];
    if (byte !== delimiter && byte !== NEWLINE) continue;
    const raw = buffer.subarray(start, at);
    const isNull = raw.equals(Buffer.from(format.null));
    return { start, end: at, quoted: false, value: isNull ? undefined : raw };
  }
  return undefined;
}

function quotedField(buffer: Buffer, start: number, format: Written): CopyField | undefined {
  const quote = format.quote.charCodeAt(0);
  const escape = format.escape.charCodeAt(0);
  const value: number[] = [];
  for (let at = start + 1; at + 1 < buffer.length; at += 1) {
    const [byte = 0, next] = [buffer[at], buffer[at + 1]];
    if (byte === escape && (next === quote || next === escape)) {
      value.push(next);
      at += 1;
    } else if (byte === quote)
      return { start, end: at + 1, quoted: true, value: Buffer.from(value) };
    else value.push(byte);
  }
  return undefined;
}

/** Where the tuple that begins at `at` ends; undefined when more is needed. */
function tupleEnd(buffer: Buffer, at: number): number | undefined {
  if (at + 2 > buffer.length) return undefined;
  let end = at + 2;
  for (let left = buffer.readInt16BE(at); left > 0; left -= 1) {
    if (end + 4 > buffer.length) return undefined;
    const length = buffer.readInt32BE(end);
    if (length < -1) throw broken('has a row of other columns');
    end += 4 + Math.max(0, length);
  }
  return end;
}

function escaped(value: string, quoted: boolean, format: Written): string {
  if (format.kind === 'text') {
    const behind = value.replace(/[\\\b\f\n\r\t\v]/g, (one) => `\\${names.get(one) ?? one}`);
    const { delimiter } = format;
    return delimiter === '\t' ? behind : behind.replaceAll(delimiter, `\\${delimiter}`);
  }
  const special = [format.delimiter, format.quote, '\n', '\r'].some((one) => value.includes(one));
  if (!quoted && !special && value !== format.null && value !== '\\.') return value;
  const { quote, escape } = format;
  const doubled = value.replaceAll(escape, escape + escape);
  const inside = quote === escape ? doubled : doubled.replaceAll(quote, escape + quote);
  return `${quote}${inside}${quote}`;
}
const names = new Map([...letters].map(([letter, one]) => [one, letter]));
