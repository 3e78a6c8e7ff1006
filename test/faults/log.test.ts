import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Failpoint } from '#src/audit/lane.ts';
import { NotRecorded, type Entry, type Receipt } from '#src/audit/log.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { startStore, type TestStore } from '../unit/store/store.ts';

const entry = (n: number): Entry => ({ kind: 'statement', verdict: 'allow', body: { n } });

/** Fails the n-th write of its kind, once. */
function failOnce(point: 'before' | 'after', nth = 1): Failpoint {
  let left = nth;
  return (now) => {
    if (now === point && --left === 0) throw new Error(`injected ${point} the write`);
  };
}

/** Tries again until it works, ten seconds at most. */
async function until(work: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + 10_000;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

describe('faults of the log', () => {
  let store: TestStore;
  let log: OpenAuditLog;
  const heard: Error[] = [];

  before(async () => {
    store = await startStore();
  });
  after(() => store.close());
  afterEach(() => log.close());

  async function open(
    options: { writer?: string; failpoint?: Failpoint; held?: () => boolean } = {},
  ): Promise<string> {
    const writer = options.writer ?? `gateway-${randomUUID()}`;
    heard.length = 0;
    log = await openAuditLog({
      db: store.db,
      epoch: 1,
      held: () => true,
      onError: (error) => heard.push(error),
      ...options,
      writer,
    });
    return writer;
  }

  /** The bodies' `n` in the chain's order; the chain itself must be good. */
  async function durable(writer: string): Promise<number[]> {
    const { rows } = await store.db.pool.query<{ body: string }>(
      'select body from countersign.record r join countersign.record_body b using (id) where r.writer = $1 order by seq',
      [writer],
    );
    const report = (await verifyLog(store.db)).writers.find((one) => one.writer === writer);
    assert.equal(report?.bad, undefined);
    return rows.map(({ body }) => (JSON.parse(body) as { body: { n: number } }).body.n);
  }

  test('a write that fails before it is sent is rejected and not there', async () => {
    const writer = await open({ failpoint: failOnce('before') });
    await assert.rejects(log.append(entry(1)), NotRecorded);
    await log.append(entry(2));
    assert.deepEqual(await durable(writer), [2]);
  });

  test('a write whose reply is lost is found again and acknowledged once', async () => {
    const writer = await open({ failpoint: failOnce('after') });
    const receipt = await log.append(entry(1));
    assert.equal(receipt.seq, 1n);
    await log.append(entry(2));
    assert.deepEqual(await durable(writer), [1, 2]);
  });

  test('a transaction whose reply is lost is found again, with what was written within', async () => {
    const writer = await open({ failpoint: failOnce('after') });
    await store.db.pool.query('create table public.effect (record uuid)');
    const receipt = await log.append(entry(1), async (sql, record) => {
      await sql.query('insert into public.effect values ($1)', [record]);
    });
    const { rows } = await store.db.pool.query('select record from public.effect');
    assert.deepEqual(rows, [{ record: receipt.record }]);
    assert.deepEqual(await durable(writer), [1]);
  });

  test('what throws within a record takes the record with it and keeps its own error', async () => {
    const writer = await open();
    const mine = new Error('mine');
    await assert.rejects(
      log.append(entry(1), () => Promise.reject(mine)),
      (error) => error === mine,
    );
    await assert.rejects(
      log.append(entry(2), async (sql) => void (await sql.query('select 1 / 0'))),
      /division by zero/,
    );
    await assert.rejects(
      log.append(entry(3), async (sql) => {
        await sql.query('select 1 / 0').catch(() => undefined);
      }),
      NotRecorded,
    );
    await log.append(entry(4));
    assert.deepEqual(await durable(writer), [4]);
  });

  test("a connection lost within a record is the store's failure, not the caller's", async () => {
    const writer = await open();
    await assert.rejects(
      log.append(entry(1), async (sql) => {
        await sql.query('select pg_terminate_backend(pg_backend_pid())');
      }),
      NotRecorded,
    );
    await log.append(entry(2));
    assert.deepEqual(await durable(writer), [2]);
  });

  test('records that come together keep their order, with outcomes and transactions between them', async () => {
    const writer = await open();
    const receipts: Promise<Receipt>[] = [];
    for (let n = 0; n < 60; n++)
      receipts.push(log.append(entry(n), n % 7 === 3 ? async () => undefined : undefined));
    log.later({ kind: 'outcome', body: { n: 1000 } });
    const seqs = (await Promise.all(receipts)).map(({ seq }) => Number(seq));
    assert.deepEqual(
      seqs,
      seqs.toSorted((a, b) => a - b),
    );
    await log.idle();
    const stored = await durable(writer);
    assert.deepEqual(
      stored.filter((n) => n < 1000),
      Array.from({ length: 60 }, (_, n) => n),
    );
    assert.equal(stored.length, 61);
  });

  test('an outcome whose write fails is written again', async () => {
    const writer = await open({ failpoint: failOnce('before') });
    log.later({ kind: 'outcome', body: { n: 7 } });
    await log.idle();
    assert.deepEqual(await durable(writer), [7]);
  });

  test('an outcome whose reply is lost is not written twice', async () => {
    const writer = await open({ failpoint: failOnce('after') });
    log.later({ kind: 'outcome', body: { n: 7 } });
    await log.idle();
    assert.deepEqual(await durable(writer), [7]);
  });

  test('an entry that cannot be stored is refused alone', async () => {
    const writer = await open();
    const results = await Promise.allSettled([
      log.append(entry(1)),
      log.append({ ...entry(2), session: 'not-a-uuid' }),
      log.append({ ...entry(3), person: 'a\0b' }),
      log.append({ ...entry(4), body: { text: '\ud800' } }),
      log.append({ ...entry(5), binds: { digest: Buffer.alloc(32), verdict: 'approved' } }),
      log.append(entry(6)),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status === 'fulfilled'),
      [true, false, false, false, false, true],
    );
    assert.deepEqual(await durable(writer), [1, 6]);
  });

  test('a store that refuses records is said to, until it takes one', async () => {
    const writer = await open();
    await store.db.pool.query(
      `alter table countersign.record add constraint no_room check (writer <> '${writer}')`,
    );
    await assert.rejects(log.append(entry(1)), NotRecorded);
    assert.equal(log.refused(), true);
    await store.db.pool.query('alter table countersign.record drop constraint no_room');
    await log.append(entry(2));
    assert.equal(log.refused(), false);
    assert.deepEqual(await durable(writer), [2]);
  });

  test('nothing is appended once the lease may be lost', async () => {
    let held = true;
    const writer = await open({ held: () => held });
    await log.append(entry(1));
    const late = log.append(entry(2));
    held = false;
    await assert.rejects(late, NotRecorded);
    await assert.rejects(log.append(entry(3)), NotRecorded);
    assert.deepEqual(await durable(writer), [1]);
  });

  test('a second process with the same writer fences the first, which never writes again', async () => {
    const writer = await open();
    await log.append(entry(1));
    const first = log;
    await open({ writer });
    await log.append(entry(2));
    await assert.rejects(first.append(entry(3)), NotRecorded);
    await assert.rejects(first.append(entry(4)), NotRecorded);
    await first.close();
    await log.append(entry(5));
    assert.deepEqual(await durable(writer), [1, 2, 5]);
  });

  test('a record that somebody else put in our place fences the writer', async () => {
    const writer = await open();
    await log.append(entry(1));
    await store.db.pool.query(
      `insert into countersign.record (writer, seq, id, leaf, hash) values ($1, 2, gen_random_uuid(), '', '')`,
      [writer],
    );
    await assert.rejects(log.append(entry(2)), NotRecorded);
    await assert.rejects(log.append(entry(3)), /another process writes/);
    assert.ok(heard.some((error) => error.name === 'Fenced'));
  });

  test('a stuck store rejects within the time it promises, and the log goes on afterwards', async () => {
    const writer = await open();
    await log.append(entry(1));
    const lock = await store.db.connect();
    await lock.query('begin');
    await lock.query('lock table countersign.record in access exclusive mode');
    // An outcome is stuck already when the statements come.
    log.later({ kind: 'outcome', body: { n: 9 } });
    await until(async () => {
      const { rowCount } = await store.db.pool.query(
        "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%record_body%' and pid <> pg_backend_pid()",
      );
      assert.equal(rowCount, 1);
    });
    const from = performance.now();
    const results = await Promise.allSettled([
      log.append(entry(2)),
      log.append(entry(3), async () => undefined),
    ]);
    assert.ok(performance.now() - from < 4_000);
    assert.ok(results.every(({ status }) => status === 'rejected'));
    await lock.query('rollback');
    await lock.end();
    // It may take an attempt to learn that the store answers again.
    await until(() => log.append(entry(4)));
    await log.idle();
    // What was rejected may be there or not; what was acknowledged and the outcome are there once.
    const stored = (await durable(writer)).filter((n) => n !== 2 && n !== 3);
    assert.deepEqual(
      stored.toSorted((a, b) => a - b),
      [1, 4, 9],
    );
  });

  test('PostgreSQL killed under load: what was acknowledged is there, and the log goes on when it is back', async () => {
    const writer = await open();
    const acknowledged: number[] = [];
    let n = 0;
    let stop = false;
    const load = Promise.all(
      Array.from({ length: 16 }, async () => {
        while (!stop) {
          const mine = ++n;
          await log.append(entry(mine)).then(
            () => acknowledged.push(mine),
            (error: unknown) => assert.ok(error instanceof NotRecorded),
          );
          if (acknowledged.length === 400) store.postgres.kill();
          if (heard.length) stop = true;
        }
      }),
    );
    await load;
    await assert.rejects(log.append(entry(0)), NotRecorded);
    await store.postgres.restart();
    await until(() => log.append(entry(-1)));
    const stored = await durable(writer);
    assert.equal(new Set(stored).size, stored.length);
    assert.deepEqual(
      acknowledged.filter((one) => !stored.includes(one)),
      [],
    );
    assert.equal(stored.at(-1), -1);
  });

  const PROGRAM = `
  import { openDatabase } from '#src/store/database.ts';
  import { openAuditLog } from '#src/audit/writer.ts';
  const db = openDatabase(process.argv[1], { onError() {} });
  const log = await openAuditLog({ db, writer: process.argv[2], epoch: 1, held: () => true, onError() {} });
  for (let n = 1; ; n++) log.append({ kind: 'statement', body: { n } }).then(() => console.log(n)), await new Promise(setImmediate);
`;

  test('the process killed under load: what it acknowledged is there, and its successor goes on', async () => {
    const writer = `gateway-${randomUUID()}`;
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', PROGRAM, store.postgres.url, writer],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const lines: string[] = [];
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line);
      if (lines.length === 300) child.kill('SIGKILL');
    });
    await once(child, 'close');
    await open({ writer });
    await log.append(entry(-1));
    const stored = await durable(writer);
    assert.deepEqual(
      lines.filter((line) => !stored.includes(Number(line))),
      [],
    );
    assert.equal(stored.at(-1), -1);
  });
});
