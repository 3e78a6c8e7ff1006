import assert from 'node:assert/strict';
import { cp, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { verifyLog } from '#src/audit/verify.ts';
import {
  openKeyFile,
  retiredVkeys,
  rotateKeyFile,
  rotateSignerKey,
} from '#src/audit/tree/key-file.ts';
import { ED25519, formatVkey, noteKey } from '#src/audit/tree/note.ts';
import { openSigner } from '#src/audit/tree/signer.ts';
import { openKeys } from '#src/audit/tree/keys.ts';
import { parseTrust, type Trust } from '#src/audit/tree/trust.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { eventually } from '../fakes/gateway.ts';
import { ORIGIN, TreeWorld, write } from './tree-world.ts';

const PROGRAM = fileURLToPath(new URL('../fakes/key-program.mjs', import.meta.url));
const CLI = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const trustOf = (...vkeys: readonly string[]): Trust =>
  parseTrust(`${vkeys.map((vkey) => `log ${vkey}\n`).join('')}quorum none\n`);
const signedUpTo = (world: TreeWorld, size: number) =>
  eventually(`a checkpoint of ${size}`, async () => (await world.signed())?.size === size, 20);
const problems = async (world: TreeWorld, trust: Trust): Promise<string> =>
  (await verifyTree(world.store.db, { trust })).problems.join('\n');

const program = (...keys: readonly string[]) => [process.execPath, PROGRAM, ...keys] as const;
const start = async (
  world: TreeWorld,
  place: string | readonly [string, ...string[]],
  epoch: number,
) => {
  const keys = await openKeys(place, (text) => world.errors.push(new Error(text)));
  const log = await openAuditLog({
    db: world.store.db,
    writer: 'gateway',
    epoch,
    held: () => true,
    onError: assert.ifError,
    signing: { keys },
  });
  await write(log, 3);
  await log.close();
  await keys.close();
};
const verified = async (world: TreeWorld) => (await verifyLog(world.store.db)).writers[0]?.bad;

describe('the key of the log’s signer is rotated', () => {
  test('while it runs: the new key signs on, and what the old one signed stays good', async () => {
    await using world = await TreeWorld.start();
    const path = join(world.folder, 'signer.pem');
    const log = await world.writer();
    world.sequence();
    world.checkpoint();
    await write(log, 5);
    await signedUpTo(world, 5);
    const { old, vkey } = await rotateSignerKey(path, (key) =>
      formatVkey(noteKey(ORIGIN, ED25519, key)),
    );
    assert.notEqual(old, vkey);
    await write(log, 5);
    await signedUpTo(world, 10);
    assert.deepEqual(await retiredVkeys(path), [old]);
    assert.equal(await problems(world, trustOf(old, vkey)), '');
    assert.match(
      await problems(world, trustOf(vkey)),
      /checkpoint of 5 records:.*no log of the policy/,
    );
    assert.match(
      await problems(world, trustOf(old)),
      /checkpoint of 10 records:.*no log of the policy/,
    );
    assert.deepEqual(world.errors, []);
    // The private key is gone, and the file of the new one is nobody else's to read.
    const left = (await readdir(world.folder)).filter((name) => name.startsWith('signer.pem'));
    assert.deepEqual(left.toSorted(), ['signer.pem', 'signer.pem.retired']);
    if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o077, 0);
  });

  test('an old key that signs again after the new one is named', async () => {
    await using world = await TreeWorld.start();
    const path = join(world.folder, 'signer.pem');
    const stolen = join(world.folder, 'stolen.pem');
    const log = await world.writer();
    world.sequence();
    world.checkpoint();
    await write(log, 2);
    await signedUpTo(world, 2);
    await cp(path, stolen);
    const { old, vkey } = await rotateSignerKey(path, (key) =>
      formatVkey(noteKey(ORIGIN, ED25519, key)),
    );
    await write(log, 2);
    await signedUpTo(world, 4);
    await cp(stolen, path);
    await write(log, 2);
    await signedUpTo(world, 6);
    assert.match(
      await problems(world, trustOf(old, vkey)),
      /checkpoint of 6 records is signed with the key [\da-f]{8}, after another had taken its place/,
    );
  });

  test('a key behind a program signs, and is changed by naming another first', async () => {
    await using world = await TreeWorld.start();
    const files = ['one.pem', 'two.pem'].map((name) => join(world.folder, name));
    const [one = '', two = ''] = files;
    const [first, second] = await Promise.all(
      files.map(async (file) => formatVkey(noteKey(ORIGIN, ED25519, await openKeyFile(file)))),
    );
    assert.ok(first && second);
    const signer = (...keys: readonly string[]) =>
      openSigner(
        [
          process.execPath,
          CLI,
          'audit',
          'signer',
          '--folder',
          join(world.folder, 'signed'),
          '--origin',
          ORIGIN,
          '--',
          ...program(...keys),
        ],
        (text) => world.errors.push(new Error(text)),
      );
    const log = await world.writer();
    world.sequence();
    world.checkpoint({ openSigner: () => signer(one) });
    await write(log, 3);
    await signedUpTo(world, 3);
    assert.equal(await problems(world, trustOf(first)), '');
    await world.closeAll();
    const again = await world.writer();
    world.sequence();
    world.checkpoint({ openSigner: () => signer(two, one) });
    await write(again, 3);
    await signedUpTo(world, 6);
    assert.equal(await problems(world, trustOf(first, second)), '');
    const asked = await signer(two, one);
    assert.deepEqual([...asked.retired, asked.key].map(formatVkey), [first, second]);
    await asked.close();
    assert.deepEqual(world.errors, []);
  });
});

describe('the key of a writer is rotated', () => {
  test('in its file: the next process announces the new key with the word of the old one', async () => {
    await using world = await TreeWorld.start();
    const path = join(world.folder, 'writer.pem');
    await start(world, path, 1);
    const { kept } = await rotateKeyFile(path);
    await start(world, path, 2);
    await start(world, path, 3);
    assert.equal(await verified(world), undefined);
    // Twice before any process has started, and with the keys in between taken away.
    await rotateKeyFile(path);
    const later = await rotateKeyFile(path);
    await start(world, path, 4);
    assert.equal(await verified(world), undefined);
    assert.notEqual(kept, later.kept);
    await writeFile(path, '');
    await assert.rejects(openKeys(path, () => undefined));
  });

  test('behind a program, which may end in between', async () => {
    await using world = await TreeWorld.start();
    const files = ['one.pem', 'two.pem'].map((name) => join(world.folder, name));
    const [one = '', two = ''] = files;
    await Promise.all(files.map(openKeyFile));
    await start(world, program(one), 1);
    await start(world, program(two, one), 2);
    await start(world, program(two), 3);
    assert.equal(await verified(world), undefined);
    await assert.rejects(start(world, program(one), 4), /which this process does not have/);
    const keys = await openKeys(program(two), () => undefined);
    assert.equal((await keys.current.sign(Buffer.from('a'))).length, 64);
    await assert.rejects(
      openKeys([process.execPath, '-e', ''], () => undefined),
      /did not say which keys/,
    );
    await keys.close();
    assert.deepEqual(world.errors, []);
  });
});
