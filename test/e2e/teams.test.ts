import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PUBLIC_URL } from '../fakes/slack-kit.ts';
import { CHANNEL_T, dialogCard, newCard, noteOf } from '../fakes/teams-actor.ts';
import { buttonOf, elements, readCard } from '../fakes/teams-card.ts';
import { startTeamsKit, TEAM, type TeamsKit } from '../fakes/teams-kit.ts';
import { TENANT } from '../fakes/teams.ts';

const soon = () => AbortSignal.timeout(8_000);
const { engineer, approver, approver2 } = TEAM;
const shows = (message: { readonly card: unknown }, text: string) =>
  readCard(message.card).includes(text) || undefined;

void describe('Teams', () => {
  let kit: TeamsKit;
  before(async () => {
    kit = await startTeamsKit();
  });
  after(() => kit.stop());
  const state = async (id: string) => (await kit.requests.get(id))?.state;

  test('a held statement is posted, approved with a button, and its card says for everybody who, when and what came of it', async () => {
    const { request, message } = await kit.hold();
    assert.equal(message.conversation, CHANNEL_T);
    assert.ok(shows(message, request.card.masked));
    assert.doesNotMatch(message.summary, /update/u);
    const reply = await kit.actor.press(approver, message, 'Approve');
    assert.match(readCard(newCard(reply)), /Approved by approver@example\.com \(dba\) via teams/u);
    const settled = await kit.requests.settled(request.id, soon());
    assert.equal(settled.state, 'approved');
    assert.equal(settled.decisions[0]?.via, 'teams');
    await kit.teams.until(() => shows(message, 'Approved by approver@example.com (dba) via teams'));
    assert.throws(() => buttonOf(message.card, 'Approve'));
    await kit.run(request.id);
    await kit.teams.until(() => shows(message, 'Ran, 1 row, 12 ms'));
    assert.equal(
      kit.teams.messages.filter((one) => shows(one, request.id.slice(0, 8)) ?? one === message)
        .length,
      1,
    );
    assert.ok(JSON.stringify(message.card).includes(`${PUBLIC_URL}/records/${request.record}`));
    assert.deepEqual(kit.teams.wrong, []);
  });

  test('it is denied with a reason, which a dialog asks for', async () => {
    const { request, message } = await kit.hold();
    const opened = await kit.actor.press(approver, message, 'Deny…');
    const card = dialogCard(opened);
    const again = await kit.actor.submit(approver, CHANNEL_T, card, { reason: '  ' });
    assert.match(readCard(dialogCard(again)), /Give a reason/u);
    assert.equal(await state(request.id), 'pending');
    const sent = await kit.actor.submit(approver, CHANNEL_T, card, { reason: 'not *now*' });
    assert.equal(sent.body, undefined);
    const settled = await kit.requests.settled(request.id, soon());
    assert.deepEqual([settled.state, settled.decisions[0]?.reason], ['denied', 'not *now*']);
    await kit.teams.until(() => shows(message, 'not *now*'));
  });

  test('where there is no dialog the form stands in the place of the card, and leads back to it', async () => {
    const { request, message } = await kit.hold();
    const { data } = buttonOf(message.card, 'Deny…');
    const execute = (value: unknown) =>
      kit.actor.invoke(approver, CHANNEL_T, message.id, 'adaptiveCard/action', {
        action: { type: 'Action.Execute', data: value },
      });
    const form = newCard(await execute(data));
    const wrong = newCard(
      await kit.actor.submit(approver, CHANNEL_T, form, { reason: '' }, 'card'),
    );
    assert.match(readCard(wrong), /Give a reason/u);
    const card = newCard(await execute(buttonOf(wrong, 'Back')['data']));
    assert.ok(buttonOf(card, 'Approve'));
    assert.equal(await state(request.id), 'pending');
    const done = await kit.actor.submit(approver, CHANNEL_T, form, { reason: 'no' }, 'card');
    assert.match(readCard(newCard(done)), /Denied by approver@example\.com/u);
  });

  test('nobody approves their own, whatever Teams calls them', async () => {
    const { request, message } = await kit.hold();
    const reply = await kit.actor.press(engineer, message, 'Approve');
    assert.match(noteOf(reply), /asked for this yourself/u);
    assert.equal(await state(request.id), 'pending');
  });

  test('a card that is out of date decides nothing, and who was slower reads why', async () => {
    const { request, message } = await kit.hold();
    const old = { ...message };
    await kit.actor.press(approver, old, 'Approve');
    await kit.requests.settled(request.id, soon());
    const late = await kit.actor.press(approver2, old, 'Approve');
    assert.match(noteOf(late), /decided|approved/iu);
    const denied = noteOf(await kit.actor.press(approver2, old, 'Deny…'));
    assert.match(denied, /can no longer be decided/u);
    assert.equal((await kit.requests.get(request.id))?.decisions.length, 1);
  });

  test('who is to see more gets it alone, and is told so at the card', async () => {
    const { message } = await kit.hold();
    kit.chat(approver);
    const details = [...elements(message.card)].find((one) => one['title'] === 'Details');
    assert.equal(details?.type, 'Action.Execute');
    const reply = await kit.actor.press(approver, message, 'Details');
    assert.match(noteOf(reply), /in your chat/u);
    assert.equal(kit.told(approver).length, 1);
  });

  test('whom the bot may not write to is told how to change that', async () => {
    const { message } = await kit.hold();
    assert.match(noteOf(await kit.actor.press(approver2, message, 'Details')), /add Countersign/u);
    assert.equal(kit.told(approver2).length, 0);
  });

  test('written to alone, the bot says what it understands', async () => {
    const chat = kit.chat(approver);
    const { length } = kit.told(approver);
    assert.equal((await kit.actor.write(approver, chat, 'help')).status, 200);
    assert.match(readCard(kit.told(approver)[length]?.card), /What you can write/u);
  });

  test('in a channel it hears its name alone, and answers in the chat', async () => {
    const { length } = kit.teams.messages;
    const alone = kit.told(approver).length;
    await kit.actor.write(approver, CHANNEL_T, 'help', { activity: { entities: [] } });
    assert.equal(kit.teams.messages.length, length);
    await kit.actor.write(approver, CHANNEL_T, 'help');
    assert.equal(kit.told(approver).length, alone + 1);
    assert.equal(kit.teams.messages.length, length + 1);
  });

  test('who is nobody yet gets the link to say who they are, alone, and nothing else happens', async () => {
    const { request, message } = await kit.hold();
    kit.chat(TEAM.impostor);
    const reply = await kit.actor.press(TEAM.impostor, message, 'Approve');
    assert.doesNotMatch(noteOf(reply), /chat\/link/u);
    assert.match(JSON.stringify(kit.told(TEAM.impostor)[0]?.card), /\/chat\/link\//u);
    assert.equal(await state(request.id), 'pending');
  });

  test('the bot that is added to a channel, or taken out of it, knows where it is', async () => {
    const place = '19:other@thread.tacv2';
    const known = async () => {
      const { rows } = await kit.store.db.pool.query<{ service_url: string }>(
        'select service_url from countersign.teams_place where tenant = $1 and conversation = $2',
        [TENANT, place],
      );
      return rows.map((one) => one.service_url);
    };
    await kit.actor.install(engineer, place);
    assert.deepEqual(await known(), [kit.teams.url]);
    await kit.actor.install(engineer, place, 'remove');
    assert.deepEqual(await known(), []);
  });

  test('a reaction is taken, and decides nothing where Teams cannot say who reacted', async () => {
    const { request, message } = await kit.hold({ reactionsVote: true });
    assert.equal((await kit.actor.react(approver, CHANNEL_T, message.id, 'like')).status, 200);
    assert.equal(
      (await kit.actor.react(approver, CHANNEL_T, message.id, 'white_check_mark')).status,
      200,
    );
    assert.equal(await state(request.id), 'pending');
    assert.deepEqual(
      kit.log.filter(({ text }) => text.includes('could not be handled')),
      [],
    );
  });

  test('Teams that asks to wait, or answers nothing, gets the card later; one copy acts', async () => {
    kit.teams.fail('POST', { kind: '429', seconds: 1 });
    const first = await kit.hold();
    assert.ok(shows(first.message, first.request.card.masked));
    kit.teams.fail('POST', { kind: 'lost' });
    const { length } = kit.teams.messages;
    const { request, message } = await kit.hold();
    const copies = kit.teams.messages.slice(length);
    assert.equal(copies.length, 2);
    const stray = copies.find((one) => one !== message);
    assert.ok(stray);
    assert.match(noteOf(await kit.actor.press(approver, stray, 'Approve')), /copy/u);
    assert.equal(await state(request.id), 'pending');
    await kit.actor.press(approver, message, 'Approve');
    assert.equal((await kit.requests.settled(request.id, soon())).state, 'approved');
  });

  test('when Teams refuses the bot’s token its operators are told what to do, until it takes it again', async () => {
    assert.equal(kit.problem(), undefined);
    kit.teams.fail('POST', { kind: 'status', status: 401, code: 'Unauthorized' });
    const held = kit.hold();
    await kit.teams.until(() => kit.problem());
    assert.match(kit.problem() ?? '', /chat\.teams\.appId, appPassword/u);
    const { message, request } = await held;
    assert.ok(shows(message, request.card.masked));
    assert.equal(kit.problem(), undefined);
    assert.equal(kit.log.filter(({ text }) => text.includes('refuses the bot’s token')).length, 1);
  });

  test('a card that somebody deleted is posted again as long as it can be decided', async () => {
    const { request, message } = await kit.hold({ groups: [{ group: 'dba', quorum: 2 }] });
    kit.teams.messages.splice(kit.teams.messages.indexOf(message), 1);
    await kit.requests.decide(request.id, kit.directory.people.get('approver@example.com')!, {
      decision: 'approve',
      reason: '',
      via: 'console',
    });
    const id = await kit.stored(request.id, 2);
    assert.notEqual(id, message.id);
    const fresh = kit.teams.messages.find((one) => one.id === id);
    assert.ok(fresh && shows(fresh, 'Approved by approver@example.com'));
  });
});

void describe('Slack and Teams at once', () => {
  let kit: TeamsKit;
  before(async () => {
    kit = await startTeamsKit({ slack: true });
  });
  after(() => kit.stop());

  test('approved in Teams, the card in Slack changes; approved in Slack, the card in Teams', async () => {
    const { slack, slackActor } = kit;
    assert.ok(slack && slackActor);
    const inSlack = (id: string) =>
      slack.until(() =>
        slack.messages.find((one) => JSON.stringify(one.metadata ?? '').includes(id)),
      );
    const first = await kit.hold();
    const card = await inSlack(first.request.id);
    await kit.actor.press(approver, first.message, 'Approve');
    await slack.until(() => JSON.stringify(card.blocks).includes('via teams') || undefined);
    const second = await kit.hold();
    await slackActor.click('UAPP', 'approve', await inSlack(second.request.id));
    await kit.teams.until(() => readCard(second.message.card).includes('via slack') || undefined);
    assert.deepEqual(kit.teams.wrong, []);
    assert.deepEqual(slack.refusals, []);
  });
});
