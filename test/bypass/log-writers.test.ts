import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { headText } from '#src/audit/announcement.ts';
import type { Json, JsonObject, RecordKind } from '#src/audit/log.ts';
import { draftOf, INSERT, insertValues, seal, type Tail } from '#src/audit/draft.ts';
import { ED25519, formatVkey, hexId, noteKey, parseVkey } from '#src/audit/tree/note.ts';
import { signingKey, type Keys } from '#src/audit/tree/signing-key.ts';
import { verifyLog, type WriterReport } from '#src/audit/verify.ts';
import { openAuditLog, type AuditOptions } from '#src/audit/writer.ts';
import type { Database, Sql } from '#src/store/database.ts';
import { eventually } from '../fakes/gateway.ts';
import { startStore, type TestStore } from '../unit/store/store.ts';

const key = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const keysOf = (current: KeyObject, ...retired: KeyObject[]): Keys => ({
  current: signingKey(current),
  retired: retired.map(signingKey),
  close: () => Promise.resolve(),
});
const vkey = (writer: string, one: KeyObject): string => formatVkey(noteKey(writer, ED25519, one));

describe('what whoever owns the database does to the chain of a writer', () => {
  let store: TestStore;
  let db: Database;
  before(async () => {
    store = await startStore();
    ({ db } = store);
  });
  after(() => store.close());

  const open = (writer: string, keys: Keys, more: Partial<AuditOptions> = {}) =>
    openAuditLog({
      db,
      writer,
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
      signing: { keys },
      ...more,
    });
  const tamper = (work: (sql: Sql) => Promise<unknown>): Promise<void> =>
    db.transaction(async (sql) => {
      await sql.query('set local session_replication_role = replica');
      await work(sql);
    });
  const verified = async (writer: string, keys?: readonly string[]): Promise<WriterReport> => {
    const known = keys?.map(parseVkey);
    const { writers } = await verifyLog(db, known ? { keys: known } : {});
    const report = writers.find((one) => one.writer === writer);
    assert.ok(report);
    return report;
  };
  const tail = async (writer: string): Promise<Tail> => {
    const { rows } = await db.pool.query(
      'select seq::int, hash from countersign.record where writer = $1 order by seq desc limit 1',
      [writer],
    );
    return rows[0] ?? { seq: 0, hash: Buffer.alloc(0) };
  };
  /** Appends a record that is good in every way but that no key has signed it. */
  const forge = async (writer: string, kind: RecordKind, body: JsonObject, ago = 0, epoch = 1) => {
    const draft = draftOf({ kind, body }, epoch);
    const time = new Date(Date.now() - ago).toISOString();
    const sealed = seal([{ ...draft, time }], writer, await tail(writer));
    await db.pool.query(INSERT, insertValues(writer, epoch, sealed));
  };
  const signBy = async (writer: string, by: KeyObject, id = by): Promise<void> => {
    const head = await tail(writer);
    await db.pool.query(
      'insert into countersign.record_signature (writer, seq, key, signature) values ($1, $2, $3, $4)',
      [
        writer,
        head.seq,
        hexId(noteKey(writer, ED25519, id).id),
        sign(undefined, Buffer.from(headText(writer, head)), by),
      ],
    );
  };
  const written = async (writer: string, keys: Keys, more: Partial<AuditOptions> = {}) => {
    const log = await open(writer, keys, more);
    for (let n = 0; n < 3; n += 1)
      // oxlint-disable-next-line no-await-in-loop -- batches of one
      await log.append({ kind: 'statement', verdict: 'allow', body: { n } });
    await log.close();
  };
  /** A process that is killed: it says nothing any more. */
  const killed = async (writer: string, keys: Keys, more: Partial<AuditOptions> = {}) => {
    const log = await open(writer, keys, { ...more, onError: () => undefined });
    await log.append({ kind: 'statement', verdict: 'allow', body: {} });
    await eventually('its signature', async () => (await newestSignature(writer)) === 2);
    await tamper((sql) =>
      sql.query(
        `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
           and (classid::bigint << 32 | objid::bigint) = hashtextextended('countersign log ' || $1, 0)`,
        [writer],
      ),
    );
    return log;
  };
  const newestSignature = async (writer: string): Promise<number> => {
    const { rows } = await db.pool.query(
      'select max(seq)::int as seq from countersign.record_signature where writer = $1',
      [writer],
    );
    return rows[0].seq;
  };

  test('a record that is appended after the stop is named, whoever seems to have signed it', async () => {
    const own = key();
    await written('after-stop', keysOf(own));
    assert.equal((await verified('after-stop')).bad, undefined);
    await forge('after-stop', 'statement', { n: 99 });
    const { bad } = await verified('after-stop');
    assert.deepEqual([bad?.problem, bad?.seq], ['inserted', 6]);
    assert.match(bad?.detail ?? '', /after its writer said that it stops/);
  });

  test('a chain that is written anew from some record on has no signature of the writer’s key', async () => {
    const [own, other] = [key(), key()];
    await written('anew', keysOf(own));
    const rewrite = (from: number) =>
      tamper(async (sql) => {
        const where = `where writer = 'anew' and seq >= ${from}`;
        await sql.query(
          `delete from countersign.record_body where id in (select id from countersign.record ${where})`,
        );
        await sql.query(`delete from countersign.record ${where}`);
        await sql.query(`delete from countersign.record_signature ${where}`);
      });
    await rewrite(3);
    await forge('anew', 'statement', { n: 'other' }, 20_000);
    const unsigned = await verified('anew');
    assert.equal(unsigned.bad?.problem, 'unsigned');
    await signBy('anew', other, own);
    const badly = await verified('anew');
    assert.deepEqual([badly.bad?.problem, badly.bad?.seq], ['signature', 3]);
    await tamper((sql) =>
      sql.query(`delete from countersign.record_signature where writer = 'anew'`),
    );
    await signBy('anew', other);
    assert.match(
      (await verified('anew')).bad?.detail ?? '',
      /is signed with the key [\da-f]{8}, and/,
    );
  });

  test('a key that nobody has handed over to is named, and one that is known from elsewhere is not', async () => {
    const [own, other] = [key(), key()];
    await written('key', keysOf(own));
    await forge(
      'key',
      'writer',
      { event: 'start', epoch: 2, key: vkey('key', other), writer: 'key' },
      0,
      2,
    );
    await signBy('key', other);
    const found = await verified('key');
    assert.deepEqual([found.bad?.problem, found.bad?.seq], ['writer-key', 6]);
    const known = [vkey('key', own), vkey('key', other)];
    assert.equal((await verified('key', known)).bad, undefined);
    assert.equal((await verified('key', [vkey('key', other)])).bad?.seq, 1);
    // Nor does a word that the old key gave for another place in the chain.
    await written('handed', keysOf(own));
    await written('handed', keysOf(other, own), { epoch: 2 });
    assert.equal((await verified('handed')).bad, undefined);
    const { rows } = await db.pool.query(
      `select body::jsonb->'body' as said from countersign.record_body
       where writer = 'handed' and kind = 'writer' and epoch = 2 and body like '%previous%'`,
    );
    const said: Record<string, Json> = rows[0].said;
    await written('handed', keysOf(own, other), { epoch: 3 });
    await forge('handed', 'writer', { ...said, epoch: 4 }, 0, 4);
    await signBy('handed', other);
    assert.equal((await verified('handed')).bad?.problem, 'writer-key');
  });

  test('newest records that are cut off leave a signature, or a silence', async () => {
    const own = key();
    const log = await killed('cut', keysOf(own), {
      signing: { keys: keysOf(own), heartbeatMs: 1_000 },
    });
    await tamper(async (sql) => {
      await sql.query(
        `delete from countersign.record_body where id in (select id from countersign.record where writer = 'cut' and seq = 2)`,
      );
      await sql.query(`delete from countersign.record where writer = 'cut' and seq = 2`);
    });
    const left = await verified('cut');
    assert.deepEqual([left.bad?.problem, left.bad?.seq], ['removed', 2]);
    assert.match(left.bad?.detail ?? '', /there is a signature over it/);
    await tamper((sql) =>
      sql.query(`delete from countersign.record_signature where writer = 'cut'`),
    );
    const silent = await eventually(
      'a silence',
      async () => {
        const report = await verified('cut');
        return report.bad && report;
      },
      20,
    );
    assert.deepEqual([silent.bad?.problem, silent.bad?.seq], ['silent', 1]);
    assert.match(silent.bad?.detail ?? '', /did not say that it stops.*removed or are withheld/);
    await log.close().catch(() => undefined);
  });

  test('what another writer’s heartbeat has seen cannot be cut off', async () => {
    const own = key();
    await written('seen', keysOf(own));
    const { seq, hash } = await tail('seen');
    const watcher = await open('watcher', keysOf(own));
    const heads = [{ writer: 'seen', seq, hash: hash.toString('hex') }];
    await watcher.append({ kind: 'heartbeat', body: { epoch: 1, seq: 1, sessions: 0, heads } });
    await watcher.close();
    assert.equal((await verified('seen')).bad, undefined);
    await tamper(async (sql) => {
      await sql.query(
        `delete from countersign.record_body where id in (select id from countersign.record where writer = 'seen' and seq = 5)`,
      );
      await sql.query(`delete from countersign.record where writer = 'seen' and seq = 5`);
      await sql.query(`delete from countersign.record_signature where writer = 'seen' and seq = 5`);
    });
    const { bad } = await verified('seen');
    assert.deepEqual([bad?.problem, bad?.seq], ['removed', 5]);
  });

  test('a chain of somebody else, without a key, is named', async () => {
    await written('real', keysOf(key()));
    await forge('invented', 'statement', { n: 1 });
    const { bad } = await verified('invented');
    assert.equal(bad?.problem, 'unsigned');
    assert.match(bad?.detail ?? '', /has announced no key/);
    await tamper(async (sql) => {
      await sql.query(`delete from countersign.record_body where writer = 'invented'`);
      await sql.query(`delete from countersign.record where writer = 'invented'`);
    });
  });

  test('a process that ended without saying so is no finding once it has begun again, and is told', async () => {
    const own = key();
    const signing = { keys: keysOf(own), heartbeatMs: 60_000 };
    const log = await killed('again', keysOf(own), { signing });
    await written('again', keysOf(own), { signing, epoch: 2 });
    const report = await verified('again');
    assert.equal(report.bad, undefined);
    assert.deepEqual(
      report.silences?.map(({ seq, why }) => [seq, why]),
      [[2, 'it ended without saying so']],
    );
    await log.close().catch(() => undefined);
  });
});
