import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { JWT_BEARER } from '#gateway/oauth/jwt-bearer.ts';
import { TOKEN_EXCHANGE } from '#gateway/oauth/token-exchange.ts';
import {
  API,
  MACHINE,
  MACHINES,
  startBearerWorld,
  type BearerWorld,
} from '../fakes/bearer-world.ts';
import { browse, signedIn } from '../fakes/browser.ts';
import { eventually } from '../fakes/gateway.ts';
import { codes, Q, RawClient, told } from '../fakes/raw-client.ts';
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

const exchange = async (form: Record<string, string>) =>
  world.grant(TOKEN_EXCHANGE, {
    subject_token_type: TYPE,
    actor_token_type: TYPE,
    actor_token: await world.actor(),
    ...form,
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
    const refused = await eventually('the record of the vote', async () =>
      (await gateway.records('request')).find(({ person }) => person === MACHINE),
    );
    assert.equal(refused.json.body.code, 'not-an-approver');
    assert.equal((await gateway.api('approver', `/requests/${one.id}`)).body.state, 'pending');
    await leave(gateway, one);
  });
});

describe('agents', () => {
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

  test('over the API an agent reads what both may read, under both names, and ends nothing of its person', async () => {
    const { gateway } = world;
    const subject_token = await gateway.token('oncall');
    const { body } = await exchange({ subject_token });
    const api = async (path: string, token: string, method = 'GET') => {
      const headers = { authorization: `Bearer ${token}` };
      const reply = await fetch(gateway.running.api + path, { method, headers });
      return { status: reply.status, body: (await reply.json()) as any };
    };
    // On-call reads every record; the agent is not on call.
    const search = '/records?q=kind:session-start';
    const all = await api(search, subject_token);
    assert.ok(all.body.records.some(({ person }: any) => person !== 'oncall@example.com'));
    const own = await api(search, body.access_token);
    assert.equal(own.status, 200);
    assert.ok(own.body.records.every(({ person }: any) => person === 'oncall@example.com'));
    const looks = (await gateway.records('look')).filter(({ agent }) => agent === 'assistant');
    assert.equal(looks.at(-1)?.person, 'oncall@example.com');
    const { tokens } = (await api('/tokens', subject_token)).body;
    for (const { id } of tokens)
      assert.equal((await api(`/tokens/${id}`, body.access_token, 'DELETE')).status, 404);
    assert.equal((await api('/tokens', subject_token)).body.tokens.length, tokens.length);
  });
});
