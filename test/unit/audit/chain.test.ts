import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { commitment, keyedDigest, leafBytes, leafHash, parseLeaf } from '#src/audit/chain.ts';

const LEAF = {
  writer: 'gateway-1',
  seq: 1,
  prev: '',
  time: '2026-11-20T18:53:30.214Z',
  kind: 'statement',
  id: '3f0b1c2e-8a53-4f6e-9d58-0f8f6f1f2a11',
  commit: 'yQ9F8yqkYc1v3m6mW2yLr1Y0kq5bq7l0cG4m7xY1n5k=',
};

test('leaf hashes are those of RFC 6962', () => {
  // From certificate-transparency's reference tests: the empty leaf, and one of eight bytes.
  assert.equal(
    leafHash(Buffer.alloc(0)).toString('hex'),
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  );
  assert.equal(
    leafHash(Buffer.from([0])).toString('hex'),
    '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
  );
});

test('a leaf is the canonical JSON that FORMAT.md shows', () => {
  const bytes = leafBytes(LEAF);
  assert.equal(
    bytes.toString(),
    '{"commit":"yQ9F8yqkYc1v3m6mW2yLr1Y0kq5bq7l0cG4m7xY1n5k=","id":"3f0b1c2e-8a53-4f6e-9d58-0f8f6f1f2a11",' +
      '"kind":"statement","prev":"","seq":1,"time":"2026-11-20T18:53:30.214Z","v":1,"writer":"gateway-1"}',
  );
  assert.equal(
    leafHash(bytes).toString('hex'),
    createHash('sha256').update('\0').update(bytes).digest('hex'),
  );
  assert.deepEqual(parseLeaf(bytes), { v: 1, ...LEAF });
});

test('what is not a leaf of version 1 is not read as one', () => {
  for (const text of ['', '{', '[]', 'null', '{"v":2}', JSON.stringify({ v: 1, ...LEAF, more: 1 })])
    assert.equal(parseLeaf(Buffer.from(text)), undefined);
  assert.equal(parseLeaf(Buffer.from(JSON.stringify({ v: 1, ...LEAF, seq: 0 }))), undefined);
});

for (const length of [0, 1, 32, 64, 65, 200])
  test(`commitments and keyed digests are HMACs under a salt of ${length} bytes`, () => {
    const salt = Buffer.from(Array.from({ length }, (_, at) => at));
    assert.equal(
      commitment(salt, '{"é":1}'),
      createHmac('sha256', salt.subarray(0, 32)).update(Buffer.from('{"é":1}')).digest('base64'),
    );
    assert.equal(
      keyedDigest(salt, Buffer.alloc(32, 1)),
      createHmac('sha256', salt.subarray(-32)).update(Buffer.alloc(32, 1)).digest('hex'),
    );
  });
