import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openDatabase, type Database } from '#src/store/database.ts';
import { checkDurability } from '#src/store/durability.ts';
import { migrate } from '#src/store/migrate.ts';
import { startPostgres, type TestPostgres } from '../../fakes/postgres.ts';

/** A reload reaches each backend a little later. */
async function until(check: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const failed = await check().then(
      () => false,
      () => true,
    );
    if (!failed) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await check();
}

describe('the store', () => {
  const SHIPPED = new URL('../../../src/store/migrations', import.meta.url).pathname;
  let postgres: TestPostgres;
  let db: Database;
  let folder = '';

  before(async () => {
    postgres = await startPostgres({ fsync: true });
    db = openDatabase(postgres.url, { onError: () => undefined });
    folder = await mkdtemp(join(tmpdir(), 'countersign-migrations-'));
    await cp(SHIPPED, folder, { recursive: true });
  });
  after(async () => {
    await db.close();
    await postgres.stop();
    await rm(folder, { recursive: true });
  });

  test('programs that start at once bring an empty store to the schema once', async () => {
    await Promise.all([migrate(db, folder), migrate(db, folder), migrate(db, folder)]);
    await migrate(db, folder);
    const { rows } = await db.pool.query<{ name: string }>(
      'select name from countersign.migration order by name',
    );
    assert.deepEqual(
      rows.map(({ name }) => name),
      (await readdir(SHIPPED)).toSorted(),
    );
  });

  test('a later program adds what is missing, all of it or nothing', async () => {
    await writeFile(join(folder, '9000-more.sql'), 'create table countersign.more (n int);');
    await writeFile(join(folder, '9001-broken.sql'), 'select 1 / 0;');
    await assert.rejects(migrate(db, folder), /division by zero/);
    const none = await db.pool.query("select to_regclass('countersign.more') as found");
    assert.deepEqual(none.rows, [{ found: null }]);
    await rm(join(folder, '9001-broken.sql'));
    await migrate(db, folder);
    await db.pool.query('select from countersign.more');
  });

  test('a store that is newer than the program is refused', async () => {
    await assert.rejects(migrate(db, SHIPPED), /newer than this program: it has 9000-more\.sql/);
  });

  test('a migration that was edited after it was applied is refused', async () => {
    await writeFile(join(folder, '9000-more.sql'), 'create table countersign.more (n bigint);');
    await assert.rejects(migrate(db, folder), /made from another 9000-more\.sql/);
  });

  test('a transaction whose failure was swallowed is not taken for a commit', async () => {
    await assert.rejects(
      db.transaction(async (sql) => {
        await sql.query('select 1 / 0').catch(() => undefined);
      }),
      /rolled back/,
    );
  });

  test('a durable store is accepted, whatever it has for synchronous_commit', async () => {
    await db.pool.query('alter system set synchronous_commit = off');
    await db.pool.query('select pg_reload_conf()');
    await checkDurability(db);
  });

  test('a store that could lose records is refused with what to change', async () => {
    await db.pool.query('alter system set full_page_writes = off');
    await db.pool.query('select pg_reload_conf()');
    await until(async () => {
      await assert.rejects(checkDurability(db), /set full_page_writes = on/);
    });
    const careless = await startPostgres({ fsync: false });
    const other = openDatabase(careless.url, { onError: () => undefined });
    await assert.rejects(checkDurability(other), /fsync is off.*set fsync = on/);
    await other.close();
    await careless.stop();
  });
});
