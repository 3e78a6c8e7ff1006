import { createHmac } from 'node:crypto';
import type { Mask } from '../../policy/verdict.ts';
import { Hmac } from '../hmac.ts';

export type Hash = Extract<Mask, { kind: 'hash' }>;

/** Each class has a key of its own, so that tokens of two classes cannot be compared. */
export function hmacOf(mask: Hash, key: Buffer): Hmac {
  if (mask.class === undefined && key.length <= 64) return new Hmac(key);
  const name = `class\0${mask.class ?? ''}`;
  return new Hmac(createHmac('sha256', key).update(name).digest());
}
