import type { CellMask } from './cell.ts';

const ZERO = 0x30;
const NINE = 0x39;
const POINT = 0x2e;
const MINUS = 0x2d;

/** As lastNumber, on the bytes of a printed number: only the last digits, at most `keep` and at most a quarter, are not 0. */
export function lastDigits(keep: number): CellMask {
  return (cell, start, end, out) => {
    const from = cell[start] === MINUS ? start + 1 : start;
    const point = pointIn(cell, from, end);
    if (point < 0) return false;
    const shown = shownFrom(from, point, end, keep);
    out.reserve(end - from);
    const { buffer, at } = out;
    for (let i = from; i < end; i += 1) {
      const byte = i === point || i >= shown ? (cell[i] ?? 0) : ZERO;
      if (byte !== ZERO || out.at > at || i + 1 >= point) buffer[out.at++] = byte;
    }
    return true;
  };
}

/** Where the digits begin that are kept. The point is no digit. */
function shownFrom(start: number, point: number, end: number, keep: number): number {
  const whole = point === end;
  const at = end - Math.min(keep, (end - start - (whole ? 0 : 1)) >> 2);
  return whole || at > point ? at : at - 1;
}

/** Where the point of a printed number is, its end when there is none; negative for what is no number (NaN, Infinity). */
function pointIn(cell: Buffer, start: number, end: number): number {
  let point = end;
  for (let i = start; i < end; i += 1) {
    const byte = cell[i] ?? 0;
    if (byte === POINT && point === end) point = i;
    else if (byte < ZERO || byte > NINE) return -1;
  }
  return start < end && cell[start] !== POINT ? point : -1;
}
