import assert from 'node:assert/strict';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, suite, test } from 'node:test';
import { serialize } from 'pg-protocol';
import { JWT_BEARER } from '#gateway/oauth/jwt-bearer.ts';
import { TOKEN_EXCHANGE } from '#gateway/oauth/token-exchange.ts';
import { come, MACHINE, startBearerWorld, type BearerWorld } from '../fakes/bearer-world.ts';
import { signedIn, type Browser } from '../fakes/browser.ts';
import { eventually } from '../fakes/gateway.ts';
import { codes, Q, RawClient, told } from '../fakes/raw-client.ts';
import type { Visitor } from '../fakes/visitor.ts';
import { overtaken } from './overtaken.ts';
import { formOf, HOUR, someone, World } from './sessions-world.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const TYPE = 'urn:ietf:params:oauth:token-type:access_token';

suite('in the moment of the end', () => {
  const world = new World();
  let security: Browser;
  before(async () => {
    await world.open({ confirm: 'unknown-password' });
    security = await world.by('security');
  });
  after(() => world.close());

  const act = async (who: string, what: string): Promise<void> => {
    const path = `/people/${who}@example.com`;
    const { status, text } = await security.post(path, { act: what });
    assert.equal(status, 303, text);
  };
  const live = async (who: string) => {
    const { rows } = await world.gateway.storeSql.query(
      `select label from countersign.token where person = $1 and revoked_at is null`,
      [`${who}@example.com`],
    );
    return rows.map(({ label }) => label);
  };
  const enter = async (who: string): Promise<Visitor> => {
    await security.get(`/people/${who}@example.com`);
    return (await world.through(someone(who))).visitor;
  };
  const ask = async (path: string, form: Record<string, string>) => {
    const body = new URLSearchParams({ client_id: 'psql', ...form });
    const reply = await fetch(`${world.at}${path}`, { method: 'POST', body });
    const read: any = await reply.json();
    return read;
  };
  const found = async (visitor: Visitor, code: string) => {
    const csrf = formOf((await visitor.get('/device')).text);
    const { text } = await world.send(visitor, '/device', { csrf, code });
    const login = /name="login" value="([^"]+)"/u.exec(text)?.[1] ?? '';
    return { csrf, login, decision: 'approve' };
  };

  test('a stolen cookie makes no token that outlives the end of everything', async () => {
    const visitor = await enter('thief');
    const csrf = formOf((await visitor.get('/account')).text);
    const made = await overtaken(
      world.gateway,
      () => act('thief', 'end-everything'),
      () => world.send(visitor, '/account/tokens', { csrf, label: 'late', lifetime: `${HOUR}` }),
    );
    assert.equal(made.status, 403);
    assert.doesNotMatch(made.text, /cs_[\w-]{49}/u);
    assert.deepEqual(await live('thief'), []);
  });

  test('nor does it confirm a terminal, and one that was confirmed gets no token', async () => {
    const visitor = await enter('terminal');
    const pending = await ask('/oauth/device_authorization', {});
    const form = await found(visitor, pending.user_code);
    const decided = await overtaken(
      world.gateway,
      () => act('terminal', 'end-everything'),
      () => world.send(visitor, '/device/decision', form),
    );
    assert.equal(decided.status, 409, decided.text);

    const again = await enter('terminal');
    const { user_code, device_code } = await ask('/oauth/device_authorization', {});
    const confirmed = await world.send(again, '/device/decision', await found(again, user_code));
    assert.equal(confirmed.status, 200);
    const fetched = await overtaken(
      world.gateway,
      () => act('terminal', 'end-everything'),
      () => ask('/oauth/token', { grant_type: DEVICE, device_code }),
    );
    assert.equal(fetched.error, 'access_denied');
    for (const code of [device_code, pending.device_code])
      assert.equal(
        (await ask('/oauth/token', { grant_type: DEVICE, device_code: code })).access_token,
        undefined,
      );
    assert.deepEqual(await live('terminal'), []);
  });

  test('a sign-in that the deactivation overtakes does not come to life when the person is let in again', async () => {
    await enter('returner');
    const { visitor, answer } = await overtaken(
      world.gateway,
      () => act('returner', 'deactivate'),
      () => world.through(someone('returner')),
    );
    assert.equal(answer.status, 403, answer.text);
    await act('returner', 'activate');
    assert.equal(await visitor.isIn(), false);
    await world.gateway.verify();
  });

  test('a token that ends while its connection is made opens no session', async () => {
    const { token, info } = await world.issue('engineer', ['connect']);
    const sql = world.gateway.storeSql;
    await sql.query('begin; lock table countersign.record in share mode');
    const opening = RawClient.connect(world.gateway, 'engineer', token);
    await sleep(300);
    // Without a notice: as if it had been heard before there was a session to end.
    await sql.query('update countersign.token set revoked_at = clock_timestamp() where id = $1', [
      info.id,
    ]);
    await sql.query('commit');
    const client = await opening;
    assert.match(told(client.greeting), /28000.*revoked/u);
  });

  test('a connection that was confirmed in a sign-in with a token ends with that token', async () => {
    const kind = { password: false };
    const { tokens, postgres } = world.gateway.running;
    const own = await tokens.issue('approver@example.com', ['connect', 'read'], 'x', 60_000, kind);
    const browser = await signedIn(world.at, own.token);
    const socket = net.connect(postgres.port, '127.0.0.1').setNoDelay(true);
    const client = RawClient.over(socket, () => undefined);
    client.send(serialize.startup({ user: 'approver@example.com', database: 'shop' }));
    const path =
      /\/connect\/[A-Z-]{14}/u.exec(told(await client.until('readyForQuery')))?.[0] ?? '';
    await browser.get(path);
    assert.equal((await browser.post(path, { decision: 'confirm' })).status, 200);
    assert.deepEqual(codes(await client.ask(Q('select 1'))), []);
    const [session] = (await tokens.list('approver@example.com')).filter(({ label }) =>
      label.startsWith('confirmed for'),
    );
    assert.ok(Date.parse(session?.expiresAt ?? '') <= Date.parse(own.info.expiresAt));
    await tokens.revoke(own.info.id);
    assert.match(told(await client.until('closed')), /57P01.*revoked/u);
  });

  test('when an address is released, nothing of who had it goes on under it', async () => {
    const visitor = await enter('heir');
    const { token } = await world.issue('heir', ['connect', 'read']);
    const client = await world.gateway.open('heir', { password: token });
    const ends: Error[] = [];
    client.on('error', (error) => ends.push(error));
    await act('heir', 'release');
    const end = await eventually('the end of the session', async () => ends[0]);
    assert.equal(Reflect.get(end, 'code'), '57P01');
    const { rows } = await world.gateway.storeSql.query(
      `select groups, valid_until <= clock_timestamp() as over from countersign.person where email = 'heir@example.com'`,
    );
    assert.deepEqual(rows, [{ groups: [], over: true }]);
    const heir = await world.through({
      ...someone('heir'),
      sub: 'another person',
      groups: ['dba'],
    });
    assert.equal(heir.answer.status, 303);
    assert.equal(await visitor.isIn(), false);
    assert.equal(await world.gateway.running.tokens.check(token, 'connect'), undefined);
  });
});

