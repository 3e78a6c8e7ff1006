import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { TreeWorld, write } from '../conformance/tree-world.ts';

const TABLES = ['tree_head', 'tree_entry', 'tree_tile', 'tree_writer'];

/** Does something the first times that a table is written, in the middle of whatever writes it. */
async function atWrite(world: TreeWorld, table: string, times: number, act: string): Promise<void> {
  await world.store.db.pool.query(`
    create sequence public.hits;
    create function public.hit() returns trigger language plpgsql as $$
    begin
      if nextval('public.hits') <= ${times} then ${act} end if;
      return null;
    end $$;
    create trigger hit after insert or update on countersign.${table}
      for each statement execute function public.hit();`);
}

/** Every record once and in its place, nothing half done. */
async function isWhole(world: TreeWorld, count: number): Promise<void> {
  await world.reaches(count);
  const { problems, size, waiting } = await verifyTree(world.store.db);
  assert.deepEqual(problems, []);
  assert.deepEqual([size, waiting], [count, 0]);
}

for (const table of TABLES) {
  test(`a sequencer whose server is killed while it writes ${table} leaves nothing half done, and goes on`, async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    await write(log, 300);
    await atWrite(world, table, 2, 'perform pg_terminate_backend(pg_backend_pid());');
    world.sequence();
    await write(log, 10);
    await isWhole(world, 310);
    assert.ok(world.errors.length >= 2, 'it was never killed');
  });

  test(`a sequencer that finds the disk full while it writes ${table} leaves nothing half done, and goes on when there is room`, async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    await write(log, 300);
    await atWrite(
      world,
      table,
      3,
      `raise exception using errcode = 'disk_full', message = 'could not extend file: No space left on device';`,
    );
    world.sequence();
    await world.heard(/not put into the tree now/);
    await write(log, 10);
    await isWhole(world, 310);
  });
}

test('of two sequencers one dies with a batch half written: the other puts it in its place', async () => {
  await using world = await TreeWorld.start();
  const log = await world.writer();
  await write(log, 300);
  // The first hangs between its tiles and its commit, as one does whose machine has stopped; then its connection ends.
  await atWrite(world, 'tree_tile', 1, 'perform pg_sleep(60);');
  const first = world.sequence();
  await new Promise((resolve) => setTimeout(resolve, 300));
  world.sequence();
  await world.store.db.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where query like '%tree_tile%' and pid <> pg_backend_pid()`,
  );
  await isWhole(world, 300);
  await first.close();
});
