import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Card } from '#src/approval/request.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import { person } from '../fakes/approval.ts';
import { type SlackKit, startSlackKit } from '../fakes/slack-kit.ts';
import { BOT_USER } from '../fakes/slack-state.ts';

// notes on votes: a reaction is a hint that somebody voted; what counts is read again, on the stored card, whole and as
// they saw it.

const YES = 'white_check_mark';
const NO = 'x';
const two: Partial<Requirement> = { groups: [{ group: 'dba', quorum: 2 }] };

let kit: SlackKit;
before(async () => {
  kit = await startSlackKit();
});
after(() => kit.stop());
beforeEach(() => {
  kit.slack.ephemerals.length = 0;
  kit.directory.people.set('approver2@example.com', person('approver2'));
});

const hold = (requirement: Partial<Requirement> = {}, card: Partial<Card> = {}) =>
  kit.hold({ reactionsVote: true, ...requirement }, card);
const votes = async (id: string) =>
  (await kit.requests.get(id))?.decisions.map((one) => `${one.decision} ${one.person}`) ?? [];
const state = async (id: string) => (await kit.requests.get(id))?.state;
const toldOnce = (words: RegExp) =>
  kit.slack.until(() => kit.slack.ephemerals.find((one) => words.test(JSON.stringify(one))));
const events = (id: string) =>
  kit.audit.entries.filter((one) => one.request === id).map((one) => one.body['event']);

test('✅ on the card approves like its button, whatever the skin, and the record says that it was a reaction', async () => {
  const { request, message } = await hold();
  await kit.actor.react('UAPP', `${YES}::skin-tone-4`, message);
  assert.equal(await state(request.id), 'approved');
  const [decision] = (await kit.requests.get(request.id))?.decisions ?? [];
  assert.equal(decision?.reaction?.user, 'UAPP');
  const record = kit.audit.entries.find(
    (one) => one.request === request.id && one.kind === 'decision',
  );
  assert.equal(record?.body['reaction'], true);
});

test('❌ denies, and ❌ beside ✅ never approves', async () => {
  const denied = await hold();
  await kit.actor.react('UAPP', NO, denied.message);
  assert.equal(await state(denied.request.id), 'denied');
  const both = await hold();
  kit.slack.messageAt(both.message.channel, both.message.ts)?.reactions.set(NO, new Set(['UAPP']));
  await kit.actor.react('UAPP', YES, both.message);
  assert.deepEqual(await votes(both.request.id), []);
});

test('the requester’s own reaction never counts, and the requester is told', async () => {
  const { request, message } = await hold();
  await kit.actor.react('UENG', YES, message);
  await toldOnce(/yourself/u);
  await kit.actor.react('UENG', NO, message);
  assert.equal(await state(request.id), 'pending');
});

for (const [who, user] of [
  ['somebody in none of the groups', 'USTR'],
  ['somebody who is not linked', 'UNOBODY'],
  ['a bot', 'UBOT'],
  ['a guest', 'UGUEST'],
  ['a deactivated account', 'UGONE'],
  ['somebody of a shared channel', 'UCONNECT'],
  ['this bot, which seeds cards,', BOT_USER],
] as const)
  test(`a reaction of ${who} never counts`, async () => {
    const { request, message } = await hold();
    await kit.actor.react(user, YES, message);
    await kit.actor.react(user, NO, message);
    assert.equal(await state(request.id), 'pending');
    assert.deepEqual(await votes(request.id), []);
  });

test('a machine’s reaction never counts, even with the address of an approver', async () => {
  const { request, message } = await hold();
  kit.directory.people.set('approver2@example.com', { ...person('approver2'), machine: true });
  await kit.actor.react('UAPP2', YES, message);
  assert.equal(await state(request.id), 'pending');
});

