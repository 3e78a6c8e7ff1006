import assert from 'node:assert/strict';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, suite, test } from 'node:test';
import { readPolicyFiles } from '#src/config/policies.ts';
import { Folder, problemsOf } from './folder.ts';

const folder = new Folder();
const { dir, file } = folder;
beforeEach(() => folder.fill());
after(() => folder.remove());

suite('a configuration that cannot be used', () => {
  const cases: readonly (readonly [
    name: string,
    changes: Record<string, unknown>,
    path: string,
    message: RegExp,
  ])[] = [
    ['an unknown key', { 'targets.shop.pasword': 'x' }, 'targets.shop.pasword', /no such key/],
    [
      'a missing key',
      { 'targets.shop.password': undefined },
      'targets.shop.password',
      /is missing/,
    ],
    [
      'a duration with a space',
      { 'targets.shop.hold.inTransaction': '5 min' },
      'targets.shop.hold.inTransaction',
      /^"5 min" is not a duration: write 5m$/,
    ],
    [
      'a size that is none',
      { 'targets.shop.record.bytes': '1 MB' },
      'targets.shop.record.bytes',
      /"1 MB" is not a size: write 1MiB/,
    ],
    [
      'an address that is none',
      { 'listen.postgres': '6432' },
      'listen.postgres',
      /"6432" is not an address/,
    ],
    [
      'a port that is none',
      { 'listen.postgres': '127.0.0.1:70000' },
      'listen.postgres',
      /not an address/,
    ],
    [
      'a time zone that is none',
      { 'targets.shop.timeZone': 'Berlin' },
      'targets.shop.timeZone',
      /not a time zone/,
    ],
    [
      'a target without a user',
      { 'targets.shop.url': 'postgres://h/db' },
      'targets.shop.url',
      /names no user/,
    ],
    [
      'a target without a database',
      { 'targets.shop.url': 'postgres://u@h' },
      'targets.shop.url',
      /names no database/,
    ],
    [
      'a target with a password in its address',
      { 'targets.shop.url': 'postgres://u:pw@h/db' },
      'targets.shop.url',
      /under password/,
    ],
    [
      'a target with parameters in its address',
      { 'targets.shop.url': 'postgres://u@h/db?sslmode=disable' },
      'targets.shop.url',
      /has parameters/,
    ],
    ['another protocol', { 'targets.shop.protocol': 'mysql' }, 'targets.shop.protocol', /postgres/],
    ['no target', { targets: {} }, 'targets', /at least one/],
    [
      'a target whose name is no name',
      { 'targets.a/b': {} },
      'targets["a/b"]',
      /a name has letters/,
    ],
    [
      'an unknown channel',
      { 'targets.shop.channel': 'ops' },
      'targets.shop.channel',
      /no channel "ops".*db-approvals/,
    ],
    [
      'a channel name in place of its id',
      { 'chat.channels.ops': { slack: '#ops' } },
      'chat.channels.ops.slack',
      /channel id/,
    ],
    [
      'a missing authority file',
      { 'targets.shop.tls.ca': './no.pem' },
      'targets.shop.tls.ca',
      /no readable file/,
    ],
    [
      'a missing certificate',
      { tls: { key: './no.key', cert: './no.pem' } },
      'tls.cert',
      /no readable file/,
    ],
    [
      'a missing key file',
      { tls: { key: './no.key', cert: './no.pem' } },
      'tls.key',
      /there is no file/,
    ],
    [
      'two listeners on one port',
      { 'listen.postgres': '127.0.0.1:8080' },
      'listen.postgres',
      /8080 is taken by listen\.console/,
    ],
    [
      'a listener on all addresses and the same port',
      { 'listen.ssh': '0.0.0.0:6432' },
      'listen.ssh',
      /taken by listen\.postgres/,
    ],
    ['Redis without a URL', { queue: { backend: 'redis' } }, 'queue.url', /is missing|needs url/],
    [
      'an unset variable',
      { 'targets.shop.password': '${env:NOT_SET_ANYWHERE}' },
      'targets.shop.password',
      /no NOT_SET_ANYWHERE/,
    ],
    [
      'a missing secret file',
      { 'targets.shop.password': '${file:./no}' },
      'targets.shop.password',
      /there is no file/,
    ],
    [
      'a reference of no kind',
      { 'targets.shop.password': '${vault:x}' },
      'targets.shop.password',
      /not one of/,
    ],
    [
      'e-mail addresses that count in a workspace that does not',
      { 'chat.slack.matchEmail': ['T0000001'] },
      'chat.slack.matchEmail.0',
      /not one of chat.slack.teams/,
    ],
    [
      'e-mail addresses that count everywhere',
      { 'chat.slack.matchEmail': true },
      'chat.slack.matchEmail',
      /a list of the workspaces/,
    ],
    [
      'a failing command',
      { 'chat.slack.botToken': '${command:exit 3}' },
      'chat.slack.botToken',
      /command of this secret failed/,
    ],
    [
      'a reference where no secret stands',
      { name: '${env:SLACK_BOT_TOKEN}' },
      'name',
      /only a secret|a name has/,
    ],
    ['rules that are not there', { policies: './none' }, 'policies', /no folder/],
    [
      'a key of a target that is nearly right',
      { 'targets.shop.hold.inTransacton': '5m' },
      'targets.shop.hold.inTransacton',
      /did you mean inTransaction\?/,
    ],
    ['a number for a text', { name: 12 }, 'name', /^is a number: write a text: put it in quotes$/],
    ['a text for a list', { groups: 'dba' }, 'groups', /^is a text: write a list/],
    ['a text for keys', { listen: '127.0.0.1:1' }, 'listen', /^is a text: write keys of its own/],
    [
      'a list for a person',
      { people: { 'ann@example.com': [] } },
      'people["ann@example.com"]',
      /a list/,
    ],
    [
      'a person who is there twice but for case',
      { people: { 'Ann@example.com': { name: 'A' }, 'ann@example.com': { name: 'B' } } },
      'people["ann@example.com"]',
      /same person as Ann@example\.com/,
    ],
    [
      'a folder for an authority file',
      { 'targets.shop.tls.ca': './secrets' },
      'targets.shop.tls.ca',
      /is a folder/,
    ],
    [
      'a folder for a secret',
      { 'targets.shop.password': '${file:./secrets}' },
      'targets.shop.password',
      /is a folder/,
    ],
    ['a file for the rules', { policies: './ca.pem' }, 'policies', /is no folder/],
    [
      'a variable that holds a reference',
      { 'targets.shop.password': '${env:CIRCLE}' },
      'targets.shop.password',
      /holds a reference itself/,
    ],
    ['a person who is no address', { 'people.ann': { name: 'Ann' } }, 'people.ann', /e-mail/],
  ];
  for (const [name, changes, path, message] of cases)
    test(`${name} is a problem at its path`, async () => {
      assert.match((await problemsOf(folder.read(changes)))[path] ?? 'nothing was said', message);
    });

  test('every problem is told at once', async () => {
    const found = await problemsOf(
      folder.read({
        nme: 'x',
        'listen.postgres': '127.0.0.1:8080',
        'targets.shop.hold.resend': 'soon',
        'targets.shop.channel': 'ops',
        'targets.shop.tls.ca': './no.pem',
        'targets.shop.password': '${env:NOT_SET_ANYWHERE}',
      }),
    );
    assert.deepEqual(Object.keys(found), [
      'listen.postgres',
      'nme',
      'targets.shop.channel',
      'targets.shop.hold.resend',
      'targets.shop.password',
      'targets.shop.tls.ca',
    ]);
  });

  test('a secret that everybody may read is a problem', async () => {
    chmodSync(join(dir, 'secrets', 'shop'), 0o644);
    assert.match(
      (await problemsOf(folder.read({})))['targets.shop.password'] ?? '',
      /everybody may read .*chmod 600/,
    );
  });

  test('no problem shows a secret', async () => {
    const secret = 'hunter2hunter2';
    const found = await problemsOf(
      folder.read({
        'store.postgres': `mysql://u:${secret}@h/db`,
        queue: { backend: 'redis', url: `http://:${secret}@h` },
        'targets.shop.url': `postgres://u:${secret}@h/db`,
        'targets.shop.password': `${secret} \${file:./no}`,
        'chat.slack.botToken': `\${command:echo ${secret} >&2; exit 1}`,
      }),
    );
    assert.equal(Object.keys(found).length, 4);
    assert.doesNotMatch(JSON.stringify(found), /hunter2/);
  });

  test('all secrets whose commands fail are told at once', async () => {
    const found = await problemsOf(
      folder.read({
        'store.postgres': 'postgres://u:${command:exit 1}@h/db',
        'chat.slack.botToken': '${command:exit 1}',
        'chat.slack.appToken': '${command:exit 1}',
      }),
    );
    const paths = ['chat.slack.appToken', 'chat.slack.botToken', 'store.postgres'];
    assert.deepEqual(Object.keys(found), paths);
  });

  test('an empty file and a missing one are problems', async () => {
    writeFileSync(file, '');
    assert.equal((await problemsOf(folder.readAsItIs()))['name'], 'is missing');
    rmSync(file);
    assert.match((await problemsOf(folder.readAsItIs()))[''] ?? '', /no such readable file/);
  });

  test('rules in a folder that cannot be read are an error, not an empty set', async () => {
    await assert.rejects(readPolicyFiles(join(dir, 'none')), /cannot be read/);
  });
});
