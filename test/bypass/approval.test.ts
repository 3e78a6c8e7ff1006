import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { Q, RawClient, codes, told } from '../fakes/raw-client.ts';
import { hold, leave, post, send, vote } from './held.ts';

const person = (name: string, groups: readonly string[]) => ({ name, groups });
const PEOPLE = new Map([
  ['engineer@example.com', person('engineer', ['engineering'])],
  ['approver@example.com', person('approver', ['engineering', 'dba'])],
  ['approver2@example.com', person('approver2', ['engineering', 'dba'])],
  ['security@example.com', person('security', ['engineering', 'security'])],
  ['oncall@example.com', person('oncall', ['engineering', 'oncall'])],
  ['stranger@example.com', person('stranger', [])],
]);
const RULES = `
  @id("test-ledger-needs-two") @hold("dba") @quorum("2") @message("two of them")
  forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/ledger");
  @id("test-brief-is-brief") @hold("dba") @expires("400ms") @message("be quick")
  forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/brief");
`;
const SCHEMA = `
  create table ledger (id bigint primary key, note text);
  create table brief (id bigint primary key, note text);
  insert into ledger values (1, 'a'); insert into brief values (1, 'a');
`;

describe('approving without the right to', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ rules: RULES, schema: SCHEMA, config: { people: PEOPLE } });
  });
  after(() => gateway.stop());

  test('an approver does not approve their own statement', async () => {
    const own = await hold(gateway, 'approver');
    const { status, body } = await vote(gateway, 'approver', own.id);
    assert.deepEqual([status, body.code], [403, 'own-request']);
    await leave(gateway, own);
  });

  test('an approver does not approve their own statement under another spelling of their name', async () => {
    const { token } = await gateway.running.tokens.issue(
      'APPROVER@Example.com',
      ['decide', 'read'],
      'loud',
      60_000,
    );
    const own = await hold(gateway, 'approver', 'orders', 'Approver@EXAMPLE.com');
    assert.notEqual(await post(gateway, own.id, { authorization: `Bearer ${token}` }), 200);
    assert.notEqual((await vote(gateway, 'approver', own.id)).status, 200);
    await leave(gateway, own);
  });

  test('who is not in the group does not approve, nor do they learn of the request', async () => {
    const one = await hold(gateway);
    for (const who of ['engineer', 'stranger', 'oncall', 'security']) {
      const { status } = await vote(gateway, who, one.id);
      assert.ok(status >= 400, `${who}: ${status}`);
    }
    assert.equal((await gateway.api('stranger', `/requests/${one.id}`)).status, 404);
    assert.deepEqual((await gateway.api('stranger', '/requests')).body.requests, []);
    const unknown = await vote(gateway, 'stranger', randomUUID());
    assert.deepEqual(await vote(gateway, 'stranger', one.id), unknown);
    await leave(gateway, one);
    assert.deepEqual(await vote(gateway, 'stranger', one.id), unknown);
    await eventually('the record of each try', async () => {
      const tries = (await gateway.records('request'))
        .filter((record) => record.person === 'stranger@example.com')
        .filter(({ request }) => request === one.id)
        .map(({ json }) => `${json.body.event} ${json.body.code}`);
      const all = 'vote-refused not-an-approver, vote-refused already-decided';
      return [...new Set(tries)].join(', ') === all && tries.length === 3;
    });
  });

  test('a quorum of two is not one person twice', async () => {
    const one = await hold(gateway, 'engineer', 'ledger');
    assert.equal((await vote(gateway, 'approver', one.id)).body.state, 'pending');
    assert.equal((await vote(gateway, 'approver', one.id)).status, 409);
    const { token } = await gateway.running.tokens.issue(
      'approver@example.com',
      ['decide'],
      'second',
      60_000,
    );
    assert.equal(await post(gateway, one.id, { authorization: `Bearer ${token}` }), 409);
    assert.equal(await one.ran(), false);
    assert.equal((await vote(gateway, 'approver2', one.id)).body.state, 'approved');
    assert.match(told(await one.client.until('readyForQuery')), /UPDATE 1/);
    one.client.end();
  });

  test('a quorum of two is not two votes at the same moment of one person', async () => {
    const one = await hold(gateway, 'engineer', 'ledger');
    const votes = await Promise.all([1, 2, 3, 4].map(() => vote(gateway, 'approver', one.id)));
    assert.equal(votes.filter(({ status }) => status === 200).length, 1);
    assert.equal(await one.ran(), false);
    await leave(gateway, one);
  });

  test('a quorum does not count the requester beside an approver', async () => {
    const own = await hold(gateway, 'approver', 'ledger');
    assert.equal((await vote(gateway, 'approver', own.id)).status, 403);
    assert.equal((await vote(gateway, 'approver2', own.id)).body.state, 'pending');
    await leave(gateway, own);
  });

  test('a rule that asks for a fresh sign-in is not satisfied by a token', async () => {
    const client = await RawClient.connect(gateway);
    await client.ask(Q("set countersign.reason = 'because'"));
    const id = await send(gateway, client, 'update payments set amount = 1 where id = 1');
    assert.equal((await vote(gateway, 'approver', id)).body.code, 'step-up-required');
    client.end();
  });

  test('a withdrawn request is not approved', async () => {
    const one = await hold(gateway);
    await leave(gateway, one);
    const { body } = await vote(gateway, 'approver', one.id);
    assert.equal(body.code, 'already-decided');
    assert.equal(await one.ran(), false);
  });

  test('a denied request is not approved by somebody else', async () => {
    const one = await hold(gateway);
    await vote(gateway, 'approver', one.id, { decision: 'deny' });
    await one.client.until('readyForQuery');
    assert.equal((await vote(gateway, 'approver2', one.id)).status, 409);
    assert.equal(await one.ran(), false);
    one.client.end();
  });

  test('an expired request is not approved', async () => {
    const one = await hold(gateway, 'engineer', 'brief');
    const heard = await one.client.until('readyForQuery');
    assert.deepEqual(codes(heard), ['57014']);
    const { body } = await vote(gateway, 'approver', one.id);
    assert.ok(['expired', 'already-decided'].includes(body.code), body.code);
    assert.equal(await one.ran(), false);
    one.client.end();
  });

  test('votes in the moment of the expiry let nothing run after it', async () => {
    const { rows } = await gateway.storeSql.query('select id from countersign.request');
    const known = rows.map(({ id }) => id);
    const clients = await Promise.all(Array.from({ length: 8 }, () => RawClient.connect(gateway)));
    for (const [i, client] of clients.entries())
      client.send(Q(`update brief set note = 'edge${i}' where id = 1`));
    const ids = await eventually('all of them', async () => {
      const now = await gateway.storeSql.query('select id from countersign.request');
      const fresh = now.rows.map(({ id }) => id).filter((id) => !known.includes(id));
      return fresh.length === clients.length ? fresh : undefined;
    });
    const left = await gateway.storeSql.query(
      `select id, extract(epoch from expires_at - clock_timestamp())::float8 * 1000 as ms
       from countersign.request where id = any($1) order by created_at`,
      [ids],
    );
    await Promise.all(
      left.rows.map(async ({ id, ms }, i) => {
        await new Promise((resolve) => setTimeout(resolve, ms - 35 + i * 8));
        await vote(gateway, 'approver', id);
      }),
    );
    await Promise.all(clients.map((client) => client.until('readyForQuery')));
    const late = await gateway.storeSql.query(
      `select r.id from countersign.request r join countersign.record_body b on b.request = r.id
       where r.id = any($1) and b.kind in ('decision', 'claim') and b.at > r.expires_at + interval '1 ms'`,
      [ids],
    );
    assert.deepEqual(late.rows, []);
    const ran = (await gateway.ranOnTarget()).filter((sql) => sql.includes("'edge"));
    const claims = (await gateway.records('claim')).filter(({ request }) => ids.includes(request));
    assert.equal(ran.length, claims.length);
    for (const client of clients) client.end();
  });

  test('an approved request is not approved into a second run', async () => {
    const one = await hold(gateway);
    assert.equal((await vote(gateway, 'approver', one.id)).body.state, 'approved');
    await one.client.until('readyForQuery');
    assert.equal((await vote(gateway, 'approver2', one.id)).status, 409);
    one.client.send(Q(one.text));
    const again = await gateway.pending([one.id]);
    assert.notEqual(again.id, one.id);
    assert.equal((await gateway.ranOnTarget()).filter((sql) => sql === one.text).length, 1);
    one.client.end();
  });

  test('a decision on an older version of a request is stale', async () => {
    const one = await hold(gateway, 'engineer', 'ledger');
    const { version } = (await gateway.api('approver2', `/requests/${one.id}`)).body;
    await vote(gateway, 'approver', one.id);
    if (version !== undefined) {
      const { status } = await vote(gateway, 'approver2', one.id, { version });
      assert.equal(status, 409);
    }
    const unseen = await vote(gateway, 'approver2', one.id, { version: 99 });
    assert.equal(unseen.body.code, 'stale');
    await leave(gateway, one);
  });

  test('a write whose values an approver may not see is not approved by them', async () => {
    const client = await RawClient.connect(gateway, 'security');
    const id = await send(gateway, client, "update customers set ssn = '123-45-9999' where id = 7");
    const { status, body } = await vote(gateway, 'approver', id);
    assert.deepEqual([status, body.code], [403, 'must-review']);
    assert.doesNotMatch(
      JSON.stringify((await gateway.api('approver', `/requests/${id}`)).body),
      /9999/,
    );
    client.end();
  });
});
