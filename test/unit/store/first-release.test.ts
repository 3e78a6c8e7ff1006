import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { listRequests } from '#src/approval/list.ts';
import { recover } from '#src/audit/recovery.ts';
import { openRecords } from '#src/audit/records.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { liveRoles } from '#src/identity/grants.ts';
import { openTokens } from '#src/identity/tokens.ts';
import { type Database, openDatabase } from '#src/store/database.ts';
import { openLease } from '#src/store/lease.ts';
import { migrate, schemaState } from '#src/store/migrate.ts';
import { startPostgres, type TestPostgres } from '../../fakes/postgres.ts';
import { sqlOn } from '../../fakes/shop.ts';

const MIGRATIONS = new URL('../../../src/store/migrations/', import.meta.url);
const FIXTURE = new URL('../../fixtures/first-release.sql', import.meta.url);
const RECORDS = 35;
const SHOP = { person: 'engineer@example.com' };

let postgres: TestPostgres;
let db: Database;
let token = '';

/** As the first release left it: its one migration, and the rows that it wrote. */
before(async () => {
  postgres = await startPostgres({ fsync: true });
  const first = await readFile(new URL('0001-first.sql', MIGRATIONS), 'utf8');
  const rows = await readFile(FIXTURE, 'utf8');
  token = /token: (\S+)/.exec(rows)?.[1] ?? '';
  await sqlOn(
    postgres.url,
    `create schema countersign;
     create table countersign.migration (
       name text primary key, sha256 text not null, at timestamptz not null default clock_timestamp());
     begin; ${first} commit; ${rows}`,
  );
  db = openDatabase(postgres.url, { onError: () => undefined });
});
after(async () => {
  await db?.close();
  await postgres?.stop();
});

test('a store of the first release is brought to this version, and everything in it is still good', async () => {
  assert.deepEqual((await schemaState(db)).applied, ['0001-first.sql']);
  await migrate(db);
  const shipped = (await readdir(MIGRATIONS)).toSorted();
  assert.deepEqual(await schemaState(db), { applied: shipped, pending: [] });

  const verified = await verifyLog(db);
  assert.deepEqual([verified.ok, verified.records], [true, RECORDS], JSON.stringify(verified));
  const found = await openRecords(db).search('kind:statement verdict:hold', 100);
  assert.equal(found.length, 4);

  const requests = await listRequests(db.pool);
  assert.deepEqual(requests.map(({ state }) => state).toSorted(), [
    'abandoned',
    'denied',
    'done',
    'pending',
  ]);
  for (const request of requests) assert.equal(request.card.person.email, SHOP.person);
  assert.equal(requests.find(({ state }) => state === 'done')?.decisions.length, 1);
  assert.deepEqual(await liveRoles(db, SHOP.person), ['shop/writer']);
});

test('its tokens work, its log is written on, and what its last gateway held is ended', async () => {
  const lost = Promise.withResolvers<Error>();
  const lease = await openLease(db, { name: 'test', takeOver: true, onLost: lost.resolve });
  assert.equal(lease.epoch, 3);
  const { gateway, epoch } = lease;
  const audit = await openAuditLog({
    db,
    writer: gateway,
    epoch,
    held: () => lease.held(),
    onError: (error) => assert.fail(error),
  });
  const tokens = await openTokens(db, audit);
  assert.equal((await tokens.check(token, 'connect'))?.person, SHOP.person);
  assert.equal(await tokens.check(token, 'decide'), undefined);
  assert.ok((await tokens.scram(SHOP.person)).verifiers.length > 0);

  await recover({ db, audit, gateway, epoch });
  await audit.append({ kind: 'policy', body: { version: 'of now' } });
  await audit.close();
  await lease.release();
  const verified = await verifyLog(db);
  assert.ok(verified.ok && verified.records > RECORDS, JSON.stringify(verified));
  assert.deepEqual(await listRequests(db.pool, { states: ['pending'] }), []);
});
