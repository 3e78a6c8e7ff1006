import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, suite, test } from 'node:test';
import { sameTarget } from '#src/config/changes.ts';
import { secretOf } from '#src/config/secrets.ts';
import { Folder, problemsOf } from './folder.ts';

const scim = (token: string) => ({
  protocol: 'oidc',
  issuer: 'https://id.example.com',
  clientId: 'x',
  scim: { token },
});
suite('secrets of targets and providers', () => {
  const folder = new Folder();
  beforeEach(() => folder.fill());
  after(() => folder.remove());

  const CASES: readonly (readonly [string, Record<string, unknown>, string, RegExp])[] = [
    [
      'a password in clear',
      { 'targets.shop.password': 'hunter2' },
      'targets.shop.password',
      /^stands here in clear: /,
    ],
    [
      'an analyser’s password in clear, in part',
      { 'targets.shop.analyser.password': 'hunter2-${env:SLACK_BOT_TOKEN}' },
      'targets.shop.analyser.password',
      /^stands here in clear: /,
    ],
    [
      'a SCIM token that is a word',
      { 'identity.providers': { acme: scim('hunter2') } },
      'identity.providers.acme.scim.token',
      /less than 32 characters/,
    ],
  ];
  for (const [name, changes, path, message] of CASES)
    test(`${name} is refused, and not shown`, async () => {
      const found = await problemsOf(folder.read(changes));
      assert.match(found[path] ?? '', message);
      assert.equal(JSON.stringify(found).includes('hunter2'), false);
    });
});

test('another cache time makes a target another one, so that a reload takes it up', async () => {
  const folder = new Folder();
  folder.fill();
  const shop = async (time: string) =>
    (await folder.read({ 'targets.shop.passwordCache': time })).targets.get('shop');
  const [one, same, other] = [await shop('1m'), await shop('1m'), await shop('2m')];
  folder.remove();
  assert.equal(sameTarget(one, same), true);
  assert.equal(sameTarget(one, other), false);
});

suite('what a command prints', () => {
  let base: string;
  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'countersign-secrets-'));
  });
  beforeEach(async () => {
    await writeFile(join(base, 'secret'), 'one');
    await chmod(join(base, 'secret'), 0o600);
    await writeFile(join(base, 'runs'), '');
  });
  after(() => rm(base, { recursive: true, force: true }));

  const runs = async () => (await readFile(join(base, 'runs'), 'utf8')).length;
  const command = (keptMs?: number) =>
    secretOf('${command:printf x >> runs; cat secret}', { base, env: {} }, keptMs);

  test('is kept for a while: its command runs once, also for many at once', async () => {
    const secret = command();
    assert.deepEqual(await Promise.all([secret(), secret(), secret()]), ['one', 'one', 'one']);
    await writeFile(join(base, 'secret'), 'two');
    assert.equal(await secret(), 'one');
    assert.equal(await runs(), 1);
  });

  test('is asked for again after its time', async () => {
    const secret = command(0);
    assert.equal(await secret(), 'one');
    await writeFile(join(base, 'secret'), 'two');
    assert.equal(await secret(), 'two');
  });

  test('is asked for anew when it was refused, once for everybody who was', async (t) => {
    let now = performance.now();
    t.mock.method(performance, 'now', () => now);
    const secret = command();
    assert.equal(await secret(), 'one');
    await writeFile(join(base, 'secret'), 'two');
    now += 2_000;
    const renewed = await Promise.all([1, 2, 3].map(async () => secret.renew?.('one')));
    assert.deepEqual(renewed, ['two', 'two', 'two']);
    assert.equal(await runs(), 2);
    // What is really wrong does not run its command at every login.
    for (let i = 0; i < 20; i++) assert.equal(await secret.renew?.('two'), 'two');
    assert.equal(await runs(), 2);
  });

  test('that fails is not kept, and its output is in no error', async () => {
    const secret = secretOf('${command:cat secret; exit 1}', { base, env: {} });
    await assert.rejects(secret(), (error: Error) => !`${error.stack}`.includes('one'));
    await assert.rejects(secret(), /run it by hand/);
  });

  test('files and variables are read each time', async () => {
    const secret = secretOf('${file:secret}', { base, env: {} });
    assert.equal(await secret(), 'one');
    await writeFile(join(base, 'secret'), 'two');
    assert.equal(await secret(), 'two');
    assert.equal(await secret.renew?.('one'), 'two');
  });
});
