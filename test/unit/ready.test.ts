import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readiness, type ReadyParts } from '#gateway/ready.ts';

const yes = () => Promise.resolve();
const no = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.7:5432'));
const WELL: ReadyParts = {
  held: () => true,
  records: () => true,
  silent: () => undefined,
  signed: () => true,
  store: yes,
  queue: yes,
  targets: [yes, yes],
  chat: () => undefined,
  rulesFail: () => false,
};

test('everything that is missing is listed, without what errors say', async () => {
  assert.deepEqual(await readiness(WELL)(), { missing: [], warnings: [] });
  const { missing, warnings } = await readiness({
    held: () => false,
    records: () => false,
    silent: () => 42,
    signed: () => false,
    store: no,
    queue: no,
    targets: [no, yes],
    chat: () => 'invalid_auth for xoxb-1',
    rulesFail: () => true,
  })();
  assert.equal(missing.length, 4);
  assert.match(missing.join('; '), /lease.*refuses records.*no heartbeat for 42 s.*store/);
  assert.equal(warnings.length, 5);
  assert.match(warnings.join('; '), /not signed.*queue.*1 of 2 targets.*chat.*rules/);
  assert.doesNotMatch([...missing, ...warnings].join(), /10\.0\.0\.7|xoxb/);
});

test('what does not answer at all is missing after a while, and is asked once for all who wait', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let asked = 0;
  const never = () => {
    asked += 1;
    return new Promise<never>(() => undefined);
  };
  const ready = readiness({ ...WELL, store: never });
  const answers = Promise.all([ready(), ready()]);
  await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(2_000);
  for (const { missing } of await answers) assert.deepEqual(missing, ['the store does not answer']);
  assert.equal(asked, 1);
});
