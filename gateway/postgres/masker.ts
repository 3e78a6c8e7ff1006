import { maskCell } from '#src/mask/column.ts';
import type { Mask } from '#src/policy/verdict.ts';
import type { Field } from './codec.ts';
import { ProtocolViolation } from './codec.ts';

const SLAB = 64 * 1024;
const DATA_ROW = 0x44;

/** A piece of bytes that goes out: `buffer[start..end)`. */
export type Piece = { readonly buffer: Buffer; readonly start: number; readonly end: number };

/** `key` is what hash masks are keyed with; `tally` counts masked cells for the operator. */
export type Masking = { readonly key: Buffer; readonly tally: { maskedCells: number } };

/** Rewrites the DataRows of one result, cell by cell. Rows lie one after another in slabs, so that they go out in one write. */
export class Masker {
  readonly #masks: readonly (Mask | undefined)[];
  readonly #fields: readonly Field[];
  readonly #masking: Masking;
  readonly #growth: number;
  #slab = Buffer.allocUnsafe(SLAB);
  #at = 0;

  constructor(masks: readonly (Mask | undefined)[], fields: readonly Field[], masking: Masking) {
    this.#masks = masks;
    this.#fields = fields;
    this.#masking = masking;
    this.#growth = masks.filter((mask) => mask !== undefined).length * GROWTH;
  }

  /** The masked form of `buffer[start..end)`, a whole DataRow. Throws when the row is not what was described. */
  row(buffer: Buffer, start: number, end: number): Piece {
    const count = buffer.readUInt16BE(start + 5);
    if (count !== this.#masks.length)
      throw new ProtocolViolation('a row has other columns than were described', '08P01', true);
    // A mask may lengthen a cell, but never beyond what maskCell promises: see GROWTH.
    this.#reserve(end - start + this.#growth);
    const begin = this.#at;
    let at = start + 7;
    let copied = start;
    for (let i = 0; i < count; i += 1) {
      const length = buffer.readInt32BE(at);
      const next = at + 4 + Math.max(0, length);
      if (length < -1 || next > end)
        throw new ProtocolViolation('a row is longer than its message', '08P01', true);
      const mask = this.#masks[i];
      if (mask && length >= 0) {
        this.#copy(buffer, copied, at);
        this.#cell(mask, buffer.subarray(at + 4, next), i);
        copied = next;
      }
      at = next;
    }
    if (at !== end) throw new ProtocolViolation('a row is shorter than its message', '08P01', true);
    this.#copy(buffer, copied, end);
    this.#slab[begin] = DATA_ROW;
    this.#slab.writeInt32BE(this.#at - begin - 1, begin + 1);
    return { buffer: this.#slab, start: begin, end: this.#at };
  }

  #cell(mask: Mask, cell: Buffer, column: number): void {
    this.#masking.tally.maskedCells += 1;
    const field = this.#fields[column];
    const masked = field
      ? maskCell(mask, cell, field.typeOid, field.format === 1 ? 1 : 0, this.#masking.key)
      : null;
    if (!masked) {
      this.#slab.writeInt32BE(-1, this.#at);
      this.#at += 4;
      return;
    }
    this.#ensure(masked.length + 4);
    this.#slab.writeInt32BE(masked.length, this.#at);
    masked.copy(this.#slab, this.#at + 4);
    this.#at += 4 + masked.length;
  }

  #copy(buffer: Buffer, start: number, end: number): void {
    this.#at += buffer.copy(this.#slab, this.#at, start, end);
  }

  /** Slabs are never reused: what was handed out may still wait in the socket. */
  #reserve(bytes: number): void {
    if (this.#slab.length - this.#at >= bytes) return;
    this.#slab = Buffer.allocUnsafe(Math.max(SLAB, bytes));
    this.#at = 0;
  }

  #ensure(bytes: number): void {
    if (bytes > this.#slab.length - this.#at)
      throw new ProtocolViolation('a masked value is longer than a mask may be', 'XX000', true);
  }
}

/** Bytes that a mask may add to a cell; longer fixed texts are refused when rules load. */
const GROWTH = 512;
