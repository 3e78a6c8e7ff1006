import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NotClaimed } from '#src/approval/port.ts';
import type { Requests } from '#src/approval/port.ts';
import type { RecordKind } from '#src/audit/log.ts';
import { type OpenAuditLog, openAuditLog } from '#src/audit/writer.ts';
import { STATEMENT, asked, binding, person, startRequests, startStore } from '../fakes/approval.ts';

let store: Awaited<ReturnType<typeof startStore>>;
let audit: OpenAuditLog;
let requests: Awaited<ReturnType<typeof startRequests>>['requests'];
let planted: { point: 'before' | 'after'; kind: RecordKind } | undefined;

before(async () => {
  store = await startStore();
  audit = await openAuditLog({
    db: store.db,
    writer: 'test',
    epoch: 1,
    held: () => true,
    onError: () => {},
    failpoint(point, kinds) {
      if (planted?.point !== point || !kinds.includes(planted.kind)) return;
      planted = undefined;
      throw new Error(`planted: ${point}`);
    },
  });
  ({ requests } = await startRequests(store.db, { audit }));
});
after(async () => {
  await requests.close();
  await audit.close();
  await store.stop();
});

const approve = { decision: 'approve', reason: '', via: 'api' } as const;
const claim = (id: string) => requests.claim(id, binding(STATEMENT, 'approved'));

async function records(id: string): Promise<Record<string, number>> {
  const { rows } = await store.db.pool.query<{ kind: string; n: number }>(
    'select kind, count(*)::int as n from countersign.record_body where request = $1 group by kind order by kind',
    [id],
  );
  return Object.fromEntries(rows.map(({ kind, n }) => [kind, n]));
}

/** Whatever fails, at most one effect, and never one without its record. */
async function once<T>(point: 'before' | 'after', kind: RecordKind, work: () => Promise<T>) {
  planted = { point, kind };
  const first = await work().catch(() => undefined);
  assert.equal(planted, undefined, 'the fault was met');
  return first ?? (await work());
}

for (const point of ['before', 'after'] as const) {
  test(`on the real log, a decision that fails ${point} its commit is taken once, with one record`, async () => {
    const { id } = await requests.open(asked());
    const decided = await once(point, 'decision', () =>
      requests.decide(id, person('approver'), approve),
    );
    assert.ok(decided.ok || decided.refusal.code === 'already-decided');
    assert.equal((await requests.get(id))?.state, 'approved');
    await audit.idle();
    assert.equal((await records(id))['decision'], 1);
  });

  test(`on the real log, a claim that fails ${point} its commit gives one receipt at most, with one record`, async () => {
    const { id } = await requests.open(asked());
    await requests.decide(id, person('approver'), approve);
    const receipt = await once(point, 'claim', () => claim(id)).catch((error: unknown) => error);
    await assert.rejects(claim(id), NotClaimed);
    const { claim: claims = 0 } = await records(id);
    assert.ok(receipt instanceof Error ? claims <= 1 : claims === 1);
  });
}

test('on the real log, every move of a request is on record in order, and nothing more', async () => {
  const { id } = await requests.open(asked({ groups: [{ group: 'dba', quorum: 2 }] }));
  await requests.decide(id, person('engineer'), approve);
  await requests.decide(id, person('approver'), approve);
  await requests.decide(id, person('approver2'), approve);
  await claim(id);
  await finish(requests, id);
  await audit.idle();
  const { rows } = await store.db.pool.query<{ kind: string; verdict: string | null }>(
    `select b.kind, b.verdict from countersign.record r join countersign.record_body b using (id)
       where b.request = $1 order by r.seq`,
    [id],
  );
  const kinds = rows.map(({ kind, verdict }) => (verdict === null ? kind : `${kind} ${verdict}`));
  assert.deepEqual(kinds.toSorted(), [
    'claim approved',
    'decision',
    'decision',
    'request',
    'statement hold',
  ]);
  assert.equal(kinds[0], 'statement hold');
  assert.equal(kinds.at(-1), 'claim approved');
});

test('two processes that decide at once on the real log have one effect and one record', async () => {
  const other = await openAuditLog({
    db: store.db,
    writer: 'other',
    epoch: 1,
    held: () => true,
    onError: () => {},
  });
  const second = await startRequests(store.db, { audit: other });
  try {
    const { id } = await requests.open(asked());
    const votes = await Promise.all([
      requests.decide(id, person('approver'), approve),
      second.requests.decide(id, person('approver2'), { ...approve, decision: 'deny' }),
    ]);
    assert.equal(votes.filter((vote) => vote.ok).length, 1);
    assert.equal((await records(id))['decision'], 1);
  } finally {
    await second.requests.close();
    await other.close();
  }
});

function finish(port: Requests, id: string): Promise<void> {
  return port.finish(id, { ok: true, rows: 1 });
}