test('a reaction on a copy, in another channel, or on what somebody else wrote votes on nothing', async () => {
  const { request, message } = await hold();
  for (const other of [
    { ts: '1699999999.000001', channel: message.channel },
    { ts: message.ts, channel: 'C0ELSEWHERE' },
  ])
    await kit.actor.react('UAPP', YES, other);
  await kit.actor.react('UAPP', YES, message, { author: 'USOMEBODY' });
  assert.equal(await state(request.id), 'pending');
});

test('removing a reaction takes the vote back while the request waits, and its record says so', async () => {
  const { request, message } = await hold(two);
  await kit.actor.react('UAPP', YES, message);
  assert.deepEqual(await votes(request.id), ['approve approver@example.com']);
  await kit.actor.react('UAPP', YES, message, { removed: true });
  assert.deepEqual(await votes(request.id), []);
  assert.ok(events(request.id).includes('vote-withdrawn'));
  // They may vote again.
  await kit.actor.react('UAPP', YES, message);
  await kit.actor.react('UAPP2', YES, message);
  assert.equal(await state(request.id), 'approved');
});

test('removing a reaction never undoes a decision, nor a vote by button', async () => {
  const decided = await hold();
  await kit.actor.react('UAPP', YES, decided.message);
  await kit.actor.react('UAPP', YES, decided.message, { removed: true });
  assert.equal(await state(decided.request.id), 'approved');
  const waiting = await hold(two);
  await kit.actor.click('UAPP', 'approve', waiting.message);
  await kit.actor.react('UAPP', YES, waiting.message);
  await kit.actor.react('UAPP', YES, waiting.message, { removed: true });
  assert.deepEqual(await votes(waiting.request.id), ['approve approver@example.com']);
});

const vanish = (message: { channel: string; ts: string }, user: string) =>
  kit.slack.messageAt(message.channel, message.ts)?.reactions.get(YES)?.delete(user);

test('a reaction that is gone does not complete a quorum, although its removal was never told', async () => {
  const { request, message } = await hold(two);
  await kit.actor.react('UAPP', YES, message);
  vanish(message, 'UAPP');
  await kit.actor.react('UAPP2', YES, message);
  assert.equal(await state(request.id), 'pending');
  assert.deepEqual(await votes(request.id), ['approve approver2@example.com']);
});

test('nor does it when a button comes after it', async () => {
  const { request, message } = await hold(two);
  await kit.actor.react('UAPP', YES, message);
  vanish(message, 'UAPP');
  await kit.stored(request.id, 2);
  await kit.actor.click('UAPP2', 'approve', message, { value: `${request.id}.3` });
  assert.equal(await state(request.id), 'pending');
  assert.deepEqual(await votes(request.id), ['approve approver2@example.com']);
});

test('events out of order: what was taken away before its news came does not count, what stands again is kept', async () => {
  const { request, message } = await hold(two);
  const item = { type: 'message', channel: message.channel, ts: message.ts };
  const event = (type: string) =>
    kit.actor.event({ type, user: 'UAPP', reaction: YES, item, item_user: BOT_USER });
  await event('reaction_added');
  assert.deepEqual(await votes(request.id), []);
  await kit.actor.react('UAPP', YES, message);
  // The removal of an earlier one, told late: the reaction stands.
  await event('reaction_removed');
  assert.deepEqual(await votes(request.id), ['approve approver@example.com']);
});

test('the same event sent again counts once', async () => {
  const { request, message } = await hold(two);
  const options = { id: 'Ev0123456789' };
  await kit.actor.react('UAPP', YES, message, options);
  await kit.actor.react('UAPP', YES, message, { ...options, retry: 1 });
  assert.deepEqual(await votes(request.id), ['approve approver@example.com']);
  assert.deepEqual(kit.slack.ephemerals, []);
});

