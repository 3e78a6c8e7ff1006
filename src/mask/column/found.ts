import type { Mask } from '../../policy/verdict.ts';
import { maskDetectedBytes } from '../detect.ts';
import { fromBinary } from './binary.ts';
import type { CellMask } from './cell.ts';
import type { Form } from './types.ts';

export type Detect = Extract<Mask, { kind: 'detect' }>;

export const kindsOf = (mask: Detect): ReadonlySet<string> | undefined =>
  mask.kinds && new Set(mask.kinds);

/** A text with what is found in it replaced. */
export function foundReplaced(mask: Detect): CellMask {
  const kinds = kindsOf(mask);
  return (cell, start, end, out) => {
    const found = maskDetectedBytes(cell.subarray(start, end), kinds);
    if (found) out.append(found);
    else out.append(cell, start, end);
    return true;
  };
}

/**
 * What cannot be changed and stay valid is shown when nothing is found in its text, else it is NULL. The binary form of
 * a type that is not known is searched as it is: texts inside it are in one piece.
 */
export function unlessFound(mask: Detect, form: Form | undefined, format: 0 | 1): CellMask {
  const kinds = kindsOf(mask);
  return (cell, start, end, out) => {
    const own = cell.subarray(start, end);
    const text = form && format === 1 ? Buffer.from(fromBinary(form, own) ?? '') : own;
    if (maskDetectedBytes(text, kinds)) return false;
    out.append(own);
    return true;
  };
}
