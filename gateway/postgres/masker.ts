import { columnMask, type CellMask, type OwnType } from '#src/mask/column.ts';
import { appendSized, sizedEnd } from '#src/mask/column/array.ts';
import { int32, setInt32, Slab } from '#src/mask/slab.ts';
import type { Mask } from '#src/policy/verdict.ts';
import type { Field } from './codec.ts';
import { ProtocolViolation } from './codec.ts';

const HEADER = 7;

/** A piece of bytes that goes out: `buffer[start..end)`. Who needs them after they have gone out must copy them. */
export type Piece = { readonly buffer: Buffer; readonly start: number; readonly end: number };

/** `key` is what hash masks are keyed with; `tally` counts masked cells for the operator. */
export type Masking = { readonly key: Buffer; readonly tally: { maskedCells: number } };

export type OwnTypes = (oid: number) => OwnType | undefined;

/** What is done to each column: left as it is (undefined), made NULL (null), or masked. */
export type CellMasks = readonly (CellMask | null | undefined)[];

export function cellMasks(
  masks: readonly (Mask | undefined)[],
  fields: readonly (Pick<Field, 'typeOid' | 'typeModifier' | 'format'> | undefined)[],
  key: Buffer,
  own: OwnTypes | undefined,
): CellMasks {
  return masks.map((mask, i) => {
    const field = fields[i];
    if (!mask || !field) return mask && null;
    const type = { oid: field.typeOid, modifier: field.typeModifier, own };
    return columnMask(mask, type, field.format, key) ?? null;
  });
}

/** Rewrites the DataRows of one result, cell by cell. */
export class Masker {
  readonly #cells: CellMasks;
  readonly #masking: Masking;
  readonly #slab = new Slab();

  constructor(cells: CellMasks, masking: Masking) {
    this.#cells = cells;
    this.#masking = masking;
  }

  /** The masked form of the whole DataRows in `buffer[start..end)`, in one piece. Throws when one is not what was described. */
  rows(buffer: Buffer, start: number, end: number): Piece {
    const slab = this.#slab;
    slab.begin();
    // Most masks need no more room than what they hide, and a row that needs more finds it by itself.
    slab.reserve(end - start + ((end - start) >> 2));
    for (let at = start; at < end;) {
      const next = at + 1 + int32(buffer, at + 1);
      this.#row(buffer, at, next);
      at = next;
    }
    return { buffer: slab.buffer, start: slab.start, end: slab.at };
  }

  /** All that was made so far has gone out. */
  gone(): void {
    this.#slab.reuse();
  }

  #row(buffer: Buffer, start: number, end: number): void {
    const cells = this.#cells;
    const slab = this.#slab;
    if (end - start < HEADER || buffer.readUInt16BE(start + 5) !== cells.length)
      throw new ProtocolViolation('a row has other columns than were described', '08P01', true);
    const row = slab.at - slab.start;
    let masked = 0;
    let copied = start;
    let at = start + HEADER;
    for (let i = 0; i < cells.length; i += 1) {
      const next = sizedEnd(buffer, at, end);
      if (next === undefined)
        throw new ProtocolViolation('a row is longer than its message', '08P01', true);
      const mask = cells[i];
      if (mask !== undefined && int32(buffer, at) >= 0) {
        if (at > copied) slab.append(buffer, copied, at);
        appendSized(mask ?? undefined, buffer, at + 4, next, slab);
        masked += 1;
        copied = next;
      }
      at = next;
    }
    if (at !== end) throw new ProtocolViolation('a row is shorter than its message', '08P01', true);
    if (at > copied) slab.append(buffer, copied, end);
    this.#masking.tally.maskedCells += masked;
    setInt32(slab.buffer, slab.start + row + 1, slab.at - slab.start - row - 1);
  }
}
