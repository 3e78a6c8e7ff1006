import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { asked } from '../fakes/approval.ts';
import { type Mode, MODES, PUBLIC_URL, type SlackKit, startSlackKit } from '../fakes/slack-kit.ts';

for (const mode of MODES) describe(`Slack out of order, over ${mode}`, () => suite(mode));

function suite(mode: Mode): void {
  let kit: SlackKit;
  before(async () => {
    kit = await startSlackKit(mode);
  });
  after(() => kit.stop());
  beforeEach(() => {
    kit.slack.ephemerals.length = 0;
    kit.slack.views.length = 0;
  });

  const state = async (id: string) => (await kit.requests.get(id))?.state;
  const told = () => kit.slack.until(() => kit.slack.ephemerals[0]);
  const decisions = (id: string) =>
    kit.audit.entries.filter((entry) => entry.request === id && entry.kind === 'decision');

  /** A card that Slack shows, and whose ts we learn `ms` later. */
  async function shownEarly(ms: number) {
    kit.slack.fault('chat.postMessage', { kind: 'late', ms });
    const count = kit.slack.messages.length;
    const opening = kit.requests.open(asked({ channels: ['db-approvals'] }));
    const message = await kit.slack.until(() => kit.slack.messages[count]);
    const { rows } = await kit.store.db.pool.query<{ request: string }>(
      'select request from countersign.post where ts is null',
    );
    const id = rows[0]?.request;
    assert.ok(id !== undefined && rows.length === 1);
    return { message, id, opening };
  }

  test('a click before the card is stored waits for that, and decides', async () => {
    const { message, id, opening } = await shownEarly(600);
    assert.equal((await kit.actor.click('UAPP', 'approve', message)).status, 200);
    assert.equal(await state(id), 'approved');
    assert.deepEqual(kit.slack.ephemerals, []);
    await opening;
  });

  test('a click on a card that is not stored for long is told to come again, and decides nothing', async () => {
    const { message, id, opening } = await shownEarly(2_500);
    assert.equal((await kit.actor.click('UAPP', 'approve', message)).status, 200);
    assert.match(
      (await told()).text,
      new RegExp(`still being posted.*${PUBLIC_URL}/requests/${id}`),
    );
    assert.equal(await state(id), 'pending');
    await opening;
    await kit.stored(id);
    await kit.actor.click('UAPP', 'approve', message);
    assert.equal(await state(id), 'approved');
  });

  test('a click after the request expired is told so, and opens no dialog', async () => {
    const { request, message } = await kit.hold({ expiresMs: 300 });
    const old = structuredClone(message);
    await kit.requests.settled(request.id, AbortSignal.timeout(8_000));
    for (const action of ['approve', 'deny']) {
      kit.slack.ephemerals.length = 0;
      await kit.actor.click('UAPP', action, old);
      assert.match((await told()).text, /expired/);
    }
    assert.deepEqual(kit.slack.views, []);
    assert.equal(decisions(request.id).length, 0);
  });

  test('a dialog that is sent after somebody else decided says who did, and changes nothing', async () => {
    const { request, message } = await kit.hold();
    await kit.actor.click('UAPP', 'deny', message);
    const view = await kit.slack.until(() => kit.slack.views[0]);
    await kit.actor.click('UAPP2', 'approve', message);
    const answer = await kit.actor.submit('UAPP', view, 'too late');
    assert.match(answer.text, /already approved by approver2@example\.com/);
    assert.equal(await state(request.id), 'approved');
    assert.equal(decisions(request.id).length, 1);
  });

  test('a dialog that is sent after the requester gave up says so', async () => {
    const { request, message } = await kit.hold();
    await kit.actor.click('UAPP', 'deny', message);
    const view = await kit.slack.until(() => kit.slack.views[0]);
    await kit.requests.end(request.id, 'withdrawn', 'the client cancelled');
    assert.match((await kit.actor.submit('UAPP', view, 'no')).text, /it is withdrawn/);
  });

  test('an old approval that arrives after a denial does not revive the request', async () => {
    const { request, message } = await kit.hold();
    const old = structuredClone(message);
    await kit.actor.click('UAPP', 'deny', message);
    await kit.actor.submit('UAPP', await kit.slack.until(() => kit.slack.views[0]), 'no');
    await kit.actor.click('UAPP2', 'approve', old);
    assert.match((await told()).text, /already denied by approver@example\.com/);
    assert.equal(await state(request.id), 'denied');
  });

  test('a retry of a click has one effect, also while the first is still being handled', async () => {
    const { request, message } = await kit.hold({ groups: [{ group: 'dba', quorum: 2 }] });
    kit.slack.fault('users.info', { kind: 'slow', ms: 500 });
    const sent = kit.actor.clickOf('UAPP', 'approve', message);
    const again = { headers: { 'x-slack-retry-num': '1', 'x-slack-retry-reason': 'http_timeout' } };
    const answers = await Promise.all([kit.actor.send(sent), kit.actor.send(sent, again)]);
    assert.deepEqual(
      [...answers, await kit.actor.send(sent, again)].map(({ status }) => status),
      [200, 200, 200],
    );
    await kit.stored(request.id, 2);
    assert.equal(decisions(request.id).length, 1);
    assert.deepEqual(kit.slack.ephemerals, []);
  });

  test('a click whose handling failed is handled when Slack sends it again', async () => {
    const { request, message } = await kit.hold();
    const { pool } = kit.store.db;
    await pool.query('alter table countersign.chat_seen rename to elsewhere');
    const failed = await kit.actor.click('UAPP', 'approve', message);
    await pool.query('alter table countersign.elsewhere rename to chat_seen');
    assert.notEqual(failed.status, 200);
    assert.equal(await state(request.id), 'pending');
    assert.equal((await kit.actor.send(failed.sent)).status, 200);
    assert.equal(await state(request.id), 'approved');
  });

  test('what takes longer than Slack waits is acknowledged in time and answered in the channel', async () => {
    const { request, message } = await kit.hold();
    await kit.actor.click('UAPP', 'deny', message);
    const view = await kit.slack.until(() => kit.slack.views[0]);
    kit.slack.fault('users.info', { kind: 'slow', ms: 2_400 });
    const began = performance.now();
    const answer = await kit.actor.submit('USTR', view, 'no');
    assert.deepEqual([answer.status, answer.text], [200, '']);
    assert.ok(performance.now() - began < 3_000, 'Slack waits three seconds');
    const late = await told();
    assert.match(late.text, /members of dba/);
    assert.deepEqual([late.user, late.channel], ['USTR', message.channel]);
    assert.equal(await state(request.id), 'pending');
  });
}
