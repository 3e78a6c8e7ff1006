import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const PREFIX = 'cs_';
const FORM = /^cs_([A-Za-z0-9_-]{43})([0-9A-Za-z]{6})$/;
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A clear token: `cs_`, 32 random bytes in base64url, and a checksum of six characters; scanners can recognise it. */
export function newSecret(): string {
  const random = randomBytes(32).toString('base64url');
  return PREFIX + random + checksum(random);
}

/** True for what `newSecret` could have made; a slip of the keyboard or a password fails here. */
export function isSecret(text: string): boolean {
  const [, random, sum] = FORM.exec(text) ?? [];
  return random !== undefined && checksum(random) === sum;
}

/** What is stored of a token for looking it up; 256 random bits need no slow hash. */
export function secretHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function checksum(random: string): string {
  let rest = crc32(PREFIX + random);
  let text = '';
  for (let i = 0; i < 6; i++) {
    text = (BASE62[rest % 62] ?? '') + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
