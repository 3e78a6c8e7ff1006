import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, beforeEach, suite, test } from 'node:test';
import { sameTarget } from '#src/config/changes.ts';
import { loginOf } from '#src/config/person-login.ts';
import { Folder, problemsOf } from './folder.ts';

const PERSONAL = {
  'targets.shop.url': 'postgres://shop.internal/shop',
  'targets.shop.user': '{{person.login}}',
  'targets.shop.password': '${file:./people/{{person.login}}}',
};

suite('a target where each person has a role of their own', () => {
  const folder = new Folder();
  beforeEach(() => folder.fill());
  after(() => folder.remove());
  const shop = async (changes: object = {}) =>
    (await folder.read({ ...PERSONAL, ...changes })).targets.get('shop');

  test('gives each their role, their secret and their certificate', async () => {
    await mkdir(join(folder.dir, 'people'), { recursive: true });
    await writeFile(join(folder.dir, 'people', 'jane'), 'of jane\n');
    await chmod(join(folder.dir, 'people', 'jane'), 0o600);
    const target = await shop({
      'targets.shop.user': 'app_{{person.login}}',
      'targets.shop.tls': { cert: './{{person.login}}.pem', key: './{{person.login}}.key' },
    });
    const jane = target?.personal?.('jane');
    assert.equal(jane?.user, 'app_jane');
    assert.equal(await jane.password(), 'of jane');
    assert.equal(jane.tls.cert, join(folder.dir, 'jane.pem'));
    assert.equal(jane.tls.key, join(folder.dir, 'jane.key'));
    assert.equal(jane.shared, target);
    assert.equal(target?.tls.cert, undefined, 'the analyser is nobody’s');
    assert.equal(target?.personal?.('jane'), jane, 'what is kept of a secret is kept');
    await assert.rejects(target.password(), /a password for each person, and none of its own/);
  });

  test('runs a command with the name of the person', async () => {
    const target = await shop({ 'targets.shop.password': '${command:echo of-{{person.login}}}' });
    assert.equal(await target?.personal?.('joe').password(), 'of-joe');
  });

  test('is the same after a reload that changes nothing', async () => {
    assert.equal(sameTarget(await shop(), await shop()), true);
    const other = await shop({ 'targets.shop.password': '${file:./other/{{person.login}}}' });
    assert.equal(sameTarget(await shop(), other), false);
    const certified = await shop({
      'targets.shop.tls': { cert: './{{person.login}}.pem', key: './{{person.login}}.key' },
    });
    assert.equal(sameTarget(await shop(), certified), false);
    const named = await shop({ 'targets.shop.user': 'x_{{person.login}}' });
    assert.equal(sameTarget(await shop(), named), false);
  });

  const WRONG: readonly (readonly [string, Record<string, unknown>, string, RegExp])[] = [
    [
      'a user in the address too',
      { ...PERSONAL, 'targets.shop.url': 'postgres://gateway@shop.internal/shop' },
      'targets.shop.url',
      /names a user, and so does user/,
    ],
    [
      'a user that is no template',
      { ...PERSONAL, 'targets.shop.user': 'gateway' },
      'targets.shop.user',
      /not a template/,
    ],
    [
      'a user with anything else around it',
      { ...PERSONAL, 'targets.shop.user': '{{person.login}}; drop' },
      'targets.shop.user',
      /not a template/,
    ],
    [
      'a person’s secret in the environment',
      { ...PERSONAL, 'targets.shop.password': '${env:X_{{person.login}}}' },
      'targets.shop.password',
      /comes from one of these/,
    ],
    [
      'a person in the secret of a shared role',
      { 'targets.shop.password': '${file:./people/{{person.login}}}' },
      'targets.shop.password',
      /stands for somebody only/,
    ],
    [
      'a person in the analyser’s secret',
      { ...PERSONAL, 'targets.shop.analyser.password': '${file:./{{person.login}}}' },
      'targets.shop.analyser.password',
      /stands for somebody only/,
    ],
    [
      'a person in the authority’s file',
      { ...PERSONAL, 'targets.shop.tls': { ca: './{{person.login}}.pem' } },
      'targets.shop.tls.ca',
      /stands for nobody here/,
    ],
  ];
  for (const [name, changes, path, message] of WRONG)
    test(`${name} is refused`, async () => {
      const found = await problemsOf(folder.read(changes));
      assert.match(found[path] ?? JSON.stringify(found), message);
    });
});

test('the name of a person is plain, or there is none', () => {
  const names = {
    'Jane.Doe@example.com': 'jane.doe',
    'j_d-1@example.com': 'j_d-1',
    'jane+tag@example.com': undefined,
    '../x@example.com': undefined,
    '.x@example.com': undefined,
    '-rf@example.com': undefined,
    "o'brien@example.com": undefined,
    '$(id)@example.com': undefined,
    'a b@example.com': undefined,
    '@example.com': undefined,
    [`${'x'.repeat(64)}@example.com`]: undefined,
  };
  for (const [email, login] of Object.entries(names)) assert.equal(loginOf(email), login, email);
});
