import { createHash } from 'node:crypto';

/**
 * SHA-256 over parts, each behind its length (8 bytes, big-endian), so that no two lists of parts share a digest.
 * An absent part differs from an empty one. 32 bytes; it must not leave this process except keyed.
 */
export function bind(parts: readonly (string | Uint8Array | undefined)[]): Buffer {
  const hash = createHash('sha256');
  const length = Buffer.allocUnsafe(8);
  for (const part of parts) {
    const size =
      part === undefined ? -1 : typeof part === 'string' ? Buffer.byteLength(part) : part.length;
    length.writeBigInt64BE(BigInt(size));
    hash.update(length);
    if (part !== undefined) hash.update(part);
  }
  return hash.digest();
}
