import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openOnCall } from '#src/approval/on-call.ts';
import type { RotaConfig } from '#src/config/beside.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'on-call-'));
});
after(() => rm(folder, { recursive: true }));

function opened(rota: RotaConfig) {
  const clock = { now: Date.UTC(2026, 10, 20, 9) };
  const failures: string[] = [];
  const onCall = openOnCall({
    rotas: () => new Map([['primary', rota]]),
    failed: (name, why) => void failures.push(`${name}: ${why}`),
    now: () => clock.now,
  });
  return { onCall, clock, failures };
}

test('by shifts: from the first moment, and not at the last', async () => {
  const shifts = [
    {
      from: Date.UTC(2026, 10, 20, 9),
      until: Date.UTC(2026, 10, 20, 17),
      people: ['Ann@example.com'],
    },
  ];
  const { onCall, clock } = opened({ shifts });
  assert.deepEqual(await onCall.of('ann@example.com'), ['oncall:primary']);
  clock.now = Date.UTC(2026, 10, 20, 17);
  assert.deepEqual(await onCall.of('ann@example.com'), []);
  assert.deepEqual(await onCall.members('primary'), []);
  assert.deepEqual(await onCall.members('none'), []);
});

test('a command is asked once a minute, also by many at once', async () => {
  const calls = join(folder, 'calls');
  await writeFile(calls, '');
  const { onCall, clock, failures } = opened({
    command: 'echo x >> calls; echo ann@example.com; echo Ben@Example.com',
    folder,
  });
  const asked = async () => (await readFile(calls, 'utf8')).trim().split('\n').length;
  const answers = await Promise.all(
    ['ann', 'ben', 'eve'].map((who) => onCall.of(`${who}@example.com`)),
  );
  assert.deepEqual(answers, [['oncall:primary'], ['oncall:primary'], []]);
  clock.now += 59_000;
  await onCall.of('ann@example.com');
  assert.equal(await asked(), 1);
  clock.now += 2_000;
  await onCall.of('ann@example.com');
  assert.equal(await asked(), 2);
  assert.deepEqual(failures, []);
});

for (const [name, command, why] of [
  ['fails', 'echo ann@example.com; exit 3', /ended with code 3/],
  [
    'prints something else',
    'echo ann@example.com; echo everybody',
    /something else than e-mail addresses/,
  ],
  ['is not there', 'no-such-program-at-all', /ended with code 127/],
] as const)
  test(`a command that ${name} puts nobody on call, and says so`, async () => {
    const { onCall, clock, failures } = opened({ command, folder });
    assert.deepEqual(await onCall.of('ann@example.com'), []);
    assert.match(failures[0] ?? '', why);
    assert.ok(!failures.join().includes('ann@example.com'), 'what it printed goes nowhere');
    await onCall.of('ann@example.com');
    assert.equal(failures.length, 1);
    clock.now += 6_000;
    await onCall.of('ann@example.com');
    assert.equal(failures.length, 2, 'it is asked again soon');
  });
