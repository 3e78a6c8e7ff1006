import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { RequestFilter } from '#src/approval/list.ts';
import type { NewRequest, Vote } from '#src/approval/port.ts';
import { NotClaimed } from '#src/approval/port.ts';
import type { Refusal } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import {
  STATEMENT,
  asked,
  binding,
  person,
  startRequests,
  startStore,
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

const approve: Vote = { decision: 'approve', reason: '', via: 'api' };
const deny: Vote = { decision: 'deny', reason: 'no', via: 'api' };
const soon = () => AbortSignal.timeout(8_000);
const expire = (id: string) =>
  store.db.pool.query(
    "update countersign.request set expires_at = clock_timestamp() - interval '1 ms' where id = $1",
    [id],
  );

async function refused(wanted: NewRequest, who: Person, vote: Vote): Promise<Refusal['code']> {
  const { id } = await kit.requests.open(wanted);
  const decided = await kit.requests.decide(id, who, vote);
  assert.ok(!decided.ok);
  assert.equal(decided.refusal.message.length > 0, true);
  assert.equal((await kit.requests.get(id))?.state, 'pending');
  const kinds = kit.audit.entries.filter((entry) => entry.request === id).map((one) => one.kind);
  assert.deepEqual(
    kinds,
    ['statement', 'request'],
    'a refused vote is on record, and no decision is',
  );
  return decided.refusal.code;
}

const cases: [Refusal['code'], string, NewRequest, Person, Vote][] = [
  [
    'own-request',
    'the requester approves',
    asked({ groups: [{ group: 'engineering', quorum: 1 }] }),
    person('engineer'),
    approve,
  ],
  ['own-request', 'the requester denies', asked(), person('engineer'), deny],
  [
    'own-request',
    'the requester comes with another spelling',
    asked({}, { person: { ...person('approver'), email: 'Approver@Example.COM' } }),
    person('approver'),
    approve,
  ],
  [
    'own-request',
    'the agent that acted approves',
    asked({}, { agent: 'approver@example.com' }),
    person('approver'),
    approve,
  ],
  ['not-an-approver', 'a member of other groups approves', asked(), person('security'), approve],
  ['not-an-approver', 'a stranger denies', asked(), person('stranger'), deny],
  [
    'not-an-approver',
    'the directory does not know the person',
    asked(),
    { email: 'ghost@example.com', name: 'Ghost', groups: ['dba'] },
    approve,
  ],
  [
    'not-an-approver',
    'the person claims a group that the directory does not give',
    asked(),
    { ...person('stranger'), groups: ['dba'] },
    approve,
  ],
  [
    'reason-required',
    'an approval without a reason',
    asked({ reasonRequired: true }),
    person('approver'),
    { ...approve, reason: '  ' },
  ],
  [
    'reason-required',
    'a denial without a reason',
    asked({ reasonRequired: true }),
    person('approver'),
    { ...deny, reason: '' },
  ],
  [
    'step-up-required',
    'an approval without a fresh sign-in',
    asked({ stepUpMs: 300_000 }),
    person('approver'),
    approve,
  ],
  ['stale', 'a vote on an older version', asked(), person('approver'), { ...approve, version: 0 }],
  [
    'must-review',
    'an approval in chat of a write that chat hides',
    asked({}, { hidesWrite: true }),
    person('approver'),
    { ...approve, via: 'slack' },
  ],
  [
    'must-review',
    'an approval over the API of a write that nobody has shown whole',
    asked({}, { hidesWrite: true }),
    person('approver'),
    approve,
  ],
];
for (const [code, what, wanted, who, vote] of cases)
  test(`a vote is refused as ${code} when ${what}`, async () => {
    assert.equal(await refused(wanted, who, vote), code);
  });

test('a vote on a request that does not exist is refused as not-found', async () => {
  for (const id of ['00000000-0000-4000-8000-000000000000', 'no uuid'])
    assert.deepEqual(await kit.requests.decide(id, person('approver'), approve), {
      ok: false,
      refusal: { code: 'not-found', message: 'There is no such request.' },
    });
});

test('a second vote of the same person is refused as already-voted, in any spelling', async () => {
  const { id } = await kit.requests.open(asked({ groups: [{ group: 'dba', quorum: 2 }] }));
  assert.equal((await kit.requests.decide(id, person('approver'), approve)).ok, true);
  const again = await kit.requests.decide(
    id,
    { ...person('approver'), email: 'APPROVER@example.com' },
    approve,
  );
  assert.equal(!again.ok && again.refusal.code, 'already-voted');
  const other = await kit.requests.decide(id, person('approver2'), approve);
  assert.equal(other.ok && other.request.state, 'approved');
});

test('an approver may take the approval back by a denial', async () => {
  const { id } = await kit.requests.open(asked({ groups: [{ group: 'dba', quorum: 2 }] }));
  await kit.requests.decide(id, person('approver'), approve);
  const denied = await kit.requests.decide(id, person('approver'), deny);
  assert.equal(denied.ok && denied.request.state, 'denied');
  assert.equal(denied.ok && denied.request.decisions.length, 1);
});

test('a vote after the end is refused as already-decided and says by whom', async () => {
  const { id } = await kit.requests.open(asked());
  await kit.requests.decide(id, person('approver'), deny);
  const late = await kit.requests.decide(id, person('approver2'), approve);
  assert.equal(!late.ok && late.refusal.code, 'already-decided');
  assert.match(!late.ok ? late.refusal.message : '', /denied by approver@example\.com/);
});

test('a vote after the expiry by the database clock is refused as expired, also before anybody ended it', async () => {
  const { id } = await kit.requests.open(asked());
  await expire(id);
  const late = await kit.requests.decide(id, person('approver'), approve);
  assert.equal(!late.ok && late.refusal.code, 'expired');
});

test('a group that an earlier approver has lost takes the vote along', async () => {
  const two = asked({ groups: [{ group: 'dba', quorum: 2 }] });
  const { id } = await kit.requests.open(two);
  await kit.requests.decide(id, person('both'), approve);
  kit.directory.people.set('both@example.com', { ...person('both'), groups: ['security'] });
  const second = await kit.requests.decide(id, person('approver'), approve);
  kit.directory.people.set('both@example.com', person('both'));
  assert.equal(second.ok && second.request.state, 'pending');
});

test('all groups must be satisfied, and the person in both counts where nobody else can', async () => {
  const both = [
    { group: 'dba', quorum: 1 },
    { group: 'security', quorum: 1 },
  ];
  const { id } = await kit.requests.open(asked({ groups: both }));
  const first = await kit.requests.decide(id, person('both'), approve);
  assert.equal(first.ok && first.request.state, 'pending');
  const second = await kit.requests.decide(id, person('approver'), approve);
  assert.equal(second.ok && second.request.state, 'approved');
  const groups = Object.fromEntries(
    second.ok ? second.request.decisions.map((one) => [one.person, one.group]) : [],
  );
  assert.deepEqual(groups, { 'both@example.com': 'security', 'approver@example.com': 'dba' });
});

test('a request that nobody decides ends as expired by itself and cannot be claimed', async () => {
  const request = await kit.requests.open(asked({ expiresMs: 50 }));
  const ended = await kit.requests.settled(request.id, soon());
  assert.equal(ended.state, 'expired');
  const { id } = await kit.requests.open(asked());
  await kit.requests.decide(id, person('approver'), approve);
  await expire(id);
  await assert.rejects(
    kit.requests.claim(id, binding(STATEMENT, 'approved')),
    (error) => error instanceof NotClaimed && error.state === 'expired',
  );
});

test('a claim is refused for another statement than the one on the card', async () => {
  const { id } = await kit.requests.open(asked());
  await kit.requests.decide(id, person('approver'), approve);
  await assert.rejects(
    kit.requests.claim(id, binding('delete from orders', 'approved')),
    (error) => error instanceof NotClaimed && error.state === 'changed',
  );
  const receipt = await kit.requests.claim(id, binding(STATEMENT, 'approved'));
  assert.equal(receipt.binds?.verdict, 'approved');
});

const is = (state: string) => (error: unknown) =>
  error instanceof NotClaimed && error.state === state;

test('a claim is refused while pending, after a withdrawal, and when the lease is gone', async () => {
  const { id } = await kit.requests.open(asked());
  const claim = () => kit.requests.claim(id, binding(STATEMENT, 'approved'));
  await assert.rejects(claim(), is('pending'));
  kit.lease.alive = false;
  await assert.rejects(claim(), is('lease-lost'));
  kit.lease.alive = true;
  assert.equal(await kit.requests.end(id, 'withdrawn', 'cancelled by the client'), true);
  assert.equal(await kit.requests.end(id, 'withdrawn', 'cancelled by the client'), false);
  await assert.rejects(claim(), is('withdrawn'));
});

test('waiting ends with the reason of its signal', async () => {
  const { id } = await kit.requests.open(asked());
  const stop = new AbortController();
  const settled = kit.requests.settled(id, stop.signal);
  stop.abort(new Error('the client went away'));
  await assert.rejects(settled, /the client went away/);
});

test('the card carries a keyed digest, never the plain one, and two requests never the same', async () => {
  const [one, two] = [await kit.requests.open(asked()), await kit.requests.open(asked())];
  assert.match(one.card.digest, /^[0-9a-f]{16}$/);
  assert.notEqual(one.card.digest, two.card.digest);
  const plain = createHash('sha256').update(STATEMENT).digest('hex');
  assert.ok(!JSON.stringify(one).includes(plain.slice(0, 16)));
});

test('what goes to the queue is ids and nothing else', async () => {
  const { id } = await kit.requests.open(asked());
  const hint = kit.queue.published.at(-1);
  assert.equal(hint?.request, id);
  assert.deepEqual(Object.keys(hint ?? {}).toSorted(), ['outbox', 'request']);
});

test('requests are listed newest first and by state', async () => {
  const { id } = await kit.requests.open(asked());
  const pending = await kit.requests.list({ states: ['pending'], limit: 5 });
  assert.equal(pending[0]?.id, id);
  assert.ok(pending.every((request) => request.state === 'pending'));
});

test('a list has what its filter says and the reader may see, page by page, each request once', async () => {
  const { requests } = kit;
  const target = randomUUID();
  const card = { target };
  const [first, second, third] = [
    await requests.open(asked({}, card)),
    await requests.open(asked({ groups: [{ group: 'security', quorum: 1 }] }, card)),
    await requests.open(asked({}, { ...card, person: person('approver') })),
  ];
  const ids = async (filter: RequestFilter) =>
    (await requests.list({ target, ...filter })).map(({ id }) => id);
  assert.deepEqual(await ids({}), [third.id, second.id, first.id]);

  assert.deepEqual(await ids({ limit: 2 }), [third.id, second.id]);
  assert.deepEqual(await ids({ limit: 2, before: second.id }), [first.id]);
  assert.deepEqual(await ids({ before: randomUUID() }), []);

  assert.deepEqual(await ids({ visibleTo: person('stranger') }), []);
  assert.deepEqual(await ids({ visibleTo: person('engineer') }), [second.id, first.id]);
  assert.deepEqual(await ids({ visibleTo: person('approver') }), [third.id, first.id]);
  assert.deepEqual(await ids({ visibleTo: person('both') }), [third.id, second.id, first.id]);

  const approver = person('approver');
  assert.deepEqual(await ids({ decidableBy: approver }), [first.id]);
  assert.deepEqual(await ids({ decidedBy: approver.email }), []);
  await requests.decide(first.id, approver, { decision: 'deny', reason: 'no', via: 'console' });
  assert.deepEqual(await ids({ decidableBy: approver }), []);
  assert.deepEqual(await ids({ decidedBy: approver.email.toUpperCase() }), [first.id]);
  assert.deepEqual(await ids({ states: ['denied', 'done'] }), [first.id]);

  assert.deepEqual(await ids({ person: 'APPROVER@' }), [third.id]);
  assert.deepEqual(await ids({ person: 'engin' }), [second.id, first.id]);
  assert.deepEqual(await ids({ person: '%' }), []);
  assert.deepEqual(await ids({ to: first.createdAt }), []);
  assert.deepEqual(await ids({ from: first.createdAt, limit: 1 }), [third.id]);
  assert.deepEqual(await ids({ from: '2999-01-01' }), []);
});
