import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { listenWitness } from '#gateway/witness/listener.ts';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { COSIGNATURE, noteKey, parseNote, signedBy } from '#src/audit/tree/note.ts';
import { Witness } from '#src/audit/tree/witness.ts';
import { TreeWorld, write } from '../conformance/tree-world.ts';
import { eventually } from '../fakes/gateway.ts';

const NAME = 'witness.example.com';

/** A witness that can be slow, away, or wrong about the time. */
async function startWitness(world: TreeWorld) {
  const key = await openKeyFile(join(world.folder, 'witness.pem'));
  const folder = join(world.folder, 'watched');
  const at = { now: Date.now() };
  await (await world.signer()).close();
  const logs = [await world.key()];
  const running = new Witness({ name: NAME, key, folder, logs, now: () => at.now });
  const errors: unknown[] = [];
  const open = (port = 0) =>
    listenWitness(running, { host: '127.0.0.1', port }, (error) => void errors.push(error));
  let listening = await open();
  const { url } = listening;
  world.adopt({ close: () => listening.close() });
  return {
    asked: { name: NAME, url, key: noteKey(NAME, COSIGNATURE, key) },
    at,
    folder,
    errors,
    leave: () => listening.close(),
    comeBack: async () => {
      listening = await open(Number(new URL(url).port));
    },
  };
}

const signed = (world: TreeWorld, size: number, witnessed: boolean) =>
  eventually(
    `a checkpoint of ${size}`,
    async () => {
      const newest = await world.signed();
      return newest?.size === size && newest.witnessed === witnessed;
    },
    20,
  );

test('a witness that is away holds up nothing, and cosigns the newest checkpoint when it is back', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  const witness = await startWitness(world);
  world.sequence();
  world.checkpoint({ witnesses: [witness.asked], quorum: 1 });
  await write(log, 10);
  await signed(world, 10, true);
  await witness.leave();
  await write(log, 10);
  await signed(world, 20, false);
  await write(log, 10);
  await signed(world, 30, false);
  await world.heard(/witness.example.com: the checkpoint waits/);
  await witness.comeBack();
  await signed(world, 30, true);
});

test('a witness that never answers does not slow down signing, nor another witness', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  try {
    const witness = await startWitness(world);
    const key = await openKeyFile(join(world.folder, 'silent.pem'));
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const away = { name: 'silent', url, key: noteKey('silent', COSIGNATURE, key) };
    world.sequence();
    world.checkpoint({ witnesses: [away, witness.asked], quorum: 1 });
    const from = performance.now();
    for (let size = 10; size <= 30; size += 10) {
      await write(log, 10);
      await signed(world, size, true);
    }
    // It is given up after five seconds.
    assert.ok(performance.now() - from < 5_000, 'three checkpoints waited for who never answers');
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});

test('a witness whose clock jumps back and forth cosigns all the same, each with the time it believes in', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  const witness = await startWitness(world);
  world.sequence();
  world.checkpoint({ witnesses: [witness.asked], quorum: 1 });
  let size = 0;
  for (const year of [2026, 1999, 2100, 1971]) {
    witness.at.now = Date.UTC(year, 0);
    await write(log, 10);
    await signed(world, (size += 10), true);
    const note = parseNote((await world.signed())?.note ?? '');
    assert.equal(signedBy(note, witness.asked.key), BigInt(Date.UTC(year, 0) / 1_000));
  }
});

test('a witness whose disk is full cosigns nothing, and goes on where it was', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  const witness = await startWitness(world);
  world.sequence();
  world.checkpoint({ witnesses: [witness.asked], quorum: 1 });
  await write(log, 10);
  await signed(world, 10, true);
  const [file = ''] = await readdir(witness.folder);
  const draft = join(witness.folder, `${file}.new`);
  await symlink('/dev/full', draft);
  await write(log, 10);
  await signed(world, 20, false);
  await eventually('the witness’ complaint', () => witness.errors.length > 0);
  assert.match(String(witness.errors[0]), /ENOSPC/);
  await rm(draft);
  await signed(world, 20, true);
});
