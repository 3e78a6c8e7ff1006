import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { NotClaimed, type NewRequest, type Vote } from '#src/approval/port.ts';
import { NotRecorded } from '#src/audit/log.ts';
import type { Request } from '#src/approval/request.ts';
import {
  asked,
  binding,
  digestOf,
  person,
  startRequests,
  startStore,
  STATEMENT,
} from '../../fakes/approval.ts';

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

const SHAPE = digestOf('the shape');
const both: Vote = { decision: 'approve', reason: '', via: 'api', shape: true };
const by = (digest: Buffer = SHAPE, who = 'engineer@example.com') => ({
  person: who,
  target: 'shop',
  digest,
});
const find = (digest?: Buffer, who?: string): Promise<Request | undefined> =>
  kit.requests.findShape(by(digest, who), () => true);

const wanted = (more: Partial<NewRequest> = {}): NewRequest => ({
  ...asked({ shapeMs: 60_000 }, { shape: { words: 'exactly this statement', ms: 60_000 } }),
  shape: SHAPE,
  ...more,
});

const entry = () => ({
  kind: 'statement' as const,
  session: randomUUID(),
  statement: randomUUID(),
  person: 'engineer@example.com',
  target: 'shop',
  verdict: 'approved' as const,
  body: { text: 'masked' },
  binds: binding(STATEMENT, 'approved'),
});

/** Approved with its shape, and running. */
async function granted(more: Partial<NewRequest> = {}): Promise<Request> {
  const { id } = await kit.requests.open(wanted(more));
  const decided = await kit.requests.decide(id, person('approver'), both);
  assert.ok(decided.ok);
  await kit.requests.claim(id, binding(STATEMENT, 'approved'));
  const request = await kit.requests.get(id);
  assert.ok(request);
  return request;
}

const forget = () => store.db.pool.query('delete from countersign.shape');

test('a shape is found by its digest, for its person, only once the first run has begun', async () => {
  const { id } = await kit.requests.open(wanted());
  await kit.requests.decide(id, person('approver'), both);
  assert.equal(await find(), undefined);
  await kit.requests.claim(id, binding(STATEMENT, 'approved'));
  assert.equal((await find())?.id, id);
  assert.equal(await find(digestOf('another')), undefined);
  assert.equal(await find(SHAPE, 'approver@example.com'), undefined);
  assert.equal(await kit.requests.findShape({ ...by(), target: 'other' }, () => true), undefined);
  assert.equal(await kit.requests.findShape({ ...by(), agent: 'bot' }, () => true), undefined);
  assert.equal(await kit.requests.findShape(by(), () => false), undefined);
  await forget();
});

test('what is stored of a shape is keyed: the digest itself is nowhere', async () => {
  const request = await granted();
  const { rows } = await store.db.pool.query(
    'select shape, secret, alike from countersign.request where id = $1',
    [request.id],
  );
  assert.equal(rows[0].shape.length, 32);
  assert.ok(!rows[0].shape.equals(SHAPE));
  await store.db.pool.query('update countersign.request set secret = null where id = $1', [
    request.id,
  ]);
  assert.equal(await find(), undefined);
  await forget();
});

test('an approval whose record fails before it is durable grants nothing; after it, it is granted once', async () => {
  for (const point of ['before', 'after'] as const) {
    const { id } = await kit.requests.open(wanted());
    kit.audit.fail('decision', point);
    await assert.rejects(kit.requests.decide(id, person('approver'), both), NotRecorded);
    const { rowCount } = await store.db.pool.query(
      'select from countersign.shape where request = $1',
      [id],
    );
    assert.equal(rowCount, point === 'before' ? 0 : 1);
    assert.equal((await kit.requests.get(id))?.state, point === 'before' ? 'pending' : 'approved');
    await forget();
  }
});

test('a run whose record fails has no receipt, before it is durable or after', async () => {
  const request = await granted();
  for (const point of ['before', 'after'] as const) {
    kit.audit.fail('statement', point);
    await assert.rejects(kit.requests.runOnShape(request, entry()), NotRecorded);
  }
  const receipt = await kit.requests.runOnShape(request, entry());
  assert.equal(receipt.binds?.verdict, 'approved');
  await forget();
});

const ENDS: readonly (readonly [string, string])[] = [
  ['its time', `update countersign.shape set ends_at = clock_timestamp()`],
  ['its revocation', `update countersign.shape set revoked_at = clock_timestamp()`],
  [
    'its person',
    `insert into countersign.person (email, name, state, valid_until) values ('engineer@example.com', 'x', 'deactivated', now())`,
  ],
  [
    'its approver',
    `insert into countersign.person (email, name, state, valid_until) values ('approver@example.com', 'x', 'gone', now())`,
  ],
];

for (const [what, sql] of ENDS)
  test(`it is over with ${what}, also between the look and the record`, async () => {
    const request = await granted();
    await store.db.pool.query(sql);
    await assert.rejects(kit.requests.runOnShape(request, entry()), NotClaimed);
    await store.db.pool.query('delete from countersign.person');
    await forget();
  });

