import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { startBeside } from '../fakes/beside.ts';
import { eventually, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

const WORK = `
@id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
@id("read") permit (principal in Group::"engineering", action in [Action::"read", Action::"reveal", Action::"filter", Action::"join"], resource in Target::"shop");
@id("run") permit (principal in Group::"engineering", action == Action::"execute", resource);
@id("write") permit (principal in Role::"shop/writer", action in [Action::"write", Action::"delete", Action::"assign"], resource in Target::"shop");
@id("visit") permit (principal in Role::"shop/visitor", action in [Action::"connect", Action::"read", Action::"reveal", Action::"filter"], resource in Target::"shop");
@id("visitors-run") permit (principal in Role::"shop/visitor", action == Action::"execute", resource);
@id("admin") permit (principal in Role::"shop/admin", action in [Action::"write", Action::"assign", Action::"administer"], resource in Target::"shop");
`;
const ASK = `
@id("ask-writer") @duration("4h") permit (principal in Group::"engineering", action == Action::"request", resource == Role::"shop/writer");
@id("writer-second") @hold("dba") @expires("1h") @reason("required") forbid (principal, action == Action::"request", resource == Role::"shop/writer");
@id("ask-visitor") @ends("finish") permit (principal == Person::"stranger@example.com", action == Action::"request", resource == Role::"shop/visitor");
@id("ask-ticket") @ticket("OPS-[0-9]+") @start("approval") permit (principal in Group::"engineering", action == Action::"request", resource == Role::"shop/ticketed");
@id("glass") @duration("1h") @review("security") permit (principal in Group::"engineering", action == Action::"break-glass", resource == Role::"shop/admin");
`;

let gateway: TestGateway;
let count = 0;
before(async () => {
  gateway = await startGateway({ onlyRules: WORK + ASK, rules: '' });
});
after(() => gateway?.stop());

const send = async (
  who: Who,
  method: string,
  path: string,
  body?: unknown,
  use: 'connect' | 'decide' = 'connect',
): Promise<{ status: number; body: any }> => {
  const response = await fetch(gateway.running.api + path, {
    method,
    headers: {
      authorization: `Bearer ${await gateway.token(who, use)}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
};
const ask = (who: Who, role: string, more: object = {}) =>
  send(who, 'POST', '/requests', {
    kind: 'access',
    target: 'shop',
    role,
    reason: 'a customer waits for it',
    ...more,
  });
const approve = (who: Who, id: string, more: object = {}) =>
  gateway.api(who, `/requests/${id}/decision`, { decision: 'approve', reason: 'fine', ...more });
const end = (who: Who, id: string, reason = 'not needed any more') =>
  send(who, 'DELETE', `/grants/${id}`, { reason }, who === 'engineer' ? 'connect' : 'decide');
/** Nothing is left of what a test before has granted. */
const clear = async (): Promise<void> => {
  const { body } = await send('security', 'GET', '/grants', undefined, 'decide');
  for (const grant of body.grants) assert.equal((await end('security', grant.id)).status, 200);
  await gateway.storeSql.query(
    `update countersign.request set state = 'withdrawn' where state = 'pending'`,
  );
};
/** A grant of the role, approved where it must be. */
const granted = async (role = 'writer', more: object = {}): Promise<any> => {
  const asked = await ask('engineer', role, more);
  assert.equal(asked.status, 200, JSON.stringify(asked.body));
  if (asked.body.state === 'granted') return asked.body.grant;
  const { status, body } = await approve('approver', asked.body.id);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.state, 'granted');
  return body.grant;
};
const write = async (client: { query(sql: string): Promise<unknown> }): Promise<string> =>
  client.query(`update orders set status = 'g${(count += 1)}' where id = 5`).then(
    () => 'ran',
    (error: any) => error.code,
  );
const grantOf = async (id: string): Promise<any> =>
  (await send('security', 'GET', `/grants/${id}`, undefined, 'decide')).body;

suite('asking', () => {
  test('who may ask, for what, and for how long, is what the rules say now', async () => {
    await clear();
    assert.equal((await ask('stranger', 'writer')).status, 403);
    assert.equal((await ask('engineer', 'admin')).status, 403, 'no rule speaks of asking for it');
    assert.equal((await ask('engineer', 'nothing')).status, 403);
    assert.equal((await ask('engineer', 'writer', { target: 'else' })).status, 403);
    assert.equal((await ask('engineer', 'writer', { duration: '5h' })).body.code, 'too-long');
    assert.equal((await ask('engineer', 'writer', { reason: ' ' })).body.code, 'reason-required');
    assert.equal((await ask('engineer', 'writer', { kind: 'break-glass' })).status, 403);
    assert.equal((await ask('engineer', 'writer', { role: 'writer/../admin' })).status, 403);
    await eventually('a record of each try', async () => {
      const records = await gateway.records('request');
      return records.filter(({ json }) => json.body.event === 'not-permitted').length >= 6;
    });
    const { body } = await send('engineer', 'GET', '/access');
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
    await clear();
    const { body } = await ask('engineer', 'writer');
    assert.equal(body.state, 'pending');
    assert.equal((await ask('engineer', 'writer')).body.code, 'already-asked');
    assert.equal((await send('approver', 'DELETE', `/requests/${body.id}`)).status, 403);
    assert.equal((await send('stranger', 'DELETE', `/requests/${body.id}`)).status, 404);
    assert.equal(
      (await send('engineer', 'DELETE', `/requests/${body.id}`)).body.state,
      'withdrawn',
    );
    assert.equal((await approve('approver', body.id)).status, 409);
    assert.equal((await ask('engineer', 'writer')).body.state, 'pending', 'it can be asked again');
  });

  test('nobody approves their own, or for longer than was asked, or without being one who may', async () => {
    await clear();
    const own = await ask('approver', 'writer');
    assert.equal((await approve('approver', own.body.id)).body.code, 'own-request');
    const { body } = await ask('engineer', 'writer', { duration: '2h' });
    assert.equal((await approve('oncall', body.id)).status, 403);
    assert.equal((await approve('approver', body.id, { duration: '3h' })).body.code, 'no-duration');
    const { body: decided } = await approve('approver', body.id, { duration: '30m' });
    assert.equal(decided.grant.durationMs, 1_800_000, 'for a shorter time');
    const statement = gateway.open().then((client) => write(client));
    assert.equal(await statement, 'ran');
  });

  test('a reason names a ticket where a rule asks for one', async () => {
    await clear();
    for (const reason of ['because', 'OPS-', 'xOPS-12', 'OPS-12x', 'OPS-1-OPS-'])
      assert.equal(
        (await ask('engineer', 'ticketed', { reason })).body.code,
        'ticket-required',
        reason,
      );
    assert.equal(
      (await ask('engineer', 'ticketed', { reason: 'see OPS-12.' })).body.state,
      'granted',
    );
  });

  test('rules that changed while it waited decide at the approval', async () => {
    await clear();
    const { body } = await ask('engineer', 'writer');
    const rules = join(gateway.config.policies, 'shop.cedar');
    await writeFile(rules, WORK);
    await gateway.running.reload();
    const decided = await approve('approver', body.id);
    await writeFile(rules, WORK + ASK);
    await gateway.running.reload();
    assert.equal(decided.body.state, 'refused', JSON.stringify(decided.body));
    assert.equal(decided.body.grant, undefined);
    const client = await gateway.open();
    assert.equal(await write(client), '42501');
    await client.end();
  });
});

suite('a grant', () => {
  test('begins with its first use, not with its approval, and lifts no more than its role', async () => {
    await clear();
    const grant = await granted();
    assert.equal(grant.state, 'waiting');
    assert.equal(grant.endsAt, undefined);
    const client = await gateway.open();
    assert.equal(await write(client), 'ran');
    const live = await eventually('its start', async () => {
      const now = await grantOf(grant.id);
      return now.state === 'live' && now;
    });
    assert.equal(Date.parse(live.endsAt) - Date.parse(live.startsAt), 4 * 3_600_000);
    assert.equal(await client.query('create table x (id int)').catch((e: any) => e.code), '42501');
    const events = (await gateway.records('grant')).filter(
      ({ json }) => json.body.grant === grant.id,
    );
    assert.deepEqual(
      events.map(({ json }) => json.body.event),
      ['started'],
    );
    await client.end();
  });

  test('that is not used in time never begins', async () => {
    await clear();
    const grant = await granted();
    await gateway.storeSql.query(
      'update countersign.access_grant set use_by = clock_timestamp() where id = $1',
      [grant.id],
    );
    await eventually('its end', async () => (await grantOf(grant.id)).endedAt);
    const client = await gateway.open();
    assert.equal(await write(client), '42501');
    assert.equal((await grantOf(grant.id)).startsAt, undefined);
    await client.end();
  });

  test('is over for every statement when its time is, before anybody has said so', async () => {
    await clear();
    const grant = await granted();
    const client = await gateway.open();
    assert.equal(await write(client), 'ran');
    await eventually('its start', async () => (await grantOf(grant.id)).startsAt);
    await gateway.storeSql.query(
      `update countersign.access_grant set ends_at = clock_timestamp() + interval '1200 ms' where id = $1`,
      [grant.id],
    );
    const { rows } = await gateway.storeSql.query(
      'select ends_at from countersign.access_grant where id = $1',
      [grant.id],
    );
    // What was known of it before may be a second old.
    await new Promise((resolve) => setTimeout(resolve, rows[0].ends_at.getTime() - Date.now() + 5));
    const after = await write(client).catch(() => 'gone');
    assert.notEqual(after, 'ran');
  });

  test('ends with its sessions, what runs is cancelled, and they are told why', async () => {
    await clear();
    const grant = await granted();
    const client = await gateway.open();
    assert.equal(await write(client), 'ran');
    await eventually('its start', async () => (await grantOf(grant.id)).startsAt);
    const other = await gateway.open('approver');
    const said: string[] = [];
    client.on('error', (error) => said.push(error.message));
    const slow = client.query('select pg_sleep(30)').then(
      () => 'ran',
      (error: any) => error.code,
    );
    await eventually('the sleep', async () =>
      (await gateway.ranOnTarget()).some((text) => text.includes('pg_sleep(30)')),
    );
    const ended = await end('security', grant.id, 'incident 7');
    assert.equal(ended.status, 200, JSON.stringify(ended.body));
    assert.equal(await slow, '57014', 'cancelled');
    await eventually('why', () =>
      said.some((text) =>
        /grant of the role writer has ended.*security@example.com: incident 7/.test(text),
      ),
    );
    assert.equal((await other.query('select 1 as n')).rows[0].n, 1, 'sessions of others go on');
    const again = await gateway.open();
    assert.equal(await write(again), '42501');
    await again.end();
    await other.end();
  });

  test('where a rule says so, what runs may finish', async () => {
    await clear();
    await assert.rejects(gateway.open('stranger'));
    const asked = await ask('stranger', 'visitor');
    assert.equal(asked.body.state, 'granted', JSON.stringify(asked.body));
    const client = await gateway.open('stranger');
    await eventually('its start', async () => (await grantOf(asked.body.grant.id)).startsAt);
    const slow = client.query('select pg_sleep(2)').then(
      () => 'ran',
      (error: any) => error.message,
    );
    await eventually('the sleep', async () =>
      (await gateway.ranOnTarget()).some((text) => text.includes('pg_sleep(2)')),
    );
    assert.equal((await end('security', asked.body.grant.id)).status, 200);
    assert.equal(await slow, 'ran');
    await assert.rejects(client.query('select 1'));
    await assert.rejects(gateway.open('stranger'), 'and nobody connects with it any more');
  });

  test('does not outlive the rule or the group that allowed it', async () => {
    await clear();
    const grant = await granted();
    const client = await gateway.open();
    assert.equal(await write(client), 'ran');
    const rules = join(gateway.config.policies, 'shop.cedar');
    await writeFile(
      rules,
      WORK +
        ASK.replace(
          'principal in Group::"engineering", action == Action::"request", resource == Role::"shop/writer"',
          'principal in Group::"dba", action == Action::"request", resource == Role::"shop/writer"',
        ),
    );
    await gateway.running.reload();
    const over = await eventually('its end', async () => {
      const now = await grantOf(grant.id);
      return now.endedAt && now;
    });
    assert.match(over.endedWhy, /no rule lets you ask for the role writer/);
    await writeFile(rules, WORK + ASK);
    await gateway.running.reload();
    const again = await gateway.open();
    assert.equal(await write(again), '42501', 'and it does not come back with the rule');
    await again.end();
  });

  test('is ended by who has it, who could approve it, and security; by nobody else', async () => {
    for (const [who, status] of [
      ['stranger', 404],
      ['oncall', 403],
      ['engineer', 200],
      ['approver2', 200],
      ['security', 200],
    ] as const) {
      await clear();
      const grant = await granted();
      const ended = await end(who, grant.id);
      assert.equal(ended.status, status, `${who}: ${JSON.stringify(ended.body)}`);
      if (status !== 200) continue;
      assert.equal(ended.body.revokedBy, `${who}@example.com`);
      assert.equal((await end(who, grant.id)).status, 409);
    }
    await clear();
    const grant = await granted();
    const bare = await send('approver', 'DELETE', `/grants/${grant.id}`, { reason: 'x' });
    assert.equal(bare.status, 403, 'a token that cannot decide ends nothing of others');
    assert.equal((await end('approver', grant.id, '')).body.code, 'reason-required');
  });

  test('holds on every gateway, and ends on every gateway', async () => {
    await clear();
    const beside = await startBeside(gateway, 'beside-grants');
    try {
      const { token } = await beside.running.tokens.issue(
        'engineer@example.com',
        ['connect'],
        't',
        600_000,
      );
      const grant = await granted();
      const client = await gateway.open('engineer', {
        port: beside.running.postgres.port,
        password: token,
      });
      assert.equal(await write(client), 'ran');
      await eventually('its start', async () => (await grantOf(grant.id)).startsAt);
      assert.equal((await end('security', grant.id)).status, 200);
      await eventually('the end of the session', () =>
        client.query('select 1').then(
          () => undefined,
          () => true,
        ),
      );
    } finally {
      await beside.running.stop();
    }
  });
});

suite('break-glass', () => {
  const glass = (who: Who, reason: string, more: object = {}) =>
    ask(who, 'admin', { kind: 'break-glass', reason, ...more });
  const LONG = 'the orders table is locked by a stuck migration and checkout is down now';

  test('is at once, loud, for ten different words, and off unless a rule lets them', async () => {
    await clear();
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
    assert.equal(await write(client), 'ran');
    await client.end();
  });

  test('is reviewed by somebody else of the group that the rule names, once it is over', async () => {
    await clear();
    const { body } = await glass('engineer', LONG);
    const { id } = body.grant;
    const review = (who: Who, text = 'Two orders were set right; nothing else was touched.') =>
      gateway.api(who, `/grants/${id}/review`, { review: text });
    assert.equal((await review('security')).body.code, 'not-ended');
    await end('engineer', id);
    assert.equal((await review('engineer')).status, 403);
    assert.equal((await review('approver')).status, 404, 'it is not shown to them');
    assert.equal((await review('oncall')).status, 403);
    assert.equal((await review('security', 'ok')).status, 422);
    const open = await send('security', 'GET', '/grants?state=unreviewed', undefined, 'decide');
    assert.ok(open.body.grants.some((grant: any) => grant.id === id));
    const done = await review('security');
    assert.equal(done.status, 200, JSON.stringify(done.body));
    assert.equal(done.body.reviewedBy, 'security@example.com');
    assert.equal((await review('security')).status, 409);
  });
});

test('it ends with its person, and with all that they have', async () => {
  await clear();
  const grant = await granted();
  await gateway.api('security', '/people/engineer@example.com/end', { reason: 'left' });
  const after = await grantOf(grant.id);
  assert.equal(after.state, 'ended');
  assert.match(after.endedWhy, /left/);
});

test('the log holds every step, and verifies', async () => {
  await gateway.verify();
  const { rows } = await gateway.storeSql.query(
    `select g.id from countersign.access_grant g where not exists (
       select from countersign.record_body b where b.request = g.request and b.kind in ('request', 'decision')
         and (b.body::jsonb->'body'->>'event' = 'granted' or b.body::jsonb->'body'->>'state' = 'granted'))`,
  );
  assert.deepEqual(rows, [], 'no grant without the record that gave it');
});
