import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Requirement } from '#src/policy/verdict.ts';
import { asked, person, startRequests, startStore } from '../fakes/approval.ts';

let store: Awaited<ReturnType<typeof startStore>>;
before(async () => {
  store = await startStore();
});
after(() => store.stop());

const approve = { decision: 'approve', reason: '', via: 'api' } as const;
const STEP = { afterMs: 600_000, group: 'security' };
const GROUPS: Requirement['groups'] = [{ group: 'dba', quorum: 1, escalate: [STEP] }];

/** As if it had been opened so much earlier. */
const earlier = (id: string, minutes: number) =>
  store.db.pool.query(
    `update countersign.request set created_at = created_at - $2 * interval '1 minute',
       escalate_at = escalate_at - $2 * interval '1 minute', stage_at = stage_at - $2 * interval '1 minute' where id = $1`,
    [id, minutes],
  );

async function waitFor<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let round = 0; round < 100; round += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    const found = await look();
    if (found !== undefined) return found;
    // oxlint-disable-next-line no-await-in-loop
    await sleep(100);
  }
  throw new Error(`${what} did not happen in 10 s`);
}

const escalated = (kit: Awaited<ReturnType<typeof startRequests>>, id: string) =>
  waitFor('the escalation', async () => {
    const request = await kit.requests.get(id);
    return request?.escalated?.length ? request : undefined;
  });
const told = (kit: Awaited<ReturnType<typeof startRequests>>, id: string) =>
  kit.audit.entries.filter((entry) => entry.request === id && entry.body['event'] === 'escalated');

test('what fell due while nothing ran is escalated at the next start, once, and not for longer', async () => {
  const first = await startRequests(store.db);
  const opened = await first.requests.open(asked({ groups: GROUPS, expiresMs: 3_600_000 }));
  await first.requests.close();
  await earlier(opened.id, 11);

  const [one, two] = await Promise.all([startRequests(store.db), startRequests(store.db)]);
  try {
    const request = await escalated(one, opened.id);
    assert.deepEqual(
      request.escalated?.map(({ of, group, afterMs }) => ({ of, group, afterMs })),
      [{ of: 'dba', group: 'security', afterMs: 600_000 }],
    );
    assert.equal(request.expiresAt, opened.expiresAt, 'it has no more time than before');
    // Both look once more.
    await sleep(2_500);
    assert.equal([...told(one, opened.id), ...told(two, opened.id)].length, 1);
    assert.equal((await one.requests.get(opened.id))?.escalated?.length, 1);
    const { rows } = await store.db.pool.query(
      'select from countersign.outbox where request = $1 and version = $2',
      [opened.id, request.version],
    );
    assert.equal(rows.length, 1, 'chat is told in the same transaction');
    const decided = await two.requests.decide(opened.id, person('security'), approve);
    assert.ok(decided.ok);
    assert.equal(decided.request.state, 'approved');
    assert.equal(decided.request.decisions[0]?.group, 'security');
  } finally {
    await one.requests.close();
    await two.requests.close();
  }
});

test('an escalation whose record cannot be written is tried again, and nobody decides before', async () => {
  const kit = await startRequests(store.db);
  try {
    const { id } = await kit.requests.open(asked({ groups: GROUPS }));
    kit.audit.fail('request', 'before');
    await earlier(id, 11);
    const request = await escalated(kit, id);
    assert.equal(request.escalated?.length, 1);
    assert.equal(told(kit, id).length, 1);
    assert.ok(kit.errors.some((error) => /planted/.test(error.message)));
  } finally {
    await kit.requests.close();
  }
});

test('who has agreed already is not passed over, and the next step comes in its own time', async () => {
  const kit = await startRequests(store.db);
  try {
    const groups = [
      { group: 'dba', quorum: 1, escalate: [STEP] },
      { group: 'security', quorum: 1, escalate: [{ afterMs: 720_000, group: 'engineering' }] },
    ];
    const { id } = await kit.requests.open(asked({ groups }));
    const decided = await kit.requests.decide(id, person('approver'), approve);
    assert.ok(decided.ok);
    await earlier(id, 11);
    await waitFor('the first step', async () => {
      const { rows } = await store.db.pool.query(
        "select from countersign.request where id = $1 and escalate_at > clock_timestamp() and escalated = '[]'",
        [id],
      );
      return rows[0];
    });
    await earlier(id, 1);
    const request = await escalated(kit, id);
    assert.deepEqual(
      request.escalated?.map(({ of, group }) => [of, group]),
      [['security', 'engineering']],
    );
  } finally {
    await kit.requests.close();
  }
});

test('the time of a later stage begins with its turn', async () => {
  const kit = await startRequests(store.db);
  try {
    const groups = [
      { group: 'dba', quorum: 1 },
      { group: 'security', quorum: 1, stage: 2, escalate: [{ afterMs: 600_000, group: 'dba' }] },
    ];
    const { id } = await kit.requests.open(asked({ groups }));
    await earlier(id, 11);
    const decided = await kit.requests.decide(id, person('approver'), approve);
    assert.ok(decided.ok);
    const { rows } = await store.db.pool.query<{ left: number }>(
      'select extract(epoch from escalate_at - clock_timestamp())::float8 as left from countersign.request where id = $1',
      [id],
    );
    assert.ok((rows[0]?.left ?? 0) > 500, 'ten minutes from the vote on, not from the opening');
    await earlier(id, 11);
    const request = await escalated(kit, id);
    assert.equal(request.escalated?.[0]?.stage, 2);
    const other = await kit.requests.decide(id, person('approver2'), approve);
    assert.ok(other.ok);
    assert.equal(other.request.state, 'approved');
  } finally {
    await kit.requests.close();
  }
});
