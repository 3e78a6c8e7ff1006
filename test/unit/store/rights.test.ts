import assert from 'node:assert/strict';
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
    await log.append({ kind: 'statement', verdict: 'allow', body: {} });
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

  for (const sql of [
    'update countersign.record_body set body = null, salt = null',
    'select * from countersign.record_body_default',
    `insert into countersign.erasure (id, state, reason, pseudonym) values (gen_random_uuid(), 'recorded', '', '')`,
    'delete from countersign.erasure',
    'delete from countersign.legal_hold',
    `update countersign.legal_hold set person = null`,
    'delete from countersign.recording',
    'update countersign.recording set key = null',
    'delete from countersign.recording_chunk',
    `select countersign.make_month('record_body', now())`,
    `select countersign.empty_default('record_body', now())`,
  ])
    test(`cannot erase: ${sql}`, async () => {
      await assert.rejects(runner.pool.query(sql), /permission denied/);
    });

  test('makes the months to come, which are the owner’s', async () => {
    const owner = openDatabase(as('owner'), { onError: () => undefined });
    const last = async () => {
      const { rows } = await owner.pool.query<{ name: string; owner: string }>(
        `select relname as name, relowner::regrole::text as owner from pg_class
         where relname ~ '^record_body_\\d{4}_\\d\\d$' order by 1 desc limit 1`,
      );
      return rows[0];
    };
    const made = async () =>
      (await runner.pool.query('select countersign.make_months() as n')).rows[0]?.n;
    const then = await last();
    assert.equal(await made(), 0, 'the migration has made them');
    await owner.pool.query(`drop table countersign.${then?.name}`);
    assert.equal(await made(), 1);
    assert.deepEqual(await last(), then);
    assert.equal(then?.owner, 'owner');
    await assert.rejects(
      runner.pool.query(`select from countersign.${then?.name}`),
      /permission denied/,
    );
    await owner.close();
  });

  test('of one role for everything it is said what that could do', async () => {
    const owner = openDatabase(as('owner'), { onError: () => undefined });
    assert.deepEqual(await excessRights(owner), ['it owns the tables of the log']);
    await owner.close();
  });
});
