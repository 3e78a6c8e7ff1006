import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { migrateStore } from '#gateway/parts.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { startSequencer } from '#src/audit/tree/sequencer.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { excessRights } from '#src/store/rights.ts';
import { eventually } from '../../fakes/gateway.ts';
import { startPostgres, type TestPostgres } from '../../fakes/postgres.ts';

describe('the role that the gateway runs as', () => {
  let postgres: TestPostgres;
  let runner: Database;
  let superuser: Database;
  let id = '';
  const as = (role: string): string => {
    const url = new URL(postgres.url);
    url.username = role;
    url.password = role;
    url.pathname = '/log';
    return url.href;
  };

  before(async () => {
    postgres = await startPostgres();
    superuser = openDatabase(postgres.url, { onError: () => undefined });
    for (const role of ['owner', 'runner'])
      await superuser.pool.query(`create role ${role} login password '${role}'`);
    await superuser.pool.query('create database log owner owner');
    runner = openDatabase(as('runner'), { onError: () => undefined });
    const store = { url: as('runner'), ownerUrl: as('owner') };
    await migrateStore(store, runner);
    // Again, as at each start.
    await migrateStore(store, runner);
    const options = { db: runner, writer: 'gateway', epoch: 1, held: () => true };
    const log = await openAuditLog({ ...options, onError: assert.ifError });
    const receipt = await log.append({ kind: 'statement', verdict: 'allow', body: {} });
    id = receipt.record;
    await log.close();
  });
  after(async () => {
    await Promise.all([runner.close(), superuser.close()]);
    await postgres.stop();
  });

  test('appends records, and puts them into the tree', async () => {
    const onError = assert.ifError;
    const sequencer = startSequencer({ db: runner, everyMs: 20, onError, onProblem: assert.fail });
    const size = async () => (await verifyTree(runner)).size === 1;
    await eventually('a tree', size);
    await sequencer.close();
    assert.deepEqual(await excessRights(runner), []);
  });

  for (const sql of [
    `update countersign.record set leaf = ''`,
    'delete from countersign.record',
    'truncate countersign.record',
    `update countersign.record_body set person = 'other@example.com'`,
    `update countersign.record_body set at = now()`,
    'delete from countersign.record_body',
    'truncate countersign.record_body cascade',
    'delete from countersign.tree_entry',
    'update countersign.tree_entry set index = 7',
    'delete from countersign.tree_checkpoint',
    `update countersign.tree_checkpoint set root = ''`,
    `insert into countersign.migration (name, sha256) values ('9999', '')`,
    'alter table countersign.record disable trigger all',
    'drop trigger append_only on countersign.record',
    'drop table countersign.record_body',
    'drop schema countersign cascade',
    `create or replace function countersign.refuse_change() returns trigger language plpgsql as 'begin return new; end'`,
    'create table countersign.mine (a int)',
    'set session_replication_role = replica',
    'set role owner',
  ])
    test(`cannot: ${sql}`, async () => {
      await assert.rejects(runner.pool.query(sql), /permission denied|must be owner/);
    });

  test('can take a body away, as erasure does, and put nothing else there', async () => {
    const other = "update countersign.record_body set body = '{}' where id = $1";
    await assert.rejects(runner.pool.query(other, [id]), /append-only/);
    const erased = 'update countersign.record_body set body = null, salt = null where id = $1';
    assert.equal((await runner.pool.query(erased, [id])).rowCount, 1);
    const none = await runner.pool.query(erased, [randomUUID()]);
    assert.equal(none.rowCount, 0);
  });

  test('of one role for everything it is said what that could do', async () => {
    const owner = openDatabase(as('owner'), { onError: () => undefined });
    assert.deepEqual(await excessRights(owner), ['it owns the tables of the log']);
    await owner.close();
  });
});
