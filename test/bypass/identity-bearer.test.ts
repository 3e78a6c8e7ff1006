import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { JWT_BEARER } from '#gateway/oauth/jwt-bearer.ts';
import { TOKEN_EXCHANGE } from '#gateway/oauth/token-exchange.ts';
import {
  API,
  come,
  MACHINE,
  MACHINES,
  startBearerWorld,
  type BearerWorld,
} from '../fakes/bearer-world.ts';
import { eventually } from '../fakes/gateway.ts';
import { forged } from '../fakes/jwt-issuer.ts';
import { codes, Q, RawClient, told } from '../fakes/raw-client.ts';
import { signedIn, browse } from '../fakes/browser.ts';
import { hold, leave, post } from './held.ts';

const ENGINEER = 'engineer@example.com';
const SELECT = Q('select id from orders where id = 42');
const TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const now = (): number => Math.floor(Date.now() / 1_000);

let world: BearerWorld;
before(async () => {
  world = await startBearerWorld();
});
after(() => world?.stop());

/** It was let in as nobody, and the token is nowhere in what it was told. */
async function isRefused(user: string, bearer: string, why = /28000/): Promise<void> {
  const client = await come(world, { user, bearer });
  const said = told(client.greeting);
  assert.match(said, /28000/, said);
  assert.match(said, why, said);
  assert.ok(!said.includes(bearer.slice(0, 60)), 'the token is quoted');
  client.end();
}

