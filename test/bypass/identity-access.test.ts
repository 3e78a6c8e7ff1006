import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { signedIn } from '../fakes/browser.ts';
import { eventually, outcome } from '../fakes/gateway.ts';
import { formOf, HOUR, someone, World } from './sessions-world.ts';

suite('what opens something, and its end', () => {
  const world = new World();
  before(() => world.open());
  after(() => world.close());

  test('what belongs to others is not found, and not ended, without the group security', async () => {
    const { info } = await world.issue('approver', ['connect', 'read']);
    const engineer = await world.by('engineer');
    assert.equal((await engineer.get('/people')).status, 404);
    assert.equal((await engineer.get('/people/approver@example.com')).status, 404);
    await engineer.get('/account');
    for (const act of ['revoke-token', 'end-sign-in']) {
      const answer = await engineer.post('/account', { act, id: info.id });
      assert.equal(answer.status, 404);
    }
    const end = { act: 'end-everything' };
    assert.equal((await engineer.post('/people/approver@example.com', end)).status, 404);
    const headers = {
      authorization: `Bearer ${await world.gateway.token('engineer', 'decide')}`,
      'content-type': 'application/json',
    };
    const ask = async (method: string, path: string, body?: object) =>
      fetch(`${world.gateway.running.api}${path}`, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      }).then(({ status }) => status);
    const bare = { authorization: headers.authorization };
    const remove = (path: string) =>
      fetch(`${world.gateway.running.api}${path}`, { method: 'DELETE', headers: bare }).then(
        ({ status }) => status,
      );
    assert.equal(await remove(`/tokens/${info.id}`), 404);
    assert.equal(await ask('GET', '/tokens?person=approver@example.com'), 404);
    assert.equal(await ask('GET', '/sign-ins?person=approver@example.com'), 404);
    assert.equal(await ask('POST', '/people/approver@example.com/end', {}), 404);
    assert.ok(await world.gateway.running.tokens.find(info.id));
  });

  test('security sees and ends what others hold, with the scope decide, and both are recorded', async () => {
    const { info } = await world.issue('approver2', ['connect']);
    const reader = await signedIn(world.at, (await world.issue('security', ['read'])).token);
    const page = '/people/approver2@example.com';
    assert.equal((await reader.get(page)).status, 200);
    const form = { act: 'revoke-token', id: info.id };
    assert.equal((await reader.post(page, form)).status, 403);
    assert.ok(await world.gateway.running.tokens.find(info.id));
    const security = await world.by('security');
    await security.get(page);
    assert.equal((await security.post(page, form)).status, 303);
    assert.equal(await world.gateway.running.tokens.find(info.id), undefined);
    const looks = await world.gateway.records('look');
    assert.ok(looks.some(({ json }) => json.body.of === 'approver2@example.com'));
    assert.equal((await security.get('/people?email=approver')).status, 200);
    const searched = await world.gateway.records('look');
    assert.ok(searched.some(({ json }) => json.body.looked === 'people'));
    const [revoked] = (await world.gateway.records('token')).filter(
      ({ json }) => json.body.action === 'revoke' && json.body.token === info.id,
    );
    assert.equal(revoked?.json.body.by, 'security@example.com');
    const self = '/people/security@example.com';
    await security.get(self);
    for (const act of ['deactivate', 'release'])
      assert.equal((await security.post(self, { act })).status, 404);
  });

  test('a sign-in hands on no more than it has: scopes, time, and the end of what it was made with', async () => {
    const lifetime = String(HOUR);
    const reader = await signedIn(world.at, (await world.issue('engineer', ['read'])).token);
    await reader.get('/account');
    const refused = await reader.post('/account/tokens', { label: 'more', lifetime });
    assert.equal(refused.status, 403);

    const base = await world.issue('engineer', ['connect', 'read', 'decide']);
    const browser = await signedIn(world.at, base.token);
    await browser.get('/account');
    const page = await browser.post('/account/tokens', { label: 'laptop', lifetime });
    const token = /cs_[\w-]{49}/u.exec(page.text)?.[0] ?? '';
    const { tokens } = world.gateway.running;
    assert.deepEqual((await tokens.check(token, 'connect'))?.scopes, ['connect', 'read']);
    assert.equal(await tokens.check(token, 'decide'), undefined);
    await world.gateway.running.tokens.revoke(base.info.id);
    assert.equal(await tokens.check(token, 'connect'), undefined);

    const { visitor } = await world.through(someone('engineer'));
    const own = formOf((await visitor.get('/account')).text);
    const make = (fields: Record<string, string>) =>
      visitor.get('/account/tokens', {
        method: 'POST',
        headers: { origin: world.at, 'sec-fetch-site': 'same-origin' },
        body: new URLSearchParams({ csrf: own, ...fields }),
      });
    for (const ms of [String(8 * 24 * HOUR), '0', '-1', 'NaN', '1e99'])
      assert.equal((await make({ label: 'x', lifetime: ms })).status, 422, ms);
    assert.equal((await make({ label: 'x', lifetime, scopes: 'decide' })).status, 422);
    const shown = await make({ label: 'DBeaver', lifetime });
    const made = /cs_[\w-]{49}/u.exec(shown.text)?.[0] ?? '';
    assert.deepEqual((await tokens.check(made, 'connect'))?.scopes, ['connect', 'read']);
    assert.doesNotMatch((await visitor.get('/account')).text, /cs_[\w-]{49}/u);
    const stored = await world.gateway.storeSql.query(
      `select (select string_agg(t::text, '') from countersign.token t) ||
              (select string_agg(body, '') from countersign.record_body) as all`,
    );
    assert.ok(!(stored.rows[0].all + world.gateway.logged.join('')).includes(made));
  });

  test('a person who is deactivated has no session, hold, cookie or token any more, and does not come back', async () => {
    const { visitor } = await world.through(someone('leaver'));
    const { token } = await world.issue('leaver', ['connect', 'read']);
    const idle = await world.gateway.open('leaver', { password: token });
    const client = await world.gateway.open('leaver', { password: token });
    const waiting = outcome(client.query("update orders set status = 'x' where id = 2"));
    const { id } = await world.gateway.pending();
    const gone = Promise.withResolvers<Error>();
    idle.once('error', gone.resolve);
    const security = await world.by('security');
    await security.get('/people/leaver@example.com');
    const done = await security.post('/people/leaver@example.com', { act: 'deactivate' });
    assert.equal(done.status, 303, done.text);
    const ended = await gone.promise;
    assert.equal(Reflect.get(ended, 'code'), '57P01');
    assert.match(ended.message, /deactivated/);
    await waiting;
    await eventually('the end of the request', async () => {
      const { rows } = await world.gateway.storeSql.query(
        'select state from countersign.request where id = $1',
        [id],
      );
      return !['pending', 'approved', 'running'].includes(rows[0].state);
    });
    assert.equal(await visitor.isIn(), false);
    assert.equal(await world.gateway.running.tokens.check(token, 'connect'), undefined);
    const back = await world.through(someone('leaver'));
    assert.equal(back.answer.status, 403);
    assert.match(back.answer.text, /was deactivated/);
    const late = await world.issue('leaver', ['connect']);
    const refused = await outcome(world.gateway.open('leaver', { password: late.token }));
    assert.equal(refused.code, '28000', refused.message);
    await world.gateway.verify();
  });

  test('everything of a person can be ended without keeping them out', async () => {
    const { visitor } = await world.through(someone('robbed'));
    const { token } = await world.issue('robbed', ['connect']);
    const client = await world.gateway.open('robbed', { password: token });
    const gone = Promise.withResolvers<Error>();
    client.once('error', gone.resolve);
    const csrf = formOf((await visitor.get('/account')).text);
    const done = await visitor.get('/account', {
      method: 'POST',
      headers: { origin: world.at, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ csrf, act: 'end-everything' }),
    });
    assert.equal(done.status, 303);
    assert.equal(Reflect.get(await gone.promise, 'code'), '57P01');
    assert.equal(await visitor.isIn(), false);
    assert.equal((await world.through(someone('robbed'))).answer.status, 303);
  });

  test('a revoked token takes its sessions along at once', async () => {
    const { token, info } = await world.issue('engineer', ['connect']);
    const client = await world.gateway.open('engineer', { password: token });
    const gone = Promise.withResolvers<Error>();
    client.once('error', gone.resolve);
    const started = performance.now();
    await world.gateway.running.tokens.revoke(info.id);
    assert.equal(Reflect.get(await gone.promise, 'code'), '57P01');
    assert.ok(performance.now() - started < 10_000);
  });

  test('who loses the group that lets them connect loses the session', async () => {
    const { visitor } = await world.through(someone('moved'));
    assert.equal(await visitor.isIn(), true);
    const { token } = await world.issue('moved', ['connect']);
    const client = await world.gateway.open('moved', { password: token });
    const gone = Promise.withResolvers<Error>();
    client.once('error', gone.resolve);
    await world.through({ ...someone('moved'), groups: ['nothing'] });
    const ended = await gone.promise;
    assert.equal(Reflect.get(ended, 'code'), '57P01');
    assert.match(ended.message, /may no longer connect/);
  });
});
