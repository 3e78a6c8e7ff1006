import type { Slab } from '../slab.ts';

/** Appends the masked form of `cell[start..end)` to `out`; false means NULL, and nothing was appended. */
export type CellMask = (cell: Buffer, start: number, end: number, out: Slab) => boolean;
