import { createCipheriv, createDecipheriv, createHmac, hash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import type { Digest } from './port.ts';

/** What a chunk holds, readable without the key but protected by it. Times are milliseconds since the session began. */
export type ChunkHead = { readonly events: number; readonly from: number; readonly to: number };

/** The place that a chunk is sealed for: it opens nowhere else. */
export type ChunkPlace = { readonly session: string; readonly chunk: number };

const MAGIC = Buffer.from('CSR1');
const GZIP = 1;
const ZSTD = 2;
const TAG = 16;
const NONCE = 12;
/** Magic, compression, events (4 bytes), from and to (6 bytes each). */
const HEAD = MAGIC.length + 1 + 4 + 6 + 6;
/** What a chunk may grow to when it is opened: one is sealed at 1 MiB, and one event may be larger. */
const LARGEST = 256 * 1024 * 1024;

// Node 20 has no zstd.
const hasZstd = typeof zlib.zstdCompress === 'function';
const compress: (text: Buffer) => Promise<Buffer> = hasZstd
  ? promisify(zlib.zstdCompress)
  : promisify(zlib.gzip);
const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);

export const newKey = (): Buffer => randomBytes(32);

/** SHA-256 of the sealed bytes, hex: what a chunk's record says. */
export const digestOf = (sealed: Uint8Array): string => hash('sha256', sealed, 'hex');

/** Compressed, then AES-256-GCM: head ‖ tag ‖ ciphertext. A key seals each chunk number once, so that is its nonce. */
export async function sealChunk(
  key: Buffer,
  place: ChunkPlace,
  text: string,
  { events, from, to }: ChunkHead,
): Promise<Buffer> {
  const head = Buffer.alloc(HEAD);
  MAGIC.copy(head);
  head.writeUInt8(hasZstd ? ZSTD : GZIP, 4);
  head.writeUInt32BE(events, 5);
  head.writeUIntBE(from, 9, 6);
  head.writeUIntBE(to, 15, 6);
  const packed = await compress(Buffer.from(text));
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(place)).setAAD(aad(head, place));
  const sealed = Buffer.concat([cipher.update(packed), cipher.final()]);
  return Buffer.concat([head, cipher.getAuthTag(), sealed]);
}

/** Undefined for what was changed, or was sealed for another place or by another key. */
export async function openChunk(
  key: Buffer,
  place: ChunkPlace,
  sealed: Buffer,
): Promise<string | undefined> {
  if (!headOf(sealed)) return undefined;
  const head = sealed.subarray(0, HEAD);
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(place), { authTagLength: TAG })
    .setAAD(aad(head, place))
    .setAuthTag(sealed.subarray(HEAD, HEAD + TAG));
  let packed: Buffer;
  try {
    packed = Buffer.concat([decipher.update(sealed.subarray(HEAD + TAG)), decipher.final()]);
  } catch {
    return undefined;
  }
  const options = { maxOutputLength: LARGEST };
  if (head[4] === GZIP) return (await gunzip(packed, options)).toString();
  if (!hasZstd) throw new Error('this recording is compressed with zstd: read it with Node 24');
  return (await promisify(zlib.zstdDecompress)(packed, options)).toString();
}

/** What a chunk says of itself; undefined when it is none. */
export function headOf(sealed: Buffer): ChunkHead | undefined {
  if (sealed.length < HEAD + TAG || !sealed.subarray(0, MAGIC.length).equals(MAGIC))
    return undefined;
  if (sealed[4] !== GZIP && sealed[4] !== ZSTD) return undefined;
  return {
    events: sealed.readUInt32BE(5),
    from: sealed.readUIntBE(9, 6),
    to: sealed.readUIntBE(15, 6),
  };
}

function nonceOf({ chunk }: ChunkPlace): Buffer {
  const nonce = Buffer.alloc(NONCE);
  nonce.writeUInt32BE(chunk, NONCE - 4);
  return nonce;
}

const aad = (head: Buffer, { session, chunk }: ChunkPlace): Buffer =>
  Buffer.concat([head, Buffer.from(`countersign recording ${session} ${chunk}`)]);

/**
 * A digest of what is only counted. GMAC (NIST SP 800-38D), because it keeps up with a result of any size, under a key
 * derived from the recording's.
 */
export function newDigest(key: Buffer): Digest {
  const own = createHmac('sha256', key).update('rest').digest();
  const nonce = randomBytes(NONCE);
  const mac = createCipheriv('aes-256-gcm', own, nonce);
  return {
    update: (bytes) => void mac.setAAD(bytes),
    done() {
      mac.final();
      return Buffer.concat([nonce, mac.getAuthTag()]).toString('hex');
    },
  };
}
