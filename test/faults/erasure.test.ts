import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { erase, resumeErasures } from '#src/audit/erasure/erase.ts';
import { openHolds } from '#src/audit/erasure/holds.ts';
import { applyRetention, planRetention } from '#src/audit/retention.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { diesAt, openEraser, placesOf } from '../fakes/erasure.ts';
import { client } from '../fakes/shop.ts';
import { startStore, type TestStore } from '../unit/store/store.ts';

const DAY_MS = 86_400_000;
const YEAR = [{ target: '*', kind: 'records', keepMs: 365 * DAY_MS }] as const;

/** Every record of `person`, and one of somebody else that names them. */
async function write(
  store: TestStore,
  person: string,
  writer = `w-${randomUUID()}`,
): Promise<string> {
  const log = await openAuditLog({
    db: store.db,
    writer,
    epoch: 1,
    held: () => true,
    onError: assert.ifError,
  });
  const session = randomUUID();
  const about = { person, target: 'shop', session };
  for (let n = 0; n < 3; n++) {
    const statement = randomUUID();
    // oxlint-disable-next-line no-await-in-loop -- in order
    await log.append({
      kind: 'statement',
      ...about,
      statement,
      verdict: 'allow',
      body: { text: `secret ${n} of ${person}` },
    });
    log.later({ kind: 'outcome', ...about, statement, body: { ok: true } });
  }
  await log.append({
    kind: 'look',
    person: 'sec@example.com',
    body: { looked: 'records', q: `person:${person.toUpperCase()}` },
  });
  await log.append({
    kind: 'look',
    person: 'sec@example.com',
    body: { looked: 'records', q: `jo${person} ${person}.au` },
  });
  await log.idle();
  await log.close();
  return session;
}

describe('an erasure that is killed', () => {
  let store: TestStore;
  before(async () => {
    store = await startStore();
  });
  after(() => store.close());

  for (const point of [
    'planned',
    'begin',
    'recorded',
    'chunks',
    'beside',
    'records beside',
    'person beside',
    'bodies',
    'end',
  ])
    test(`at "${point}" goes on where it was`, async () => {
      const person = `p${randomUUID().slice(0, 8)}@example.com`;
      await write(store, person);
      const eraser = await openEraser(store.postgres.url, { failpoint: diesAt(point) });
      const sql = await client(store.postgres.url);
      const asked = { filter: { person }, reason: 'a test', by: 'sec@example.com' };
      await assert.rejects(erase(eraser, asked), new RegExp(`killed at ${point}`));
      const between = await verifyLog(store.db);
      assert.equal(between.ok, true, JSON.stringify(between));
      const [done] = await resumeErasures(eraser);
      assert.deepEqual([done?.state, done?.records], ['done', 7]);
      // Whoever has jo in front, or au behind, is somebody else.
      assert.deepEqual(await placesOf(sql, [`of ${person}`, `:${person}`]), []);
      assert.deepEqual(await placesOf(sql, [`jo${person} ${person}.au`]), [
        `record_body.body: jo${person} ${person}.au`,
      ]);
      const found = await verifyLog(store.db);
      assert.equal(found.ok, true, JSON.stringify(found));
      assert.deepEqual(await resumeErasures(eraser), []);
      await sql.end();
      await eraser.close();
    });

  test('and then meets a hold stops, says so, and the log verifies', async () => {
    const person = `p${randomUUID().slice(0, 8)}@example.com`;
    const session = await write(store, person);
    const eraser = await openEraser(store.postgres.url, { failpoint: diesAt('person beside') });
    const asked = { filter: { person }, reason: 'a test', by: 'sec@example.com' };
    await assert.rejects(erase(eraser, asked), /killed/);
    const holds = openHolds(eraser.owner, eraser.audit);
    await holds.place('late', { session }, 'a case', 'sec@example.com');
    const [stopped] = await resumeErasures(eraser);
    assert.deepEqual([stopped?.state, stopped?.holds, stopped?.records], ['stopped', 'late', 0]);
    assert.equal((await verifyLog(store.db)).ok, true);
    await holds.release('late', 'closed', 'sec@example.com');
    assert.equal((await erase(eraser, asked)).records, 7);
    assert.equal((await verifyLog(store.db)).ok, true);
    await eraser.close();
  });
});

describe('a month that is dropped', () => {
  for (const point of [undefined, 'month begun', 'month beside', 'month dropped'])
    test(
      point === undefined ? 'goes as a whole' : `and killed at "${point}" goes all the same`,
      async () => {
        const store = await startStore();
        const person = 'ann@example.com';
        await write(store, person);
        const eraser = await openEraser(
          store.postgres.url,
          point === undefined ? {} : { failpoint: diesAt(point) },
        );
        // One of its records was erased before, under a record of its own.
        const { rows } = await store.db.pool.query<{ id: string }>(
          `select id from countersign.record_body where kind = 'look' limit 1`,
        );
        await erase(eraser, { filter: { record: rows[0]?.id ?? '' }, reason: 'a test' });
        const year = { ...eraser, rules: YEAR, now: Date.now() + 500 * DAY_MS };
        const plan = await planRetention(year);
        assert.deepEqual([plan.months.length, plan.months[0]?.records, plan.records], [1, 8, 0]);
        if (point !== undefined)
          await assert.rejects(applyRetention(year), new RegExp(`killed at ${point}`));
        assert.equal((await verifyLog(store.db)).ok, true, 'in between');
        await applyRetention(year);
        const sql = await client(store.postgres.url);
        assert.deepEqual(await placesOf(sql, [person]), []);
        const found = await verifyLog(store.db);
        assert.equal(found.ok, true, JSON.stringify(found));
        // Whoever takes a further body away under the cover of the month is found.
        await sql.query('set session_replication_role = replica');
        await sql.query(
          `delete from countersign.record_body where kind = 'erasure' and body like '%"begin"%' and body like '%"record"%'`,
        );
        assert.equal((await verifyLog(store.db)).ok, false);
        await sql.end();
        await eraser.close();
        await store.close();
      },
    );
});
