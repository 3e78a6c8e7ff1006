import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type CellMask, columnMask } from '#src/mask/column.ts';
import { remembered } from '#src/mask/column/memo.ts';
import { Slab } from '#src/mask/slab.ts';

const key = Buffer.alloc(32, 7);

function apply(mask: CellMask, value: string, out: Slab): string | null {
  const cell = Buffer.from(`<${value}>`);
  out.begin();
  return mask(cell, 1, cell.length - 1, out) ? out.item().toString() : null;
}

/** NULL is made of some values, and something too long to keep of others. */
const plain: CellMask = (cell, start, end, out) => {
  if (cell[start] === 0x30) return false;
  out.text(`[${cell.toString('utf8', start, end).repeat(3)}]`);
  return true;
};

suite('a mask that remembers', () => {
  test('makes what the mask alone makes, in whatever order values come again', () => {
    const value = fc.oneof(
      fc.nat(700).map(String),
      fc.string({ maxLength: 60 }),
      fc.string({ unit: 'grapheme', maxLength: 16 }),
    );
    const kept = remembered(plain);
    const [mine, own] = [new Slab(), new Slab()];
    fc.assert(
      fc.property(fc.array(value, { minLength: 50, maxLength: 400 }), (values) => {
        for (const one of [...values, ...values])
          assert.equal(apply(kept, one, mine), apply(plain, one, own));
      }),
    );
  });

  test('asks the mask once for values that come again, and gives up where none does', () => {
    let asked = 0;
    const counted: CellMask = (cell, start, end, out) => {
      asked += 1;
      out.append(cell, start, end);
      return true;
    };
    const kept = remembered(counted);
    const out = new Slab();
    for (let i = 0; i < 100_000; i += 1) apply(kept, String(i % 200), out);
    assert.ok(asked < 1_000, `${asked} times`);
    for (let i = 0; i < 100_000; i += 1) assert.equal(apply(kept, `n${i}`, out), `n${i}`);
    const before = asked;
    // Nothing is kept any more, and what is made is still right.
    for (let i = 0; i < 1_000; i += 1) assert.equal(apply(kept, 'same', out), 'same');
    assert.equal(asked - before, 1_000);
  });

  test('keeps tokens of two keys and two columns apart', () => {
    const type = { oid: 25, modifier: -1 };
    const masks = [key, Buffer.alloc(32, 8)].map((one) =>
      columnMask({ kind: 'hash' }, type, 0, one),
    );
    const out = new Slab();
    const [first = [], second = []] = masks.map((mask) =>
      Array.from({ length: 2_000 }, (_, i) => mask && apply(mask, String(i % 50), out)),
    );
    assert.equal(new Set([...first, ...second]).size, 100);
    assert.deepEqual(first.slice(0, 50), first.slice(-50));
  });
});
