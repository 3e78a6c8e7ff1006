import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { eventually, type TestGateway, type Who } from '../fakes/gateway.ts';
import { ASK, startGrants, WORK, type GrantWorld } from './grant-world.ts';

let world: GrantWorld;
let gateway: TestGateway;
let stop: (() => Promise<void>) | undefined;
before(async () => {
  world = await startGrants();
  ({ gateway } = world);
  stop = () => gateway.stop();
});
after(() => stop?.());

suite('asking', () => {
  test('who may ask, for what, and for how long, is what the rules say now', async () => {
    await world.clear();
    assert.equal((await world.ask('stranger', 'writer')).status, 403);
    assert.equal(
      (await world.ask('engineer', 'admin')).status,
      403,
      'no rule speaks of asking for it',
    );
    assert.equal((await world.ask('engineer', 'nothing')).status, 403);
    assert.equal((await world.ask('engineer', 'writer', { target: 'else' })).status, 403);
    assert.equal((await world.ask('engineer', 'writer', { duration: '5h' })).body.code, 'too-long');
    assert.equal(
      (await world.ask('engineer', 'writer', { reason: ' ' })).body.code,
      'reason-required',
    );
    assert.equal((await world.ask('engineer', 'writer', { kind: 'break-glass' })).status, 403);
    assert.equal((await world.ask('engineer', 'writer', { role: 'writer/../admin' })).status, 403);
    await eventually('a record of each try', async () => {
      const records = await gateway.records('request');
      return records.filter(({ json }) => json.body.event === 'not-permitted').length >= 6;
    });
    const { body } = await world.send('engineer', 'GET', '/access');
    assert.deepEqual(
      body.offers.map(({ role, kind, longestMs }: any) => [role, kind, longestMs]),
      [
        ['admin', 'break-glass', 3_600_000],
        ['ticketed', 'access', 3_600_000],
        ['writer', 'access', 4 * 3_600_000],
      ].filter(([role]) => body.offers.some((one: any) => one.role === role)),
    );
  });

  test('the same is asked once, and taken back by who asked alone', async () => {
    await world.clear();
    const { body } = await world.ask('engineer', 'writer');
    assert.equal(body.state, 'pending');
    assert.equal((await world.ask('engineer', 'writer')).body.code, 'already-asked');
    assert.equal((await world.send('approver', 'DELETE', `/requests/${body.id}`)).status, 403);
    assert.equal((await world.send('stranger', 'DELETE', `/requests/${body.id}`)).status, 404);
    assert.equal(
      (await world.send('engineer', 'DELETE', `/requests/${body.id}`)).body.state,
      'withdrawn',
    );
    assert.equal((await world.approve('approver', body.id)).status, 409);
    assert.equal(
      (await world.ask('engineer', 'writer')).body.state,
      'pending',
      'it can be asked again',
    );
  });

  test('nobody approves their own, or for longer than was asked, or without being one who may', async () => {
    await world.clear();
    const own = await world.ask('approver', 'writer');
    assert.equal((await world.approve('approver', own.body.id)).body.code, 'own-request');
    const { body } = await world.ask('engineer', 'writer', { duration: '2h' });
    assert.equal((await world.approve('oncall', body.id)).status, 403);
    assert.equal(
      (await world.approve('approver', body.id, { duration: '3h' })).body.code,
      'no-duration',
    );
    const { body: decided } = await world.approve('approver', body.id, { duration: '30m' });
    assert.equal(decided.grant.durationMs, 1_800_000, 'for a shorter time');
    const statement = gateway.open().then((client) => world.write(client));
    assert.equal(await statement, 'ran');
  });

  test('a reason names a ticket where a rule asks for one', async () => {
    await world.clear();
    for (const reason of ['because', 'OPS-', 'xOPS-12', 'OPS-12x', 'OPS-1-OPS-'])
      assert.equal(
        (await world.ask('engineer', 'ticketed', { reason })).body.code,
        'ticket-required',
        reason,
      );
    assert.equal(
      (await world.ask('engineer', 'ticketed', { reason: 'see OPS-12.' })).body.state,
      'granted',
    );
  });

  test('rules that changed while it waited decide at the approval', async () => {
    await world.clear();
    const { body } = await world.ask('engineer', 'writer');
    await world.rules(WORK);
    const decided = await world.approve('approver', body.id);
    await world.rules(WORK + ASK);
    assert.equal(decided.body.state, 'refused', JSON.stringify(decided.body));
    assert.equal(decided.body.grant, undefined);
    const client = await gateway.open();
    assert.equal(await world.write(client), '42501');
    await client.end();
  });
});

const glass = (who: Who, reason: string, more: object = {}) =>
  world.ask(who, 'admin', { kind: 'break-glass', reason, ...more });
const LONG = 'the orders table is locked by a stuck migration and checkout is down now';

test('rules that ask for more people now are not met by those who were asked before', async () => {
  await world.clear();
  const { body } = await world.ask('engineer', 'writer');
  await world.rules(
    `${WORK}${ASK} @id("and-security") @hold("security") forbid (principal, action == Action::"request", resource == Role::"shop/writer");`,
  );
  const decided = await world.approve('approver', body.id);
  await world.rules(WORK + ASK);
  assert.equal(decided.body.state, 'refused', JSON.stringify(decided.body));
  assert.equal(decided.body.grant, undefined);
});

suite('break-glass', () => {
  test('is at once, loud, for ten different words, and off unless a rule lets them', async () => {
    await world.clear();
    assert.equal((await glass('stranger', LONG)).status, 403);
    assert.equal((await glass('engineer', 'it broke')).body.code, 'reason-required');
    assert.equal((await glass('engineer', 'now '.repeat(20))).body.code, 'reason-required');
    const start = new Date(Date.now() + 3_600_000).toISOString();
    assert.equal((await glass('engineer', LONG, { start })).body.code, 'not-valid');
    const { body } = await glass('engineer', LONG);
    assert.equal(body.state, 'granted');
    assert.equal(body.grant.state, 'live', 'it does not wait for a use');
    assert.equal(body.grant.kind, 'break-glass');
    const { rows } = await gateway.storeSql.query(
      'select from countersign.outbox where request = $1',
      [body.id],
    );
    assert.ok(rows.length > 0, 'chat is told');
    const client = await gateway.open();
    assert.equal(await world.write(client), 'ran');
    await client.end();
  });

  test('is reviewed by somebody else of the group that the rule names, once it is over', async () => {
    await world.clear();
    const { body } = await glass('engineer', LONG);
    const { id } = body.grant;
    const review = (who: Who, text = 'Two orders were set right; nothing else was touched.') =>
      gateway.api(who, `/grants/${id}/review`, { review: text });
    assert.equal((await review('security')).body.code, 'not-ended');
    await world.end('engineer', id);
    assert.equal((await review('engineer')).status, 403);
    assert.equal((await review('approver')).status, 404, 'it is not shown to them');
    assert.equal((await review('oncall')).status, 403);
    assert.equal((await review('security', 'ok')).status, 422);
    const open = await world.send(
      'security',
      'GET',
      '/grants?state=unreviewed',
      undefined,
      'decide',
    );
    assert.ok(open.body.grants.some((grant: any) => grant.id === id));
    const done = await review('security');
    assert.equal(done.status, 200, JSON.stringify(done.body));
    assert.equal(done.body.reviewedBy, 'security@example.com');
    assert.equal((await review('security')).status, 409);
  });
});
