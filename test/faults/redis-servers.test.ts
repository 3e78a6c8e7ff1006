import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { openQueue } from '#src/approval/bullmq.ts';
import type { Hint, Queue } from '#src/approval/queue.ts';
import type { RedisConfig } from '#src/config/config.ts';
import { makeAuthority, writePem } from '../fakes/certificates.ts';
import { eventually } from '../fakes/gateway.ts';
import { without } from '../fakes/need.ts';
import { freePort } from '../fakes/postgres.ts';
import { startRedis, startSentinel, type TestRedis } from '../fakes/redis.ts';

const skip = without('redis-server');
const PASSWORD = 'p@ss/w:rd#1';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-redis-servers-'));
});
after(() => rm(dir, { recursive: true, force: true }));
/** A queue with both sides; it and what it logged. */
async function open(stack: AsyncDisposableStack, config: RedisConfig) {
  const seen: string[] = [];
  const lines: string[] = [];
  const keep = (fields: { err?: Error }, text: string) =>
    void lines.push(`${text} ${fields.err?.message ?? ''}`);
  const queue = stack.adopt(openQueue(config, '', { info: keep, warn: keep }), (one) =>
    one.close(),
  );
  await queue.consume((hint) => Promise.resolve(void seen.push(hint.outbox)));
  return { queue, seen, lines };
}

/** Publishes until a hint comes out at the other end; a server that hangs is given up within 12 s. */
async function works({ queue, seen }: { queue: Queue; seen: string[] }): Promise<void> {
  for (const until = AbortSignal.timeout(30_000); ; until.throwIfAborted()) {
    const hint: Hint = { outbox: randomUUID(), request: randomUUID() };
    await queue.publish(hint).catch(() => undefined);
    for (let n = 0; n < 20; n += 1) {
      if (seen.includes(hint.outbox)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function start(
  stack: AsyncDisposableStack,
  settings?: Record<string, string>,
): Promise<TestRedis> {
  return stack.adopt(await startRedis(settings), (redis) => redis.stop());
}

/** Master, replica and a Sentinel, all with passwords. */
async function startTrio(stack: AsyncDisposableStack) {
  const master = await start(stack);
  const replica = await start(stack, {
    replicaof: `127.0.0.1 ${master.port}`,
    masterauth: PASSWORD,
  });
  await master.command('config', 'set', 'masterauth', PASSWORD);
  await Promise.all([master.protect(PASSWORD), replica.protect(PASSWORD)]);
  // A Sentinel looks at once, and then every 10 s only.
  await eventually(
    'the replica is in step',
    async () => (await replica.command('role'))[3] === 'connected',
  );
  const sentinel = await startSentinel(master, { 'sentinel auth-pass': `mymaster ${PASSWORD}` });
  stack.defer(() => sentinel.stop());
  await eventually('the Sentinel knows the replica', async () => {
    const found = await sentinel.command('sentinel', 'replicas', 'mymaster');
    return JSON.stringify(found).includes(`${replica.port}`);
  });
  await sentinel.protect('of the sentinel');
  const config: RedisConfig = {
    backend: 'redis',
    sentinels: [
      { host: '127.0.0.1', port: 1 },
      { host: sentinel.host, port: sentinel.port },
    ],
    name: 'mymaster',
    password: PASSWORD,
    sentinelPassword: 'of the sentinel',
  };
  return { master, replica, config };
}

// They wait most of their time.
suite('servers of all kinds', { concurrency: 6 }, () => {
  test('the password stands in the URL or beside it', { skip }, async () => {
    await using stack = new AsyncDisposableStack();
    const redis = await start(stack);
    await redis.protect(PASSWORD);
    const { host, port } = redis;
    const inUrl = `redis://:${encodeURIComponent(PASSWORD)}@${host}:${port}/2`;
    await works(await open(stack, { backend: 'redis', url: inUrl }));
    await works(await open(stack, { backend: 'redis', url: redis.url, password: PASSWORD }));
  });

  test('a wrong password is told once, without it, and nothing breaks', { skip }, async () => {
    await using stack = new AsyncDisposableStack();
    const redis = await start(stack);
    await redis.protect(PASSWORD);
    const kit = await open(stack, { backend: 'redis', url: redis.url, password: 'wrong-one' });
    await assert.rejects(kit.queue.publish({ outbox: 'a', request: 'b' }));
    await eventually('the log', () => kit.lines.some((line) => /WRONGPASS|NOAUTH/.test(line)));
    assert.ok(kit.lines.length <= 3, kit.lines.join('\n'));
    assert.ok(!kit.lines.join().includes('wrong-one'));
  });

  test('an ACL user that may touch the queue alone is enough', { skip }, async () => {
    await using stack = new AsyncDisposableStack();
    const redis = await start(stack);
    const rights = ['~bull:countersign:*', '+@all', '-@dangerous', '-@admin', '+info'];
    await redis.command('acl', 'setuser', 'countersign', 'on', `>${PASSWORD}`, ...rights);
    const user = { username: 'countersign', password: PASSWORD };
    const kit = await open(stack, { backend: 'redis', url: redis.url, ...user });
    await works(kit);
    await kit.queue.ping();
    assert.deepEqual(kit.lines, []);
  });

  test('TLS: rediss:// trusts the authority that was named, and no other', { skip }, async () => {
    await using stack = new AsyncDisposableStack();
    const [own, other] = [await makeAuthority(), await makeAuthority()];
    const server = await writePem(dir, await own.issue());
    const ca = await writePem(dir, { own: own.cert, other: other.cert });
    const port = await freePort();
    await start(stack, {
      'tls-port': String(port),
      'tls-cert-file': server.cert,
      'tls-key-file': server.key,
      'tls-ca-cert-file': ca.own,
      'tls-auth-clients': 'no',
    });
    const url = `rediss://127.0.0.1:${port}`;
    await works(await open(stack, { backend: 'redis', url, tls: { ca: ca.own } }));
    const wary = await open(stack, { backend: 'redis', url, tls: { ca: ca.other } });
    await assert.rejects(wary.queue.publish({ outbox: 'a', request: 'b' }));
    assert.match(wary.lines.join(), /certificate|self-signed/);
    const plain = await open(stack, { backend: 'redis', url });
    await assert.rejects(plain.queue.publish({ outbox: 'a', request: 'b' }));
  });

  for (const [way, fall] of [
    ['is killed', (master: TestRedis) => master.kill()],
    ['hangs', (master: TestRedis) => master.pause()],
  ] as const)
    test(
      `Sentinel: the master ${way}, and the queue goes on at the one that follows`,
      { skip },
      async () => {
        await using stack = new AsyncDisposableStack();
        const { master, replica, config } = await startTrio(stack);
        const kit = await open(stack, config);
        await works(kit);
        assert.match(await master.command('client', 'list'), /name=bull/);
        await fall(master);
        await eventually(
          'the replica is promoted',
          async () => (await replica.command('role').catch(() => []))[0] === 'master',
        );
        await works(kit);
        assert.match(await replica.command('client', 'list'), /name=bull/);
        assert.ok(kit.lines.length <= 10, kit.lines.join('\n'));
        assert.ok(!kit.lines.join().includes(PASSWORD));
      },
    );
});
