import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { Hmac } from '#src/mask/hmac.ts';

suite('HMAC-SHA-256', () => {
  const key = Buffer.alloc(32, 7);
  const hmac = new Hmac(key);
  const theirs = (bytes: Uint8Array): string =>
    createHmac('sha256', key).update(bytes).digest('hex');

  test('is what node:crypto makes, at every length around the block borders', () => {
    for (let length = 0; length < 300; length += 1) {
      const bytes = Buffer.alloc(length, length);
      assert.equal(hmac.of(bytes).toString('hex'), theirs(bytes), `${length} bytes`);
    }
  });

  test('is what node:crypto makes, for any part of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(50), (bytes, skip) => {
        const start = Math.min(skip, bytes.length);
        assert.equal(hmac.of(bytes, start).toString('hex'), theirs(bytes.subarray(start)));
      }),
    );
  });

  test('takes keys of up to 64 bytes', () => {
    const long = Buffer.alloc(64, 9);
    const expected = createHmac('sha256', long).update('x').digest('hex');
    assert.equal(new Hmac(long).of(Buffer.from('x')).toString('hex'), expected);
    assert.throws(() => new Hmac(Buffer.alloc(65)), RangeError);
  });
});
