import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { browse } from '../fakes/browser.ts';
import { eventually, outcome } from '../fakes/gateway.ts';
import { Visitor } from '../fakes/visitor.ts';
import { formOf, someone, World } from './sessions-world.ts';

suite('attacks on sign-ins and their cookies', () => {
  const world = new World();
  before(() => world.open());
  after(() => world.close());

  test('session fixation: a cookie that was planted before the sign-in is worth nothing after it', async () => {
    const victim = new Visitor(world.at);
    const page = await victim.get('/sign-in');
    const planted = victim.cookie;
    assert.notEqual(planted, '');
    const { token } = await world.issue('approver', ['read', 'decide']);
    const answer = await victim.get('/sign-in', {
      method: 'POST',
      headers: { origin: world.at, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ csrf: formOf(page.text), next: '', token }),
    });
    assert.equal(answer.status, 303);
    assert.notEqual(victim.cookie, planted);
    assert.equal(await victim.isIn(), true);
    assert.equal(await world.jar(planted).isIn(), false);
  });

  test('a cookie that nobody was given, or a guess beside a real one, signs nobody in', async () => {
    const { visitor } = await world.through(someone('guess'));
    const [name, value = ''] = visitor.cookie.split('=');
    const other = value.startsWith('A') ? 'B' : 'A';
    for (const guess of ['', 'A'.repeat(43), other + value.slice(1), `${value}A`, `${value} `])
      assert.equal(
        await world.jar(`${name}=${guess.trimEnd()}${guess.endsWith(' ') ? 'x' : ''}`).isIn(),
        false,
      );
    assert.equal(await visitor.isIn(), true);
  });

  test('cookie tossing: with two cookies of the name neither counts, and no form of the attacker’s is taken', async () => {
    const victim = (await world.through(someone('tossed'))).visitor;
    const attacker = new Visitor(world.at);
    const page = await attacker.get('/sign-in');
    for (const both of [
      `${attacker.cookie}; ${victim.cookie}`,
      `${victim.cookie}; ${attacker.cookie}`,
    ]) {
      const tossed = world.jar(both);
      assert.equal(await tossed.isIn(), false);
      const sent = await world.jar(both).get('/sign-out', {
        method: 'POST',
        headers: { origin: world.at },
        body: new URLSearchParams({ csrf: formOf(page.text) }),
      });
      assert.equal(sent.status, 403);
    }
    assert.equal(await victim.isIn(), true);
  });

  test('CSRF: no form of the account is taken from elsewhere, and no DELETE of the API by cookie alone', async () => {
    const { visitor } = await world.through(someone('csrf'));
    const { info } = await world.issue('csrf', ['connect']);
    const own = formOf((await visitor.get('/account')).text);
    const foreign = formOf((await new Visitor(world.at).get('/sign-in')).text);
    const forms: Record<string, string>[] = [
      { act: 'revoke-token', id: info.id },
      { act: 'end-everything' },
    ];
    const ways: { csrf: string; headers: Record<string, string> }[] = [
      { csrf: '', headers: { origin: world.at } },
      { csrf: foreign, headers: { origin: world.at } },
      { csrf: own, headers: { origin: 'https://evil.example' } },
      { csrf: own, headers: {} },
      { csrf: own, headers: { origin: world.at, 'sec-fetch-site': 'cross-site' } },
    ];
    for (const { csrf, headers } of ways) {
      for (const form of forms) {
        const body = new URLSearchParams({ csrf, ...form });
        const answer = await visitor.get('/account', { method: 'POST', headers, body });
        assert.equal(answer.status, 403, JSON.stringify({ csrf, headers }));
      }
      const body = new URLSearchParams({ csrf, label: 'stolen', lifetime: '3600000' });
      const made = await visitor.get('/account/tokens', { method: 'POST', headers, body });
      assert.equal(made.status, 403);
    }
    const remove = (headers: Record<string, string>) =>
      visitor.get(`/api/v1/tokens/${info.id}`, { method: 'DELETE', headers });
    assert.equal((await remove({})).status, 403);
    assert.equal((await remove({ origin: world.at })).status, 403);
    assert.equal(
      (await remove({ origin: 'https://evil.example', 'x-csrf-token': own })).status,
      403,
    );
    assert.equal((await world.gateway.running.tokens.find(info.id))?.id, info.id);
    assert.equal((await remove({ origin: world.at, 'x-csrf-token': own })).status, 200);
    assert.equal(await world.gateway.running.tokens.find(info.id), undefined);
  });

  test('another subject with the same e-mail address is refused, whoever came first', async () => {
    await world.through(someone('namesake'));
    const { visitor, answer } = await world.through({
      ...someone('namesake'),
      sub: 'somebody else',
    });
    assert.equal(answer.status, 403);
    assert.match(answer.text, /belongs to another account/);
    assert.equal(await visitor.isIn(), false);
    const again = await world.through({ ...someone('namesake'), email: 'NameSake@Example.com' });
    assert.equal(await again.visitor.isIn(), true);
  });

  test('nobody is signed in as a machine, and a machine decides nothing, whatever groups it has', async () => {
    const asMachine = await world.through(someone('deploy'));
    assert.equal(asMachine.answer.status, 403);
    assert.equal(await asMachine.visitor.isIn(), false);
    const client = await world.gateway.open('engineer');
    const waiting = outcome(client.query("update orders set status = 'x' where id = 1"));
    const { id } = await world.gateway.pending();
    const answer = await world.gateway.api('deploy', `/requests/${id}/decision`, {
      decision: 'approve',
      reason: 'me',
    });
    assert.equal(answer.status, 403, JSON.stringify(answer.body));
    await world.gateway.api('approver', `/requests/${id}/decision`, {
      decision: 'deny',
      reason: 'no',
    });
    assert.match((await waiting).message, /denied|refused/i);
  });

  test('an idle sign-in and one past its longest time are over, for pages and for the API', async () => {
    for (const column of ['seen_at', 'ends_at'] as const) {
      const { visitor } = await world.through(someone('idle'));
      assert.equal(await visitor.isIn(), true);
      await world.gateway.storeSql.query(
        `update countersign.sign_in set ${column} = clock_timestamp() - interval '31 min'
         where person = 'idle@example.com'`,
      );
      assert.equal(await visitor.isIn(), false);
      assert.equal((await visitor.get('/api/v1/requests')).status, 401);
    }
  });

  test('a stolen cookie is worth nothing after the sign-out, a new sign-in, or the end from elsewhere', async () => {
    const { visitor } = await world.through(someone('stolen'));
    const stolen = world.jar(visitor.cookie);
    assert.equal(await stolen.isIn(), true);
    const csrf = formOf((await visitor.get('/account')).text);
    const post = (path: string, form: Record<string, string>, token = csrf) =>
      visitor.get(path, {
        method: 'POST',
        headers: { origin: world.at, 'sec-fetch-site': 'same-origin' },
        body: new URLSearchParams({ csrf: token, ...form }),
      });
    await post('/sign-out', {});
    assert.equal(await world.jar(stolen.cookie).isIn(), false);

    const one = (await world.through(someone('stolen'))).visitor;
    const two = (await world.through(someone('stolen'))).visitor;
    const own = formOf((await two.get('/account')).text);
    const ended = await two.get('/account', {
      method: 'POST',
      headers: { origin: world.at, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ csrf: own, act: 'sign-out-everywhere' }),
    });
    assert.equal(ended.status, 303);
    assert.equal(await one.isIn(), false);
    assert.equal(await two.isIn(), false);
    const outs = await world.gateway.records('sign-out');
    assert.ok(outs.filter(({ person }) => person === 'stolen@example.com').length >= 3);
  });

  test('open redirect: the sign-in leads to pages of this console only', async () => {
    const evil = [
      'https://evil.example/',
      '//evil.example/',
      String.raw`/\evil.example`,
      String.raw`\\evil.example`,
      '/%2f/evil.example',
      '/people/%2f%2fevil.example/..//evil.example',
      'javascript:alert(1)',
      '/sign-out',
      '/sign-in/acme',
      '/api/v1/requests',
      '/account/tokens',
      '/../../evil',
      '\t//evil.example',
      'http://own.invalid/records',
    ];
    for (const next of evil) {
      const { answer } = await world.through(someone('redirected'), next);
      assert.match(answer.location, /^\/(?:records)?$/u, next);
      const { token } = await world.issue('approver', ['read']);
      const browser = browse(world.at);
      const page = await browser.get(`/sign-in?next=${encodeURIComponent(next)}`);
      const kept = /name="next" value="([^"]*)"/u.exec(page.text)?.[1];
      assert.match(kept ?? 'none', /^\/(?:records)?$/u, next);
      assert.ok(!/href="\/sign-in\/acme\?next=[^"]*evil/u.test(page.text), next);
      const done = await browser.post('/sign-in', { token, next });
      assert.match(done.location ?? '', /^\/(?:records)?$/u, next);
    }
    for (const own of ['/account', '/people/a%40b.example', '/records?q=x', '/device?code=x'])
      assert.equal((await world.through(someone('redirected'), own)).answer.location, own);
  });

  test('guessing tokens: it is recorded, told to wait, slower each time, and locks nobody out', async () => {
    const { token, info } = await world.issue('oncall', ['connect', 'read']);
    const guess = `${token.slice(0, -1)}${token.endsWith('x') ? 'y' : 'x'}`;
    const ask = (bearer: string) =>
      fetch(`${world.gateway.running.api}/requests`, {
        headers: { authorization: `Bearer ${bearer}` },
      }).then(({ status }) => status);
    const wire = (password: string) =>
      outcome(world.gateway.open('oncall', { password, user: 'OnCall@example.com' }));
    const took: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const started = performance.now();
      assert.equal((await wire(guess)).code, '28P01');
      took.push(performance.now() - started);
    }
    assert.ok((took[4] ?? 0) >= 450, `the fifth answer came after ${took[4]} ms`);
    const failed = (await world.gateway.records('sign-in')).filter(
      ({ json }) => json.body.action === 'failed' && json.body.via === 'postgres',
    );
    assert.equal(failed.length, 5);
    assert.ok(failed.every(({ person }) => person === 'oncall@example.com'));
    for (let i = 0; i < 55; i += 1) await ask(guess);
    assert.equal(await ask(guess), 429);
    assert.equal(
      await ask(token),
      200,
      'what is right opens, from the very address of the guesses',
    );
    const started = performance.now();
    const client = await wire(token);
    assert.equal((await client.query('select 1 as one')).rows[0].one, 1);
    assert.ok(performance.now() - started < 5_000);
    await eventually('its use as a password shows', async () => {
      const found = await world.gateway.running.tokens.find(info.id);
      return found?.lastUsedAt !== undefined;
    });
    assert.equal(
      await ask(token),
      200,
      'what is right opens, from the very address of the guesses',
    );
    const browser = browse(world.at);
    await browser.get('/sign-in');
    assert.equal((await browser.post('/sign-in', { token: guess, next: '' })).status, 429);
    assert.equal((await browser.post('/sign-in', { token, next: '' })).status, 303);
    const text = JSON.stringify(await world.gateway.records()) + world.gateway.logged.join('');
    assert.ok(!text.includes(guess) && !text.includes(token));
  });
});
