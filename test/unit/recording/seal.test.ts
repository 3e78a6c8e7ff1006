import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { digestOf, headOf, newDigest, newKey, openChunk, sealChunk } from '#src/recording/seal.ts';

const head = { events: 2, from: 5, to: 12_345_678_901 };
const text = '{"t":5,"k":"row","cells":["ann"]}\n{"t":9,"k":"end","rows":1,"ms":4}\n';

describe('a sealed chunk', () => {
  const key = newKey();
  const place = { session: randomUUID(), chunk: 3 };

  test('opens with its key, at its place, and says what it holds without the key', async () => {
    const sealed = await sealChunk(key, place, text, head);
    assert.equal(await openChunk(key, place, sealed), text);
    assert.deepEqual(headOf(sealed), head);
    assert.equal(sealed.includes('ann'), false);
  });

  test('opens with no other key, session or number', async () => {
    const sealed = await sealChunk(key, place, text, head);
    assert.equal(await openChunk(newKey(), place, sealed), undefined);
    assert.equal(await openChunk(key, { ...place, chunk: 4 }, sealed), undefined);
    assert.equal(await openChunk(key, { ...place, session: randomUUID() }, sealed), undefined);
  });

  test('does not open when any byte of it was changed, head included', async () => {
    const sealed = await sealChunk(key, place, text, head);
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.equal(await openChunk(key, place, changed), undefined, `byte ${at}`);
      assert.notEqual(digestOf(changed), digestOf(sealed));
    }
    assert.equal(await openChunk(key, place, sealed.subarray(0, -1)), undefined);
    assert.equal(await openChunk(key, place, Buffer.alloc(0)), undefined);
  });
});

describe('the digest of what is only counted', () => {
  test('does not depend on how the bytes were cut, and is another one each time', () => {
    const key = newKey();
    const bytes = randomBytes(10_000);
    const whole = newDigest(key);
    whole.update(bytes);
    const parts = newDigest(key);
    for (const part of [bytes.subarray(0, 7), bytes.subarray(7, 5_000), bytes.subarray(5_000)])
      parts.update(part);
    const [a, b] = [whole.done(), parts.done()];
    assert.match(a, /^[0-9a-f]{56}$/);
    // The nonce is fresh, so that equal results cannot be told.
    assert.notEqual(a, b);
  });
});
