import { createHmac } from 'node:crypto';
import type { Mask } from '../policy/verdict.ts';
import { maskDetected } from './detect.ts';

/** Type OIDs whose text and binary forms are the same bytes: text, varchar, bpchar, name. Others (citext has no fixed OID) become NULL. */
const textTypes: ReadonlySet<number> = new Set([25, 1043, 1042, 19]);

const star = 0x2a;
const at = 0x40;
const dot = 0x2e;
const emailLength = 'e***@e***'.length;
const hashBytes = 18;

/**
 * The masked form of one cell, or null for NULL, which is valid for every type. `cell` is the value's bytes (UTF-8)
 * and is not changed; text masks are only for text types, in both formats (0 text, 1 binary) the same. Never throws;
 * the result is at most 512 bytes longer than the cell. `key` is what hash masks are keyed with, at least 32 bytes.
 */
export function maskCell(
  mask: Mask,
  cell: Buffer,
  typeOid: number,
  format: 0 | 1,
  key: Buffer,
): Buffer | null {
  if (mask.kind === 'null' || !textTypes.has(typeOid) || (format !== 0 && format !== 1))
    return null;
  switch (mask.kind) {
    case 'fixed':
      return fixedBytes(mask);
    case 'hash':
      return hashToken(cell, keyOf(mask, key));
    case 'last':
      return lastOf(cell, mask.keep);
    case 'email':
      return emailShape(cell);
    case 'detect':
      return Buffer.from(maskDetected(cell.toString()));
    default:
      return mask satisfies never;
  }
}

const fixed = new WeakMap<Mask, Buffer>();

function fixedBytes(mask: Extract<Mask, { kind: 'fixed' }>): Buffer {
  let bytes = fixed.get(mask);
  if (!bytes) fixed.set(mask, (bytes = Buffer.from(mask.text)));
  return bytes;
}

const derived = new WeakMap<Mask, { readonly from: Buffer; readonly key: Buffer }>();

/** Each class has a key of its own, so that tokens of two classes cannot be compared. */
function keyOf(mask: Extract<Mask, { kind: 'hash' }>, key: Buffer): Buffer {
  if (mask.class === undefined || key.length < 32) return key;
  let known = derived.get(mask);
  if (known?.from !== key) {
    const own = createHmac('sha256', key).update(`class\0${mask.class}`).digest();
    derived.set(mask, (known = { from: key, key: own }));
  }
  return known.key;
}

/** `h_` and 144 bits of HMAC-SHA-256: equal values stay equal, so that masked columns can be joined by eye. */
function hashToken(cell: Buffer, key: Buffer): Buffer | null {
  // A short key could be searched, and then every value with it.
  if (key.length < 32) return null;
  const digest = createHmac('sha256', key).update(cell).digest();
  return Buffer.from(`h_${digest.toString('base64url', 0, hashBytes)}`);
}

/** Stars for all but the last characters, at most `keep` and at most a quarter of them, as many stars as are hidden. */
function lastOf(cell: Buffer, keep: number): Buffer {
  let characters = 0;
  for (const byte of cell) if (isStart(byte)) characters += 1;
  const kept = Math.max(0, Math.min(keep, characters >> 2));
  let start = cell.length;
  for (let left = kept; left > 0;) if (isStart(cell[--start] ?? 0)) left -= 1;
  const hidden = characters - kept;
  const result = Buffer.allocUnsafe(hidden + cell.length - start);
  result.fill(star, 0, hidden);
  cell.copy(result, hidden, start);
  return result;
}

/** True for a byte that begins a UTF-8 character. */
const isStart = (byte: number): boolean => (byte & 0xc0) !== 0x80;

/** `ann@example.com` → `a***@e***.com`; all stars where that is not the shape. */
function emailShape(cell: Buffer): Buffer {
  const middle = cell.indexOf(at);
  const lastDot = cell.lastIndexOf(dot);
  const ending = cell.length - lastDot;
  const first = cell[0] ?? 0;
  const domain = cell[middle + 1] ?? 0;
  const shaped =
    middle > 1 &&
    middle === cell.lastIndexOf(at) &&
    lastDot > middle + 2 &&
    ending > 2 &&
    ending <= 8 &&
    isAscii(cell, lastDot + 1, cell.length) &&
    first < 0x80 &&
    domain < 0x80;
  if (!shaped) return Buffer.alloc(3, star);
  const result = Buffer.allocUnsafe(emailLength + ending);
  result.fill(star, 0, emailLength);
  result[0] = first;
  result[4] = at;
  result[5] = domain;
  cell.copy(result, emailLength, lastDot);
  return result;
}

/** Letters only: an ending that is none could be part of a secret. */
function isAscii(cell: Buffer, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) {
    const lower = (cell[index] ?? 0) | 0x20;
    if (lower < 0x61 || lower > 0x7a) return false;
  }
  return true;
}
