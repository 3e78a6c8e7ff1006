import { hash } from 'node:crypto';

/**
 * SHA-256 over parts, each behind its length (8 bytes, big-endian), so that no two lists of parts share a digest.
 * An absent part differs from an empty one. 32 bytes; it must not leave this process except keyed.
 */
export function bind(parts: readonly (string | Uint8Array | undefined)[]): Buffer {
  // One call for all of it: a Hash object costs more than the copy.
  let length = 0;
  for (const part of parts) length += LENGTH + Math.max(0, sizeOf(part));
  const all = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    const size = sizeOf(part);
    at = all.writeInt32BE(size < 0 ? -1 : 0, at);
    at = all.writeInt32BE(size, at);
    if (typeof part === 'string') all.write(part, at);
    else if (part) all.set(part, at);
    at += Math.max(0, size);
  }
  return Buffer.from(hash('sha256', all, 'binary'), 'binary');
}

const LENGTH = 8;

function sizeOf(part: string | Uint8Array | undefined): number {
  return typeof part === 'string' ? Buffer.byteLength(part) : (part?.length ?? -1);
}
