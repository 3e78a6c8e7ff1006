import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Decided } from '#src/approval/port.ts';
import { NotClaimed } from '#src/approval/port.ts';
import { NotRecorded } from '#src/audit/log.ts';
import { STATEMENT, asked, binding, person, startRequests, startStore } from '../fakes/approval.ts';

let store: Awaited<ReturnType<typeof startStore>>;
let kit: Awaited<ReturnType<typeof startRequests>>;
before(async () => {
  store = await startStore();
  kit = await startRequests(store.db);
});
after(async () => {
  await kit.requests.close();
  await store.stop();
});

const approve = { decision: 'approve', reason: '', via: 'api' } as const;
const deny = { decision: 'deny', reason: 'no', via: 'api' } as const;
const soon = () => AbortSignal.timeout(8_000);
const recordsOf = (id: string, kind: string) =>
  kit.audit.entries.filter((entry) => entry.request === id && entry.kind === kind);

async function inStore(statement: string) {
  const { rows } = await store.db.pool.query<{ id: string; state: string }>(
    'select id, state from countersign.request where statement = $1',
    [statement],
  );
  return rows;
}

async function approved() {
  const request = await kit.requests.open(asked());
  const decided = await kit.requests.decide(request.id, person('approver'), approve);
  assert.equal(decided.ok, true);
  return request;
}

test('a request whose record failed before the commit does not exist', async () => {
  const wanted = asked();
  kit.audit.fail('statement', 'before');
  await assert.rejects(kit.requests.open(wanted), NotRecorded);
  assert.deepEqual(await inStore(wanted.statement), []);
});

test('a request whose commit was not confirmed is refused, and ended so that nobody can approve it', async () => {
  const wanted = asked();
  kit.audit.fail('statement', 'after');
  await assert.rejects(kit.requests.open(wanted), NotRecorded);
  const [row] = await inStore(wanted.statement);
  assert.ok(row);
  const ended = await kit.requests.settled(row.id, soon());
  assert.equal(ended.state, 'abandoned');
});

test('a decision whose record failed before the commit changes nothing, and can be taken again', async () => {
  const { id } = await kit.requests.open(asked());
  kit.audit.fail('decision', 'before');
  await assert.rejects(kit.requests.decide(id, person('approver'), approve), NotRecorded);
  assert.equal((await kit.requests.get(id))?.state, 'pending');
  assert.equal(recordsOf(id, 'decision').length, 0);
  assert.equal((await kit.requests.decide(id, person('approver'), approve)).ok, true);
  assert.equal(recordsOf(id, 'decision').length, 1);
});

test('a decision whose commit was not confirmed stands with its one record', async () => {
  const { id } = await kit.requests.open(asked());
  kit.audit.fail('decision', 'after');
  await assert.rejects(kit.requests.decide(id, person('approver'), approve), NotRecorded);
  assert.equal((await kit.requests.settled(id, soon())).state, 'approved');
  const again = await kit.requests.decide(id, person('approver2'), deny);
  assert.equal(again.ok, false);
  assert.equal(recordsOf(id, 'decision').length, 1);
});

test('a claim whose record failed before the commit does not run, and the request ends by itself', async () => {
  const { id } = await approved();
  kit.audit.fail('claim', 'before');
  await assert.rejects(kit.requests.claim(id, binding(STATEMENT, 'approved')), NotRecorded);
  await until(async () => (await kit.requests.get(id))?.state === 'abandoned');
  assert.equal(recordsOf(id, 'claim').length, 0);
});

test('a claim whose commit was not confirmed gives no receipt, cannot be claimed again, and ends as not run', async () => {
  const { id } = await approved();
  kit.audit.fail('claim', 'after');
  await assert.rejects(kit.requests.claim(id, binding(STATEMENT, 'approved')), NotRecorded);
  await assert.rejects(kit.requests.claim(id, binding(STATEMENT, 'approved')), NotClaimed);
  await until(async () => (await kit.requests.get(id))?.state === 'abandoned');
  assert.equal(recordsOf(id, 'claim').length, 1);
  assert.equal(recordsOf(id, 'outcome')[0]?.body['ok'], false);
});

