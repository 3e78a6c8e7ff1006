import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Places, SearchBusy } from '#src/audit/search/places.ts';
import { outputsOf } from '#src/audit/search/output.ts';

test('so many search at once, a few wait in turn, and the next is told', async () => {
  const places = new Places(2, 2);
  const order: string[] = [];
  const open = new Map<string, () => void>();
  const enter = (name: string): Promise<string> =>
    places.run(async () => {
      order.push(name);
      await new Promise<void>((resolve) => void open.set(name, resolve));
      if (name === 'b') throw new Error('broke');
      return name;
    });
  const all = ['a', 'b', 'c', 'd'].map(enter);
  const broke = assert.rejects(all[1] ?? Promise.resolve(), /broke/u);
  await assert.rejects(enter('e'), SearchBusy);
  assert.deepEqual(order, ['a', 'b']);
  // One that fails leaves its place as well.
  open.get('b')?.();
  await broke;
  assert.deepEqual(order, ['a', 'b', 'c']);
  open.get('a')?.();
  assert.equal(await all[0], 'a');
  assert.deepEqual(order, ['a', 'b', 'c', 'd']);
  open.get('c')?.();
  open.get('d')?.();
  assert.deepEqual(await Promise.all(all.slice(2)), ['c', 'd']);
  const again = enter('f');
  open.get('f')?.();
  assert.equal(await again, 'f');
});

test('output is told apart by statement, and nothing in it breaks the store', () => {
  const found = outputsOf([
    { t: 0, k: 'row', s: 'a', cells: ['x\0', null, ''] },
    { t: 0, k: 'row', s: 'b', cells: ['\ud800'] },
    { t: 0, k: 'error', s: 'a', severity: 'ERROR', code: '42501', message: 'no', hint: 'ask' },
    { t: 0, k: 'row', cells: ['of none'] },
    { t: 0, k: 'end', s: 'c', rows: 0, ms: 1 },
  ]);
  assert.deepEqual(
    [...found],
    [
      ['a', 'x\ufffd\n42501 no ask'],
      ['b', '\ufffd'],
    ],
  );
});
