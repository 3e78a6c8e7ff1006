import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { openQueue } from '#src/approval/bullmq.ts';
import { claimOutbox, completeOutbox, deferOutbox, dueOutbox } from '#src/approval/outbox.ts';
import type { Hint, QueueLog } from '#src/approval/queue.ts';
import { asked, startRequests, startStore } from '../../fakes/approval.ts';

let store: Awaited<ReturnType<typeof startStore>>;
before(async () => {
  store = await startStore();
});
after(() => store.stop());

const hint = (): Hint => ({ outbox: randomUUID(), request: randomUUID() });

/** What a queue writes into the log. */
function keptLog() {
  const lines: string[] = [];
  const log: QueueLog = {
    info: (_, text) => void lines.push(text),
    warn: (_, text) => void lines.push(text),
  };
  return { lines, log };
}

/** What `handle` was given, and a way to wait for the next. */
function inbox() {
  const seen: Hint[] = [];
  let ring: (() => void) | undefined;
  return {
    seen,
    take(given: Hint) {
      seen.push(given);
      ring?.();
    },
    async count(wanted: number) {
      const signal = AbortSignal.timeout(10_000);
      while (seen.length < wanted)
        await new Promise<void>((resolve, reject) => {
          ring = resolve;
          signal.addEventListener('abort', () => reject(new Error('no hint came')), { once: true });
        });
    },
  };
}

test('the queue on PostgreSQL brings hints and tries a failed one again', async () => {
  const { lines, log } = keptLog();
  const queue = openQueue({ backend: 'postgres' }, store.postgres.url, log);
  const box = inbox();
  let failures = 1;
  await queue.ping();
  await queue.consume((given) => {
    box.take(given);
    failures -= 1;
    return failures >= 0 ? Promise.reject(new Error('planted: once')) : Promise.resolve();
  });
  const [first, second] = [hint(), hint()];
  await queue.publish(first);
  await box.count(2);
  await queue.publish(second);
  await box.count(3);
  assert.deepEqual(box.seen, [first, first, second]);
  assert.deepEqual(lines, ['a hint failed; it is tried again']);
  await queue.close();
});

test('a queue whose server is away says so, to whoever asks and never as an unhandled error', async () => {
  const sentinels = [{ host: '127.0.0.1', port: 1 }];
  for (const config of [
    { backend: 'postgres' },
    { backend: 'redis', url: 'redis://127.0.0.1:1' },
    { backend: 'redis', sentinels, name: 'mymaster' },
  ] as const) {
    const { lines, log } = keptLog();
    const queue = openQueue(config, 'postgres://postgres@127.0.0.1:1/none', log);
    await queue.consume(() => Promise.resolve());
    const answers = [queue.ping(), queue.publish(hint())];
    for (const answer of answers) await assert.rejects(answer);
    const from = performance.now();
    await queue.close();
    assert.ok(performance.now() - from < 4_500);
    // BullMQ says nothing of a PostgreSQL that it cannot reach; whoever publishes hears of it.
    assert.equal(lines.length, config.backend === 'redis' ? 1 : 0, lines.join());
  }
});

test('an outbox row is taken by one bot at a time, for its request as a whole, and waits between attempts', async () => {
  const { requests } = await startRequests(store.db);
  const sql = store.db.pool;
  const { id } = await requests.open(asked());
  const [row] = await dueOutbox(sql, 10);
  assert.ok(row);
  const takes = await Promise.all(Array.from({ length: 5 }, () => claimOutbox(sql, row)));
  assert.deepEqual(
    takes.filter((due) => due !== undefined),
    [{ request: id, attempts: 1 }],
  );
  await requests.end(id, 'withdrawn', 'the client cancelled');
  const [newer] = await dueOutbox(sql, 10);
  assert.ok(newer && newer !== row, 'the newer version is due');
  assert.equal(await claimOutbox(sql, newer), undefined, 'but its request is being worked on');
  await deferOutbox(sql, { request: id, attempts: 1 }, 0);
  assert.equal((await claimOutbox(sql, newer))?.attempts, 2);
  await completeOutbox(sql, id, 1);
  await deferOutbox(sql, { request: id, attempts: 2 }, 0);
  assert.deepEqual(await dueOutbox(sql, 10), [newer], 'only what chat has shown is done');
  await completeOutbox(sql, id, 2);
  assert.deepEqual(await dueOutbox(sql, 10), []);
  await requests.close();
});