suite('a provider’s token that was revoked here', () => {
  let world: BearerWorld;
  before(async () => {
    world = await startBearerWorld();
  });
  after(() => world?.stop());

  const exchange = async (subject_token: string) =>
    world.grant(TOKEN_EXCHANGE, {
      subject_token,
      subject_token_type: TYPE,
      actor_token: await world.actor(),
      actor_token_type: TYPE,
    });
  const standing = async (user: string) => {
    const { tokens } = world.gateway.running;
    const found = (await tokens.list(user)).find(({ label }) =>
      /^(?:access|platform)/u.test(label),
    );
    return found?.id ?? '';
  };

  test('is not exchanged for an agent’s, and takes along what it was exchanged for', async () => {
    const user = 'engineer@example.com';
    const bearer = await world.access('engineer');
    const { body } = await exchange(bearer);
    const client = await RawClient.connect(world.gateway, 'engineer', body.access_token);
    await world.gateway.running.tokens.revoke(await standing(user));
    assert.match(told(await client.until('closed')), /57P01.*revoked/u);
    const again = await exchange(bearer);
    assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
    assert.match(again.body.error_description, /revoked/u);
  });

  test('is not exchanged for a machine’s either', async () => {
    const assertion = await world.job({ exp: Math.floor(Date.now() / 1_000) + 3_600 });
    const client = await come(world, { user: MACHINE, bearer: assertion });
    await world.gateway.running.tokens.revoke(await standing(MACHINE));
    assert.match(told(await client.until('closed')), /57P01.*revoked/u);
    const late = await world.grant(JWT_BEARER, { assertion });
    assert.deepEqual([late.status, late.body.error], [400, 'invalid_grant']);
  });
});