describe('OAUTHBEARER', () => {
  test('a client without a token learns where to get one; its own person’s opens a session', async () => {
    const asking = await come(world, { user: ENGINEER, bearer: '' });
    assert.deepEqual(asking.offered, ['OAUTHBEARER']);
    assert.deepEqual(JSON.parse(asking.challenge ?? ''), {
      status: 'invalid_token',
      'openid-configuration': `${world.gateway.config.publicUrl}/.well-known/openid-configuration`,
      scope: 'connect',
    });
    assert.match(told(asking.greeting), /28000/);
    const client = await come(world, { user: ENGINEER, bearer: await world.access('engineer') });
    assert.deepEqual(codes(await client.ask(SELECT)), []);
    client.end();
    const machine = await come(world, { user: MACHINE, bearer: await world.job() });
    assert.deepEqual(codes(await machine.ask(SELECT)), []);
    machine.end();
  });

  test('a token of ours opens a session; one that is no password keeps the other mechanism away', async () => {
    const { tokens } = world.gateway.running;
    const kind = { password: false };
    const own = await tokens.issue(ENGINEER, ['connect'], 'x', 60_000, kind);
    const client = await come(world, { user: 'Engineer@Example.com', bearer: own.token });
    assert.deepEqual(codes(await client.ask(SELECT)), []);
    await tokens.revoke(own.info.id);
    assert.match(told(await client.until('closed')), /57P01.*revoked/u);
    await isRefused(ENGINEER, own.token, /revoked/);
    const reads = await tokens.issue(ENGINEER, ['read'], 'x', 60_000, kind);
    await isRefused(ENGINEER, reads.token);
    const decides = await tokens.issue(ENGINEER, ['decide', 'read'], 'x', 60_000);
    await isRefused(ENGINEER, decides.token);
    const other = await tokens.issue('approver@example.com', ['connect'], 'x', 60_000, kind);
    await isRefused(ENGINEER, other.token, /another person/);
  });

  test('who has a live password is offered SCRAM alone, and cannot choose otherwise', async () => {
    const { tokens } = world.gateway.running;
    const own = await tokens.issue('oncall@example.com', ['connect'], 'x', 60_000);
    const bearer = own.token;
    const client = await come(world, { user: 'oncall@example.com', bearer });
    assert.deepEqual(client.offered, ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']);
    assert.match(told(client.greeting), /08P01/);
    await tokens.revoke(own.info.id);
  });

  test('another issuer, audience, algorithm, time, and an ID token are refused', async () => {
    const { acme, access } = world;
    const good = await access('engineer');
    const { kid = '', ...jwk } = acme.jwks[0] ?? {};
    const signed = (await world.platform.sign({
      sub: 'sub-engineer',
      aud: API,
      scope: 'x',
    })) as string;
    const [header, body] = forged(good, { alg: 'HS256', kid, typ: 'JWT' }).split('.');
    const mac = createHmac('sha256', JSON.stringify(jwk)).update(`${header}.${body}`);
    const confused = `${header}.${body}.${mac.digest('base64url')}`;
    for (const [bearer, why] of [
      [signed, /no provider/],
      [
        await world.platform.sign({ iss: acme.url, sub: 'sub-engineer', aud: API, scope: 'x' }),
        /signature/,
      ],
      [await access('engineer', { iss: 'https://elsewhere.example.com' }), /no provider/],
      [await access('engineer', { aud: 'api://other' }), /not made for/],
      [await access('engineer', { exp: now() - 60 }), /expired/],
      [await access('engineer', { iat: now() + 600, exp: now() + 900 }), /future/],
      [await access('engineer', { nbf: now() + 600 }), /not valid yet/],
      [await access('engineer', { exp: now() + 100_000 }), /24 hours/],
      [await access('engineer', { aud: [API, 'countersign'], nonce: 'n' }), /ID token/],
      [await access('engineer', { scope: undefined }), /ID token/],
      [await acme.sign({ sub: 'sub-engineer', aud: 'countersign', nonce: 'n' }), /not made for/],
      [await access('engineer', { act: { sub: 'assistant' } }), /acts for/],
      [forged(good, { alg: 'none', typ: 'JWT' }), /./],
      [confused, /alg|signature/],
      [forged(good, { alg: 'RS256', kid, typ: 'JWT' }, { sub: 'sub-approver' }), /./],
      ['cs_nothing', /unknown/],
      ['a.b.c', /./],
    ] as const)
      await isRefused(ENGINEER, bearer, why);
    await (await come(world, { user: ENGINEER, bearer: good })).ask(SELECT);
  });

  test('the token’s person must be the one who is named, by what the provider calls them for ever', async () => {
    await isRefused('approver@example.com', await world.access('engineer'), /another person/);
    await isRefused('stranger@example.com', await world.access('engineer'), /another person/);
    await isRefused(MACHINE, await world.access('engineer'));
    await isRefused(ENGINEER, await world.job());
    // An address in the token proves nothing.
    const claims = { email: ENGINEER, email_verified: true, preferred_username: ENGINEER };
    await isRefused(ENGINEER, await world.access('mallory', claims), /never signed in/);
    await isRefused('nobody@example.com', await world.access('nobody'), /never signed in/);
  });

  test('in the clear nothing of it is offered, and a token that comes all the same is refused', async () => {
    const bearer = await world.access('engineer');
    const client = await come(world, { user: ENGINEER, bearer, clear: true });
    assert.deepEqual(client.offered, ['SCRAM-SHA-256']);
    assert.match(told(client.greeting), /28000.*only over TLS.*sslmode=require/su);
  });

  test('a malformed exchange is refused, and a second answer is not waited for', async () => {
    const bearer = await world.access('engineer');
    const auth = `auth=Bearer ${bearer}`;
    for (const initial of [
      '',
      'n,,',
      `n,a=${ENGINEER},\x01${auth}\x01\x01`,
      `p=tls-unique,,\x01${auth}\x01\x01`,
      `n,,\x01${auth}\x01`,
      `n,,\x01${auth}\x01${auth}\x01\x01`,
      `n,,\x01auth=Basic ${bearer}\x01\x01`,
      `n,,\x01host=x\x01\x01`,
      `n,,\x01${auth}\x01\x01more`,
      `n,,\x01${auth}\x00\x01\x01`,
    ]) {
      const client = await come(world, { user: ENGINEER, bearer, initial });
      assert.match(told(client.greeting), /08P01/, JSON.stringify(initial.slice(0, 30)));
    }
    const scram = await come(world, { user: ENGINEER, bearer, mechanism: 'SCRAM-SHA-256' });
    assert.match(told(scram.greeting), /08P01/);
    const long = await come(world, { user: ENGINEER, bearer, initial: 'x'.repeat(20_000) });
    assert.match(told(long.greeting), /08P01|closed/);
  });

  test('a session ends with the token that opened it, and with what its person is', async () => {
    // Within the clocks' tolerance, but over.
    const over = await world.access('security', { iat: now() - 40, exp: now() - 15 });
    await isRefused('security@example.com', over, /expired/);
    const bearer = await world.access('security', { exp: now() + 3 });
    const short = await come(world, { user: 'security@example.com', bearer });
    assert.deepEqual(codes(short.greeting), []);
    assert.match(told(await short.until('closed')), /57P01.*expired/u);
  });

  test('every failure is a record without the token', async () => {
    const bearer = await world.access('engineer', { aud: 'api://other' });
    await isRefused(ENGINEER, bearer);
    const found = await eventually('the record', async () => {
      const all = await world.gateway.records('sign-in');
      return all.findLast(
        ({ person, json }) => person === ENGINEER && json.body.action === 'failed',
      );
    });
    assert.match(found.json.body.why, /not made for/);
    assert.equal(found.json.body.via, 'oauthbearer');
    for (const text of [
      JSON.stringify(await world.gateway.records()),
      world.gateway.logged.join(''),
    ])
      assert.ok(!text.includes(bearer.split('.')[2] ?? ''), 'the token is nowhere');
  });
});

describe('machines', () => {
  test('a platform token is exchanged once, for a short token that connects and reads', async () => {
    const assertion = await world.job();
    const { status, body } = await world.grant(JWT_BEARER, { assertion });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.scope, 'connect read');
    assert.ok(body.expires_in <= 3_600);
    const again = await world.grant(JWT_BEARER, { assertion });
    assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
    assert.match(again.body.error_description, /used already/);
    const client = await RawClient.connect(world.gateway, 'engineer', body.access_token, MACHINE);
    assert.deepEqual(codes(await client.ask(SELECT)), []);
    client.end();
    // One that a file keeps for an hour is read again and again.
    const kept = await world.job({ exp: now() + 3_600 });
    for (let i = 0; i < 2; i += 1)
      assert.equal((await world.grant(JWT_BEARER, { assertion: kept })).status, 200);
  });

  test('claims that only look right, and scopes beyond its own, get nothing', async () => {
    for (const more of [
      { repository: ['acme/shop'] },
      { repository: 'acme/shop2' },
      { repository: 'evil/acme/shop' },
      { ref: 'refs/heads/main\n' },
      { ref: undefined },
      { aud: [MACHINES, API] },
      { aud: API },
      { exp: now() - 60 },
    ]) {
      const { status, body } = await world.grant(JWT_BEARER, { assertion: await world.job(more) });
      assert.deepEqual([status, body.error], [400, 'invalid_grant'], JSON.stringify(more));
    }
    for (const scope of ['decide', 'connect decide', 'admin'])
      assert.equal(
        (await world.grant(JWT_BEARER, { assertion: await world.job(), scope })).body.error,
        'invalid_scope',
      );
    const person = await world.access('engineer');
    assert.equal(
      (await world.grant(JWT_BEARER, { assertion: person })).body.error,
      'invalid_grant',
    );
  });

  test('a machine decides nowhere, whatever groups and tokens it has', async () => {
    const { gateway } = world;
    // The operator may have made it a token by mistake.
    const scopes = ['connect', 'read', 'decide'] as const;
    const { token } = await gateway.running.tokens.issue(MACHINE, scopes, 'mistake', 60_000);
    const one = await hold(gateway);
    assert.equal(await post(gateway, one.id, { authorization: `Bearer ${token}` }), 403);
    const console = gateway.running.console;
    await assert.rejects(signedIn(console, token), /not signed in/);
    const browser = browse(console);
    await browser.get('/sign-in');
    const decision = { decision: 'approve', reason: 'x', version: '1' };
    assert.notEqual((await browser.post(`/requests/${one.id}/decision`, decision)).status, 200);
    const refused = (await gateway.records('request')).filter(({ person }) => person === MACHINE);
    assert.equal(refused[0]?.json.body.code, 'not-an-approver');
    assert.equal((await gateway.api('approver', `/requests/${one.id}`)).body.state, 'pending');
    await leave(gateway, one);
  });
});

