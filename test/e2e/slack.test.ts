import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import {
  CHANNEL,
  type Mode,
  MODES,
  PUBLIC_URL,
  type SlackKit,
  startSlackKit,
} from '../fakes/slack-kit.ts';

for (const mode of MODES) describe(`Slack over ${mode}`, () => suite(mode));

const soon = () => AbortSignal.timeout(8_000);
const shows = (message: { blocks: unknown }, text: string) =>
  JSON.stringify(message.blocks).includes(text);

function suite(mode: Mode): void {
  let kit: SlackKit;
  before(async () => {
    kit = await startSlackKit(mode);
  });
  after(() => kit.stop());
  beforeEach(() => {
    kit.slack.ephemerals.length = 0;
    kit.slack.views.length = 0;
    kit.slack.refusals.length = 0;
  });

  const state = async (id: string) => (await kit.requests.get(id))?.state;
  const decisions = (id: string) =>
    kit.audit.entries.filter((entry) => entry.request === id && entry.kind === 'decision');
  const told = () => kit.slack.until(() => kit.slack.ephemerals[0]);

  test('a held statement is posted, approved with a button, and its card says who, when and what came of it', async () => {
    const { request, message } = await kit.hold();
    assert.equal(message.channel, CHANNEL);
    assert.ok(shows(message, request.card.masked));
    assert.equal((await kit.actor.click('UAPP', 'approve', message)).status, 200);
    const settled = await kit.requests.settled(request.id, soon());
    assert.equal(settled.state, 'approved');
    assert.equal(settled.decisions[0]?.via, 'slack');
    await kit.slack.until(() => shows(message, 'Approved by approver@example.com (dba) via slack'));
    assert.ok(!shows(message, '"actions"'), 'a decided card has no buttons');
    await kit.run(request.id);
    await kit.slack.until(() => shows(message, 'Ran, 1 row, 12 ms'));
    assert.ok(shows(message, `${PUBLIC_URL}/records/${request.record}`));
    assert.equal(kit.slack.messages.filter((one) => shows(one, request.id)).length, 1);
    assert.deepEqual(kit.slack.refusals, []);
  });

  test('the same again is approved with its own button, and the card says so', async () => {
    const words = 'any one row of shop.public.orders by id; nothing else may differ';
    const { request, message } = await kit.hold(
      { shapeMs: 1_800_000 },
      { shape: { words, ms: 1_800_000 } },
    );
    assert.ok(shows(message, words));
    assert.equal((await kit.actor.click('UENG', 'approve-shape', message)).status, 200);
    assert.equal(await state(request.id), 'pending');
    assert.equal((await kit.actor.click('UAPP', 'approve-shape', message)).status, 200);
    const settled = await kit.requests.settled(request.id, soon());
    assert.equal(settled.decisions[0]?.shape, true);
    assert.deepEqual(settled.shape?.approvers, ['approver@example.com']);
    await kit.slack.until(() =>
      shows(message, 'Approved, and the same again by approver@example.com'),
    );
    assert.deepEqual(kit.slack.refusals, []);
  });

  test('a denial asks for a reason in a modal, and the card and the requester get it', async () => {
    const { request, message } = await kit.hold();
    await kit.actor.click('UAPP', 'deny', message);
    const view = await kit.slack.until(() => kit.slack.views[0]);
    const empty = await kit.actor.submit('UAPP', view, '  ');
    assert.match(empty.text, /"response_action":"errors"/);
    assert.equal(await state(request.id), 'pending');
    assert.equal((await kit.actor.submit('UAPP', view, 'wrong order')).text, '');
    const settled = await kit.requests.settled(request.id, soon());
    assert.equal(settled.state, 'denied');
    assert.equal(settled.decisions[0]?.reason, 'wrong order');
    await kit.slack.until(() =>
      shows(message, 'Denied by approver@example.com (dba) via slack: wrong order'),
    );
  });

  test('a reason cannot command the terminal of who reads it, nor be refused by the store', async () => {
    const { request, message } = await kit.hold();
    await kit.actor.click('UAPP', 'deny', message);
    const view = await kit.slack.until(() => kit.slack.views[0]);
    const reason = 'no\u001b[2J\u0000\u009b1m\r\nindeed\rgo on\ud800';
    assert.equal((await kit.actor.submit('UAPP', view, reason)).text, '');
    const settled = await kit.requests.settled(request.id, soon());
    assert.equal(settled.decisions[0]?.reason, 'no\uFFFD[2J\uFFFD\uFFFD1m\nindeed\ngo on\uFFFD');
  });

  test('the button of one card does not decide another request, nor from another channel', async () => {
    const [one, other] = [await kit.hold(), await kit.hold()];
    const value = `${other.request.id}.${other.request.version}`;
    for (const message of [one.message, { ...other.message, channel: 'C0ELSEWHERE' }]) {
      kit.slack.ephemerals.length = 0;
      assert.equal((await kit.actor.click('UAPP', 'approve', message, { value })).status, 200);
      assert.match((await told()).text, /copy of the card/);
    }
    for (const { request } of [one, other]) assert.equal(await state(request.id), 'pending');
  });

  // Over Socket Mode nobody answers these, and Slack waits three seconds for it.
  if (mode === 'http')
    test('a click or a dialog whose values were forged decides nothing', async () => {
      const { request, message } = await kit.hold();
      for (const value of ['x', request.id, `${request.id}.1.1`, `${request.id}.-1`])
        await kit.actor.click('UAPP', 'approve', message, { value });
      const forged = [
        '{}',
        'null',
        '',
        JSON.stringify({ request: 'x', channel: CHANNEL }),
        JSON.stringify({ request: [request.id], channel: CHANNEL }),
      ];
      for (const private_metadata of forged)
        await kit.actor.submit('UAPP', { callback_id: 'deny', private_metadata }, 'no');
      assert.equal(await state(request.id), 'pending');
    });

  const refusedClickers: [string, string, RegExp][] = [
    ['the requester', 'UENG', /yourself/],
    ['a person in none of the groups', 'USTR', /members of dba/],
    ['somebody the directory does not know', 'UNOBODY', /Say once who you are/],
    ['a bot', 'UBOT', /not bots/],
    ['a guest', 'UGUEST', /Guests/],
    ['a single-channel guest', 'UGUEST1', /Guests/],
    ['a deactivated account', 'UGONE', /deactivated/],
    ['somebody of a shared channel', 'UCONNECT', /Only members of the workspaces/],
    ['a member of another workspace', 'UOTHER', /Only members of the workspaces/],
    ['somebody without an e-mail address', 'UMUTE', /Say once who you are/],
  ];
  for (const [who, user, words] of refusedClickers)
    test(`an approval in Slack by ${who} is refused, and only they are told`, async () => {
      const { request, message } = await kit.hold();
      assert.equal((await kit.actor.click(user, 'approve', message)).status, 200);
      const answer = await told();
      assert.match(answer.text, words);
      assert.deepEqual([answer.user, answer.channel], [user, CHANNEL]);
      assert.equal(await state(request.id), 'pending');
      assert.equal(decisions(request.id).length, 0);
      assert.equal(message.edits, 0);
    });

  test('a self-denial through the modal is refused in the modal', async () => {
    const { request, message } = await kit.hold();
    await kit.actor.click('UENG', 'deny', message);
    const view = await kit.slack.until(() => kit.slack.views[0]);
    assert.match((await kit.actor.submit('UENG', view, 'never mind')).text, /yourself/);
    assert.equal(await state(request.id), 'pending');
  });

  test('two approvers who click at once have one effect, and the loser is told who was first', async () => {
    const { request, message } = await kit.hold();
    await Promise.all([
      kit.actor.click('UAPP', 'approve', message),
      kit.actor.click('UAPP2', 'approve', message),
    ]);
    assert.match((await told()).text, /already approved by approver2?@example\.com/);
    assert.equal(decisions(request.id).length, 1);
  });

  test('a double click decides once and answers the second with the state', async () => {
    const { request, message } = await kit.hold();
    await Promise.all([1, 2].map(() => kit.actor.click('UAPP', 'approve', message)));
    await told();
    assert.equal(decisions(request.id).length, 1);
    assert.equal(await state(request.id), 'approved');
  });

  test('the same signed bytes again, and a retry of them, are handled once', async () => {
    const { request, message } = await kit.hold();
    const { sent } = await kit.actor.click('USTR', 'approve', message);
    await told();
    const replay = await kit.actor.send(sent);
    const retry = await kit.actor.send(sent, {
      headers: { 'x-slack-retry-num': '1', 'x-slack-retry-reason': 'http_timeout' },
    });
    assert.deepEqual([replay.status, retry.status], [200, 200]);
    assert.equal(kit.slack.ephemerals.length, 1);
    assert.equal(await state(request.id), 'pending');
  });

  test('a signed call of another app or workspace does nothing', async () => {
    const { request, message } = await kit.hold();
    for (const options of [{ app: 'A9999999' }, { team: 'T9999999' }])
      assert.equal((await kit.actor.click('UAPP', 'approve', message, options)).status, 200);
    assert.equal(await state(request.id), 'pending');
  });

  test('a copy of a card decides nothing and answers with the link', async () => {
    const { request, message } = await kit.hold();
    const { message: other } = await kit.hold();
    for (const copy of [
      { ...message, ts: '1699999999.000001' },
      { ...message, channel: 'C0ELSEWHERE' },
      { ...message, ts: other.ts },
    ]) {
      kit.slack.ephemerals.length = 0;
      await kit.actor.click('UAPP', 'approve', copy);
      assert.match((await told()).text, new RegExp(`copy.*${PUBLIC_URL}/requests/${request.id}`));
    }
    assert.equal(await state(request.id), 'pending');
  });

  test('a button of an older version is refused as stale', async () => {
    const { request, message } = await kit.hold({ groups: [{ group: 'dba', quorum: 2 }] });
    const old = { ...message, blocks: structuredClone(message.blocks) };
    await kit.actor.click('UAPP', 'approve', message);
    await kit.stored(request.id, 2);
    await kit.actor.click('UAPP2', 'approve', old);
    assert.match((await told()).text, /changed since you looked/);
    await kit.actor.click('UAPP2', 'approve', message);
    assert.equal((await kit.requests.settled(request.id, soon())).state, 'approved');
  });

  test('an expired trigger opens no modal, and the person is told to click again', async () => {
    const { message } = await kit.hold();
    await kit.actor.click('UAPP', 'deny', message, { triggerAge: 10_000 });
    assert.match((await told()).text, /press the button again/);
    assert.deepEqual(kit.slack.views, []);
  });

  test('a long statement, a hidden write and a demanded sign-in are reviewed in the console only', async () => {
    for (const [requirement, card] of [
      [{}, { masked: `select '${'x'.repeat(9_000)}'` }],
      [{}, { hidesWrite: true }],
      [{ stepUpMs: 300_000 }, {}],
    ] as const) {
      const { request, message } = await kit.hold(requirement, card);
      assert.ok(shows(message, 'Review in console'));
      assert.ok(shows(message, `${PUBLIC_URL}/requests/${request.id}`));
      const forged = { value: `${request.id}.${request.version}` };
      assert.equal((await kit.actor.click('UAPP', 'review', message, forged)).status, 200);
      if (message.blocks.length > 0 && !card.masked) {
        kit.slack.ephemerals.length = 0;
        await kit.actor.click('UAPP', 'approve', message, forged);
        await told();
      }
      assert.equal(await state(request.id), 'pending');
    }
  });

  test('what people write cannot mention, link or format in the channel', async () => {
    const evil = '<!channel> <@UAPP> ```x``` <https://evil.example|Approve> \u202Eroot';
    const { message } = await kit.hold({}, { masked: evil, reason: evil, application: evil });
    const marked = message.blocks.flatMap(
      (block) => (block.elements ?? []) as { type?: string; text?: string }[],
    );
    for (const element of marked.filter((one) => one.type === 'mrkdwn'))
      assert.doesNotMatch(element.text ?? '', /<!channel|<@|evil|```/);
    assert.doesNotMatch(message.text, /[<>`]/);
    assert.ok(shows(message, '⟨U+202E⟩root'));
  });

  test('a request that nobody decides is edited to expired', async () => {
    const { message } = await kit.hold({ expiresMs: 300 });
    await kit.slack.until(() => shows(message, 'Expired: shop'));
    assert.ok(!shows(message, '"actions"'));
  });

  test('nothing is decided when the directory does not answer, and the person is told', async () => {
    const { request, message } = await kit.hold();
    kit.directory.down = true;
    await kit.actor.click('UAPP', 'approve', message);
    kit.directory.down = false;
    assert.match((await told()).text, /could not be done/);
    assert.equal(await state(request.id), 'pending');
  });
}
