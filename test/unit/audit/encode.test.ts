import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bigintArray,
  byteaArray,
  textArray,
  timestampArray,
  uuidArray,
} from '#src/audit/encode.ts';

// What PostgreSQL 18's array_send gives for the same values.
const cases: readonly (readonly [name: string, encoded: Buffer, sent: string])[] = [
  [
    'text',
    textArray(['a', null, 'é', '']),
    '00000001000000010000001900000004000000010000000161ffffffff00000002c3a900000000',
  ],
  [
    'bytea',
    byteaArray([Buffer.from([0, 255]), Buffer.alloc(0)]),
    '00000001000000000000001100000002000000010000000200ff00000000',
  ],
  [
    'uuid',
    uuidArray(['0f0e0d0c-0b0a-4908-8706-050403020100', null]),
    '000000010000000100000b860000000200000001000000100f0e0d0c0b0a49088706050403020100ffffffff',
  ],
  [
    'bigint',
    bigintArray([1, Number.MAX_SAFE_INTEGER]),
    '000000010000000000000014000000020000000100000008000000000000000100000008001fffffffffffff',
  ],
  [
    'timestamptz',
    timestampArray(['2024-02-29T12:34:56.789Z', '1999-12-31T23:59:59.999Z']),
    '0000000100000000000004a00000000200000001000000080002b5834172860800000008fffffffffffffc18',
  ],
];

for (const [name, encoded, sent] of cases)
  test(`an array of ${name} has the server's own form`, () => {
    assert.equal(encoded.toString('hex'), sent);
  });
