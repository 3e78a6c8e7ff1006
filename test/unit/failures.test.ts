import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from '#gateway/api/failures.ts';

test('who fails too often waits a minute, then two, then four, up to an hour; others do not', () => {
  let now = 0;
  const failures = new Failures(3, () => now);
  const burst = (): number => {
    for (let i = 0; i < 3; i += 1) {
      assert.equal(failures.wait('a'), 0);
      failures.add('a');
    }
    return failures.wait('a');
  };
  const waits: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    const seconds = burst();
    waits.push(seconds);
    assert.equal(failures.wait('b'), 0);
    failures.add('a');
    assert.equal(failures.wait('a'), seconds, 'knocking on does not make it longer');
    now += seconds * 1_000;
  }
  assert.deepEqual(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
  now += 3_600_001;
  assert.equal(burst(), 60);
});

test('a few failures a minute cost nothing, and the memory is bounded', () => {
  let now = 0;
  const failures = new Failures(3, () => now);
  for (let i = 0; i < 20; i += 1) {
    failures.add('slow');
    failures.add('slow');
    assert.equal(failures.wait('slow'), 0);
    now += 60_001;
  }
  for (let i = 0; i < 3; i += 1) failures.add('old');
  for (let i = 0; i < 10_000; i += 1) failures.add(`address ${i}`);
  assert.equal(failures.wait('old'), 0);
});
