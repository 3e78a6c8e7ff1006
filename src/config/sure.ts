import { parseDuration } from '../policy/duration.ts';
import type { Address } from './config.ts';
import { parseAddress } from './units.ts';

/** The schema has seen that it parses. */
export function sure<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a checked value does not parse');
  return value;
}

export const toAddress = (text: string): Address => sure(parseAddress(text));
export const toMs = (text: string): number => sure(parseDuration(text));
