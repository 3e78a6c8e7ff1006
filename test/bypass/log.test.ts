import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { canonical } from '#src/audit/canonical.ts';
import { commitment, leafBytes, leafHash, parseLeaf, type Leaf } from '#src/audit/chain.ts';
import { recover } from '#src/audit/recovery.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { startStore, type TestStore } from '../unit/store/store.ts';

/** Somebody who owns the store's database, with the triggers and constraints out of their way. */
describe('attacks on the log by whoever owns its database', () => {
  let store: TestStore;
  before(async () => {
    store = await startStore();
    await tamper(
      `alter table countersign.record drop constraint record_pkey cascade, drop constraint record_id_key,
         alter writer drop not null, alter seq drop not null, alter id drop not null;
       alter table countersign.record_body drop constraint record_body_pkey, alter id drop not null, alter writer drop not null,
         alter at drop not null, alter epoch drop not null, alter kind drop not null`,
    );
  });
  after(() => store.close());

  async function tamper(sql: string, values: unknown[] = []): Promise<number> {
    return await store.db.transaction(async (client) => {
      await client.query('set local session_replication_role = replica');
      const { rowCount } = await client.query(sql, values);
      return rowCount ?? 0;
    });
  }

  beforeEach(async () => {
    await tamper('truncate countersign.record, countersign.record_body, countersign.tree_entry');
    for (const writer of ['east', 'west']) await write(writer, 5);
    assert.equal((await verifyLog(store.db)).ok, true);
  });

  async function write(writer: string, many: number): Promise<void> {
    const log = await openAuditLog({
      db: store.db,
      writer,
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
    });
    const entry = { kind: 'statement', person: 'ada@example.com', verdict: 'allow' } as const;
    await Promise.all(
      Array.from({ length: many }, (_, n) => log.append({ ...entry, body: { n, writer } })),
    );
    await log.close();
  }

  const isFound = async (what: string) => {
    const { ok, writers } = await verifyLog(store.db);
    assert.equal(ok, false, what);
    const bad = writers.filter((one) => one.bad !== undefined);
    assert.ok(bad.length > 0, what);
    return bad.map(({ writer, bad: finding }) => `${writer} ${finding?.seq} ${finding?.problem}`);
  };

  /** A record with all that belongs to it, as good as it can be forged without what comes after it. */
  async function forge(place: Partial<Leaf>, columns: Record<string, unknown> = {}): Promise<void> {
    const salt = randomBytes(32);
    const body = canonical({ body: { forged: true }, epoch: 1, person: 'eve@example.com' });
    const time = new Date().toISOString();
    const id = randomUUID();
    const leaf: Leaf = {
      writer: 'east',
      seq: 1,
      prev: '',
      time,
      kind: 'statement',
      id,
      commit: commitment(salt, body),
      ...place,
    };
    const bytes = leafBytes(leaf);
    const row = {
      writer: leaf.writer,
      seq: leaf.seq,
      id,
      leaf: bytes,
      hash: leafHash(bytes),
      ...columns,
    };
    await tamper(
      'insert into countersign.record (writer, seq, id, leaf, hash) values ($1, $2, $3, $4, $5)',
      [row.writer, row.seq, row.id, row.leaf, row.hash],
    );
    await tamper(
      `insert into countersign.record_body (id, at, writer, epoch, kind, person, salt, body)
         values ($1, $2, $3, 1, $4, 'eve@example.com', $5, $6)`,
      [id, time, row.writer, leaf.kind, salt, body],
    );
  }

  const PLACES: Readonly<Record<string, [Partial<Leaf>, Record<string, unknown>?]>> = {
    'before the first': [{ seq: 0 }],
    'at a negative place': [{ seq: -7 }],
    'at no place': [{}, { seq: null }],
    'of a writer without a name': [{ writer: '' }],
    'of no writer': [{}, { writer: null }],
    'at a place that is taken': [{ seq: 3 }],
    'at the place of the newest, which is then there twice': [{ seq: 5 }],
    'behind a gap': [{ seq: 99 }],
    'as the first of another writer, with a place that is not the first': [
      { writer: 'north', seq: 2 },
    ],
    'of another writer at the end of a chain': [{ writer: 'west', seq: 6 }, { writer: 'east' }],
  };
  for (const [name, [place, columns]] of Object.entries(PLACES))
    test(`a record that was put ${name} is found`, async () => {
      await forge(place, columns);
      await isFound(name);
    });

  const CHANGES: Readonly<Record<string, string>> = {
    'a time that is no time': `update countersign.record_body set at = 'infinity' where body like '%"n":2,%'`,
    'a time that differs by less than a millisecond': `update countersign.record_body set at = at + interval '1 microsecond' where body like '%"n":2,%'`,
    'no time': `update countersign.record_body set at = null where body like '%"n":2,%'`,
    'an epoch that no number holds': `update countersign.record_body set epoch = 9223372036854775807 where body like '%"n":2,%'`,
    'a second body': `insert into countersign.record_body select * from countersign.record_body where body like '%"n":2,%'`,
    'a second body with other content': `insert into countersign.record_body (id, at, writer, epoch, kind, person) select id, at, writer, epoch, kind, 'eve@example.com' from countersign.record_body where body like '%"n":2,%'`,
    'the salt of another': `update countersign.record_body b set salt = (select salt from countersign.record_body where body like '%"n":3,%' limit 1) where body like '%"n":2,%'`,
    'a body of no record': `insert into countersign.record_body (id, at, writer, epoch, kind) values (null, now(), 'east', 1, 'look')`,
    'a body of no writer': `insert into countersign.record_body (id, at, writer, epoch, kind) values (gen_random_uuid(), now(), null, 1, 'look')`,
    'the chain of a writer under the name of another': `update countersign.record set writer = case writer when 'east' then 'west' else 'east' end`,
    'the chain of a writer under a new name, with its bodies': `update countersign.record set writer = 'south' where writer = 'east'; update countersign.record_body set writer = 'south' where writer = 'east'`,
    'a hash of no length': `update countersign.record set hash = '' where writer = 'east' and seq = 5`,
    'a leaf of no length': `update countersign.record set leaf = '' where writer = 'east' and seq = 5`,
  };
  for (const [name, sql] of Object.entries(CHANGES))
    test(`${name} is found`, async () => {
      await tamper(sql);
      await isFound(name);
    });

  test('the newest record with a body that is no JSON is found, however well its leaf fits', async () => {
    for (const body of [
      '{',
      '',
      '[]',
      'null',
      '{"body":{},"epoch":1,"more":1}',
      '{"epoch":1,"body":{}}',
      '{"body":{"a":"\\ud800"},"epoch":1}',
      `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    ]) {
      const { rows } = await store.db.pool.query(
        `select * from countersign.record where writer = 'east' and seq = 5`,
      );
      const leaf = parseLeaf(rows[0].leaf);
      assert.ok(leaf);
      const { v: _, ...rest } = leaf as Leaf & { v: number };
      const salt = randomBytes(32);
      const bytes = leafBytes({ ...rest, commit: commitment(salt, body) });
      await tamper(`update countersign.record set leaf = $1, hash = $2 where id = $3`, [
        bytes,
        leafHash(bytes),
        leaf.id,
      ]);
      await tamper('update countersign.record_body set salt = $1, body = $2 where id = $3', [
        salt,
        body,
        leaf.id,
      ]);
      await isFound(body);
    }
  });

  test('a second record at the border of two pages is found, and a second body there', async () => {
    await write('many', 2_100);
    assert.equal((await verifyLog(store.db)).ok, true);
    for (const seq of [1_000, 2_000]) {
      await forge({ writer: 'many', seq });
      await isFound(`a second record ${seq}`);
      await tamper(
        `delete from countersign.record r using countersign.record_body b where b.id = r.id and b.person = 'eve@example.com'`,
      );
      await tamper(`delete from countersign.record_body where person = 'eve@example.com'`);
      assert.equal((await verifyLog(store.db)).ok, true);
      for (const order of [
        '',
        `update countersign.record_body b set kind = b.kind from countersign.record r where r.id = b.id and r.writer = 'many' and r.seq = ${seq} and b.person <> 'eve@example.com'`,
      ]) {
        await tamper(`insert into countersign.record_body (id, at, writer, epoch, kind, person) select b.id, b.at, b.writer, b.epoch, b.kind, 'eve@example.com'
          from countersign.record_body b join countersign.record r using (id) where r.writer = 'many' and r.seq = ${seq}`);
        if (order) await tamper(order);
        await isFound(`a second body ${seq}`);
        await tamper(`delete from countersign.record_body where person = 'eve@example.com'`);
      }
    }
  });

  test('heads that were forged into the newest recovery record are found', async () => {
    const log = await openAuditLog({
      db: store.db,
      writer: 'zulu',
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
    });
    await log.append({
      kind: 'recovery',
      body: {
        gateway: 'zulu',
        epoch: 1,
        heads: [
          { writer: 'nobody', seq: 3, hash: 'zz' },
          { writer: 'east', seq: 0, hash: '' },
        ],
      },
    });
    await log.close();
    assert.deepEqual(await isFound('heads'), ['east 0 removed', 'nobody 3 removed']);
  });

  test('a writer that was removed whole is found by who saw it', async () => {
    const log = await openAuditLog({
      db: store.db,
      writer: 'zulu',
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
    });
    await recover({ db: store.db, audit: log, gateway: 'zulu', epoch: 1 });
    await log.close();
    await tamper(
      `delete from countersign.record where writer = 'east'; delete from countersign.record_body where writer = 'east'`,
    );
    await isFound('east');
  });
});
