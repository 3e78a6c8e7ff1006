import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formatVkey } from '#src/audit/tree/note.ts';
import { openSigner } from '#src/audit/tree/signer.ts';
import { parseTrust } from '#src/audit/tree/trust.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { ORIGIN, TreeWorld, write } from '../conformance/tree-world.ts';
import { eventually } from '../fakes/gateway.ts';

const CHILD = fileURLToPath(new URL('audit-signer-child.ts', import.meta.url));

const signed = (world: TreeWorld, size: number) =>
  eventually(`a checkpoint of ${size}`, async () => (await world.signed())?.size === size, 20);

/** Everything that is in the tree is signed, by the log's key, and continues what was signed before. */
async function isWhole(world: TreeWorld): Promise<void> {
  const trust = parseTrust(`log ${formatVkey(await world.key())}\nquorum none\n`);
  const { problems, size, signed: newest } = await verifyTree(world.store.db, { trust });
  assert.deepEqual(problems, []);
  assert.equal(newest?.size, size);
}

/** What the signer remembers of the log. */
async function stateFile(world: TreeWorld): Promise<string> {
  const folder = join(world.folder, 'signed');
  const [name = ''] = (await readdir(folder)).filter((one) => one.endsWith('.json'));
  return join(folder, name);
}

test('a signer that is killed between remembering and answering signs the same tree again, and goes on', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  world.sequence();
  await write(log, 10);
  await world.reaches(10);
  let killed = 0;
  world.checkpoint({
    openSigner: () => {
      if (killed++ > 0) return world.signer();
      const [key, folder] = [join(world.folder, 'signer.pem'), join(world.folder, 'signed')];
      return openSigner([process.execPath, CHILD, key, folder, ORIGIN, '1'], () => undefined);
    },
  });
  await signed(world, 10);
  assert.match(String(world.errors[0]), /the signer has ended/);
  assert.equal(JSON.parse(await readFile(await stateFile(world), 'utf8')).size, 10);
  await write(log, 10);
  await signed(world, 20);
  await isWhole(world);
});

test('a signer whose disk is full signs nothing, and goes on where it was when there is room again', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  world.sequence();
  world.checkpoint();
  await write(log, 10);
  await signed(world, 10);
  const draft = `${await stateFile(world)}.new`;
  await symlink('/dev/full', draft);
  await write(log, 10);
  await world.reaches(20);
  await world.heard(/signer: the checkpoint waits: ENOSPC/);
  assert.equal((await world.signed())?.size, 10);
  await rm(draft);
  await signed(world, 20);
  await isWhole(world);
});

test('a signer that may not write its folder signs nothing', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  world.sequence();
  await write(log, 10);
  await world.reaches(10);
  // Nobody, not even root, makes files below a file.
  await writeFile(join(world.folder, 'signed'), '');
  world.checkpoint();
  await world.heard(/signer: the checkpoint waits|ENOTDIR|EEXIST/);
  await write(log, 10);
  await world.reaches(20);
  assert.equal(await world.signed(), undefined);
  await rm(join(world.folder, 'signed'));
  await signed(world, 20);
  await isWhole(world);
});

for (const [what, text] of Object.entries({
  'is empty': '',
  'is cut off': '{"origin":"log.example.com/test","size":1',
  'is another log’s': JSON.stringify({
    origin: 'other',
    size: 3,
    root: Buffer.alloc(32).toString('base64'),
  }),
}))
  test(`a signer whose memory ${what} signs nothing: it does not begin anew`, async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    world.sequence();
    world.checkpoint();
    await write(log, 10);
    await signed(world, 10);
    await world.closeAll();
    const file = await stateFile(world);
    const kept = await readFile(file, 'utf8');
    await writeFile(file, text);
    const again = await world.writer();
    world.sequence();
    world.checkpoint();
    await write(again, 10);
    await world.heard(/signer: the checkpoint waits: the signer did not start/);
    assert.equal((await world.signed())?.size, 10);
    await writeFile(file, kept);
    await signed(world, 20);
    await isWhole(world);
  });

test('a signer whose memory was removed begins a new one, and what was signed before goes on to hold', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  world.sequence();
  world.checkpoint();
  await write(log, 10);
  await signed(world, 10);
  await world.closeAll();
  await rm(join(world.folder, 'signed'), { recursive: true });
  await mkdir(join(world.folder, 'signed'));
  const again = await world.writer();
  world.sequence();
  world.checkpoint();
  await write(again, 10);
  await signed(world, 20);
  await isWhole(world);
});
