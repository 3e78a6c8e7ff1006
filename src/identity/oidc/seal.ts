import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const IV = 12;
const TAG = 16;

/** Encrypts for ourselves (AES-256-GCM). `context` is not stored: who opens it must know the same. */
export function seal(secret: Buffer, context: string, text: string): Buffer {
  const iv = randomBytes(IV);
  const cipher = createCipheriv(ALGORITHM, keyed(secret, 'seal'), iv).setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

/** What `seal` was given; undefined when it was changed, or sealed for another context or by another secret. */
export function unseal(secret: Buffer, context: string, sealed: Buffer): string | undefined {
  if (sealed.length < IV + TAG) return undefined;
  try {
    const decipher = createDecipheriv(
      ALGORITHM,
      keyed(secret, 'seal'),
      sealed.subarray(0, IV),
    ).setAAD(Buffer.from(context));
    decipher.setAuthTag(sealed.subarray(IV, IV + TAG));
    const body = [decipher.update(sealed.subarray(IV + TAG)), decipher.final()];
    return Buffer.concat(body).toString('utf8');
  } catch {
    return undefined;
  }
}

/** A key or a text of its own for each use: HMAC-SHA256 over the length-prefixed parts. */
export function keyed(secret: Buffer, ...parts: readonly string[]): Buffer {
  const hmac = createHmac('sha256', secret);
  for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part);
  return hmac.digest();
}