for (const [what, requirement, card, says] of [
  ['is cut', {}, { masked: `select '${'x'.repeat(9_000)}'` }, /does not show all/u],
  ['hides part of a write', {}, { hidesWrite: true }, /does not show all/u],
  ['asks for a fresh sign-in', { stepUpMs: 300_000 }, {}, /does not show all/u],
  [
    'asks for a reason, which a ❌ has not',
    { reasonRequired: true, reactionsVote: false },
    {},
    /asks for a reason/u,
  ],
  ['no rule lets it', { reactionsVote: false }, {}, /do not count on this request/u],
] as const)
  test(`a reaction on a card that ${what} never counts, and whoever reacts is told`, async () => {
    const { request, message } = await hold(requirement, card);
    for (const [user, reaction] of [
      ['UAPP', NO],
      ['UAPP2', YES],
    ] as const) {
      kit.slack.ephemerals.length = 0;
      await kit.actor.react(user, reaction, message);
      const answer = await toldOnce(says);
      assert.equal(answer.user, user);
    }
    assert.equal(await state(request.id), 'pending');
  });

test('a reaction from before the card changed does not count: they saw something else', async () => {
  const { request, message } = await hold();
  const earlier = (Date.now() / 1_000 - 60).toFixed(6);
  await kit.requests.tellRows(request.id, { state: 'known', estimated: 9_000_000 });
  await kit.stored(request.id, 2);
  const item = { type: 'message', channel: message.channel, ts: message.ts };
  kit.slack.messageAt(message.channel, message.ts)?.reactions.set(YES, new Set(['UAPP']));
  const base = { type: 'reaction_added', user: 'UAPP', reaction: YES, item, item_user: BOT_USER };
  await kit.actor.event({ ...base, event_ts: earlier });
  await toldOnce(/changed about when you reacted/u);
  assert.equal(await state(request.id), 'pending');
  // Once they have seen it as it is, it counts.
  await kit.actor.event({ ...base, event_ts: (Date.now() / 1_000 + 60).toFixed(6) });
  assert.equal(await state(request.id), 'approved');
});

test('a reaction on a card that is behind its request does not count', async () => {
  const { request, message } = await hold();
  kit.slack.fault('chat.update', { kind: '500' });
  await kit.requests.tellRows(request.id, { state: 'known', estimated: 9_000_000 });
  await kit.actor.react('UAPP', YES, message);
  await toldOnce(/changed/u);
  assert.equal(await state(request.id), 'pending');
});

test('the vote of somebody else is no change: the second reaction counts at once', async () => {
  const { request, message } = await hold(two);
  await Promise.all([
    kit.actor.react('UAPP', YES, message),
    kit.actor.react('UAPP2', YES, message),
  ]);
  assert.equal(await state(request.id), 'approved');
});

test('where reactions cannot be read, none counts', async () => {
  const { request, message } = await hold();
  kit.slack.scopes.delete('reactions:read');
  try {
    await kit.actor.react('UAPP', YES, message);
    await kit.slack.until(() => kit.slack.ephemerals[0]);
    assert.equal(await state(request.id), 'pending');
  } finally {
    kit.slack.scopes.add('reactions:read');
  }
});

test('a card is seeded with ✅ and ❌ where the app may, and posted where it may not', async () => {
  const seeded = await hold();
  const on = () => kit.slack.messageAt(seeded.message.channel, seeded.message.ts)?.reactions;
  await kit.slack.until(() => on()?.get(YES)?.has(BOT_USER) && on()?.get(NO)?.has(BOT_USER));
  kit.slack.scopes.delete('reactions:write');
  try {
    const plain = await hold();
    await kit.actor.react('UAPP', YES, plain.message);
    assert.equal(await state(plain.request.id), 'approved');
  } finally {
    kit.slack.scopes.add('reactions:write');
  }
});

test('a request of which the rules, not the reaction, are the gate: a forged vote by reaction is refused in the store', async () => {
  const { request } = await kit.hold();
  const decided = await kit.requests.decide(request.id, person('approver'), {
    decision: 'approve',
    reason: '',
    via: 'slack',
    reaction: { platform: 'slack', channel: 'C', message: '1', user: 'UAPP' },
  });
  assert.ok(!decided.ok && decided.refusal.code === 'no-reactions');
});
