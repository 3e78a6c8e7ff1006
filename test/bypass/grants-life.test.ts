import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { startBeside } from '../fakes/beside.ts';
import { eventually, type TestGateway } from '../fakes/gateway.ts';
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

suite('a grant', () => {
  test('begins with its first use, not with its approval, and lifts no more than its role', async () => {
    await world.clear();
    const grant = await world.granted();
    assert.equal(grant.state, 'waiting');
    assert.equal(grant.endsAt, undefined);
    const client = await gateway.open();
    assert.equal(await world.write(client), 'ran');
    const live = await eventually('its start', async () => {
      const now = await world.grantOf(grant.id);
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
    await world.clear();
    const grant = await world.granted();
    await gateway.storeSql.query(
      'update countersign.access_grant set use_by = clock_timestamp() where id = $1',
      [grant.id],
    );
    await eventually('its end', async () => (await world.grantOf(grant.id)).endedAt);
    const client = await gateway.open();
    assert.equal(await world.write(client), '42501');
    assert.equal((await world.grantOf(grant.id)).startsAt, undefined);
    await client.end();
  });

  test('is over for every statement when its time is, before anybody has said so', async () => {
    await world.clear();
    const grant = await world.granted();
    const client = await gateway.open();
    assert.equal(await world.write(client), 'ran');
    await eventually('its start', async () => (await world.grantOf(grant.id)).startsAt);
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
    const then = await world.write(client).catch(() => 'gone');
    assert.notEqual(then, 'ran');
  });

  test('ends with its sessions, what runs is cancelled, and they are told why', async () => {
    await world.clear();
    const grant = await world.granted();
    const client = await gateway.open();
    assert.equal(await world.write(client), 'ran');
    await eventually('its start', async () => (await world.grantOf(grant.id)).startsAt);
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
    const ended = await world.end('security', grant.id, 'incident 7');
    assert.equal(ended.status, 200, JSON.stringify(ended.body));
    assert.equal(await slow, '57014', 'cancelled');
    await eventually('why', () =>
      said.some((text) =>
        /grant of the role writer has ended.*security@example.com: incident 7/.test(text),
      ),
    );
    assert.equal((await other.query('select 1 as n')).rows[0].n, 1, 'sessions of others go on');
    const again = await gateway.open();
    assert.equal(await world.write(again), '42501');
    await again.end();
    await other.end();
  });

  test('where a rule says so, what runs may finish', async () => {
    await world.clear();
    await assert.rejects(gateway.open('stranger'));
    const asked = await world.ask('stranger', 'visitor');
    assert.equal(asked.body.state, 'granted', JSON.stringify(asked.body));
    const client = await gateway.open('stranger');
    await eventually('its start', async () => (await world.grantOf(asked.body.grant.id)).startsAt);
    const slow = client.query('select pg_sleep(2)').then(
      () => 'ran',
      (error: any) => error.message,
    );
    await eventually('the sleep', async () =>
      (await gateway.ranOnTarget()).some((text) => text.includes('pg_sleep(2)')),
    );
    assert.equal((await world.end('security', asked.body.grant.id)).status, 200);
    assert.equal(await slow, 'ran');
    await assert.rejects(client.query('select 1'));
    await assert.rejects(gateway.open('stranger'), 'and nobody connects with it any more');
  });

  test('does not outlive the rule or the group that allowed it', async () => {
    await world.clear();
    const grant = await world.granted();
    const client = await gateway.open();
    assert.equal(await world.write(client), 'ran');
    await world.rules(
      WORK +
        ASK.replace(
          'principal in Group::"engineering", action == Action::"request", resource == Role::"shop/writer"',
          'principal in Group::"dba", action == Action::"request", resource == Role::"shop/writer"',
        ),
    );
    const over = await eventually('its end', async () => {
      const now = await world.grantOf(grant.id);
      return now.endedAt && now;
    });
    assert.match(over.endedWhy, /no rule lets you ask for the role writer/);
    await world.rules(WORK + ASK);
    const again = await gateway.open();
    assert.equal(await world.write(again), '42501', 'and it does not come back with the rule');
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
      await world.clear();
      const grant = await world.granted();
      const ended = await world.end(who, grant.id);
      assert.equal(ended.status, status, `${who}: ${JSON.stringify(ended.body)}`);
      if (status !== 200) continue;
      assert.equal(ended.body.revokedBy, `${who}@example.com`);
      assert.equal((await world.end(who, grant.id)).status, 409);
    }
    await world.clear();
    const grant = await world.granted();
    const bare = await world.send('approver', 'DELETE', `/grants/${grant.id}`, { reason: 'x' });
    assert.equal(bare.status, 403, 'a token that cannot decide ends nothing of others');
    assert.equal((await world.end('approver', grant.id, '')).body.code, 'reason-required');
  });

  test('holds on every gateway, and ends on every gateway', async () => {
    await world.clear();
    const beside = await startBeside(gateway, 'beside-grants');
    try {
      const { token } = await beside.running.tokens.issue(
        'engineer@example.com',
        ['connect'],
        't',
        600_000,
      );
      const grant = await world.granted();
      const client = await gateway.open('engineer', {
        port: beside.running.postgres.port,
        password: token,
      });
      assert.equal(await world.write(client), 'ran');
      await eventually('its start', async () => (await world.grantOf(grant.id)).startsAt);
      assert.equal((await world.end('security', grant.id)).status, 200);
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

test('it ends with its person, and with all that they have', async () => {
  await world.clear();
  const grant = await world.granted();
  await gateway.api('security', '/people/engineer@example.com/end', { reason: 'left' });
  const then = await world.grantOf(grant.id);
  assert.equal(then.state, 'ended');
  assert.match(then.endedWhy, /left/);
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
