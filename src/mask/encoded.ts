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

function asHex(run: string): string | undefined {
  const digits = /^(?:[0-9A-Za-z]?x)?((?:[0-9A-Fa-f]{2}){9,})$/.exec(run)?.[1];
  return digits === undefined ? undefined : asText(Buffer.from(digits, 'hex'));
}

function asBase64(run: string): string | undefined {
  // Almost every word is told from text by its first characters.
  if (!isPlain(Buffer.from(run.slice(0, 12), 'base64'))) return undefined;
  const bytes = Buffer.from(run, 'base64');
  // A part of a group, where the run was cut or its padding is missing, says nothing.
  return asText(bytes);
}

const isPlain = (bytes: Buffer): boolean =>
  bytes.every(
    (byte) =>
      byte >= 0x80 ||
      (byte >= 0x20 && byte !== 0x7f) ||
      byte === 0x0a ||
      byte === 0x0d ||
      byte === 0x09,
  );

/** In UTF-8, without control characters. */
const asText = (bytes: Buffer): string | undefined =>
  isPlain(bytes) && isUtf8(bytes) ? bytes.toString() : undefined;
