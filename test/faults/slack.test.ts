import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { asked } from '../fakes/approval.ts';
import { eventually } from '../fakes/gateway.ts';
import { type Mode, MODES, type SlackKit, startSlackKit } from '../fakes/slack-kit.ts';

for (const mode of MODES) describe(`a Slack that fails, over ${mode}`, () => suite(mode));

function suite(mode: Mode): void {
  let kit: SlackKit;
  before(async () => {
    kit = await startSlackKit(mode);
  });
  after(() => kit.stop());

  const cardsOf = (id: string) =>
    kit.slack.messages.filter((one) => JSON.stringify(one.metadata ?? '').includes(id));
  const callsOf = (method: string) => kit.slack.calls.filter((call) => call.method === method);
  const held = () => kit.requests.open(asked({ channels: ['db-approvals'] }));

  test('Slack says 429 with Retry-After, and the card comes after that time, once', async () => {
    kit.slack.fault('chat.postMessage', { kind: '429', seconds: 1 });
    const before429 = callsOf('chat.postMessage').length;
    const { id } = await held();
    await kit.stored(id);
    const [refused, done] = callsOf('chat.postMessage').slice(before429);
    assert.ok(
      refused && done && done.at - refused.at >= 1_000,
      'the wait that Slack asked for was kept',
    );
    assert.equal(cardsOf(id).length, 1);
  });

  test('Slack answers 500, and the card comes with the next attempt', async () => {
    kit.slack.fault('chat.postMessage', { kind: '500' });
    const { id } = await held();
    await kit.stored(id);
    assert.equal(cardsOf(id).length, 1);
  });

  test('a reply that was lost leads to a copy at most, and only the stored card acts', async () => {
    kit.slack.fault('chat.postMessage', { kind: 'lost' });
    const { id } = await held();
    await kit.stored(id);
    const [copy, card, ...more] = cardsOf(id);
    assert.ok(copy && card && more.length === 0);
    await kit.actor.click('UAPP', 'approve', copy);
    const answer = await kit.slack.until(() => kit.slack.ephemerals.at(-1));
    assert.match(answer.text, /copy/);
    assert.equal((await kit.requests.get(id))?.state, 'pending');
    await kit.actor.click('UAPP', 'approve', card);
    assert.equal((await kit.requests.get(id))?.state, 'approved');
  });

  test('with the optional history scope the card of a lost reply is found again, without a copy', async () => {
    kit.slack.scopes.add('channels:history');
    kit.slack.fault('chat.postMessage', { kind: 'lost' });
    const { id } = await held();
    await kit.stored(id);
    kit.slack.scopes.delete('channels:history');
    assert.equal(cardsOf(id).length, 1);
  });

  test('a lost reply of an edit is made good without another message', async () => {
    const { request, message } = await kit.hold();
    kit.slack.fault('chat.update', { kind: 'lost' });
    await kit.actor.click('UAPP', 'approve', message);
    await kit.stored(request.id, 2);
    assert.ok(JSON.stringify(message.blocks).includes('Approved by'));
    assert.equal(cardsOf(request.id).length, 1);
  });

  test('a hint that was lost costs time only: the sweep posts and edits the card', async () => {
    kit.queue.deaf = true;
    const { request, message } = await kit.hold();
    await kit.actor.click('UAPP', 'approve', message);
    await kit.stored(request.id, 2);
    kit.queue.deaf = false;
    assert.ok(JSON.stringify(message.blocks).includes('Approved by'));
  });

  test('a bot that was down posts what it missed, in the last version only', async () => {
    let id = '';
    await kit.restartBot(async () => {
      kit.queue.deaf = true;
      id = (await held()).id;
      await kit.requests.end(id, 'withdrawn', 'the client cancelled');
      kit.queue.deaf = false;
    });
    await kit.stored(id, 2);
    const [card, ...more] = cardsOf(id);
    assert.ok(card && JSON.stringify(card.blocks).includes('Withdrawn by the requester'));
    assert.equal(more.length + card.edits, 0);
  });

  test('a card that somebody deleted is posted again while it has to be decided', async () => {
    const { request } = await kit.hold({ groups: [{ group: 'dba', quorum: 2 }] });
    const [first] = cardsOf(request.id);
    assert.ok(first);
    kit.slack.messages.splice(kit.slack.messages.indexOf(first), 1);
    await kit.actor.click('UAPP', 'approve', first);
    await kit.stored(request.id, 2);
    const [again] = cardsOf(request.id);
    assert.ok(again && again.ts !== first.ts);
    await kit.actor.click('UAPP2', 'approve', again);
    assert.equal((await kit.requests.get(request.id))?.state, 'approved');
  });

  test('a click that Slack cannot say the person of ends without a decision, and the person is told', async () => {
    const { request, message } = await kit.hold();
    kit.slack.fault('users.info', { kind: 'error', error: 'internal_error' });
    const count = kit.slack.ephemerals.length;
    await kit.actor.click('UAPP', 'approve', message);
    const answer = await kit.slack.until(() => kit.slack.ephemerals[count]);
    assert.match(answer.text, /could not be done/);
    assert.equal((await kit.requests.get(request.id))?.state, 'pending');
  });

  test('a click and a modal that Slack makes wait longer than it waits itself still decide once', async () => {
    const [one, two] = [await kit.hold(), await kit.hold()];
    await kit.actor.click('UAPP', 'deny', two.message);
    const view = await kit.slack.until(() => kit.slack.views.at(-1));
    kit.slack.fault('users.info', { kind: 'slow', ms: 3_200 });
    kit.slack.fault('users.info', { kind: 'slow', ms: 3_200 });
    const soon = AbortSignal.timeout(9_000);
    const [, approved, , denied] = await Promise.all([
      kit.actor.click('UAPP', 'approve', one.message),
      kit.requests.settled(one.request.id, soon),
      kit.actor.submit('UAPP', view, 'too slow'),
      kit.requests.settled(two.request.id, soon),
    ]);
    assert.deepEqual([approved.state, denied.state], ['approved', 'denied']);
    await kit.stored(two.request.id, 2);
  });

  test('a channel that refuses the card is said in the log, without the statement, and holds up nobody else', async () => {
    kit.slack.fault('chat.postMessage', { kind: 'error', error: 'not_in_channel' });
    const { id } = await held();
    const { request } = await kit.hold();
    assert.ok(request.id !== id);
    assert.ok(kit.log.some((line) => JSON.stringify(line.fields).includes('not_in_channel')));
    assert.ok(!JSON.stringify(kit.log).includes('refunded'));
  });

  test('a bot token that Slack refuses is named, ends nothing, and the card comes once it is good again', async () => {
    kit.slack.tokens.bot = 'xoxb-another';
    const opening = held().catch(() => undefined);
    await eventually('the problem', () => /invalid_auth.*in the console/.test(kit.problem() ?? ''));
    assert.match(kit.problem() ?? '', /chat\.slack\.botToken/);
    kit.slack.tokens.bot = 'xoxb-test';
    const request = await opening;
    assert.ok(request);
    await kit.stored(request.id);
    assert.equal(cardsOf(request.id).length, 1);
    await eventually('no problem', () => kit.problem() === undefined);
  });
}
