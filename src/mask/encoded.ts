import { isUtf8 } from 'node:buffer';
import type { Range } from './detectors/rule.ts';

/** Of a longer run only so much is decoded, in characters. */
const MOST = 64 * 1024;

/**
 * What a run of letters and digits says in hexadecimal (also after `\x`, as bytea is written) or base64; undefined where
 * that is no text. It is decoded once: what was encoded twice stays hidden.
 */
export function decoded(text: string, [start, end]: Range): string | undefined {
  const run = text.slice(start, Math.min(end, start + MOST));
  return asHex(run) ?? asBase64(run);
}

/** How many bytes of a run tell whether it may be text. */
const GLANCE = 12;

/** False when a run of letters and digits says nothing, in hexadecimal and in base64: almost every word is told by its first characters. */
export function mayBeText(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    isTextStart(bytes, start + prefix(bytes, start), end, hexByte, 2) ||
    isTextStart(bytes, start, end, base64Byte, 4 / 3)
  );
}

/** Of `0x…`, and of the `x…` behind a backslash. */
function prefix(bytes: Uint8Array, start: number): number {
  if (bytes[start] === 0x78) return 1;
  return bytes[start] === 0x30 && bytes[start + 1] === 0x78 ? 2 : 0;
}

type ReadByte = (bytes: Uint8Array, start: number, index: number) => number;

/** True when the first bytes are no control characters and go on as UTF-8 does. */
function isTextStart(
  bytes: Uint8Array,
  start: number,
  end: number,
  read: ReadByte,
  charactersEach: number,
): boolean {
  const most = Math.min(GLANCE, Math.floor((end - start) / charactersEach));
  let expected = 0;
  for (let index = 0; index < most; index += 1) {
    const byte = read(bytes, start, index);
    const continues = byte >= 0 && byte >> 6 === 2;
    if (continues !== expected > 0) return false;
    expected = continues ? expected - 1 : continuations(byte);
    if (expected < 0) return false;
  }
  return true;
}

/** How many bytes follow in UTF-8; -1 where the byte begins no text. */
function continuations(byte: number): number {
  if (byte < 0x80) return byte >= 0 && isPlain(byte) ? 0 : -1;
  if (byte < 0xc2 || byte > 0xf4) return -1;
  return byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
}

const sextets = new Int8Array(256).fill(-1);
for (const [index, character] of Array.from(
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
).entries())
  sextets[character.charCodeAt(0)] = index;
sextets[0x2d] = 62;
sextets[0x5f] = 63;

/** The byte with this number of what base64 encodes; -1 where that is none. */
function base64Byte(bytes: Uint8Array, start: number, index: number): number {
  const bit = index * 8;
  const at = start + Math.floor(bit / 6);
  const high = sextets[bytes[at] ?? 0] ?? -1;
  const low = sextets[bytes[at + 1] ?? 0] ?? -1;
  if (high < 0 || low < 0) return -1;
  return (((high << 6) | low) >> (4 - (bit % 6))) & 0xff;
}

function hexByte(bytes: Uint8Array, start: number, index: number): number {
  const high = hexDigit(bytes[start + index * 2] ?? 0);
  const low = hexDigit(bytes[start + index * 2 + 1] ?? 0);
  return high < 0 || low < 0 ? -1 : (high << 4) | low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function asHex(run: string): string | undefined {
  const digits = /^(?:0?x)?((?:[0-9A-Fa-f]{2}){9,})$/.exec(run)?.[1];
  return digits === undefined ? undefined : asText(Buffer.from(digits, 'hex'));
}

const asBase64 = (run: string): string | undefined => asText(Buffer.from(run, 'base64'));

/** No control character but for those of white space. */
const isPlain = (byte: number): boolean =>
  (byte >= 0x20 && byte !== 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** In UTF-8, without control characters. */
const asText = (bytes: Buffer): string | undefined =>
  isUtf8(bytes) && bytes.every(isPlain) ? bytes.toString() : undefined;
