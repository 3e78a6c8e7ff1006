import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { columnMask } from '#src/mask/column.ts';
import { Slab } from '#src/mask/slab.ts';
import type { Mask } from '#src/policy/verdict.ts';

const key = Buffer.alloc(32, 7);
const text = 25;

function maskCell(
  mask: Mask,
  cell: Buffer,
  oid: number,
  format: 0 | 1,
  own: Buffer,
): Buffer | null {
  const slab = new Slab();
  slab.begin();
  const made = columnMask(mask, { oid, modifier: -1 }, format, own);
  return made?.(cell, 0, cell.length, slab) ? slab.item() : null;
}

const masked = (mask: Mask, value: string, typeOid = text, format: 0 | 1 = 0): string | null =>
  maskCell(mask, Buffer.from(value), typeOid, format, key)?.toString() ?? null;
const last = (keep: number): Mask => ({ kind: 'last', keep });
const all: readonly Mask[] = [
  { kind: 'null' },
  { kind: 'fixed', text: '—' },
  { kind: 'hash' },
  last(4),
  { kind: 'email' },
];

suite('a masked cell', () => {
  const table: readonly (readonly [Mask, string, string | null])[] = [
    [{ kind: 'null' }, 'x', null],
    [{ kind: 'fixed', text: 'hidden “so”' }, 'x', 'hidden “so”'],
    [last(4), '4111111111111234', '************1234'],
    [last(4), '4111 1111 1111 1234', '***************1234'],
    [last(4), '12345678', '******78'],
    [last(4), '123', '***'],
    [last(16), '1234567890123456', '************3456'],
    [last(1), '', ''],
    [last(2), 'ÄÖÜäöü€😀', '******€😀'],
    [{ kind: 'email' }, 'ann@example.com', 'a***@e***.com'],
    [{ kind: 'email' }, 'Ann.O@mail.example.co.uk', 'A***@m***.uk'],
    [{ kind: 'email' }, 'a@b.c', '***'],
    [{ kind: 'email' }, 'no address', '***'],
    [{ kind: 'email' }, 'ünal@example.com', '***'],
    [{ kind: 'email' }, 'ann@secret@example.com', '***'],
    [{ kind: 'email' }, 'ann@example.s3cr3t', '***'],
    [{ kind: 'email' }, '', '***'],
  ];
  for (const [mask, value, expected] of table)
    test(`${JSON.stringify(mask)} makes ${JSON.stringify(value)} ${JSON.stringify(expected)} in both formats`, () => {
      assert.equal(masked(mask, value, text, 0), expected);
      assert.equal(masked(mask, value, text, 1), expected);
    });

  test('is a text for text, varchar, char(n) and name', () => {
    for (const typeOid of [25, 1043, 1042, 19])
      assert.equal(masked(last(1), 'abcd', typeOid), '***d');
  });

  test('stays the same token under one key, and says nothing under another', () => {
    const token = masked({ kind: 'hash' }, '123-45-6789');
    assert.match(token ?? '', /^h_[\w-]{24}$/);
    assert.equal(masked({ kind: 'hash' }, '123-45-6789'), token);
    assert.notEqual(masked({ kind: 'hash' }, '123-45-6780'), token);
    const other = maskCell(
      { kind: 'hash' },
      Buffer.from('123-45-6789'),
      text,
      0,
      Buffer.alloc(32, 8),
    );
    assert.notEqual(other?.toString(), token);
    assert.equal(maskCell({ kind: 'hash' }, Buffer.from('x'), text, 0, Buffer.alloc(8)), null);
  });

  test('has the same token whether the value came lately or not, and never that of another', () => {
    const mask: Mask = { kind: 'hash', class: 'x' };
    const alone = (value: string): string | null => masked(mask, value);
    const column = columnMask(mask, { oid: text, modifier: -1 }, 0, key);
    const slab = new Slab();
    for (let i = 0; i < 4_000; i += 1) {
      const value = `value ${i % 1_500}`.padEnd(i % 60, '.');
      const cell = Buffer.from(value);
      slab.begin();
      column?.(cell, 0, cell.length, slab);
      assert.equal(slab.item().toString(), alone(value), value);
    }
  });

  test('keeps at most a quarter of the characters, is valid UTF-8 and little longer than the cell', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 1, max: 16 }),
        (value, keep) => {
          const cell = Buffer.from(value);
          const before = Buffer.from(cell);
          for (const mask of [...all, last(keep)]) {
            const result = maskCell(mask, cell, text, 0, key);
            if (!result) continue;
            assert.equal(Buffer.from(result.toString()).equals(result), true);
            assert.ok(result.length <= cell.length + 512);
          }
          const shown = Array.from(masked(last(keep), value) ?? '');
          const characters = Array.from(value);
          assert.equal(shown.length, characters.length);
          const hidden = characters.length - Math.min(keep, characters.length >> 2);
          assert.ok(shown.slice(0, hidden).every((one) => one === '*'));
          assert.deepEqual(cell, before);
        },
      ),
    );
  });

  test('never throws for bytes that are no text', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        for (const mask of all) maskCell(mask, Buffer.from(bytes), text, 1, key);
      }),
    );
  });
});