describe('agents', () => {
  const exchange = async (form: Record<string, string>) =>
    world.grant(TOKEN_EXCHANGE, {
      subject_token_type: TYPE,
      actor_token_type: TYPE,
      actor_token: await world.actor(),
      ...form,
    });

  test('an agent acts for its person with both names in every record, and with the lesser power of the two', async () => {
    const { gateway } = world;
    const subject_token = await gateway.token('engineer');
    const { status, body } = await exchange({ subject_token });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.act, { sub: 'assistant' });
    assert.equal(body.issued_token_type, TYPE);
    assert.equal(body.scope, 'connect read');
    const client = await RawClient.connect(gateway, 'engineer', body.access_token);
    assert.deepEqual(codes(await client.ask(SELECT)), []);
    // What a person may have approved is forbidden to agents.
    const text = "update orders set status = 'agent' where id = 1";
    assert.match(told(await client.ask(Q(text))), /42501.*agents may read/su);
    // The agent may see cards; its person may not.
    const seen = told(await client.ask(Q('select card, ssn from customers where id = 1')));
    assert.doesNotMatch(seen, /4111 ?1111|123-?45/);
    client.end();
    const own = await eventually('the records of the session', async () => {
      const all = (await gateway.records()).filter(({ agent }) => agent === 'assistant');
      return all.some(({ kind }) => kind === 'session-end') ? all : undefined;
    });
    const session = own.find(({ kind }) => kind === 'session-start').session;
    const everything = (await gateway.records()).filter((record) => record.session === session);
    for (const record of everything)
      assert.deepEqual([record.person, record.agent], [ENGINEER, 'assistant'], record.kind);
    assert.ok(everything.some(({ kind }) => kind === 'outcome'));
  });

  test('an agent has no more than its person, though its own groups give it more', async () => {
    const { gateway } = world;
    const subject_token = await gateway.token('stranger');
    const { body } = await exchange({ subject_token });
    const client = await RawClient.connect(gateway, 'stranger', body.access_token);
    assert.match(told(client.greeting), /42501/);
  });

  test('an exchanged token lives no longer than the person’s, and ends with it', async () => {
    const { gateway } = world;
    const { tokens } = gateway.running;
    const own = await tokens.issue(ENGINEER, ['connect'], 'short', 120_000);
    const { body } = await exchange({ subject_token: own.token });
    assert.ok(body.expires_in <= 120, String(body.expires_in));
    assert.equal(body.scope, 'connect');
    const client = await RawClient.connect(gateway, 'engineer', body.access_token);
    await tokens.revoke(own.info.id);
    assert.match(told(await client.until('closed')), /57P01.*revoked/u);
    const late = await RawClient.connect(gateway, 'engineer', body.access_token);
    assert.match(told(late.greeting), /28P01|28000/);
    const access = await world.access('engineer', { exp: now() + 60 });
    const short = await exchange({ subject_token: access });
    assert.ok(short.body.expires_in <= 60);
  });

  test('nothing is exchanged twice, for a machine, for another client, or for the scope decide', async () => {
    const { gateway, access, actor } = world;
    const { tokens } = gateway.running;
    const subject_token = await gateway.token('engineer');
    const first = await exchange({ subject_token });
    const machine = await world.grant(JWT_BEARER, { assertion: await world.job() });
    const decides = await tokens.issue(ENGINEER, ['decide'], 'x', 60_000);
    const gone = await tokens.issue(ENGINEER, ['connect'], 'x', 60_000);
    await tokens.revoke(gone.info.id);
    for (const [form, error] of [
      [{ subject_token: first.body.access_token }, 'invalid_grant'],
      [{ subject_token: machine.body.access_token }, 'invalid_grant'],
      [{ subject_token: decides.token }, 'invalid_grant'],
      [{ subject_token: gone.token }, 'invalid_grant'],
      [{ subject_token: await access('mallory') }, 'invalid_grant'],
      [{ subject_token: await access('engineer', { act: { sub: 'other' } }) }, 'invalid_grant'],
      [{ subject_token, actor_token: await actor({ azp: 'cli' }) }, 'invalid_grant'],
      [{ subject_token, actor_token: await actor({ client_id: 'cli' }) }, 'invalid_grant'],
      [{ subject_token, actor_token: await actor({ aud: 'api://other' }) }, 'invalid_grant'],
      [{ subject_token, actor_token: await actor({ exp: now() - 60 }) }, 'invalid_grant'],
      // A person who uses the agent's client is not the agent.
      [
        { subject_token, actor_token: await access('engineer', { azp: 'assistant' }) },
        'invalid_grant',
      ],
      [{ subject_token, actor_token: subject_token }, 'invalid_grant'],
      [{ subject_token, scope: 'decide' }, 'invalid_scope'],
      [{ subject_token, scope: 'connect decide' }, 'invalid_scope'],
      [{ subject_token, actor_token: '' }, 'invalid_request'],
      [
        { subject_token, actor_token_type: 'urn:ietf:params:oauth:token-type:id_token' },
        'invalid_request',
      ],
      [{ subject_token: '' }, 'invalid_request'],
    ] as const) {
      const { status, body } = await exchange(form);
      // Failures of one address are slowed down; that is not what is tried here.
      if (status === 429) assert.fail('slowed down');
      assert.deepEqual([status, body.error], [400, error], JSON.stringify(form).slice(0, 80));
    }
  });

  test('an agent does not sign in to the console, where it could confirm itself a token of its person', async () => {
    const subject_token = await world.gateway.token('engineer');
    const { body } = await exchange({ subject_token });
    await assert.rejects(
      signedIn(world.gateway.running.console, body.access_token),
      /not signed in/,
    );
  });
});
