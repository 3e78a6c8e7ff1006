import type { Hmac } from '../hmac.ts';
import type { CellMask } from './cell.ts';
import { remembered } from './memo.ts';

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
  const word = (i: number): number => words[i] ?? 0;
  to[at] = h;
  to[at + 1] = underscore;
  base64(word(0) >>> 8, to, at + 2);
  base64(((word(0) & 0xff) << 16) | (word(1) >>> 16), to, at + 6);
  base64(((word(1) & 0xffff) << 8) | (word(2) >>> 24), to, at + 10);
  base64(word(2) & 0xffffff, to, at + 14);
  base64(word(3) >>> 8, to, at + 18);
  base64(((word(3) & 0xff) << 16) | (word(4) >>> 16), to, at + 22);
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
  const at = onlyAt(cell, start, end);
  const from = endingFrom(cell, start, end);
  const plain = isAscii(cell[start]) && isAscii(cell[at + 1]);
  if (at <= start + 1 || from <= at + 2 || !plain) {
    for (let i = 0; i < 3; i += 1) buffer[out.at++] = star;
    return true;
  }
  for (let i = 0; i < shape.length; i += 1) buffer[out.at + i] = shape[i] ?? 0;
  buffer[out.at] = cell[start] ?? 0;
  buffer[out.at + 5] = cell[at + 1] ?? 0;
  out.at += shape.length;
  for (let i = from; i < end; i += 1) buffer[out.at++] = cell[i] ?? 0;
  return true;
};

/** Where the `@` is; -1 where there is none, or more than one. */
function onlyAt(cell: Buffer, start: number, end: number): number {
  let found = -1;
  for (let i = start; i < end; i += 1)
    if (cell[i] === atSign) {
      if (found >= 0) return -1;
      found = i;
    }
  return found;
}

/** Where the last dot is, with two to seven letters behind it and nothing else: what is none could be part of a secret. */
function endingFrom(cell: Buffer, start: number, end: number): number {
  const first = Math.max(start, end - 8);
  for (let i = end - 1; i >= first; i -= 1) {
    const byte = cell[i] ?? 0;
    if (byte === dot) return end - i > 2 ? i : -1;
    const lower = byte | 0x20;
    if (lower < 0x61 || lower > 0x7a) return -1;
  }
  return -1;
}

const isAscii = (byte = 0x80): boolean => byte < 0x80;
