import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { actorOf, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeChannel, FakeMessage, FakeSlack } from '../fakes/slack.ts';

const CHANNEL = 'C0123456';
const OPEN: FakeChannel = {
  is_private: true,
  is_archived: false,
  is_ext_shared: false,
  is_member: true,
};

const shows = (message: FakeMessage, text: string) => JSON.stringify(message.blocks).includes(text);

describe('a channel that takes no cards', { concurrency: false }, () => {
  let gateway: TestGateway;
  let slack: FakeSlack;
  let actor: ReturnType<typeof actorOf>;
  before(async () => {
    slack = await startSlack();
    for (const who of ['engineer', 'approver', 'approver2', 'stranger'])
      slack.users.set(`U${who.toUpperCase()}`, { email: `${who}@example.com` });
    const port = await freePort();
    gateway = await startGateway({ slack: slackConfig('http', slack, port) });
    actor = actorOf('http', slack, () => `http://127.0.0.1:${port}`);
    const channels = gateway.config.chat.channels as Map<string, object>;
    channels.set('db-approvals', { slack: CHANNEL, private: true });
  });
  after(async () => {
    await gateway.stop();
    await slack.close();
  });
  beforeEach(async () => {
    await becomes({});
    slack.messages.length = 0;
    slack.ephemerals.length = 0;
    gateway.logged.length = 0;
  });

  /** The channel changes, and Slack says so, in an event that comes for another change as well. */
  async function becomes(change: Partial<FakeChannel>, type = 'channel_archive') {
    Object.assign(slack.channel(CHANNEL), OPEN, { gone: false }, change);
    await actor.event({ type, channel: CHANNEL });
  }
  const cardsOf = (id: string) =>
    slack.messages.filter((one) => JSON.stringify(one.metadata ?? '').includes(id));
  const cardIn = (id: string, channel: string) =>
    slack.until(() => cardsOf(id).find((one) => one.channel === channel));
  const stored = (id: string, count: number) =>
    eventually('the stored cards', async () => {
      const { rowCount } = await gateway.storeSql.query(
        'select from countersign.post where request = $1 and ts is not null',
        [id],
      );
      return rowCount === count || undefined;
    });
  /** What operators see at /readyz, and read in the log. */
  const warned = async () =>
    /chat does not work; the log says why/.test(
      await (await fetch(`${gateway.running.console}/readyz`)).text(),
    );
  const said = (problem: RegExp) =>
    gateway.logged.some(
      (line) => /the Slack channel db-approvals/.test(line) && problem.test(line),
    );

  async function hold() {
    const client = await gateway.open();
    const answer = outcome(client.query("update orders set status = 'refunded' where id = 42"));
    const { id } = await gateway.pending();
    return { client, answer, id: String(id) };
  }

  const cases: readonly (readonly [string, Partial<FakeChannel>, RegExp, string])[] = [
    ['made public', { is_private: false }, /is public/, 'member_joined_channel'],
    ['archived', { is_archived: true }, /is archived/, 'channel_archive'],
    ['shared with another organisation', { is_ext_shared: true }, /is shared/, 'channel_shared'],
    ['that the bot was removed from', { is_member: false }, /bot was removed/, 'group_left'],
    ['deleted', { gone: true }, /is gone/, 'channel_deleted'],
  ];
  for (const [what, change, problem, event] of cases)
    test(`channel ${what}: the card goes to who decides, operators are told, and the channel gets it once it is open`, async () => {
      await becomes(change, event);
      const { client, answer, id } = await hold();
      const direct = await cardIn(id, 'DUAPPROVER');
      await cardIn(id, 'DUAPPROVER2');
      await stored(id, 2);
      assert.deepEqual(
        cardsOf(id)
          .map(({ channel }) => channel)
          .toSorted(),
        ['DUAPPROVER', 'DUAPPROVER2'],
      );
      assert.ok((await warned()) && said(problem));

      await becomes({}, 'channel_unarchive');
      const late = await cardIn(id, CHANNEL);
      await stored(id, 3);
      assert.equal(await warned(), false);

      await actor.click('UAPPROVER', 'approve', direct);
      assert.equal((await answer).rowCount, 1);
      await slack.until(() => [direct, late].every((one) => shows(one, 'Approved and run')));
      assert.equal(cardsOf(id).length, 3);
      await client.end();
    });

  test('channel archived while Slack told nothing: a post that Slack refuses tells at once', async () => {
    Object.assign(slack.channel(CHANNEL), { is_archived: true });
    const { client, answer, id } = await hold();
    const direct = await cardIn(id, 'DUAPPROVER');
    await stored(id, 2);
    assert.ok((await warned()) && said(/is archived/));
    await actor.click('UAPPROVER2', 'approve', await cardIn(id, 'DUAPPROVER2'));
    assert.equal((await answer).rowCount, 1);
    await slack.until(() => shows(direct, 'Approved and run'));
    await client.end();
  });

  test('a card in a direct message is for its reader alone: a copy of it elsewhere decides nothing', async () => {
    await becomes({ is_archived: true });
    const { client, id } = await hold();
    const direct = await cardIn(id, 'DUAPPROVER');
    await stored(id, 2);
    await actor.click('UAPPROVER2', 'approve', { ...direct, channel: 'C0ELSEWHERE' });
    const told = await slack.until(() => slack.ephemerals[0]);
    assert.match(told.text, /copy/);
    await actor.click('UENGINEER', 'approve', direct);
    const refused = await slack.until(() =>
      slack.messages.find((one) => one.channel === 'DUAPPROVER' && one !== direct),
    );
    assert.match(refused.text, /second person/);
    await client.end();
  });
});
