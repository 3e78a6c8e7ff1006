import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { z } from 'zod';

/** Vectors that others have made: test/fixtures/vectors/README.md. */
export function readVectors<T>(name: string, schema: z.ZodType<T>): readonly T[] {
  const file = new URL(`../../../fixtures/vectors/${name}.ndjson`, import.meta.url);
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => schema.parse(JSON.parse(line)));
}

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An Ed25519 key from 32 equal bytes. */
export const keyOf = (seed: number): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([PKCS8, Buffer.alloc(32, seed)]),
    format: 'der',
    type: 'pkcs8',
  });
