import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { keyedDigest } from '#src/audit/chain.ts';
import { erase } from '#src/audit/erasure/erase.ts';
import type { Entry } from '#src/audit/log.ts';
import type { Records, RecordsPart } from '#src/audit/reader.ts';
import { openRecords } from '#src/audit/records.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { openEraser } from '../../fakes/erasure.ts';
import { startStore, type TestStore } from '../store/store.ts';

describe('records', () => {
  let store: TestStore;
  let records: Records;
  const session = randomUUID();
  const ids: string[] = [];
  const digest = Buffer.alloc(32, 9);

  before(async () => {
    store = await startStore();
    records = openRecords(store.db);
    const onError = assert.ifError;
    const log = await openAuditLog({
      db: store.db,
      writer: 'one',
      epoch: 3,
      held: () => true,
      onError,
    });
    const ada = { person: 'Ada@example.com', target: 'shop' };
    const entries: Entry[] = [
      { kind: 'session-start', session, ...ada, body: { client: 'psql' } },
      {
        ...ada,
        kind: 'statement',
        session,
        statement: randomUUID(),
        verdict: 'allow',
        body: { text: 'select "name" from customers where note like \'50%_\\\'' },
        binds: { digest, verdict: 'allow' },
      },
      {
        kind: 'statement',
        person: 'bob@example.com',
        target: 'shop',
        verdict: 'deny',
        body: { text: 'drop table orders' },
      },
    ];
    for (const entry of entries) {
      ids.push((await log.append(entry)).record);
      // Times are in milliseconds: what is newer must have another one.
      const now = Date.now();
      while (Date.now() === now) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await log.close();
  });
  after(() => store.close());

  const found = async (q: string, limit = 10) =>
    (await records.search(q, limit)).map(({ id }) => ids.indexOf(id));

  test('a record reads as it was written, with its digest keyed', async () => {
    const view = await records.get(ids[1] ?? '');
    const { rows } = await store.db.pool.query<{ salt: Buffer }>(
      'select salt from countersign.record_body where id = $1',
      [ids[1]],
    );
    const { id, at, hash, body, statement, ...rest } = view ?? assert.fail('no record');
    assert.deepEqual(rest, {
      writer: 'one',
      seq: '2',
      kind: 'statement',
      session,
      person: 'Ada@example.com',
      target: 'shop',
      verdict: 'allow',
    });
    assert.equal(id, ids[1]);
    assert.match(hash, /^[0-9a-f]{64}$/);
    assert.match(`${statement} ${at}`, /^[0-9a-f-]{36} \d{4}-/);
    assert.deepEqual(body, {
      text: 'select "name" from customers where note like \'50%_\\\'',
      digest: keyedDigest(rows[0]?.salt ?? Buffer.alloc(0), digest),
    });
    assert.equal(await records.get(randomUUID()), undefined);
    assert.equal(await records.get('1; drop table'), undefined);
  });

  test('a search finds by qualifiers and by text, newest first', async () => {
    assert.deepEqual(await found(''), [2, 1, 0]);
    assert.deepEqual(await found('', 2), [2, 1]);
    assert.deepEqual(await found('person:ADA@example.com'), [1, 0]);
    assert.deepEqual(await found(`session:${session} kind:statement`), [1]);
    assert.deepEqual(await found('verdict:deny'), [2]);
    assert.deepEqual(await found('ORDERS drop'), [2]);
    assert.deepEqual(await found('"drop table"'), [2]);
    assert.deepEqual(await found('"table drop"'), []);
    assert.deepEqual(await found('target:shop customers'), [1]);
  });

  test('a search takes every character as itself', async () => {
    assert.deepEqual(await found('50%_\\'), [1]);
    assert.deepEqual(await found('5_%'), []);
    assert.deepEqual(await found("o'x"), []);
    assert.deepEqual(await found('session:nonsense'), []);
    assert.deepEqual(await found('unknown:thing'), []);
    assert.deepEqual(await found('a\0b'), []);
    assert.deepEqual(await found('\ud800'), []);
  });

  test('a search returns no more than its bound, however much is asked for', async () => {
    assert.equal((await records.search('', 1e9)).length, 3);
    assert.equal((await records.search('', -1)).length, 1);
    assert.equal((await records.search('', NaN)).length, 1);
  });

  test('a search goes on after a record, and looks at a part of the time', async () => {
    const part = async (which: RecordsPart) =>
      (await records.search('target:shop', 10, which)).map(({ id }) => ids.indexOf(id));
    assert.deepEqual(await part({ before: ids[2] ?? '' }), [1, 0]);
    assert.deepEqual(await part({ before: ids[0] ?? '' }), []);
    assert.deepEqual(await part({ before: randomUUID() }), []);
    assert.deepEqual(await part({ before: 'x' }), []);
    assert.deepEqual(await part({ from: '2020-01-01', to: '2999-01-01' }), [2, 1, 0]);
    assert.deepEqual(await part({ from: '2999-01-01' }), []);
    assert.deepEqual(await part({ to: '2020-01-01' }), []);
    assert.deepEqual(
      (await records.search('drop', 10, { before: ids[2] ?? '' })).map(({ id }) => id),
      [],
    );
  });

  test('an erased record keeps its place and has no body', async () => {
    const eraser = await openEraser(store.postgres.url);
    const record = ids[0] ?? '';
    await erase(eraser, { filter: { record }, reason: 'a test', by: 'sec@example.com' });
    await eraser.close();
    const view = await records.get(ids[0] ?? '');
    assert.equal(view?.kind, 'session-start');
    assert.equal(view?.body, undefined);
  });
});
