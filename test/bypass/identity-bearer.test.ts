import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { API, come, MACHINE, startBearerWorld, type BearerWorld } from '../fakes/bearer-world.ts';
import { eventually } from '../fakes/gateway.ts';
import { forged } from '../fakes/jwt-issuer.ts';
import { codes, Q, told } from '../fakes/raw-client.ts';

const ENGINEER = 'engineer@example.com';
const SELECT = Q('select id from orders where id = 42');
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
    const signed = await world.platform.sign({ sub: 'sub-engineer', aud: API, scope: 'x' });
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

  test('a provider’s token that was revoked here opens nothing again, in no other spelling either', async () => {
    const { tokens } = world.gateway.running;
    const bearer = await world.access('approver');
    const user = 'approver@example.com';
    const clients = await Promise.all([
      come(world, { user, bearer }),
      come(world, { user, bearer }),
    ]);
    for (const client of clients) assert.deepEqual(codes(client.greeting), []);
    const standing = (await tokens.list(user)).filter(({ label }) => /access token/.test(label));
    assert.equal(standing.length, 1, 'one for all its connections');
    await tokens.revoke(standing[0]?.id ?? '');
    for (const client of clients)
      assert.match(told(await client.until('closed')), /57P01.*revoked/u);
    await isRefused(user, bearer, /revoked/);
    // The last letter of the signature has bits that nobody reads.
    const last = bearer.at(-1) ?? '';
    const other = String.fromCharCode(last.charCodeAt(0) + 1);
    const client = await come(world, { user, bearer: bearer.slice(0, -1) + other });
    assert.match(told(client.greeting), /28000/);
  });

  test('every failure is a record without the token', async () => {
    const bearer = await world.access('engineer', { aud: 'api://other' });
    await isRefused(ENGINEER, bearer);
    const found = await eventually('the record', async () => {
      const all = await world.gateway.records('sign-in');
      return all.findLast(
        ({ person, json }) => person === ENGINEER && /not made for/.test(json.body.why),
      );
    });
    assert.equal(found.json.body.action, 'failed');
    assert.equal(found.json.body.via, 'oauthbearer');
    for (const text of [
      JSON.stringify(await world.gateway.records()),
      world.gateway.logged.join(''),
    ])
      assert.ok(!text.includes(bearer.split('.')[2] ?? ''), 'the token is nowhere');
  });
});