test('a revocation stops the next run, and is made once', async () => {
  const request = await granted();
  await kit.requests.runOnShape(request, entry());
  const revoked = await kit.requests.revokeShape(request.id, 'approver2@example.com', []);
  assert.equal(revoked, 'revoked');
  await assert.rejects(kit.requests.runOnShape(request, entry()), NotClaimed);
  assert.equal(await kit.requests.revokeShape(request.id, 'approver2@example.com', []), 'none');
  await forget();
});

test('a revocation whose record fails before it is durable changes nothing', async () => {
  const request = await granted();
  kit.audit.fail('request', 'before');
  await assert.rejects(
    kit.requests.revokeShape(request.id, 'engineer@example.com', []),
    NotRecorded,
  );
  assert.equal((await find())?.id, request.id);
  assert.equal(await kit.requests.revokeShape(request.id, 'stranger@example.com', []), 'not-yours');
  assert.equal(await kit.requests.revokeShape(request.id, 'engineer@example.com', []), 'revoked');
  assert.equal(await find(), undefined);
  await forget();
});

test('an approver who lost the group, or is nobody, does not count for later runs', async () => {
  await granted();
  const approver = person('approver');
  kit.directory.people.set(approver.email, { ...approver, groups: [] });
  assert.equal(await find(), undefined);
  kit.directory.people.delete(approver.email);
  assert.equal(await find(), undefined);
  kit.directory.people.set(approver.email, approver);
  assert.ok(await find());
  await forget();
});

test('a shape is refused where the card offers none, and with a denial', async () => {
  const { id } = await kit.requests.open(asked());
  const refused = await kit.requests.decide(id, person('approver'), both);
  assert.ok(!refused.ok && refused.refusal.code === 'no-shape');
  const deny = { ...both, decision: 'deny' as const, reason: 'no' };
  const odd = await kit.requests.decide(id, person('approver'), deny);
  assert.ok(!odd.ok && odd.refusal.code === 'no-shape');
});

test('rows come in while it waits, and not afterwards; a vote on the version before counts unless a rule asked', async () => {
  const rows = { state: 'known', estimated: 7 } as const;
  const { id } = await kit.requests.open(asked());
  assert.equal(await kit.requests.tellRows(id, rows), true);
  assert.deepEqual((await kit.requests.get(id))?.rows, rows);
  const vote: Vote = { decision: 'approve', reason: '', via: 'slack', version: 1 };
  assert.ok((await kit.requests.decide(id, person('approver'), vote)).ok);
  assert.equal(await kit.requests.tellRows(id, rows), false);

  const counted = await kit.requests.open(asked({ count: true }));
  await kit.requests.tellRows(counted.id, { ...rows, counted: 7 });
  const stale = await kit.requests.decide(counted.id, person('approver'), vote);
  assert.ok(!stale.ok && stale.refusal.code === 'stale');
  const seen = await kit.requests.decide(counted.id, person('approver'), { ...vote, version: 2 });
  assert.ok(seen.ok);
  const record = kit.audit.entries.findLast((one) => one.kind === 'decision');
  assert.deepEqual(record?.body['rows'], { counted: 7, estimated: 7 });
});

test('what became of the same text before is found by a keyed hash, and by nothing else', async () => {
  const alike = 'update orders set status = ? where id = ?';
  const first = await kit.requests.open({ ...asked(), alike });
  assert.equal(first.card.same, undefined);
  await kit.requests.decide(first.id, person('approver'), { ...both, shape: false });
  const second = await kit.requests.open({ ...asked(), alike });
  assert.equal(second.card.same?.approved, 1);
  assert.deepEqual(second.card.same?.lastApproved?.by, ['approver@example.com']);
  await kit.requests.decide(second.id, person('approver2'), {
    decision: 'deny',
    reason: 'no',
    via: 'api',
  });
  const third = await kit.requests.open({ ...asked(), alike });
  assert.deepEqual([third.card.same?.approved, third.card.same?.denied], [1, 1]);
  assert.deepEqual(third.card.same?.lastDenied?.by, ['approver2@example.com']);
  const other = await kit.requests.open({ ...asked(), alike: `${alike} and true` });
  assert.equal(other.card.same, undefined);
  const { rows } = await store.db.pool.query<{ alike: Buffer }>(
    'select alike from countersign.request where id = $1',
    [third.id],
  );
  assert.ok(!rows[0]?.alike.equals(digestOf(alike)));
});

test('a shape asks for what its request asks: a reason, a fresh sign-in, a look at the whole', async () => {
  for (const [requirement, card, code] of [
    [{ reasonRequired: true }, {}, 'reason-required'],
    [{ stepUpMs: 60_000 }, {}, 'step-up-required'],
    [{}, { hidesWrite: true }, 'must-review'],
  ] as const) {
    const one = wanted();
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { id } = await kit.requests.open({
      ...one,
      requirement: { ...one.requirement, ...requirement },
      card: { ...one.card, ...card },
    });
    // oxlint-disable-next-line no-await-in-loop
    const decided = await kit.requests.decide(id, person('approver'), both);
    assert.ok(!decided.ok);
    assert.equal(decided.refusal.code, code);
  }
});
