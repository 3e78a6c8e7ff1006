import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { asked } from '../fakes/approval.ts';
import { type SlackKit, startSlackKit } from '../fakes/slack-kit.ts';

let kit: SlackKit;
before(async () => {
  kit = await startSlackKit();
});
after(() => kit.stop());

const approve = { decision: 'approve', reason: '', via: 'api' } as const;
const dba = { group: 'dba', quorum: 1 };
const cardsOf = (id: string) =>
  kit.slack.messages.filter((one) => JSON.stringify(one.metadata ?? '').includes(id));
const said = (words: RegExp) =>
  kit.slack.until(() => kit.slack.messages.find((one) => words.test(JSON.stringify(one))));

test('the channel of a later stage has no card before its turn', async () => {
  const { id } = await kit.requests.open(
    asked({
      groups: [dba, { group: 'security', quorum: 1, stage: 2, channels: ['db-approvals'] }],
    }),
  );
  // Another one that is opened after it and has a card shows that the bot has been at this one.
  await kit.hold();
  assert.equal(cardsOf(id).length, 0);
  const approver = kit.directory.people.get('approver@example.com');
  assert.ok(approver);
  await kit.requests.decide(id, approver, approve);
  await kit.stored(id, 2);
  const [card] = cardsOf(id);
  assert.match(JSON.stringify(card), /dba, then security/);
  assert.match(JSON.stringify(card), /Approved by approver@example\.com \(dba\)/);
});

test('a click on Approve before its turn is refused in words, for who clicked alone', async () => {
  kit.slack.users.set('USEC', { email: 'security@example.com' });
  const { request, message } = await kit.hold({
    groups: [dba, { group: 'security', quorum: 1, stage: 2 }],
  });
  await kit.actor.click('USEC', 'approve', message);
  await kit.slack.until(() =>
    kit.slack.ephemerals.find((one) => /not your turn yet/.test(JSON.stringify(one))),
  );
  assert.deepEqual((await kit.requests.get(request.id))?.decisions, []);
});

test('an escalation is said under the card and on it', async () => {
  const { request } = await kit.hold({
    groups: [{ ...dba, escalate: [{ afterMs: 600_000, group: 'security' }] }],
  });
  await kit.store.db.pool.query(
    `update countersign.request set created_at = created_at - interval '11 minutes',
       escalate_at = escalate_at - interval '11 minutes' where id = $1`,
    [request.id],
  );
  await said(/dba has not agreed in 10 min, so you may decide as well/);
  await kit.stored(request.id, 2);
  assert.match(JSON.stringify(cardsOf(request.id)), /so security may decide as well/);
});
