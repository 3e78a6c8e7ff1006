import assert from 'node:assert/strict';
import { after, before, beforeEach, mock, test } from 'node:test';
import { Redis } from 'ioredis';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { without } from '../fakes/need.ts';
import { freePort } from '../fakes/postgres.ts';
import type { TestRedis } from '../fakes/redis.ts';
import { type FakeSlack, startFakeSlack, TEAM } from '../fakes/slack.ts';

const skip = without('redis-server');
const TOKEN = 'xoxb-test';
const ID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

let gateway: TestGateway;
let redis: TestRedis;
let slack: FakeSlack;
let count = 0;
const stderr: string[] = [];
before(async () => {
  if (skip) return;
  // Where ioredis writes what nobody listens for.
  mock.method(console, 'error', (...words: unknown[]) => void stderr.push(words.join(' ')));
  mock.method(console, 'warn', (...words: unknown[]) => void stderr.push(words.join(' ')));
  const scopes = ['chat:write', 'users:read', 'users:read.email'];
  slack = await startFakeSlack({ scopes, token: TOKEN });
  gateway = await startGateway({
    queue: 'redis',
    slack: {
      mode: 'http',
      botToken: TOKEN,
      signingSecret: 'test',
      teams: [TEAM],
      matchEmail: [TEAM],
      listen: { host: '127.0.0.1', port: await freePort() },
      apiUrl: slack.url,
    },
  });
  assert.ok(gateway.redis);
  redis = gateway.redis;
});
after(async () => {
  await gateway?.stop();
  await slack?.close();
});
beforeEach(() => {
  if (skip) return;
  count += 1;
  gateway.logged.length = 0;
});

const logged = (text: string): string[] => gateway.logged.filter((line) => line.includes(text));
const FAILED = 'the queue failed';
const BACK = 'the queue takes hints again';

/** A statement that waits; its card is in Slack when this resolves. */
async function hold(text = `redis ${count}`) {
  const client = await gateway.open();
  const sql = `update orders set status = '${text}' where id = ${count}`;
  const answer = outcome(client.query(sql));
  const { id } = await gateway.pending();
  await eventually('the card', () =>
    slack.messages.find((one) => JSON.stringify(one.metadata ?? '').includes(id)),
  );
  return { id: String(id), answer, sql };
}

async function runsOnce({ answer, sql }: Awaited<ReturnType<typeof hold>>): Promise<void> {
  assert.equal((await gateway.decide('approve')).body.state, 'approved');
  assert.equal((await answer).rowCount, 1);
  const ran = (await gateway.ranOnTarget()).filter((one) => one === sql);
  assert.equal(ran.length, 1);
}

/** A hint went through Redis from end to end: its events say so. */
async function hintsWork(): Promise<void> {
  const last = await redis.command('xrevrange', 'bull:countersign:events', '+', '-', 'COUNT', 1);
  const from = last[0]?.[0] ?? '0';
  await runsOnce(await hold());
  await eventually('a hint that was handled', async () => {
    const events = await redis
      .command('xrange', 'bull:countersign:events', `(${from}`, '+')
      .catch(() => []);
    return JSON.stringify(events).includes('"completed"') || undefined;
  });
}

test('ids alone go to Redis: no statement, no value, no reason, no person', { skip }, async () => {
  const client = new Redis(redis.url);
  const spy = await client.monitor();
  client.disconnect();
  const seen: string[] = [];
  spy.on('monitor', (_time: string, [name = '', ...args]: string[]) => {
    // The first argument of EVAL is a script of BullMQ's.
    seen.push(JSON.stringify([name, ...(name === 'eval' ? args.slice(1) : args)]));
  });
  const held = await hold('a literal of four words');
  await runsOnce(held);
  await eventually('the hints', () => seen.filter((one) => one.includes(held.id)).length > 2);
  spy.disconnect();
  const kept = await everything();
  assert.ok(kept.some(([key]) => key === 'bull:countersign:events'));
  for (const text of [...seen, ...kept.map((one) => JSON.stringify(one))])
    assert.doesNotMatch(text, /four words|orders|update |because|example\.com|refunded/);
  const { rows } = await gateway.storeSql.query('select id, request from countersign.outbox');
  const known = new Set(rows.flatMap((row) => [row.id, row.request]));
  const jobs = seen.filter((one) => one.includes('outbox')).flatMap((one) => one.match(ID) ?? []);
  assert.ok(jobs.length > 0);
  for (const id of jobs) assert.ok(known.has(id), `${id} is an id of the outbox`);
});

