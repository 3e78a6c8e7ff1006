import type { Mask } from '../policy/verdict.ts';
import { arrayMask } from './column/array.ts';
import type { CellMask } from './column/cell.ts';
import { unlessFound } from './column/found.ts';
import { scalarMask } from './column/scalar.ts';
import { fixedText } from './column/text.ts';
import { type CellType, type Shape, shapeOf } from './column/types.ts';

export type { CellMask } from './column/cell.ts';
export type { CellType, OwnType } from './column/types.ts';

/** The shortest key that hash masks take, in bytes: a shorter one could be searched, and then every value with it. */
const KEY_BYTES = 32;

/**
 * What a mask does to the cells of one column: `format` is 0 for text and 1 for binary, `key` what hash masks are keyed
 * with. A masked cell is a valid value of the column's type in that format, or NULL where no such value is safe;
 * undefined: every cell becomes NULL. Nothing that it returns throws, whatever the bytes of a cell are.
 */
export function columnMask(
  mask: Mask,
  type: CellType,
  format: number,
  key: Buffer,
): CellMask | undefined {
  if (mask.kind === 'null' || (format !== 0 && format !== 1)) return undefined;
  if (mask.kind === 'hash' && key.length < KEY_BYTES) return undefined;
  const shape = shapeOf(type);
  const made = shape ? shaped(mask, shape, format, key) : undefined;
  return made ?? (mask.kind === 'detect' ? unlessFound(mask, undefined, format) : undefined);
}

function shaped(
  mask: Exclude<Mask, { kind: 'null' }>,
  shape: Shape,
  format: 0 | 1,
  key: Buffer,
): CellMask | undefined {
  switch (shape.kind) {
    case 'array': {
      const element = shape.element && shaped(mask, shape.element, format, key);
      return element && arrayMask(element, format);
    }
    case 'enum': {
      const known = mask.kind === 'fixed' && shape.labels.includes(mask.text);
      return known ? fixedText(Buffer.from(mask.text)) : undefined;
    }
    case 'scalar':
      return scalarMask(mask, shape, format, key);
    default:
      return shape satisfies never;
  }
}
