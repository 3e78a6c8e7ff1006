import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Requirement } from '#src/policy/verdict.ts';
import type { Talked } from '#src/approval/talk.ts';
import { asked, person, startRequests, startStore } from '../fakes/approval.ts';

let store: Awaited<ReturnType<typeof startStore>>;
let kit: Awaited<ReturnType<typeof startRequests>>;
before(async () => {
  store = await startStore();
  kit = await startRequests(store.db, { groups: () => ['dba', 'security', 'engineering'] });
});
after(async () => {
  await kit?.requests.close();
  await store?.stop();
});

const open = (requirement: Partial<Requirement> = {}) => kit.requests.open(asked(requirement));
const handOver = (id: string, who: string, group: string) =>
  kit.requests.handOver(id, person(who), group, 'slack');
const remind = (id: string, who: string) => kit.requests.remind(id, person(who), 'slack');
const code = (done: Talked) => (done.ok ? 'done' : done.refusal.code);
const approve = async (id: string, who: string) => {
  const done = await kit.requests.decide(id, person(who), {
    decision: 'approve',
    reason: '',
    via: 'slack',
  });
  return done.ok ? done.request.state : done.refusal.code;
};

test('a hand-over that no rule lets decide only tells: those who were asked decide, and nobody else', async () => {
  const { id } = await open();
  assert.equal(code(await handOver(id, 'approver', 'security')), 'done');
  const now = await kit.requests.get(id);
  assert.deepEqual(now?.requirement.groups, [{ group: 'dba', quorum: 1 }]);
  assert.equal(now?.handedOver?.[0]?.agrees, false);
  assert.equal(await approve(id, 'security'), 'not-an-approver');
  assert.equal(await approve(id, 'approver'), 'approved');
});

test('where the rule lets it, the other group has to agree as well, never instead', async () => {
  const { id } = await open({ handOver: ['security'] });
  assert.equal(code(await handOver(id, 'approver', 'security')), 'done');
  assert.equal(await approve(id, 'approver'), 'pending');
  assert.equal(await approve(id, 'security'), 'approved');
  const { id: alone } = await open({ handOver: ['security'] });
  await handOver(alone, 'approver', 'security');
  assert.equal(await approve(alone, 'security'), 'pending');
  const record = kit.audit.entries.find(
    (one) => one.request === alone && one.body['event'] === 'handed-over',
  );
  assert.deepEqual(
    [record?.person, record?.body['group'], record?.body['agrees']],
    ['approver@example.com', 'security', true],
  );
});

test('a request is not handed over by who asked, by who cannot decide it, or to a group that is none', async () => {
  const { id } = await open({ handOver: ['engineering'] });
  assert.equal(code(await handOver(id, 'engineer', 'engineering')), 'own-request');
  assert.equal(code(await handOver(id, 'security', 'engineering')), 'not-yours');
  assert.equal(code(await handOver(id, 'stranger', 'engineering')), 'not-found');
  assert.equal(code(await handOver(id, 'approver', 'nobody')), 'not-valid');
  assert.equal(code(await handOver(id, 'approver', 'dba')), 'not-valid');
  // Handed over to a group of the requester's own, it is still not theirs to approve.
  assert.equal(code(await handOver(id, 'approver', 'engineering')), 'done');
  assert.equal(await approve(id, 'engineer'), 'own-request');
  assert.equal(code(await handOver(id, 'approver2', 'engineering')), 'not-valid');
});

test('who looked before a hand-over may still vote, and a vote at the same moment loses nothing', async () => {
  const { id } = await open({ handOver: ['security'] });
  const [handed, voted] = await Promise.all([
    handOver(id, 'approver', 'security'),
    kit.requests.decide(id, person('approver2'), {
      decision: 'approve',
      reason: '',
      via: 'slack',
      version: 1,
    }),
  ]);
  const now = await kit.requests.get(id);
  // Whichever came first: approved by those who were asked then, or waiting for both groups.
  if (handed.ok && voted.ok && now?.state === 'pending')
    assert.deepEqual(now.requirement.groups.map(({ group }) => group).toSorted(), [
      'dba',
      'security',
    ]);
  else assert.ok(voted.ok && now?.state === 'approved' && !handed.ok);
});

test('a reminder names the groups that are missing, once in five minutes, whoever asks', async () => {
  const { id } = await open({
    groups: [
      { group: 'dba', quorum: 1 },
      { group: 'security', quorum: 1 },
    ],
  });
  await approve(id, 'approver');
  const both = await Promise.all([remind(id, 'engineer'), remind(id, 'approver')]);
  assert.deepEqual(both.map(code).toSorted(), ['done', 'too-soon']);
  assert.deepEqual((await kit.requests.get(id))?.reminded?.groups, ['security']);
  assert.equal(code(await remind(id, 'security')), 'too-soon');
  assert.equal(code(await remind(id, 'stranger')), 'not-found');
  await store.db.pool.query(`update countersign.reminder set at = at - interval '6 minutes'`);
  assert.equal(code(await remind(id, 'engineer')), 'done');
  // It made nobody's look stale, and lengthened nothing.
  assert.notEqual((await kit.requests.get(id))?.quietFrom, undefined);
});
