import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { actorOf, type Mode, MODES, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeMessage, FakeSlack } from '../fakes/slack.ts';

for (const mode of MODES) describe(`the whole gateway with Slack over ${mode}`, () => suite(mode));

const shows = (message: FakeMessage, text: string) =>
  JSON.stringify(message.blocks).includes(JSON.stringify(text).slice(1, -1));

function suite(mode: Mode): void {
  let gateway: TestGateway;
  let slack: FakeSlack;
  let actor: ReturnType<typeof actorOf>;
  before(async () => {
    slack = await startSlack();
    for (const who of ['engineer', 'approver', 'approver2', 'stranger'])
      slack.users.set(`U${who.toUpperCase()}`, { email: `${who}@example.com` });
    const port = await freePort();
    gateway = await startGateway({
      rules: `@id("test-short") @hold("dba") @expires("2s") @message("soon over")
      forbid (principal, action == Action::"write", resource == Table::"shop/public/customers");`,
      slack: slackConfig(mode, slack, port),
    });
    actor = actorOf(mode, slack, () => `http://127.0.0.1:${port}`);
  });
  after(async () => {
    await gateway.stop();
    await slack.close();
  });
  beforeEach(() => {
    slack.ephemerals.length = 0;
    slack.views.length = 0;
    slack.refusals.length = 0;
  });

  const cardsOf = (id: string) =>
    slack.messages.filter((one) => JSON.stringify(one.metadata ?? '').includes(id));
  const ran = async (part: string) =>
    (await gateway.ranOnTarget()).filter((sql) => sql.includes(part)).length;
  const stateOf = async (id: string) =>
    (await gateway.api('approver', `/requests/${id}`)).body.state;

  /** A statement that waits, and its card, once the bot knows which message that is. */
  async function hold(sql: string, values?: unknown[]) {
    const client = await gateway.open();
    await client.query("set countersign.reason = 'ticket 4711'");
    const answer = outcome(client.query(sql, values));
    const { id } = await gateway.pending();
    await eventually('the stored card', async () => {
      const { rowCount } = await gateway.storeSql.query(
        'select from countersign.post where request = $1 and ts is not null',
        [id],
      );
      return rowCount === 1 || undefined;
    });
    const [message] = cardsOf(id);
    if (!message) throw new Error('no card');
    return { client, answer, id: String(id), message };
  }

  test('the card says who wants what, where, why, under which rule and until when', async () => {
    const { message, answer, id } = await hold(
      "update orders set status = 'refunded' where id = 42",
    );
    const request = (await gateway.api('approver', `/requests/${id}`)).body;
    for (const words of [
      'engineer (engineer@example.com), engineering',
      'shop, database shop',
      "update orders set status = 'refunded' where id = 42",
      'updates shop.public.orders, bounded by id = 42',
      'shop-writes-need-a-second-person: changes to shop are approved by a DBA',
      'ticket 4711',
      'dba',
      request.card.digest,
      request.expiresAt,
      `${gateway.config.publicUrl}/requests/${id}`,
    ])
      assert.ok(shows(message, words), `${words} in ${JSON.stringify(message.blocks)}`);
    assert.equal(message.channel, 'C0123456');
    assert.equal((await actor.click('UAPPROVER', 'approve', message)).status, 200);
    assert.equal((await answer).rowCount, 1);
    await slack.until(() => shows(message, 'Approved by approver@example.com (dba) via slack'));
    const edited = await slack.until(() =>
      /Ran, 1 row, [\d.]+ m?s/.test(JSON.stringify(message.blocks)),
    );
    assert.ok(edited);
    assert.ok(!shows(message, '"actions"'));
    assert.equal(cardsOf(id).length, 1);
    assert.deepEqual(slack.refusals, []);
  });

  test('the link to the record leads to it, in the API and in the console', async () => {
    const { message, answer } = await hold('update orders set total = 1 where id = 44');
    await actor.click('UAPPROVER', 'approve', message);
    await answer;
    await slack.until(() => shows(message, 'Ran, 1 row'));
    const [, path] = /(\/records\/[0-9a-f-]{36})/.exec(JSON.stringify(message.blocks)) ?? [];
    const { status, body } = await gateway.api('approver', path ?? '');
    assert.equal(status, 200);
    assert.match(JSON.stringify(body), /id = 44/);
    const page = await fetch(gateway.config.publicUrl + path, { redirect: 'manual' });
    assert.ok([200, 302, 303, 401].includes(page.status), String(page.status));
  });

  test('a denial in the modal reaches the waiting client with its reason', async () => {
    const { client, message, answer } = await hold('delete from orders where id = 945');
    await actor.click('UAPPROVER', 'deny', message);
    const view = await slack.until(() => slack.views[0]);
    assert.equal((await actor.submit('UAPPROVER', view, 'wrong order')).text, '');
    const error = await answer;
    assert.equal(error.code, '42501');
    assert.match(error.message, /denied by approver@example\.com: wrong order/);
    await slack.until(() =>
      shows(message, 'Denied by approver@example.com (dba) via slack: wrong order'),
    );
    assert.equal(await ran('id = 945'), 0);
    assert.equal((await client.query('select 1 as one')).rows[0].one, 1);
  });

  test('the requester and the stranger cannot approve, and only they are told', async () => {
    const { message, answer, id } = await hold('delete from orders where id = 946');
    for (const [user, words] of [
      ['UENGINEER', /yourself/],
      ['USTRANGER', /members of dba/],
    ] as const) {
      slack.ephemerals.length = 0;
      await actor.click(user, 'approve', message);
      const told = await slack.until(() => slack.ephemerals[0]);
      assert.match(told.text, words);
      assert.equal(told.user, user);
    }
    assert.equal(await stateOf(id), 'pending');
    assert.equal(await ran('id = 946'), 0);
    await gateway.decide('deny');
    await answer;
  });

  test('two approvers, a double click and a retry have one effect: the statement runs once', async () => {
    const { message, answer, id } = await hold('update orders set total = total + 1 where id = 47');
    const clicks = await Promise.all([
      actor.click('UAPPROVER', 'approve', message),
      actor.click('UAPPROVER2', 'approve', message),
      actor.click('UAPPROVER', 'approve', message),
    ]);
    for (const { sent } of clicks)
      await actor.send(sent, {
        headers: { 'x-slack-retry-num': '1', 'x-slack-retry-reason': 'http_timeout' },
      });
    assert.equal((await answer).rowCount, 1);
    await slack.until(() => shows(message, 'Ran, 1 row'));
    for (const { sent } of clicks) await actor.send(sent);
    assert.equal(await ran('where id = 47'), 1);
    const decisions = (await gateway.records('decision')).filter((record) => record.request === id);
    assert.equal(decisions.length, 1);
  });

  test('a card posted after a 429 still decides', async () => {
    slack.fault('chat.postMessage', { kind: '429', seconds: 1 });
    const { message, answer, id } = await hold('update orders set total = 2 where id = 48');
    assert.equal(cardsOf(id).length, 1);
    await actor.click('UAPPROVER', 'approve', message);
    assert.equal((await answer).rowCount, 1);
  });

  test('after a lost reply only the stored card decides, and a copy answers with the link', async () => {
    slack.fault('chat.postMessage', { kind: 'lost' });
    const { answer, id } = await hold('update orders set total = 2 where id = 49');
    const { rows } = await gateway.storeSql.query(
      'select ts from countersign.post where request = $1',
      [id],
    );
    const [stored] = cardsOf(id).filter(({ ts }) => ts === rows[0].ts);
    const copies = cardsOf(id).filter(({ ts }) => ts !== rows[0].ts);
    assert.ok(stored);
    for (const copy of copies) {
      slack.ephemerals.length = 0;
      await actor.click('UAPPROVER', 'approve', copy);
      assert.match(
        (await slack.until(() => slack.ephemerals[0])).text,
        new RegExp(`/requests/${id}`),
      );
      assert.equal(await stateOf(id), 'pending');
    }
    await actor.click('UAPPROVER', 'approve', stored);
    assert.equal((await answer).rowCount, 1);
  });

  test('the card of a request that ends without a decision says how it ended', async () => {
    const expired = await hold("update customers set city = 'Porto' where id = 1");
    await slack.until(() => shows(expired.message, 'Expired: shop'));
    assert.equal((await expired.answer).code, '57014');
    const left = await hold('delete from orders where id = 950');
    const { client } = left;
    (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
    await slack.until(() => /Withdrawn|Abandoned/.test(JSON.stringify(left.message.blocks)));
    await actor.click(
      'UAPPROVER',
      'approve',
      { ...left.message, blocks: [] },
      { value: `${left.id}.1` },
    );
    assert.equal((await ran('Porto')) + (await ran('id = 950')), 0);
  });

  test('values of hidden columns never reach the chat', async () => {
    const { message, answer } = await hold(
      'update orders set total = 3 where customer_id in (select id from customers where email = $1) and id = 1',
      ['person7@example.org'],
    );
    assert.doesNotMatch(JSON.stringify(slack.messages), /person7@/);
    assert.ok(!message.text.includes('person7'));
    await gateway.decide('deny');
    await answer;
    assert.doesNotMatch(gateway.logged.join(''), /person7@/);
  });

  test('after all that Slack did, the log verifies', () => gateway.verify());
}
