import type { Hmac } from '../hmac.ts';
import type { Slab } from '../slab.ts';
import { remembered } from './memo.ts';

/** Appends the masked form of `cell[start..end)` to `out`; false means NULL, and nothing was appended. */
export type CellMask = (cell: Buffer, start: number, end: number, out: Slab) => boolean;

const star = 0x2a;
const atSign = 0x40;
const dot = 0x2e;
const space = 0x20;
const underscore = 0x5f;
const h = 0x68;
const shape = Buffer.from('e***@e***');
/** 144 bits of the digest, behind two characters. */
const token = 2 + 24;
const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

export function fixedText(bytes: Buffer): CellMask {
  return (_cell, _start, _end, out) => {
    out.append(bytes);
    return true;
  };
}

/** `h_` and 144 bits of HMAC-SHA-256: equal values stay equal, so that masked columns can be joined by eye. */
export function tokenText(hmac: Hmac, padded: boolean): CellMask {
  return remembered((cell, start, end, out) => {
    let last = end;
    // The padding of char(n) is none of the value.
    if (padded) while (last > start && cell[last - 1] === space) last -= 1;
    out.reserve(token);
    writeToken(hmac.words(cell, start, last), out.buffer, out.at);
    out.at += token;
    return true;
  });
}

/** Four and a half of the digest's words, in six pieces of 24 bits. */
function writeToken(words: Int32Array, to: Buffer, at: number): void {
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0] = [
    words[0],
    words[1],
    words[2],
    words[3],
    words[4],
  ];
  to[at] = h;
  to[at + 1] = underscore;
  base64(w0 >>> 8, to, at + 2);
  base64(((w0 & 0xff) << 16) | (w1 >>> 16), to, at + 6);
  base64(((w1 & 0xffff) << 8) | (w2 >>> 24), to, at + 10);
  base64(w2 & 0xffffff, to, at + 14);
  base64(w3 >>> 8, to, at + 18);
  base64(((w3 & 0xff) << 16) | (w4 >>> 16), to, at + 22);
}

/** 24 bits as four characters of base64url (RFC 4648 section 5). */
function base64(bits: number, to: Buffer, at: number): void {
  to[at] = alphabet[bits >>> 18] ?? 0;
  to[at + 1] = alphabet[(bits >>> 12) & 63] ?? 0;
  to[at + 2] = alphabet[(bits >>> 6) & 63] ?? 0;
  to[at + 3] = alphabet[bits & 63] ?? 0;
}

/** Stars for all but the last characters, at most `keep` and at most a quarter of them, as many stars as are hidden. */
export function lastText(keep: number): CellMask {
  return (cell, start, end, out) => {
    let characters = 0;
    for (let i = start; i < end; i += 1) if (isStart(cell[i])) characters += 1;
    const kept = Math.min(keep, characters >> 2);
    let from = end;
    for (let left = kept; left > 0;) if (isStart(cell[--from])) left -= 1;
    const hidden = characters - kept;
    out.reserve(hidden + end - from);
    const { buffer } = out;
    for (let i = 0; i < hidden; i += 1) buffer[out.at++] = star;
    for (let i = from; i < end; i += 1) buffer[out.at++] = cell[i] ?? 0;
    return true;
  };
}

/** True for a byte that begins a UTF-8 character. */
const isStart = (byte = 0): boolean => (byte & 0xc0) !== 0x80;

/** `ann@example.com` → `a***@e***.com`; all stars where that is not the shape. */
export const emailText: CellMask = (cell, start, end, out) => {
  out.reserve(shape.length + 8);
  const { buffer } = out;
  const found = emailParts(cell, start, end);
  if (!found) {
    for (let i = 0; i < 3; i += 1) buffer[out.at++] = star;
    return true;
  }
  for (let i = 0; i < shape.length; i += 1) buffer[out.at + i] = shape[i] ?? 0;
  buffer[out.at] = cell[start] ?? 0;
  buffer[out.at + 5] = cell[found.at + 1] ?? 0;
  out.at += shape.length;
  for (let i = found.dot; i < end; i += 1) buffer[out.at++] = cell[i] ?? 0;
  return true;
};

/** Where the only `@` and the last dot are, where the value has the shape of an address. */
function emailParts(
  cell: Buffer,
  start: number,
  end: number,
): { readonly at: number; readonly dot: number } | undefined {
  let middle = -1;
  let lastDot = -1;
  for (let i = start; i < end; i += 1)
    if (cell[i] === dot) lastDot = i;
    else if (cell[i] === atSign) {
      if (middle >= 0) return undefined;
      middle = i;
    }
  const ending = end - lastDot;
  if (middle <= start + 1 || lastDot <= middle + 2 || ending <= 2 || ending > 8) return undefined;
  const plain =
    isLetters(cell, lastDot + 1, end) && isAscii(cell[start]) && isAscii(cell[middle + 1]);
  return plain ? { at: middle, dot: lastDot } : undefined;
}

const isAscii = (byte = 0x80): boolean => byte < 0x80;

/** Letters only: an ending that is none could be part of a secret. */
function isLetters(cell: Buffer, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) {
    const lower = (cell[index] ?? 0) | 0x20;
    if (lower < 0x61 || lower > 0x7a) return false;
  }
  return true;
}
