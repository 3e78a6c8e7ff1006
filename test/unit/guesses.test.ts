import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from '#gateway/api/failures.ts';
import { passwordGuesses } from '#gateway/guesses.ts';

function world() {
  const waits: number[] = [];
  const recorded: string[] = [];
  const held = Promise.withResolvers<void>();
  const guess = passwordGuesses({
    failures: new Failures(),
    failed: ({ person, client }) => void recorded.push(`${person} ${client}`),
    wait: (ms) => {
      waits.push(ms);
      return held.promise;
    },
  });
  return { guess, waits, recorded, answer: held.resolve };
}

test('each wrong password after the third takes twice as long, for this person at this address only', async () => {
  const { guess, waits, recorded, answer } = world();
  answer();
  for (let i = 0; i < 9; i += 1) await guess({ email: 'Ada@example.com', address: 'a' });
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 4000]);
  await guess({ email: 'ada@example.com', address: 'b' });
  await guess({ email: 'bob@example.com', address: 'a' });
  assert.equal(waits.length, 6);
  assert.deepEqual(recorded.slice(-3), [
    'ada@example.com a',
    'ada@example.com b',
    'bob@example.com a',
  ]);
});

test('guesses are recorded up to the limit of their address, and at most fifty wait at once', async () => {
  const { guess, waits, recorded, answer } = world();
  const all = Array.from({ length: 100 }, () => guess({ email: 'ada@example.com', address: 'a' }));
  assert.equal(waits.length, 50);
  answer();
  await Promise.all(all);
  assert.equal(recorded.length, 60);
});
