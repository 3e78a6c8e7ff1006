import type { Slab } from '../slab.ts';
import type { CellMask } from './cell.ts';

const SLOTS = 4096;
const LONGEST = 40;
/** The length in a slot that holds nothing. */
const NONE = -1;
/** Misses, less four for each hit, after which keeping costs more than it saves. */
const PATIENCE = 2 * SLOTS;
/** So many cells are masked before anything is kept: small results need no memory. */
const EARLY = 256;

/**
 * A mask that takes time, with what it made of values that came lately: values of a column often come again. Found by
 * their bytes, without a string for each. What became NULL is not kept.
 */
export function remembered(mask: CellMask): CellMask {
  let memo: Memo | undefined;
  let early = EARLY;
  return (cell, start, end, out) => {
    if (early > 0) early -= 1;
    else if (end - start <= LONGEST && !memo?.gaveUp)
      return (memo ??= new Memo(mask)).cell(cell, start, end, out);
    return mask(cell, start, end, out);
  };
}

class Memo {
  readonly #mask: CellMask;
  #values = Buffer.alloc(SLOTS * LONGEST);
  #made = Buffer.alloc(SLOTS * LONGEST);
  /** Of the value and of what was made of it, in turn. */
  readonly #lengths = new Int8Array(2 * SLOTS).fill(NONE);

  #patience = PATIENCE;

  constructor(mask: CellMask) {
    this.#mask = mask;
  }

  /** Hardly any value came again, and nothing is kept any more. */
  get gaveUp(): boolean {
    return this.#patience <= 0;
  }

  readonly cell: CellMask = (cell, start, end, out) => {
    const slot = this.#slotFor(cell, start, end);
    if (this.#holds(slot, cell, start, end)) {
      const from = slot * LONGEST;
      this.#patience = Math.min(PATIENCE, this.#patience + 4);
      out.append(this.#made, from, from + (this.#lengths[2 * slot + 1] ?? 0));
      return true;
    }
    this.#missed();
    const before = out.at - out.start;
    const shown = this.#mask(cell, start, end, out);
    if (shown && !this.gaveUp && this.#keepMade(slot, out, before))
      this.#keepValue(slot, cell, start, end);
    return shown;
  };

  /** Where the value is kept, or could be. */
  #slotFor(cell: Buffer, start: number, end: number): number {
    const home = slotOf(cell, start, end);
    return this.#lengths[2 * home] === NONE || this.#holds(home, cell, start, end)
      ? home
      : home ^ 1;
  }

  /** What `out` got from `before` on, an offset in its item; false when it is too long. */
  #keepMade(slot: number, out: Slab, before: number): boolean {
    const from = slot * LONGEST;
    const begin = out.start + before;
    const made = out.at - begin;
    if (made > LONGEST) return false;
    for (let i = 0; i < made; i += 1) this.#made[from + i] = out.buffer[begin + i] ?? 0;
    this.#lengths[2 * slot + 1] = made;
    return true;
  }

  #keepValue(slot: number, cell: Buffer, start: number, end: number): void {
    const from = slot * LONGEST;
    for (let i = start; i < end; i += 1) this.#values[from + i - start] = cell[i] ?? 0;
    this.#lengths[2 * slot] = end - start;
  }

  #missed(): void {
    this.#patience -= 1;
    if (this.#patience > 0) return;
    this.#values = none;
    this.#made = none;
  }

  #holds(slot: number, cell: Buffer, start: number, end: number): boolean {
    if (this.#lengths[2 * slot] !== end - start) return false;
    const from = slot * LONGEST;
    for (let i = start; i < end; i += 1)
      if (this.#values[from + i - start] !== cell[i]) return false;
    return true;
  }
}

const none = Buffer.alloc(0);

/** FNV-1a. A value is kept there or beside it; who makes values meet in one slot only makes them slower. */
function slotOf(cell: Buffer, start: number, end: number): number {
  let sum = 0x811c9dc5;
  for (let i = start; i < end; i += 1) sum = Math.imul(sum ^ (cell[i] ?? 0), 0x01000193);
  return (sum ^ (sum >>> 15)) & (SLOTS - 1);
}