test(
  'killed while a hold waits: cards go on, decisions count, and it is told once',
  { skip },
  async () => {
    const waiting = await hold();
    await redis.kill();
    await runsOnce(waiting);
    count += 1;
    await runsOnce(await hold());
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const told = logged(FAILED);
    assert.ok(told.length >= 1 && told.length <= 3, told.join(''));
    assert.equal((await fetch(`${gateway.running.console}/healthz`)).status, 200);
    await redis.start();
    await eventually('the producer is there', async () =>
      /name=bull/.test(await redis.command('client', 'list')),
    );
    count += 1;
    await hintsWork();
    assert.equal(logged(BACK).length, 1);
    assert.ok(logged(FAILED).length <= 3, logged(FAILED).join(''));
  },
);

test('flushed while a hold waits: nothing is lost, and the next hint works', { skip }, async () => {
  const waiting = await hold();
  await redis.command('flushall');
  await runsOnce(waiting);
  count += 1;
  await hintsWork();
});

test('out of memory: hints are refused, cards come by the sweep', { skip }, async () => {
  await redis.command('config', 'set', 'maxmemory', '1');
  const held = await hold();
  await eventually('the refusal is told', () => logged('OOM').length > 0);
  assert.ok(logged('OOM').every((line) => !line.includes('orders')));
  await runsOnce(held);
  await redis.command('config', 'set', 'maxmemory', '0');
  count += 1;
  await hintsWork();
});

test('a Redis that may throw keys away is warned of', { skip }, async () => {
  await redis.command('config', 'set', 'maxmemory-policy', 'allkeys-lru');
  await redis.command('client', 'kill', 'type', 'normal');
  await eventually(
    'the warning',
    () => logged('set its maxmemory-policy to noeviction').length > 0,
  );
  await redis.command('config', 'set', 'maxmemory-policy', 'noeviction');
  await hintsWork();
});

test('a master that was demoted is left, and found again', { skip }, async () => {
  await redis.command('replicaof', '127.0.0.1', '1');
  const held = await hold();
  await eventually('the refusal is told', () => logged('READONLY').length > 0);
  await runsOnce(held);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  assert.ok(logged(FAILED).length <= 4, logged(FAILED).join(''));
  await redis.command('replicaof', 'no', 'one');
  count += 1;
  await hintsWork();
});

test('a Redis that does not answer holds up neither decisions nor the stop', { skip }, async () => {
  const waiting = await hold();
  redis.pause();
  try {
    await runsOnce(waiting);
    count += 1;
    await runsOnce(await hold());
    const from = performance.now();
    await gateway.running.stop();
    const took = performance.now() - from;
    assert.ok(took < 8_000, `it took ${took} ms`);
  } finally {
    redis.resume();
  }
  await eventually('no connection of it is left', async () => {
    const list: string = await redis.command('client', 'list');
    return !/name=bull/.test(list) || undefined;
  });
});

test('Redis is away at the start: the gateway starts, says so, and works', { skip }, async () => {
  await redis.kill();
  await gateway.restart();
  await runsOnce(await hold());
  const ready = await fetch(`${gateway.running.console}/readyz`);
  assert.equal(ready.status, 200);
  assert.match(await ready.text(), /queue does not answer/);
  await redis.start();
  count += 1;
  await hintsWork();
});

test(
  'after all that Redis did, the log verifies, and no error went unheard',
  { skip },
  async () => {
    await gateway.verify();
    assert.deepEqual(stderr, []);
  },
);

/** Every key of Redis with what it holds, as text. */
async function everything(): Promise<[key: string, value: string][]> {
  const READ: Record<string, (key: string) => unknown[]> = {
    string: (key) => ['get', key],
    hash: (key) => ['hgetall', key],
    list: (key) => ['lrange', key, 0, -1],
    set: (key) => ['smembers', key],
    zset: (key) => ['zrange', key, 0, -1],
    stream: (key) => ['xrange', key, '-', '+'],
    // It was taken meanwhile.
    none: (key) => ['get', key],
  };
  const keys: string[] = await redis.command('keys', '*');
  return await Promise.all(
    keys.map(async (key): Promise<[string, string]> => {
      const read = READ[await redis.command('type', key)]?.(key);
      assert.ok(read, key);
      const [name, ...args] = read as [string, ...(string | number)[]];
      return [key, JSON.stringify(await redis.command(name, ...args))];
    }),
  );
}
