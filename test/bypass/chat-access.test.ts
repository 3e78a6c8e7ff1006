import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, suite, test } from 'node:test';
import { type AccessChat, errorsOf, startAccessChat, userOf } from '../fakes/access-chat.ts';
import { eventually } from '../fakes/gateway.ts';
import type { FakeView } from '../fakes/slack.ts';

let world: AccessChat;
before(async () => {
  world = await startAccessChat();
});
after(() => world?.stop());
beforeEach(() => world.clear());

const ENGINEER = userOf('engineer');
const STRANGER = userOf('stranger');

/** As the form would carry it, if it were offered. */
const keyOf = (action: string, target: string, role: string): string =>
  createHash('sha256')
    .update(JSON.stringify([action, target, role]))
    .digest('hex')
    .slice(0, 24);
const withState = (view: FakeView, state: unknown): FakeView => ({
  ...view,
  private_metadata: JSON.stringify({ state, channel: 'C0ANYWHERE' }),
});
const count = async (): Promise<number> => (await world.requests()).length;
suite('asking for roles in chat', () => {
  test('a form whose state names a role that is not offered asks for nothing', async () => {
    const form = await world.openForm('engineer', 'shop writer');
    const had = await count();
    for (const state of [
      keyOf('request', 'shop', 'visitor'),
      keyOf('request', 'shop', 'admin'),
      keyOf('break-glass', 'shop', 'writer'),
      JSON.stringify(['request', 'shop', 'admin']),
      'shop/admin',
      '',
    ]) {
      const answer = await world.actor.fill(ENGINEER, withState(form, state), {
        reason: 'a customer waits',
      });
      assert.match(errorsOf(answer)['duration'] ?? '', /No rule lets you/, state);
    }
    assert.equal(await count(), had);
  });

  test('a form that another person opened asks for whoever sends it, by their own rules', async () => {
    const form = await world.openForm('engineer', 'shop writer');
    const had = await count();
    const answer = await world.actor.fill(STRANGER, form, { reason: 'a customer waits' });
    assert.match(errorsOf(answer)['duration'] ?? '', /No rule lets you/);
    const mine = await world.actor.fill(userOf('approver'), form, { reason: 'for the engineer' });
    assert.deepEqual(errorsOf(mine), {});
    assert.equal(await count(), had + 1);
    const [request] = await world.requests();
    assert.equal(request.person, 'approver@example.com');
    const said = await world.gateway.api('approver', `/requests/${request.id}/decision`, {
      decision: 'approve',
      reason: 'mine',
    });
    assert.equal(said.status, 403, 'and they do not approve it themselves');
  });

  test('a person named in the state, or in the words of the command, is nobody', async () => {
    const form = await world.openForm('engineer', 'shop writer');
    const state = { person: 'security@example.com', key: keyOf('request', 'shop', 'writer') };
    // What is no text is no state: it is not even read.
    await world.actor.fill(ENGINEER, withState(form, state), { reason: 'a customer waits' });
    assert.equal((await world.requests()).filter(({ state: s }) => s === 'pending').length, 0);
    const asked = await world.ask(
      'engineer',
      'shop writer 1h on behalf of <@USECURITY> person:security@example.com',
    );
    assert.equal(asked.person, 'engineer@example.com');
    assert.equal(asked.card.person.email, 'engineer@example.com');
  });

  test('no field of the form goes beyond the rule', async () => {
    const form = await world.openForm('engineer', 'shop writer');
    const tampered = structuredClone(form) as any;
    for (const block of tampered.blocks)
      if (block.block_id === 'duration')
        block.element.options.push({ value: '999999999' }, { value: '-1' }, { value: '1e9' });
    const reason = 'a customer waits';
    for (const duration of ['999999999', '-1', '1e9']) {
      const answer = await world.actor.fill(ENGINEER, tampered, { duration, reason });
      assert.ok(errorsOf(answer)['duration'], duration);
    }
    for (const own of ['5h', '0h', '-1h', 'x', '400d']) {
      const answer = await world.actor.fill(ENGINEER, form, { own, reason });
      assert.ok(errorsOf(answer)['own'], own);
    }
    for (const start of ['2020-01-01T00:00:00Z', '2036-01-01T00:00:00Z']) {
      const answer = await world.actor.fill(ENGINEER, form, { start, reason });
      assert.ok(errorsOf(answer)['start'], start);
    }
    for (const bad of ['', '   ', 'with \u0000 in it', 'with \u001b[2J in it']) {
      const loose = structuredClone(form) as any;
      for (const block of loose.blocks) if (block.block_id === 'reason') block.optional = true;
      const answer = await world.actor.fill(ENGINEER, loose, { reason: bad });
      assert.ok(errorsOf(answer)['reason'], JSON.stringify(bad));
    }
    assert.equal((await world.requests()).filter(({ state }) => state === 'pending').length, 0);
  });

  test('offers are only one’s own, in the form, in a search and in a command', async () => {
    const said = await world.command('stranger', '');
    assert.ok(!said.includes('writer'), said);
    const labels = async (who: string, source: string) =>
      (await world.actor.suggest(userOf(who), source)).map(({ label }) => label);
    assert.deepEqual(await labels('stranger', 'access-offers'), ['shop: visitor']);
    assert.deepEqual(await labels('stranger', 'access-glass'), []);
    assert.deepEqual(await labels('engineer', 'access-glass'), ['shop: admin', 'shop: owner']);
    const refused = await world.command('stranger', 'shop admin 1h I would like that very much');
    assert.match(refused, /no rule lets you ask for the role admin/);
    await eventually('a record of the attempt', async () =>
      (await world.gateway.records('request')).some(
        ({ json }) =>
          json.body.event === 'not-permitted' &&
          json.body.role === 'admin' &&
          json.body.via === 'slack',
      ),
    );
  });

  test('a submission that comes twice, or two at once, is one request', async () => {
    const form = await world.openForm('engineer', 'shop writer');
    const reason = 'a customer waits';
    const first = await world.actor.fill(ENGINEER, form, { reason });
    await world.actor.send(first.sent);
    await world.actor.send(first.sent, { headers: { 'x-slack-retry-num': '1' } });
    const open = async () =>
      (await world.requests()).filter(({ state }) => state === 'pending').length;
    assert.equal(await open(), 1);
    await world.clear();
    const both = await Promise.all([
      world.actor.fill(ENGINEER, form, { reason }),
      world.actor.fill(ENGINEER, form, { reason }),
      world.command('engineer', 'shop writer 1h a customer waits'),
    ]);
    assert.equal(await open(), 1, JSON.stringify(both));
  });

  test('somebody who is let go between opening and sending asks for nothing', async () => {
    const form = await world.openForm('approver2', 'shop writer');
    const had = await count();
    await world.gateway.storeSql.query(
      `insert into countersign.person (email, name, state, valid_until) values ('approver2@example.com', 'x', 'deactivated', 'infinity')
       on conflict (email) do update set state = 'deactivated'`,
    );
    await world.gateway.storeSql.query(
      `select pg_notify('countersign_person', 'approver2@example.com')`,
    );
    const user = userOf('approver2');
    await eventually('that nobody acts with it', async () => {
      const answer = await world.actor.fill(user, form, { reason: 'a customer waits' });

      return /Say once who you are/.test(answer.text);
    });
    assert.equal(await count(), had);
    await world.gateway.storeSql.query(
      `delete from countersign.person where email = 'approver2@example.com'`,
    );
    await world.gateway.storeSql.query(
      `select pg_notify('countersign_person', 'approver2@example.com')`,
    );
  });

  test('an account that is nobody’s, of a bot or of a guest learns nothing', async () => {
    const { slack } = world;
    slack.users.set('UNOBODY', { email: 'nobody@elsewhere.example' });
    slack.users.set('UGUEST', { email: 'engineer@example.com', is_restricted: true });
    for (const user of ['UNOBODY', 'UGUEST']) {
      const { text } = await world.actor.command(user, '/access', 'list');
      assert.ok(!text.includes('writer') && !text.includes('What you have'), text);
    }
  });

  test('what people write is shown as they wrote it, and calls nobody', async () => {
    const asked = await world.ask(
      'engineer',
      'shop writer 1h <!channel> `code` *bold* @here &amp; <https://evil.example|link>',
    );
    const direct = await world.untilDirect('engineer', 'Asked: writer on shop');
    const card = await world.card(asked.id);
    for (const message of [direct, card]) {
      assert.doesNotMatch(message.text, /<!channel>|evil\.example/);
      const texts = JSON.stringify(message.blocks.filter(({ type }) => type !== 'rich_text'));
      assert.doesNotMatch(texts, /<!channel>|evil\.example/);
    }
  });
});
