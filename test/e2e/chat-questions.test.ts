import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../fakes/gateway.ts';
import { without } from '../fakes/need.ts';
import { freePort } from '../fakes/postgres.ts';
import { actorOf, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeMessage, FakeSlack } from '../fakes/slack.ts';
import { type PsqlKit, startPsqlKit } from './psql-kit.ts';

const skip = without('psql');
/** In place of the demo's, so that every rule that holds lets a hand-over ask security. */
const RULES = `
  @id("shop") permit (principal in Group::"engineering", action, resource);
  @id("writes") @hold("dba") @handover("security") @channel("db-approvals") @message("a DBA looks")
  forbid (principal, action == Action::"write", resource);
`;

let kit: PsqlKit;
let slack: FakeSlack;
let actor: ReturnType<typeof actorOf>;
before(async () => {
  if (skip) return;
  slack = await startSlack();
  for (const who of ['engineer', 'approver', 'approver2', 'security'])
    slack.users.set(`U${who.toUpperCase()}`, { email: `${who}@example.com` });
  const port = await freePort();
  kit = await startPsqlKit({ onlyRules: RULES, slack: slackConfig('http', slack, port) });
  actor = actorOf('http', slack, () => `http://127.0.0.1:${port}`);
});
after(async () => {
  await kit?.stop();
  await slack?.close();
});

const shows = (message: { blocks: unknown }, text: string) =>
  JSON.stringify(message.blocks).includes(text);
const cardOf = async (id: string): Promise<FakeMessage> => {
  const card = await slack.until(() =>
    slack.messages.find((one) => (one.metadata as any)?.event_payload?.request === id),
  );
  await eventually('the stored card', async () => {
    const { rowCount } = await kit.gateway.storeSql.query(
      'select from countersign.post where request = $1 and ts is not null',
      [id],
    );
    return rowCount === 1 || undefined;
  });
  return card;
};
const directTo = (user: string, text: string) =>
  slack.until(() => slack.messages.find((one) => one.channel === `D${user}` && shows(one, text)));

test(
  'a question is a NOTICE in the psql that waits, the answer is on the card, and then it runs',
  { skip },
  async () => {
    const held = await kit.held('engineer', "update orders set status = 'asked' where id = 42");
    const card = await cardOf(held.id);
    await actor.click('UAPPROVER', 'request-ask', card);
    const form = await slack.until(() => slack.views[0]);
    assert.equal(
      (await actor.fill('UAPPROVER', form, { text: 'Which\nticket?\u001B[2J' })).text,
      '',
    );
    await held.prints('approver@example.com asks: Which ⏎ ticket?⟨U+001B⟩[2J');
    assert.match(held.said.err, new RegExp(`countersign requests answer ${held.id}`, 'u'));
    assert.ok(!held.said.err.includes('\u001B'));
    // They answer over the API, as `countersign requests answer` does.
    const token = await kit.gateway.token('engineer');
    const answered = await fetch(`${kit.gateway.running.api}/requests/${held.id}/answers`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'ticket 4711' }),
    });
    assert.equal(answered.status, 200);
    await slack.until(() => shows(card, 'Answer: ticket 4711'));
    await actor.click('UAPPROVER', 'approve', card);
    assert.equal(await held.done, 0);
    assert.equal(await kit.ran("status = 'asked'"), 1);
    await kit.gateway.verify();
  },
);

test(
  'handed over and reminded: the groups are told directly, and both have to agree',
  { skip },
  async () => {
    const held = await kit.held('engineer', "update orders set status = 'handed' where id = 42");
    const card = await cardOf(held.id);
    slack.views.length = 0;
    await actor.click('UAPPROVER', 'request-hand-over', card);
    const form = await slack.until(() => slack.views[0]);
    assert.ok(shows(form, 'security, who has to agree as well'));
    assert.equal((await actor.fill('UAPPROVER', form, { group: 'security' })).text, '');
    await directTo('USECURITY', 'waits for');
    await slack.until(() => shows(card, 'security has to agree as well'));
    await actor.click('UAPPROVER', 'approve', card);
    await eventually('one vote', async () => {
      const { body } = await kit.gateway.api('approver', `/requests/${held.id}`);
      return body.decisions.length === 1 || undefined;
    });
    slack.messages
      .filter(({ channel }) => channel.startsWith('D'))
      .forEach((one) => (one.blocks = []));
    await actor.click('UENGINEER', 'request-remind', card);
    await slack.until(() =>
      slack.messages.find((one) => one.thread === card.ts && shows(one, 'reminds')),
    );
    const told = await directTo('USECURITY', 'waits for');
    assert.ok(!shows(told, 'handed'), 'a reminder says nothing of the statement');
    // Who has agreed is left in peace.
    assert.ok(
      !slack.messages.some((one) => one.channel === 'DUAPPROVER' && shows(one, 'waits for')),
    );
    slack.ephemerals.length = 0;
    await actor.click('UENGINEER', 'request-remind', card);
    await slack.until(() =>
      slack.ephemerals.find((one) => JSON.stringify(one).includes('reminded already')),
    );
    assert.equal(await kit.state(held.id), 'pending');
    await kit.gateway.api('security', `/requests/${held.id}/decision`, { decision: 'approve' });
    assert.equal(await held.done, 0);
    assert.deepEqual(slack.refusals, []);
  },
);
