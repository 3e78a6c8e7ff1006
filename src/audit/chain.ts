import { hash } from 'node:crypto';
import { z } from 'zod';
import { canonical } from './canonical.ts';

/** What a leaf holds besides its version; `prev` and `commit` are base64 of 32 bytes, `prev` is empty for the first record. */
export type Leaf = {
  readonly writer: string;
  readonly seq: number;
  readonly prev: string;
  /** ISO 8601 with milliseconds, UTC, by the gateway's clock. */
  readonly time: string;
  readonly kind: string;
  readonly id: string;
  readonly commit: string;
};

const schema = z.strictObject({
  v: z.literal(1),
  writer: z.string(),
  seq: z.int().positive(),
  prev: z.string(),
  time: z.iso.datetime({ precision: 3 }),
  kind: z.string(),
  id: z.uuid(),
  commit: z.string(),
});

const LEAF = Buffer.from([0]);

/** The exact bytes that are stored, hashed and chained. */
export function leafBytes(leaf: Leaf): Buffer {
  const { commit, id, kind, prev, seq, time, writer } = leaf;
  return Buffer.from(canonical({ commit, id, kind, prev, seq, time, v: 1, writer }));
}

/** Leaf hash of RFC 6962 section 2.1: SHA-256(0x00 ‖ leaf). */
export function leafHash(leaf: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF, leaf]));
}

/** A leaf as its own writer puts it: canonical, with a name that needs no escapes. */
const PLAIN =
  /^\{"commit":"([A-Za-z0-9+/]{43}=)","id":"([\da-f-]{36})","kind":"([a-z-]+)","prev":"((?:[A-Za-z0-9+/]{43}=)?)","seq":([1-9]\d{0,14}),"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","v":1,"writer":"([\w ./:@-]+)"\}$/;

/** What a leaf holds, when it is written in canonical form; undefined when it is not, or is of no known version. */
export function readLeaf(bytes: Buffer): Leaf | undefined {
  const match = PLAIN.exec(bytes.toString('latin1'));
  if (!match) {
    const leaf = parseLeaf(bytes);
    return leaf && isCanonical(leaf, bytes) ? leaf : undefined;
  }
  const [, commit = '', id = '', kind = '', prev = '', seq, time = '', writer = ''] = match;
  return { commit, id, kind, prev, seq: Number(seq), time, writer };
}

function isCanonical(leaf: Leaf, bytes: Uint8Array): boolean {
  try {
    return leafBytes(leaf).equals(bytes);
  } catch {
    return false;
  }
}

/** Undefined when the bytes are not a leaf of this version. */
export function parseLeaf(bytes: Uint8Array): Leaf | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(Buffer.from(bytes).toString()));
    return parsed.data;
  } catch {
    return undefined;
  }
}

/** What of a salt proves the body, and may be shown with it: the rest would let the digest in it be guessed. */
export const bodySalt = (salt: Uint8Array): Uint8Array => salt.subarray(0, 32);

/** HMAC-SHA256(first 32 bytes of salt, body): binds the body without revealing it, and stays valid when both are erased. */
export function commitment(salt: Uint8Array, body: string): string {
  return hmac(bodySalt(salt), Buffer.from(body), 'base64');
}

/**
 * The form in which a bound digest may leave the gateway's memory: HMAC-SHA256(last 32 bytes of salt, digest), hex.
 * Records of the first version have one salt of 32 bytes for both.
 */
export function keyedDigest(salt: Uint8Array, digest: Uint8Array): string {
  return hmac(salt.subarray(-32), digest, 'hex');
}

const BLOCK = 64;

/** RFC 2104, for keys of up to 64 bytes, over two one-shot hashes: `createHmac` makes a key object each time, which costs more than the hashing. */
function hmac(key: Uint8Array, data: Uint8Array, encoding: 'base64' | 'hex'): string {
  const inner = Buffer.allocUnsafe(BLOCK + data.length);
  const outer = Buffer.allocUnsafe(BLOCK + 32);
  for (let at = 0; at < BLOCK; at++) {
    const byte = key[at] ?? 0;
    inner[at] = byte ^ 0x36;
    outer[at] = byte ^ 0x5c;
  }
  inner.set(data, BLOCK);
  outer.write(hash('sha256', inner, 'binary'), BLOCK, 'binary');
  return hash('sha256', outer, encoding);
}

// As a string and then as bytes, because a Buffer of its own costs more than the hashing of a record.
function sha256(data: Uint8Array): Buffer {
  return Buffer.from(hash('sha256', data, 'binary'), 'binary');
}
