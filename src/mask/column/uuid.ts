import type { Hmac } from '../hmac.ts';
import { printUuid } from './binary.ts';

/** RFC 9562 version 8: what only its maker can explain. */
export function hashedUuid(text: string, hmac: Hmac): string {
  const digest = hmac.of(Buffer.from(text.toLowerCase(), 'latin1'));
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  return printUuid(digest);
}

const zero = '00000000-0000-0000-0000-000000000000';

/** The last of its 32 digits, at most 8 of them; the others are 0. */
export function lastOfUuid(text: string, keep: number): string | undefined {
  if (text.length !== zero.length) return undefined;
  const kept = Math.min(keep, 8);
  return zero.slice(0, -kept) + text.slice(-kept);
}
