import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, suite, test } from 'node:test';
import { readPolicyFiles } from '#src/config/policies.ts';
import { jsonSchema } from '#src/config/schema.ts';
import { loadPolicy } from '#src/policy/load.ts';
import { example, Folder } from './folder.ts';

const folder = new Folder();
const { dir, file } = folder;
beforeEach(() => folder.fill());
after(() => folder.remove());

suite('a configuration that can be used', () => {
  test('the example is read as it is, and what this version lacks is said', async () => {
    copyFileSync(example, file);
    const read = await folder.readAsItIs();
    const target = read.targets.get('shop');
    assert.ok(target);
    const { password, analyser, ...plain } = target;
    assert.deepEqual(plain, {
      name: 'shop',
      protocol: 'postgres',
      environment: 'production',
      timeZone: 'UTC',
      host: '127.0.0.1',
      port: 5433,
      user: 'gateway',
      passwordCacheMs: 300_000,
      database: 'shop',
      tls: {
        mode: 'verify-full',
        ca: join(dir, 'ca.pem'),
        channelBinding: 'prefer',
        clearPassword: false,
      },
      hold: { inTransactionMs: 300_000, resendMs: 900_000 },
      record: { rows: 1000, bytes: 1_048_576 },
    });
    assert.equal(await password(), 'shop secret');
    assert.equal(await analyser.password(), 'shop-analyser secret');
    assert.deepEqual(read.listen.postgres, { host: '127.0.0.1', port: 6432 });
    assert.deepEqual(read.people.get('approver@example.com')?.groups, ['engineering', 'dba']);
    assert.deepEqual(read.groups, ['dba', 'engineering']);
    assert.equal(read.policies, join(dir, 'policies'));
    assert.equal(read.dataDir, join(dir, '.countersign'));
    assert.equal(read.chat.slack?.mode, 'socket');
    assert.equal(read.chat.slack.appToken, 'app-token');
    assert.deepEqual(
      read.notices.map((notice) => notice.split(':')[0]),
      ['listen.ssh'],
    );
  });

  test('the example and its rules load together', async () => {
    copyFileSync(example, file);
    copyFileSync(
      new URL('../policy/shop.cedar', import.meta.url),
      join(dir, 'policies', 'shop.cedar'),
    );
    writeFileSync(join(dir, 'policies', 'notes.txt'), 'not rules');
    const { groups, chat, targets, policies } = await folder.readAsItIs();
    const files = await readPolicyFiles(policies);
    assert.deepEqual(
      files.map((one) => one.name),
      ['shop.cedar'],
    );
    const known = { groups, channels: chat.channels.keys(), targets: targets.keys() };
    assert.equal(loadPolicy(files, known).ok, true);
  });

  test('Slack over HTTP, Redis and a store by URL take their secrets from where they stand', async () => {
    const read = await folder.read({
      'chat.slack': {
        mode: 'http',
        botToken: '${env:SLACK_BOT_TOKEN}',
        signingSecret: '${command:printf sign-it}',
        teams: ['T1'],
        listen: '127.0.0.1:8090',
      },
      'store.postgres': 'postgres://app:${file:./secrets/shop-analyser}@db/countersign',
      queue: { backend: 'redis', url: 'redis://:${env:SLACK_APP_TOKEN}@queue:6379' },
      'listen.ssh': undefined,
      'chat.channels': { ops: { slack: 'C1' } },
      publicUrl: 'https://gate.example.com/',
      groups: ['security'],
    });
    assert.deepEqual(read.chat.slack, {
      mode: 'http',
      botToken: 'bot-token',
      signingSecret: 'sign-it',
      teams: ['T1'],
      listen: { host: '127.0.0.1', port: 8090 },
      matchEmail: [],
    });
    assert.deepEqual(read.store.postgres, {
      url: 'postgres://app:shop-analyser secret@db/countersign',
    });
    assert.deepEqual(read.queue, { backend: 'redis', url: 'redis://:app-token@queue:6379' });
    assert.equal(read.publicUrl, 'https://gate.example.com');
    assert.deepEqual(read.groups, ['dba', 'engineering', 'security']);
    assert.deepEqual(read.notices, []);
  });

  test('a secret is read at each use, so that a rotated one works at once', async () => {
    const read = await folder.read();
    const password = read.targets.get('shop')?.password;
    writeFileSync(join(dir, 'secrets', 'shop'), 'rotated');
    assert.equal(await password?.(), 'rotated');
    chmodSync(join(dir, 'secrets', 'shop'), 0o644);
    await assert.rejects(async () => password?.(), /chmod 600/);
  });

  test('what is left out has a safe default', async () => {
    const read = await folder.read({
      listen: undefined,
      publicUrl: undefined,
      chat: undefined,
      queue: undefined,
      store: undefined,
      people: undefined,
      'targets.shop.tls': undefined,
      'targets.shop.hold': undefined,
      'targets.shop.record': undefined,
    });
    assert.equal(read.publicUrl, 'http://127.0.0.1:8080');
    assert.equal(read.store.postgres, 'embedded');
    assert.deepEqual(read.targets.get('shop')?.tls, {
      mode: 'verify-full',
      channelBinding: 'prefer',
      clearPassword: false,
    });
    assert.deepEqual(read.log, { level: 'info' });
  });
});

test('the JSON Schema says what each key means, and that no other key exists', () => {
  const schema = JSON.stringify(jsonSchema());
  const bare: string[] = [];
  const walk = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (key === 'properties')
        for (const [name, child] of Object.entries(value as Record<string, object>))
          if (!('description' in child) && !('const' in child)) bare.push(`${path}.${name}`);
      walk(value, `${path}.${key}`);
    }
  };
  walk(jsonSchema(), '');
  assert.deepEqual(bare, []);
  assert.match(schema, /"additionalProperties":false/);
});
