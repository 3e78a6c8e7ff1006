import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, beforeEach, suite, test } from 'node:test';
import { writeFileSync } from 'node:fs';
import { redisOptions } from '#src/approval/redis.ts';
import { Folder, problemsOf } from './folder.ts';

const folder = new Folder();
const { dir } = folder;
beforeEach(() => folder.fill());
after(() => folder.remove());

const redis = (more: object) => ({ queue: { backend: 'redis', ...more } });
const sentinels = ['10.0.0.1:26379', '10.0.0.2:26379'];
const live = new AbortController().signal;
const at = (url: string, more = {}): Partial<Record<string, unknown>> =>
  redisOptions({ backend: 'redis', url, ...more }, live);

suite('the queue in the configuration', () => {
  test('Sentinels, their master, its number, user, passwords and authority', async () => {
    writeFileSync(join(dir, 'redis-ca.pem'), 'AUTHORITY');
    const { queue } = await folder.read(
      redis({
        sentinels,
        name: 'mymaster',
        db: 3,
        username: 'gate',
        password: '${env:SLACK_APP_TOKEN}',
        sentinelPassword: '${env:SLACK_BOT_TOKEN}',
        tls: { ca: './redis-ca.pem' },
      }),
    );
    assert.ok(queue.backend === 'redis');
    const options = Object.entries(redisOptions(queue, live));
    assert.deepEqual(
      Object.fromEntries(options.filter(([, value]) => typeof value !== 'function')),
      {
        connectTimeout: 3_000,
        socketTimeout: 12_000,
        sentinelCommandTimeout: 3_000,
        sentinels: [
          { host: '10.0.0.1', port: 26379 },
          { host: '10.0.0.2', port: 26379 },
        ],
        name: 'mymaster',
        db: 3,
        username: 'gate',
        password: 'app-token',
        sentinelPassword: 'bot-token',
        tls: { ca: 'AUTHORITY' },
        sentinelTLS: { ca: 'AUTHORITY' },
        enableTLSForSentinelMode: true,
      },
    );
  });

  test('a URL with user, password and number; what stands beside it comes first', () => {
    const { host, port, db, username, password, tls } = at('rediss://gate:a%40b@[::1]:7000/2');
    assert.deepEqual(
      { host, port, db, username, password, tls },
      { host: '::1', port: 7000, db: 2, username: 'gate', password: 'a@b', tls: {} },
    );
    assert.equal(at('redis://h')['port'], 6379);
    assert.equal(at('redis://h')['tls'], undefined);
    assert.equal(at('redis://:one@h', { password: 'two' })['password'], 'two');
  });

  test('a URL whose secret makes it none says where to write the password, and not the secret', () => {
    assert.throws(
      () => redisOptions({ backend: 'redis', url: 'redis://:hunter/2@[h' }, live),
      (error: Error) => /queue\.password/.test(error.message) && !/hunter/.test(error.message),
    );
  });

  const cases: readonly (readonly [name: string, queue: object, path: string, told: RegExp])[] = [
    ['neither a URL nor Sentinels', {}, 'queue.url', /needs url.*or sentinels/],
    ['both', { url: 'redis://h', sentinels, name: 'm' }, 'queue.sentinels', /leave it out/],
    ['Sentinels without a name', { sentinels }, 'queue.name', /write name: mymaster/],
    ['a number beside a URL', { url: 'redis://h', db: 1 }, 'queue.db', /leave it out/],
    ['TLS for redis://', { url: 'redis://h', tls: {} }, 'queue.tls', /rediss:\/\//],
    [
      'an authority that is not there',
      { url: 'rediss://h', tls: { ca: './no.pem' } },
      'queue.tls.ca',
      /no readable file/,
    ],
    [
      'a password that is not there',
      { url: 'redis://h', password: '${env:NOT_SET_ANYWHERE}' },
      'queue.password',
      /no NOT_SET_ANYWHERE/,
    ],
  ];
  for (const [name, queue, path, told] of cases)
    test(`problem: ${name}`, async () => {
      assert.match((await problemsOf(folder.read(redis(queue))))[path] ?? '', told);
    });
});
