import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { leafBytes, leafHash, parseLeaf } from '#src/audit/chain.ts';
import { erase } from '#src/audit/erasure/erase.ts';
import { recover } from '#src/audit/recovery.ts';
import { verifyLog, type Finding } from '#src/audit/verify.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { openEraser } from '../../fakes/erasure.ts';
import { startStore, type TestStore } from '../store/store.ts';

describe('verify', () => {
  let store: TestStore;
  let writer = '';

  before(async () => {
    store = await startStore();
  });
  after(() => store.close());

  beforeEach(async () => {
    await tamper('truncate countersign.record, countersign.record_body, countersign.tree_entry');
    writer = `gateway-${randomUUID()}`;
    const log = await openLog(writer);
    for (let n = 1; n <= 5; n++)
      await log.append({
        kind: 'statement',
        person: 'ada@example.com',
        target: 'shop',
        session: randomUUID(),
        verdict: 'allow',
        body: { n },
      });
    await log.close();
  });

  const openLog = (name: string) =>
    openAuditLog({
      db: store.db,
      writer: name,
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
    });

  /** As somebody does who owns the database: the triggers are in nobody's way then. */
  async function tamper(sql: string, values: unknown[] = []): Promise<void> {
    await store.db.transaction(async (client) => {
      await client.query('set local session_replication_role = replica');
      await client.query(sql, values);
    });
  }

  async function bad(name = writer): Promise<Finding | undefined> {
    const found = await verifyLog(store.db);
    const report = found.writers.find((one) => one.writer === name);
    assert.equal(found.ok, report?.bad === undefined);
    return report?.bad;
  }

  test('an untouched log is good, and progress counts its records', async () => {
    let progress = 0;
    const found = await verifyLog(store.db, { onProgress: (records) => (progress = records) });
    assert.equal(found.ok, true);
    assert.equal(found.records, 5);
    assert.equal(progress, 5);
    assert.equal(found.writers[0]?.head?.seq, 5);
  });

  test('a changed leaf is found', async () => {
    await tamper(
      `update countersign.record set leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'statement', 'decision'), 'UTF8')
     where writer = $1 and seq = 3`,
      [writer],
    );
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [3, 'changed']);
  });

  test('a leaf that was changed together with its hash is found by the record after it', async () => {
    const { rows } = await store.db.pool.query<{ leaf: Buffer }>(
      'select leaf from countersign.record where writer = $1 and seq = 3',
      [writer],
    );
    const leaf = parseLeaf(rows[0]?.leaf ?? Buffer.alloc(0));
    assert.ok(leaf);
    const { writer: name, seq, prev, time, id, commit } = leaf;
    const forged = leafBytes({ writer: name, seq, prev, time, id, commit, kind: 'decision' });
    await tamper(
      'update countersign.record set leaf = $2, hash = $3 where writer = $1 and seq = 3',
      [writer, forged, leafHash(forged)],
    );
    await tamper("update countersign.record_body set kind = 'decision' where id = $1", [id]);
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [4, 'inserted']);
  });

  test('a removed record is found, also when its body went with it', async () => {
    await tamper(
      `with gone as (delete from countersign.record where writer = $1 and seq = 2 returning id)
     delete from countersign.record_body where id in (select id from gone)`,
      [writer],
    );
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [3, 'removed']);
  });

  test('a removed record is found when those after it were renumbered', async () => {
    await tamper('delete from countersign.record where writer = $1 and seq = 2', [writer]);
    await tamper('update countersign.record set seq = seq - 1 where writer = $1 and seq > 2', [
      writer,
    ]);
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [2, 'reordered']);
  });

  test('records that changed places are found', async () => {
    await tamper('update countersign.record set seq = -seq where writer = $1 and seq in (2, 3)', [
      writer,
    ]);
    await tamper('update countersign.record set seq = 5 + seq where writer = $1 and seq < 0', [
      writer,
    ]);
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [2, 'reordered']);
  });

  test('an inserted record is found by the one that had its place', async () => {
    await tamper('update countersign.record set seq = seq + 100 where writer = $1 and seq > 2', [
      writer,
    ]);
    await tamper('update countersign.record set seq = seq - 99 where writer = $1 and seq > 100', [
      writer,
    ]);
    const { rows } = await store.db.pool.query<{ hash: Buffer; id: string }>(
      'select hash from countersign.record where writer = $1 and seq = 2',
      [writer],
    );
    const id = randomUUID();
    const leaf = leafBytes({
      writer,
      seq: 3,
      prev: rows[0]?.hash.toString('base64') ?? '',
      time: new Date().toISOString(),
      kind: 'statement',
      id,
      commit: '',
    });
    await tamper(
      'insert into countersign.record (writer, seq, id, leaf, hash) values ($1, 3, $2, $3, $4)',
      [writer, id, leaf, leafHash(leaf)],
    );
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [3, 'body']);
    // With one that looks erased, and no erasure's record that says so, it is no better.
    await tamper(
      `insert into countersign.record_body (id, at, writer, epoch, kind) select $1, ($3::jsonb->>'time')::timestamptz, $2, 1, 'statement'`,
      [id, writer, leaf.toString()],
    );
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [3, 'body']);
  });

  test('a replaced body is found, also when its salt is the old one', async () => {
    await tamper(
      `update countersign.record_body b set body = replace(body, '"n":4', '"n":9') from countersign.record r
     where r.id = b.id and r.writer = $1 and r.seq = 4`,
      [writer],
    );
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [4, 'body']);
  });

  test('bodies that changed places are found', async () => {
    await tamper(
      `update countersign.record_body b set salt = o.salt, body = o.body
     from countersign.record r, countersign.record q, countersign.record_body o
     where r.id = b.id and q.id = o.id and r.writer = $1 and q.writer = $1 and r.seq = 2 and q.seq = 4`,
      [writer],
    );
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [2, 'body']);
  });

  test('a column that says something else than the committed body is found', async () => {
    for (const [column, value] of [
      ['person', "'eve@example.com'"],
      ['verdict', "'deny'"],
      ['epoch', '7'],
      ['request', 'gen_random_uuid()'],
      ['kind', "'decision'"],
      ['at', "at + interval '1 s'"],
    ]) {
      await tamper(
        `create table public.kept as select * from countersign.record_body;
       update countersign.record_body set ${column} = ${value} where body like '%"n":2%'`,
      );
      assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [2, 'index'], column);
      await tamper(
        `delete from countersign.record_body;
       insert into countersign.record_body select * from public.kept; drop table public.kept`,
      );
    }
    assert.equal(await bad(), undefined);
  });

  test('a body without a record is found', async () => {
    await tamper(
      `insert into countersign.record_body (id, at, writer, epoch, kind) values (gen_random_uuid(), now(), $1, 1, 'look')`,
      [writer],
    );
    assert.equal((await bad())?.problem, 'inserted');
  });

  test('an end that was cut off is found by what a recovery record of another writer saw', async () => {
    const other = await openLog('another-gateway');
    await recover({ db: store.db, audit: other, gateway: 'another-gateway', epoch: 1 });
    await other.close();
    assert.equal(await bad(), undefined);
    await tamper(
      `with gone as (delete from countersign.record where writer = $1 and seq > 3 returning id)
     delete from countersign.record_body where id in (select id from gone)`,
      [writer],
    );
    assert.deepEqual([(await bad())?.seq, (await bad())?.problem], [5, 'removed']);
  });

  /** Erases the record with n = 2. */
  async function eraseOne(): Promise<string> {
    const { rows } = await store.db.pool.query<{ id: string }>(
      `select id from countersign.record_body where body like '%"n":2%'`,
    );
    const eraser = await openEraser(store.postgres.url);
    const record = rows[0]?.id ?? '';
    await erase(eraser, { filter: { record }, reason: 'a test', by: 'sec@example.com' });
    await eraser.close();
    return record;
  }

  test('a body that was erased leaves the log good and is counted', async () => {
    await eraseOne();
    const found = await verifyLog(store.db);
    assert.equal(found.ok, true);
    assert.equal(found.erased, 1);
  });

  for (const [what, sql] of [
    [
      'without a record of it',
      `update countersign.record_body set salt = null, body = null where body like '%"n":4%'`,
    ],
    [
      'under the record of another erasure',
      `update countersign.record_body set salt = null, body = null, person = null, session = null,
         erased_by = (select erased_by from countersign.record_body where erased_by is not null) where body like '%"n":4%'`,
    ],
    [
      'instead of the one that its record means',
      `with swap as (select erased_by from countersign.record_body where erased_by is not null),
         back as (update countersign.record_body set erased_by = null where erased_by is not null)
       update countersign.record_body b set salt = null, body = null, person = null, session = null, erased_by = swap.erased_by
       from swap where body like '%"n":4%'`,
    ],
  ] as const)
    test(`a body that is gone ${what} is found`, async () => {
      await eraseOne();
      await tamper(sql);
      const found = await verifyLog(store.db);
      assert.equal(found.ok, false);
      const report = found.writers.find((one) => one.writer === writer);
      assert.equal(report?.bad?.problem, 'body', JSON.stringify(found));
    });

  test('a body that is still there although its erasure says that it went is found', async () => {
    const record = await eraseOne();
    await tamper('update countersign.record_body set erased_by = null where id = $1', [record]);
    const found = await verifyLog(store.db);
    assert.match(found.erasures.join(), /its record says 1 records, and none is marked/);
  });

  test('the store itself refuses changes of the log', async () => {
    for (const sql of [
      'update countersign.record set seq = seq + 1',
      'delete from countersign.record',
      'delete from countersign.record_body',
      "update countersign.record_body set person = 'eve'",
      "update countersign.record_body set salt = null, body = null, person = 'eve'",
      'update countersign.record_body set body = null',
      'truncate countersign.record_body',
      'truncate countersign.record cascade',
    ])
      await assert.rejects(store.db.pool.query(sql), /append-only/, sql);
  });
});
