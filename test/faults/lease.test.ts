import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { recover, recoverLapsed } from '#src/audit/recovery.ts';
import { NotRecorded, type Entry } from '#src/audit/log.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { openLease, type Lease } from '#src/store/lease.ts';
import { startSession } from '#src/store/sessions.ts';
import { startStore, type TestStore } from '../unit/store/store.ts';

const name = () => `gateway-${randomUUID()}`;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await condition())) {
    assert.ok(performance.now() < end, 'it did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

type Ids = { readonly session: string; readonly statement: string };
const ids = (session: string): Ids => ({ session, statement: randomUUID() });

const about = ({ session, statement }: Ids): Omit<Entry, 'kind' | 'body'> => ({
  session,
  statement,
  person: 'ada@example.com',
  target: 'shop',
});

describe('faults of a lease', () => {
  let store: TestStore;

  before(async () => {
    store = await startStore();
  });
  after(() => store.close());

  const leases: Lease[] = [];
  afterEach(async () => {
    await Promise.all(leases.splice(0).map((lease) => lease.release()));
  });
  async function take(gateway: string, more: object = {}): Promise<Lease> {
    const lease = await openLease(store.db, { name: gateway, onLost: () => undefined, ...more });
    leases.push(lease);
    return lease;
  }

  test('a lease that is released passes on at once with the next epoch', async () => {
    const gateway = name();
    const first = await take(gateway);
    assert.deepEqual([first.gateway, first.epoch, first.held()], [gateway, 1, true]);
    await first.release();
    assert.equal(first.held(), false);
    const second = await take(gateway);
    assert.equal(second.epoch, 2);
    await second.release();
  });

  test('a live lease makes the next process wait, and can be given up waiting for', async () => {
    const gateway = name();
    const first = await take(gateway, { ttlMs: 600 });
    const giveUp = new AbortController();
    const second = take(gateway, { ttlMs: 600, signal: giveUp.signal });
    setTimeout(() => giveUp.abort(), 1_000);
    await assert.rejects(second, { name: 'AbortError' });
    assert.equal(first.held(), true);
    await first.release();
  });

  test('taking over does not wait, and the process before learns that it must stop', async () => {
    const gateway = name();
    let lost: Error | undefined;
    const first = await take(gateway, { ttlMs: 600, onLost: (error: Error) => (lost = error) });
    const second = await take(gateway, { takeOver: true });
    assert.equal(second.epoch, 2);
    await until(() => lost !== undefined);
    assert.match(lost?.message ?? '', /taken over/);
    assert.equal(first.held(), false);
    await first.release();
    assert.equal(second.held(), true);
    await second.release();
  });

  test('a lease is not held while it cannot be renewed, and is again when nobody took it meanwhile', async () => {
    const gateway = name();
    const lease = await take(gateway, { ttlMs: 600 });
    const lock = await store.db.connect();
    await lock.query('begin');
    await lock.query('select from countersign.gateway where name = $1 for update', [gateway]);
    await until(() => !lease.held());
    const { rows } = await store.db.pool.query<{ lapsed: boolean }>(
      'select lease_until <= clock_timestamp() as lapsed from countersign.gateway where name = $1',
      [gateway],
    );
    // The holder stops before anybody may take over: by its own clock, from before the renewal was sent.
    assert.equal(typeof rows[0]?.lapsed, 'boolean');
    await lock.query('rollback');
    await lock.end();
    await until(() => lease.held());
    await lease.release();
  });

  /** A gateway that dies with one statement of every kind under way. */
  async function leaveBehind(lease: Lease) {
    const { gateway, epoch } = lease;
    const log = await openAuditLog({
      db: store.db,
      writer: gateway,
      epoch,
      held: () => true,
      onError: assert.ifError,
    });
    const session = randomUUID();
    await log.append(
      { kind: 'session-start', session, person: 'ada@example.com', target: 'shop', body: {} },
      (sql) =>
        startSession(sql, {
          id: session,
          gateway,
          epoch,
          person: 'ada@example.com',
          target: 'shop',
          database: 'shop',
          protocol: 'postgres',
          client: '127.0.0.1:1',
          application: 'psql',
        }),
    );
    const allow = { kind: 'statement', verdict: 'allow', body: {} } as const;
    const [finished, lost, denied] = [ids(session), ids(session), ids(session)];
    await log.append({ ...allow, ...about(finished) });
    await log.append({ kind: 'outcome', ...about(finished), body: { ok: true } });
    await log.append({ ...allow, ...about(lost) });
    await log.append({ ...allow, ...about(denied), verdict: 'deny' });
    const requests: Record<string, string> = {};
    for (const state of ['pending', 'approved', 'running', 'recorded', 'denied']) {
      const held = { ...about(ids(session)), request: randomUUID() };
      requests[state] = held.request;
      const { record } = await log.append({ ...allow, ...held, verdict: 'hold' });
      const claimed = state === 'running' || state === 'recorded';
      if (claimed) await log.append({ kind: 'claim', ...held, verdict: 'approved', body: {} });
      if (state === 'recorded')
        await log.append({ kind: 'outcome', ...held, body: { ok: true, rows: 3 } });
      await store.db.pool.query(
        `insert into countersign.request (id, state, kind, gateway, epoch, session, statement, person, requirement, card, record, expires_at)
       values ($1, $2, 'statement', $3, $4, $5, $6, $7, '{}', '{"target":"shop"}', $8, now() + interval '1 h')`,
        [
          held.request,
          claimed ? 'running' : state,
          gateway,
          epoch,
          session,
          held.statement,
          'ada@example.com',
          record,
        ],
      );
    }
    await log.close();
    return { session, lost, requests };
  }

  async function check(left: Awaited<ReturnType<typeof leaveBehind>>): Promise<void> {
    const { pool } = store.db;
    const states = await pool.query<{ id: string; state: string; version: number; rows: string }>(
      `select id, state, version, outcome->>'rows' as rows from countersign.request where id = any($1)`,
      [Object.values(left.requests)],
    );
    const found = Object.fromEntries(states.rows.map((row) => [row.id, row]));
    const stateOf = (was: string) => found[left.requests[was] ?? '']?.state;
    assert.deepEqual(['pending', 'approved', 'running', 'recorded', 'denied'].map(stateOf), [
      'abandoned',
      'abandoned',
      'unknown',
      'done',
      'denied',
    ]);
    assert.equal(found[left.requests['recorded'] ?? '']?.rows, '3');
    const outbox = await pool.query(
      'select from countersign.outbox where request = any($1) and version = 2',
      [Object.values(left.requests)],
    );
    assert.equal(outbox.rowCount, 4);
    const outcomes = await pool.query<{ unknown: string }>(
      `select (body::jsonb->'body'->>'unknown') as unknown from countersign.record_body
     where session = $1 and kind = 'outcome' and (statement = $2 or request = $3)`,
      [left.session, left.lost.statement, left.requests['running']],
    );
    assert.deepEqual(outcomes.rows, [{ unknown: 'true' }, { unknown: 'true' }]);
    const session = await pool.query(
      'select from countersign.session where id = $1 and ended_at is not null',
      [left.session],
    );
    assert.equal(session.rowCount, 1);
    assert.equal((await verifyLog(store.db)).ok, true);
  }

  const openLog = (lease: Lease) =>
    openAuditLog({
      db: store.db,
      writer: lease.gateway,
      epoch: lease.epoch,
      held: () => lease.held(),
      onError: assert.ifError,
    });

  test('a restarted gateway puts right what its killed process left, once', async () => {
    const gateway = name();
    const left = await leaveBehind(await take(gateway, { ttlMs: 60_000 }));
    const lease = await take(gateway, { takeOver: true });
    const audit = await openLog(lease);
    const parts = { db: store.db, audit, gateway, epoch: lease.epoch };
    assert.deepEqual(await recover(parts), { unknown: 2, abandoned: 2 });
    await check(left);
    assert.deepEqual(await recover(parts), { unknown: 0, abandoned: 0 });
    await check(left);
    await audit.close();
    await lease.release();
  });

  test('two gateways that sweep at once put a lapsed one right exactly once, and it cannot come back', async () => {
    let lost: Error | undefined;
    const dead = await take(name(), { ttlMs: 900, onLost: (error: Error) => (lost = error) });
    const left = await leaveBehind(dead);
    const zombie = await openAuditLog({
      db: store.db,
      writer: dead.gateway,
      epoch: dead.epoch,
      held: () => true,
      onError: () => undefined,
    });
    // As if it slept: the store sees it lapse, and its renewal comes too late.
    await store.db.pool.query(
      'update countersign.gateway set lease_until = clock_timestamp() where name = $1',
      [dead.gateway],
    );
    const living = await Promise.all([take(name()), take(name())]);
    const logs = await Promise.all(living.map(openLog));
    const done = await Promise.all(
      logs.map((audit, i) =>
        recoverLapsed({ db: store.db, audit, gateway: living[i]?.gateway ?? '', graceMs: 0 }),
      ),
    );
    assert.equal(
      done.reduce((sum, { unknown, abandoned }) => sum + unknown + abandoned, 0),
      4,
    );
    await check(left);
    await until(() => lost !== undefined);
    assert.equal(dead.held(), false);
    // Not even a process that slept through all of it and believes in its lease.
    await assert.rejects(zombie.append({ kind: 'look', body: {} }), NotRecorded);
    await zombie.close();
    await Promise.all(logs.map((log) => log.close()));
  });
});
