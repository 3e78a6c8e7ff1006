import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { startStore, type TestStore } from '../store/store.ts';

const compare = (a: unknown, b: unknown): number => (String(a) < String(b) ? -1 : 1);

describe('what is kept', () => {
  let store: TestStore;
  before(async () => {
    store = await startStore();
  });
  after(() => store.close());

  test('each table of the store is in the list of what holds what, and no other', async () => {
    const { rows } = await store.db.pool.query<{ name: string }>(
      `select relname as name from pg_class where relnamespace = 'countersign'::regnamespace
       and relkind in ('r', 'p') and not relispartition order by 1`,
    );
    const text = await readFile(new URL('../../../docs/retention.md', import.meta.url), 'utf8');
    const list = text.slice(text.indexOf('## What holds what'));
    const named = [...list.matchAll(/^\| ([^|]+) \|/gmu)].flatMap(([, cell]) =>
      [...(cell ?? '').matchAll(/`(\w+)`/gu)].map(([, name]) => name),
    );
    assert.deepEqual(
      named.toSorted(compare),
      rows.map(({ name }) => name),
    );
  });

  test('a clock that jumps still finds a place, and its month takes it over', async () => {
    const insert = (at: string) =>
      store.db.pool.query(
        `insert into countersign.record_body (id, at, writer, epoch, kind) values (gen_random_uuid(), ${at}, 'w', 1, 'look')`,
      );
    const parts = async () => {
      const { rows } = await store.db.pool.query<{ part: string; n: number }>(
        'select tableoid::regclass::text as part, count(*)::int as n from countersign.record_body group by 1 order by 1',
      );
      return rows.map(({ part, n }) => [part.replace('countersign.', ''), n]);
    };
    await insert(`'1999-05-05'`);
    await insert(`clock_timestamp() + interval '1 month'`);
    await insert(`'2999-01-01'`);
    const next = (await parts()).find(([part]) => String(part).startsWith('record_body_2'))?.[0];
    assert.ok(next);
    assert.deepEqual(
      await parts(),
      [
        [next, 1],
        ['record_body_default', 2],
      ].toSorted(compare),
    );
    // As if that month had not been made when its first record came.
    await store.db.pool.query(
      `alter table countersign.record_body detach partition countersign.${next}`,
    );
    await store.db.pool.query(
      `insert into countersign.record_body select * from countersign.${next}`,
    );
    await store.db.pool.query(`drop table countersign.${next}`);
    assert.deepEqual(await parts(), [['record_body_default', 3]]);
    const { rows } = await store.db.pool.query<{ made: number }>(
      'select countersign.make_months() as made',
    );
    assert.equal(rows[0]?.made, 1);
    assert.deepEqual(
      await parts(),
      [
        [next, 1],
        ['record_body_default', 2],
      ].toSorted(compare),
    );
    for (const sql of [
      'truncate countersign.record_body_default',
      `delete from countersign.record_body`,
      `truncate countersign.${next}`,
    ])
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await assert.rejects(store.db.pool.query(sql), /append-only/, sql);
    // Not even by whom the tables belong to, before there is a record of it.
    const erased = `update countersign.record_body set salt = null, body = null, erased_by = gen_random_uuid()`;
    await assert.rejects(store.db.pool.query(erased), /before there is a record of it/);
  });
});
