import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { NotRecorded } from '#src/audit/log.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { TreeWorld, write } from '../conformance/tree-world.ts';

const run = promisify(execFile);

const open = async (world: TreeWorld) =>
  world.adopt(
    await openAuditLog({
      db: world.store.db,
      writer: 'gateway',
      epoch: 1,
      held: () => true,
      onError: () => undefined,
    }),
  );

/** Everything that was acknowledged is there and in its place, and nothing else. */
async function isWhole(world: TreeWorld, count: number): Promise<void> {
  await world.reaches(count);
  const { ok, records } = await verifyLog(world.store.db);
  assert.deepEqual([ok, records], [true, count]);
  assert.deepEqual((await verifyTree(world.store.db)).problems, []);
}

test('a store that says its disk is full takes no record, and the next when there is room', async () => {
  await using world = await TreeWorld.start();
  const log = await open(world);
  world.sequence();
  await write(log, 10);
  await world.store.db.pool.query(`
    create function public.full() returns trigger language plpgsql as $$
    begin raise exception using errcode = 'disk_full', message = 'could not extend file: No space left on device'; end $$;
    create trigger full_disk before insert on countersign.record for each statement execute function public.full();`);
  await assert.rejects(write(log, 1), NotRecorded);
  assert.equal(log.refused(), true);
  await world.store.db.pool.query('drop trigger full_disk on countersign.record');
  await write(log, 10);
  assert.equal(log.refused(), false);
  await isWhole(world, 20);
});

// Mounting a small disk is root's; where CI is, that is not optional.
// oxlint-disable-next-line node/no-process-env -- the convention by which CI systems say what they are
const skip = process.getuid?.() !== 0 && !process.env['CI'] ? 'only root mounts a disk' : false;

test(
  'a store whose disk is really full takes no record, and the next when there is room',
  { skip },
  async () => {
    await using world = await TreeWorld.start();
    const { pool } = world.store.db;
    const { rows } = await pool.query<{ data: string }>(
      `select current_setting('data_directory') as data`,
    );
    const data = rows[0]?.data ?? '';
    const disk = join(dirname(data), 'disk');
    await mkdir(disk);
    const { uid, gid } = await stat(data);
    await run('mount', [
      '-t',
      'tmpfs',
      '-o',
      `size=4m,uid=${uid},gid=${gid},mode=700`,
      'tmpfs',
      disk,
    ]);
    try {
      await pool.query(`create tablespace small location '${disk}'`);
      await pool.query('alter table countersign.record set tablespace small');
      const log = await open(world);
      world.sequence();
      await write(log, 10);
      await pool.query('create table public.filler (text text) tablespace small');
      const fill = (): Promise<unknown> =>
        pool.query(
          `insert into public.filler select repeat(md5(n::text), 60) from generate_series(1, 40) n`,
        );
      await assert.rejects(async () => {
        for (;;) await fill();
      }, /No space left on device/);
      let taken = 10;
      // Pages that are there already still have room.
      await assert.rejects(async () => {
        for (;;) {
          await write(log, 50);
          taken += 50;
        }
      }, NotRecorded);
      await pool.query('drop table public.filler');
      await pool.query('checkpoint');
      const { rows: there } = await pool.query<{ count: number }>(
        'select count(*)::int as count from countersign.record',
      );
      const count = there[0]?.count ?? 0;
      assert.ok(count >= taken, 'what was acknowledged is there');
      await write(log, 10);
      await isWhole(world, count + 10);
      await world.closeAll();
      await pool.query('alter table countersign.record set tablespace pg_default');
      await pool.query('drop tablespace small');
    } finally {
      await run('umount', ['-l', disk]);
    }
  },
);
