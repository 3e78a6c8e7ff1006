import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import {
  type AccessChat,
  CHAT_RULES,
  errorsOf,
  shows,
  startAccessChat,
  userOf,
} from '../fakes/access-chat.ts';
import { eventually } from '../fakes/gateway.ts';
import type { FakeMessage, FakeView } from '../fakes/slack.ts';

let world: AccessChat;
before(async () => {
  world = await startAccessChat();
});
after(() => world?.stop());
beforeEach(() => world.clear());

const WHY = 'the nightly import is broken and customers cannot pay since nine';
const ENGINEER = userOf('engineer');
const STRANGER = userOf('stranger');

const withState = (view: FakeView, state: unknown): FakeView => ({
  ...view,
  private_metadata: JSON.stringify({ state, channel: 'C0ANYWHERE' }),
});
const told = () => world.slack.until(() => world.slack.ephemerals.at(-1)?.text);
const count = async (): Promise<number> => (await world.requests()).length;
/** A message with a button of ours, as somebody would forge or find it. */
const forged = (channel: string): FakeMessage => ({
  ts: '1700000000.999999',
  channel,
  text: '',
  blocks: [],
  edits: 0,
  reactions: new Map(),
});

suite('what stands in a message of another person', () => {
  test('does nothing for whoever else clicks it', async () => {
    const asked = await world.ask('engineer', 'shop writer 1h repair orders');
    const direct = await world.untilDirect('engineer', 'Asked: writer on shop');
    for (const who of ['stranger', 'approver', 'security']) {
      world.slack.ephemerals.length = 0;
      await world.actor.click(userOf(who), 'access-withdraw', { ...direct, channel: 'C0ANYWHERE' });
      assert.match(await told(), /Only who asked|that you may see/, who);
    }
    assert.equal((await world.requests())[0].state, 'pending');
    await world.approve(asked.id);
    await world.slack.until(() => shows(direct, 'Give back'));
    const grant = await world.grantOf(asked.id);
    for (const who of ['stranger', 'approver', 'security'])
      for (const action of ['access-back', 'access-again']) {
        world.slack.ephemerals.length = 0;
        await world.actor.click(userOf(who), action, forged('C0ANYWHERE'), { value: grant.id });
        assert.match(
          await told(),
          /Only engineer|what engineer|that you may see/,
          `${who} ${action}`,
        );
      }
    assert.equal((await world.grantOf(asked.id)).ended_at, null);
    assert.equal((await world.requests())[0].id, asked.id, 'nobody asked again');
  });

  test('and a grant is ended on its card alone, by who may end it', async () => {
    const asked = await world.ask('engineer', 'shop writer 1h repair orders');
    await world.approve(asked.id);
    const card = await world.card(asked.id);
    const views = world.slack.views.length;
    await world.actor.click(userOf('approver'), 'access-end', forged(card.channel), {
      value: asked.id,
    });
    assert.match(await told(), /copy of the card/);
    world.slack.ephemerals.length = 0;
    await world.actor.click(userOf('stranger'), 'access-end', card, { value: asked.id });
    await told();
    assert.equal(world.slack.views.length, views, 'no form was opened');
    await world.slack.until(() => shows(card, 'End access…'));
    const form = await world.clickForm('approver', 'access-end', card);
    // The form of who may, sent by who may not; and one whose state names another grant.
    const grant = await world.grantOf(asked.id);
    for (const who of ['stranger', 'oncall']) {
      const answer = await world.actor.fill(userOf(who), form, { reason: 'because' });
      assert.ok(errorsOf(answer)['reason'], who);
    }
    for (const state of ['', 'x', '00000000-0000-0000-0000-000000000000', asked.id]) {
      const answer = await world.actor.fill(userOf('approver'), withState(form, state), {
        reason: 'because',
      });
      assert.ok(errorsOf(answer)['reason'], state);
    }
    assert.equal((await world.grantOf(asked.id)).ended_at, null);
    await world.actor.fill(userOf('approver'), form, { reason: 'enough' });
    assert.equal((await world.grantOf(asked.id)).revoked_by, 'approver@example.com');
    const twice = await world.actor.fill(userOf('approver'), form, { reason: 'enough' });
    assert.match(errorsOf(twice)['reason'] ?? '', /ended already/);
    assert.ok(grant);
  });

  test('a stale button tells how things are, and changes nothing', async () => {
    const asked = await world.ask('engineer', 'shop writer 1h repair orders');
    const direct = await world.untilDirect('engineer', 'Asked: writer on shop');
    const stale = { ...direct, blocks: structuredClone(direct.blocks) };
    await world.approve(asked.id);
    await world.actor.click(ENGINEER, 'access-withdraw', stale);
    await eventually('an answer', () =>
      world.slack.messages.some(
        (one) => one.channel === `D${ENGINEER}` && one.text.includes('It is granted already'),
      ),
    );
    const grant = await world.grantOf(asked.id);
    await world.actor.click(ENGINEER, 'access-back', direct, { value: grant.id });
    await eventually('its end', async () => (await world.grantOf(asked.id)).ended_at ?? undefined);
    await world.actor.click(ENGINEER, 'access-back', direct, { value: grant.id });
    assert.equal((await world.grantOf(asked.id)).ended_why, 'given back');
    for (const value of ['x', '', asked.id.toUpperCase(), "' or 1=1 --", '0'.repeat(36)])
      for (const action of ['access-back', 'access-withdraw', 'access-end', 'access-review'])
        await world.actor.click(ENGINEER, action, direct, { value });
    assert.equal((await world.grantOf(asked.id)).ended_why, 'given back');
  });
});