test('an outcome is kept once, whatever is said after it', async () => {
  const { id } = await approved();
  await kit.requests.claim(id, binding(STATEMENT, 'approved'));
  await kit.requests.finish(id, { ok: true, rows: 1, durationMs: 3 });
  await kit.requests.finish(id, 'unknown');
  const done = await kit.requests.get(id);
  assert.equal(done?.state, 'done');
  assert.deepEqual(done?.outcome, { ok: true, rows: 1, durationMs: 3 });
});

test('of many claims at once exactly one gets the receipt', async () => {
  const { id } = await approved();
  const claims = await Promise.allSettled(
    Array.from({ length: 6 }, () => kit.requests.claim(id, binding(STATEMENT, 'approved'))),
  );
  assert.equal(claims.filter((claim) => claim.status === 'fulfilled').length, 1);
  assert.equal(recordsOf(id, 'claim').length, 1);
});

test('two approvers who decide at once have exactly one effect, and the loser is told', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { id } = await kit.requests.open(asked());
    const votes: Decided[] = await Promise.all([
      kit.requests.decide(id, person('approver'), approve),
      kit.requests.decide(id, person('approver2'), deny),
    ]);
    assert.equal(votes.filter((vote) => vote.ok).length, 1);
    const lost = votes.find((vote) => !vote.ok);
    assert.equal(lost?.ok === false && lost.refusal.code, 'already-decided');
    assert.equal(recordsOf(id, 'decision').length, 1);
    const { rows } = await store.db.pool.query(
      'select count(*)::int as n from countersign.decision where request = $1',
      [id],
    );
    assert.deepEqual(rows, [{ n: 1 }]);
  }
});

test('nothing is approved when the directory does not answer', async () => {
  const { id } = await kit.requests.open(asked());
  kit.directory.down = true;
  await assert.rejects(kit.requests.decide(id, person('approver'), approve), /directory/);
  kit.directory.down = false;
  assert.equal((await kit.requests.get(id))?.state, 'pending');
});

test('a waiter is woken by another process, also after its listening connection was cut', async () => {
  const other = await startRequests(store.db);
  try {
    const { id } = await kit.requests.open(asked());
    const settled = kit.requests.settled(id, soon());
    await store.db.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen countersign_request%'`,
    );
    assert.equal((await other.requests.decide(id, person('approver'), approve)).ok, true);
    assert.equal((await settled).state, 'approved');
  } finally {
    await other.requests.close();
  }
});

test('an approved request whose gateway lost its lease cannot be claimed, whatever that gateway believes', async () => {
  await store.db.pool.query(
    "insert into countersign.gateway (name, epoch, lease_until) values ('gone', 7, clock_timestamp() + interval '1 hour')",
  );
  const lease = { gateway: 'gone', epoch: 7, held: () => true };
  const gone = await startRequests(store.db, { lease });
  const { id } = await gone.requests.open(asked());
  await gone.requests.decide(id, person('approver'), approve);
  const lapses = ["lease_until = clock_timestamp() - interval '1 ms'", 'epoch = 8'];
  for (const lapse of lapses) {
    await store.db.pool.query(`update countersign.gateway set ${lapse} where name = 'gone'`);
    await assert.rejects(gone.requests.claim(id, binding(STATEMENT, 'approved')), isLost);
  }
  assert.equal((await kit.requests.get(id))?.state, 'approved');
  await gone.requests.close();
});

const isLost = (error: unknown) => error instanceof NotClaimed && error.state === 'lease-lost';

async function until(condition: () => Promise<boolean>): Promise<void> {
  const signal = soon();
  while (!(await condition())) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
