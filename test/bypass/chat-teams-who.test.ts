import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CHANNEL_T, dialogCard, noteOf, type Reply } from '../fakes/teams-actor.ts';
import { startTeamsKit, TEAM, type TeamsKit } from '../fakes/teams-kit.ts';
import type { FakeMember } from '../fakes/teams.ts';

let kit: TeamsKit;
before(async () => {
  kit = await startTeamsKit();
});
after(() => kit.stop());

const pending = async (id: string) => assert.equal((await kit.requests.get(id))?.state, 'pending');

async function refused(who: FakeMember, activity = {}): Promise<Reply> {
  const { request, message } = await kit.hold();
  const reply = await kit.actor.press(who, message, 'Approve', { activity });
  await pending(request.id);
  return reply;
}

void test('guests of the tenant decide nothing, though their account is linked', async () => {
  assert.match(noteOf(await refused(TEAM.guest)), /guest/iu);
});

void test('people of another tenant in a shared channel decide nothing', async () => {
  assert.match(noteOf(await refused(TEAM.connected)), /members of the tenants/u);
});

void test('a name and an e-mail address like an approver’s make nobody an approver', async () => {
  const reply = await refused(TEAM.impostor);
  assert.doesNotMatch(noteOf(reply), /approved/iu);
});

void test('who has left the conversation decides nothing there', async () => {
  kit.teams.members.delete(TEAM.approver2.id);
  assert.match(noteOf(await refused(TEAM.approver2)), /does not know you/u);
  kit.teams.members.set(TEAM.approver2.id, TEAM.approver2);
});

void test('somebody else’s Teams id with one’s own object id is nobody', async () => {
  const { approver, stranger } = TEAM;
  const mixed = {
    from: { id: approver.id, aadObjectId: stranger.aadObjectId, name: approver.name },
  };
  assert.match(noteOf(await refused(stranger, mixed)), /no object id/u);
});

void test('while Teams does not say who somebody is, nothing is done', async () => {
  const { request, message } = await kit.hold();
  await kit.restartBot();
  kit.teams.fail('GET', { kind: 'status', status: 500, code: 'ServiceError' });
  const reply = await kit.actor.press(TEAM.approver, message, 'Approve');
  assert.match(noteOf(reply), /could not be done/u);
  await pending(request.id);
});

void test('a bot decides nothing, and neither does a message without a person', async () => {
  const { request, message } = await kit.hold();
  const { approver } = TEAM;
  for (const from of [
    { id: approver.id, aadObjectId: approver.aadObjectId, role: 'bot' },
    { id: approver.id },
  ])
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await kit.actor.press(approver, message, 'Approve', { activity: { from } });
  await pending(request.id);
});

void test('a card of one request decides no other, and a copy in another chat decides none', async () => {
  const one = await kit.hold();
  const other = await kit.hold();
  const swapped = { ...one.message, card: other.message.card };
  await kit.actor.press(TEAM.approver, swapped, 'Approve');
  const elsewhere = { ...one.message, conversation: kit.chat(TEAM.approver) };
  assert.match(noteOf(await kit.actor.press(TEAM.approver, elsewhere, 'Approve')), /copy/u);
  await pending(one.request.id);
  await pending(other.request.id);
});

void test('a form is sent in by whoever it was shown to, and by nobody else', async () => {
  const { request, message } = await kit.hold();
  const form = dialogCard(await kit.actor.press(TEAM.approver, message, 'Deny…'));
  const stolen = await kit.actor.submit(TEAM.approver2, CHANNEL_T, form, { reason: 'mine now' });
  assert.match(noteOf(stolen), /not yours/u);
  const made = JSON.parse(JSON.stringify(form).replaceAll(/[0-9a-f-]{36}/gu, request.id));
  assert.match(
    noteOf(await kit.actor.submit(TEAM.approver, CHANNEL_T, made, { reason: 'x' })),
    /too old/u,
  );
  await pending(request.id);
});

void test('the requester denies or approves nothing through a form either', async () => {
  const { request, message } = await kit.hold({ reasonRequired: true });
  const opened = await kit.actor.press(TEAM.engineer, message, 'Approve…');
  const answer = await kit.actor.submit(TEAM.engineer, CHANNEL_T, dialogCard(opened), {
    reason: 'because I can',
  });
  assert.match(JSON.stringify(answer.body), /asked for this yourself/u);
  await pending(request.id);
});

void test('names that JavaScript gives to every object are no buttons, commands, forms or searches', async () => {
  const { approver } = TEAM;
  const chat = kit.chat(approver);
  const logged = kit.log.length;
  for (const word of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    // oxlint-disable no-await-in-loop -- one after the other
    assert.equal((await kit.actor.write(approver, chat, word)).status, 200);
    const value = {
      action: { type: 'Action.Execute', verb: word, data: { action: word, value: 'x' } },
    };
    assert.match(
      noteOf(await kit.actor.invoke(approver, chat, '1', 'adaptiveCard/action', value)),
      /older version/u,
    );
    const search = { queryText: 'x', dataset: word };
    const found = await kit.actor.invoke(approver, chat, undefined, 'application/search', search);
    assert.deepEqual((found.body as { value: unknown }).value, { results: [] });
    assert.equal((await kit.actor.invoke(approver, chat, undefined, word, {})).status, 200);
    // oxlint-enable no-await-in-loop
  }
  assert.deepEqual(kit.log.slice(logged), []);
});

void test('what a channel reads holds nothing of an answer to one person', async () => {
  const { stranger } = TEAM;
  const { length } = kit.teams.messages;
  await kit.actor.write(stranger, CHANNEL_T, 'help');
  const [line] = kit.teams.messages.slice(length);
  assert.match(JSON.stringify(line?.card), /add Countersign to your personal apps/u);
  assert.equal(kit.teams.messages.length, length + 1);
});