suite('asking again', () => {
  test('is a new request under the rules of the moment, never a longer grant', async () => {
    const asked = await world.ask('engineer', 'shop writer 2h repair orders');
    await world.approve(asked.id);
    const grant = await world.grantOf(asked.id);
    const again = () =>
      world.actor.click(ENGINEER, 'access-again', forged('C0ANYWHERE'), { value: grant.id });
    // Ended by somebody: it may be asked for again, and waits for approval again.
    const card = await world.card(asked.id);
    await world.slack.until(() => shows(card, 'End access…'));
    const form = await world.clickForm('approver', 'access-end', card);
    await world.actor.fill(userOf('approver'), form, { reason: 'enough' });
    await again();
    const [second] = await world.requests();
    assert.notEqual(second.id, asked.id);
    assert.equal(second.state, 'pending');
    assert.equal(
      (await world.grantOf(asked.id)).ended_why,
      'ended by approver@example.com: enough',
    );
    await world.command('engineer', 'list');
    await world.gateway.storeSql.query(
      `update countersign.request set state = 'withdrawn' where id = $1`,
      [second.id],
    );
    // No rule any more: no request either.
    const had = await count();
    await world.rules(CHAT_RULES.replace(/@id\("ask-writer"\)[^;]*;/, ''));
    world.slack.ephemerals.length = 0;
    await again();
    assert.match(await told(), /no rule lets you ask for the role writer/);
    assert.equal(await count(), had);
    // A shorter rule: what was allowed then is too long now.
    await world.rules(CHAT_RULES.replace('@duration("4h")', '@duration("30m")'));
    world.slack.ephemerals.length = 0;
    await again();
    assert.match(await told(), /lasts at most 30m/);
    assert.equal(await count(), had);
    await world.rules(CHAT_RULES);
  });
});

suite('break-glass', () => {
  test('is not granted in chat where the rule asks for a fresh sign-in', async () => {
    const form = await world.openForm('engineer', 'break-glass shop owner');
    await world.actor.fill(ENGINEER, form, { reason: WHY });
    const [request] = await world.requests();
    assert.equal(request.state, 'pending');
    const direct = await world.untilDirect('engineer', 'Break-glass: sign in to take it');
    for (const action of ['approve', 'access-again', 'access-back'])
      await world.actor.click(ENGINEER, action, direct, { value: `${request.id}` });
    assert.equal((await world.requests())[0].state, 'pending');
  });

  test('needs ten different words, and is offered to nobody whom no rule names', async () => {
    const form = await world.openForm('engineer', 'break-glass shop admin');
    for (const reason of ['now now now now now now now now now now now', 'a b c d e f g h i'])
      assert.match(
        errorsOf(await world.actor.fill(ENGINEER, form, { reason }))['reason'] ?? '',
        /at least 10 words/,
      );
    assert.ok(errorsOf(await world.actor.fill(STRANGER, form, { reason: WHY }))['duration']);
    assert.equal(await world.grantOf((await world.requests())[0]?.id), undefined);
  });

  test('is reviewed by a reviewer, after its end, in words, and never by who took it', async () => {
    const form = await world.openForm('security', 'break-glass shop admin');
    await world.actor.fill(userOf('security'), form, { reason: WHY });
    const [request] = await world.requests();
    assert.equal(request.state, 'granted');
    const grant = await world.grantOf(request.id);
    const card = await world.card(request.id);
    const thread = await eventually('the thread', () =>
      world.slack.messages.find((one) => one.thread === card.ts && shows(one, 'review needed')),
    );
    await world.command('security', 'end shop admin');
    const views = world.slack.views.length;
    for (const who of ['security', 'approver', 'stranger', 'engineer']) {
      world.slack.ephemerals.length = 0;
      await world.actor.click(userOf(who), 'access-review', thread, { value: grant.id });
      await told();
    }
    assert.equal(world.slack.views.length, views, 'no form was opened');
    const review: FakeView = {
      id: 'V1',
      type: 'modal',
      callback_id: 'access-review',
      private_metadata: JSON.stringify({ state: grant.id }),
      blocks: [
        {
          type: 'input',
          block_id: 'review',
          element: { type: 'plain_text_input', action_id: 'text' },
        },
      ],
    };
    const words = 'I have read the session, and all of it was right.';
    for (const who of ['security', 'approver', 'stranger', 'engineer'])
      assert.ok(
        errorsOf(await world.actor.fill(userOf(who), review, { review: words }))['review'],
        who,
      );
    assert.equal((await world.grantOf(request.id)).reviewed_at, null);
  });

  test('a reminder is said once, however many look', async () => {
    const form = await world.openForm('engineer', 'break-glass shop admin');
    await world.actor.fill(ENGINEER, form, { reason: WHY });
    const [request] = await world.requests();
    const grant = await world.grantOf(request.id);
    await world.command('engineer', 'end shop admin');
    // It fell due while no bot was running, two days ago.
    await world.gateway.restart();
    await world.pass(grant.id, `ended_at = clock_timestamp() - interval '2 days'`);
    await world.gateway.restart();
    await eventually('the mark', async () => (await world.grantOf(request.id)).reminders === 1);
    await world.untilDirect('security', 'This is reminder 1');
    const said = world.slack.messages.filter(
      (one) => one.channel === 'DUSECURITY' && shows(one, 'This is reminder'),
    );
    assert.equal(said.length, 1);
  });
});
