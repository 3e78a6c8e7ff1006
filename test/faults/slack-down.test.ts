import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { asked } from '../fakes/approval.ts';
import { eventually } from '../fakes/gateway.ts';
import { MODES, type SlackKit, startSlackKit } from '../fakes/slack-kit.ts';

for (const mode of MODES)
  describe(`Slack that is slow, strict or away, over ${mode}`, { concurrency: false }, () => {
    let kit: SlackKit;
    before(async () => {
      kit = await startSlackKit(mode);
    });
    after(() => kit.stop());
    const open = () => kit.requests.open(asked({ channels: ['db-approvals'] }));
    const cardsOf = (id: string) =>
      kit.slack.messages.filter((one) => JSON.stringify(one.metadata ?? '').includes(id));
    const posts = () =>
      kit.slack.calls.filter(({ method }) => method === 'chat.postMessage').length;
    /** The next attempt comes now, however long it would have waited. */
    const again = () =>
      kit.store.db.pool.query(
        'update countersign.outbox set next_at = clock_timestamp() where done_at is null',
      );

    test('rate limit: while cards wait as long as Slack says, a click is answered at once', async () => {
      const { message } = await kit.hold();
      const tried = posts();
      kit.slack.fault('chat.postMessage', { kind: '429', seconds: 4 });
      const { id } = await open();
      await kit.slack.until(() => posts() > tried);
      kit.slack.ephemerals.length = 0;
      const began = performance.now();
      await kit.actor.click('USTR', 'approve', message);
      await kit.slack.until(() => kit.slack.ephemerals[0]);
      assert.ok(performance.now() - began < 2_000, 'the answer does not wait for the cards');
      assert.deepEqual(cardsOf(id), []);
      await kit.slack.until(() => cardsOf(id)[0]);
      assert.equal(cardsOf(id).length, 1);
    });

    test('Slack down for an hour: what waits is posted once, what ended meanwhile is not posted as waiting', async () => {
      const tried = posts();
      for (let i = 0; i < 8; i += 1) kit.slack.fault('chat.postMessage', { kind: '500' });
      const [waits, ends] = [await open(), await open()];
      // An attempt for each, and another; then it is decided where Slack is not needed.
      await kit.slack.until(() => posts() >= tried + 2);
      const approver = await kit.directory.find('approver@example.com');
      assert.ok(approver);
      const { ok } = await kit.requests.decide(ends.id, approver, {
        decision: 'deny',
        reason: 'not today',
        via: 'console',
      });
      assert.ok(ok, 'held statements can be decided in the console meanwhile');
      while (posts() < tried + 8) {
        // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
        await again();
        // oxlint-disable-next-line no-await-in-loop -- as above
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await eventually('both cards', async () => {
        await again();
        return (cardsOf(waits.id).length === 1 && cardsOf(ends.id).length === 1) || undefined;
      });
      const [card, ended] = [cardsOf(waits.id)[0], cardsOf(ends.id)[0]];
      assert.match(JSON.stringify(card?.blocks), /"approve"/);
      assert.match(JSON.stringify(ended?.blocks), /Denied/);
      assert.doesNotMatch(JSON.stringify(ended?.blocks), /"action_id":"(approve|deny)/);
      await kit.stored(waits.id);
      await kit.stored(ends.id);
      assert.equal(cardsOf(waits.id).length + cardsOf(ends.id).length, 2);
    });

    test('token revoked, app uninstalled: it is checked at the event, and operators are told', async () => {
      const { bot } = kit.slack.tokens;
      kit.slack.tokens.bot = 'another';
      await kit.actor.event({ type: 'tokens_revoked', tokens: { bot: ['UCOUNTERSIGN'] } });
      await eventually('the problem', () => /invalid_auth/.test(kit.problem() ?? '') || undefined);
      kit.slack.tokens.bot = bot;
      await kit.actor.event({ type: 'app_uninstalled' });
      await eventually('no problem', () => kit.problem() === undefined || undefined);
    });

    test('an event that nobody can have sent truly changes nothing: the token is asked, not the event', async () => {
      await kit.actor.event({ type: 'app_uninstalled' });
      await kit.actor.event({ type: 'channel_deleted', channel: 'C0DBAPPROVALS' });
      const { message } = await kit.hold();
      assert.equal(message.channel, 'C0DBAPPROVALS');
      assert.equal(kit.problem(), undefined);
    });
  });
