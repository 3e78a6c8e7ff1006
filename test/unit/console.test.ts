import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { makeRecord, makeRequest, makeWorld, people } from './api-fakes.ts';
import { start } from './api-app.ts';
import { signIn, visit } from './console-visit.ts';

const APPROVER = 'approver-read+decide';

test('a visitor is led to the sign-in and back to the page they wanted', async () => {
  const { app, put } = await start();
  const request = makeRequest();
  put(request);
  const visitor = visit(app);
  const away = await visitor.get(`/requests/${request.id}`);
  assert.equal(away.statusCode, 303);
  assert.equal(away.headers.location, `/sign-in?next=%2Frequests%2F${request.id}`);
  await visitor.get(away.headers.location ?? '');
  const back = await visitor.post('/sign-in', {
    token: APPROVER,
    next: `/requests/${request.id}`,
  });
  assert.equal(back.headers.location, `/requests/${request.id}`);
});

test('the sign-in leads to no other site', async () => {
  const { app } = await start();
  for (const next of [
    'https://evil.example/',
    '//evil.example/requests',
    '/\\evil.example',
    '\\\\evil.example',
    'javascript:alert(1)',
    '/sign-out',
    '/requests/../../evil',
    'http://own.invalid@evil.example/requests',
    '/%2f%2fevil.example',
    '\t//evil.example',
    '/requests\r\nset-cookie: a=b',
  ]) {
    const visitor = visit(app);
    await visitor.get(`/sign-in?next=${encodeURIComponent(next)}`);
    const answer = await visitor.post('/sign-in', { token: APPROVER, next });
    assert.equal(answer.statusCode, 303, next);
    assert.equal(answer.headers.location, '/', next);
  }
});

test('a wrong token is refused on the same page and is not repeated', async () => {
  const { app } = await start();
  const visitor = visit(app);
  await visitor.get('/sign-in');
  for (const token of ['intruder-read', 'approver-connect']) {
    const answer = await visitor.post('/sign-in', { token, next: '' });
    assert.equal(answer.statusCode, 401);
    assert.match(answer.body, /role="alert"/u);
    assert.doesNotMatch(answer.body, new RegExp(token, 'u'));
  }
});

test('the cookie is closed to scripts and other sites, and bound to the host over https', async () => {
  const plain = await start();
  const visitor = visit(plain.app);
  const [first] = (await visitor.get('/sign-in')).cookies;
  assert.deepEqual(
    { name: first?.name, http: first?.httpOnly, same: first?.sameSite, path: first?.path },
    { name: 'countersign', http: true, same: 'Lax', path: '/' },
  );
  const secure = await start({ world: makeWorld('https://gate.example') });
  const [second] = (await visit(secure.app).get('/sign-in')).cookies;
  assert.equal(second?.name, '__Host-countersign');
  assert.equal(second?.secure, true);
});

test('a cookie that was planted before the sign-in is worth nothing after it', async () => {
  const { app } = await start();
  const attacker = visit(app);
  await attacker.get('/sign-in');
  const victim = visit(app, attacker.cookie);
  await victim.post('/sign-in', { token: APPROVER, next: '' }, victim.cookie);
  assert.notEqual(victim.cookie, attacker.cookie);
  assert.equal((await victim.get('/')).statusCode, 200);
  assert.equal((await attacker.get('/')).statusCode, 303);
});

test('signing out ends the sign-in on the server', async () => {
  const { app } = await start();
  const visitor = await signIn(app, APPROVER);
  const stolen = visit(app, visitor.cookie);
  assert.equal((await stolen.get('/')).statusCode, 200);
  assert.equal((await visitor.post('/sign-out', {})).headers.location, '/sign-in');
  assert.equal((await stolen.get('/')).statusCode, 303);
});

test('a revoked token and a person who left end the sign-in at once', async () => {
  const { app, revoked, directory } = await start();
  const one = await signIn(app, APPROVER);
  revoked.add(APPROVER);
  assert.equal((await one.get('/')).statusCode, 303);
  const two = await signIn(app, 'security-read');
  directory.delete(people.security.email);
  const answer = await two.get('/');
  assert.equal(answer.statusCode, 303);
  assert.match(answer.headers.location ?? '', /^\/sign-in/);
});

test('a sign-in that cannot be recorded does not happen', async () => {
  const world = await start();
  const visitor = visit(world.app);
  await visitor.get('/sign-in');
  world.logDown = true;
  const answer = await visitor.post('/sign-in', { token: APPROVER, next: '' });
  assert.equal(answer.statusCode, 503);
  assert.equal((await visitor.get('/')).statusCode, 303);
});

test('a decision without this console’s own form is refused', async () => {
  const { app, put, votes } = await start();
  const request = makeRequest();
  put(request);
  const visitor = await signIn(app, APPROVER);
  const other = await signIn(app, 'approver2-read+decide');
  const form = { decision: 'approve', version: '1', reason: '' };
  const url = `/requests/${request.id}/decision`;
  for (const [what, change] of Object.entries({
    'no token': { csrf: '' },
    'somebody else’s token': { csrf: await other.formToken() },
    'another origin': { origin: 'https://evil.example' },
    'no origin': { origin: undefined },
    'an opaque origin': { origin: 'null' },
    'cross-site': { site: 'cross-site' },
    'same-site': { site: 'same-site' },
  })) {
    const answer = await visitor.post(url, form, undefined, change);
    assert.equal(answer.statusCode, 403, what);
  }
  assert.deepEqual(votes, []);
  assert.equal((await visitor.post(url, form)).statusCode, 303);
  assert.equal(votes.length, 1);
});

test('the cookie speaks for a person at the API, and a POST there needs the form token too', async () => {
  const { app, put, votes } = await start();
  const request = makeRequest();
  put(request);
  const visitor = await signIn(app, APPROVER);
  const headers = { cookie: visitor.cookie, origin: 'http://127.0.0.1:8080' };
  const url = `/api/v1/requests/${request.id}`;
  assert.equal((await app.inject({ url, headers })).statusCode, 200);
  const post = {
    method: 'POST',
    url: `${url}/decision`,
    payload: { decision: 'approve' },
  } as const;
  assert.equal((await app.inject({ ...post, headers })).json().code, 'foreign-form');
  const csrf = { 'x-csrf-token': await visitor.formToken() };
  assert.equal((await app.inject({ ...post, headers: { ...headers, ...csrf } })).statusCode, 200);
  assert.equal(votes.length, 1);
});

test('a denial without a reason is said on the request’s page, and nothing was voted', async () => {
  const { app, put, votes } = await start();
  const request = makeRequest();
  put(request);
  const visitor = await signIn(app, APPROVER);
  const form = { decision: 'deny', version: '1', reason: ' ' };
  const answer = await visitor.post(`/requests/${request.id}/decision`, form);
  assert.equal(answer.statusCode, 422);
  assert.match(answer.body, /role="alert"[^>]*>A denial needs a reason/u);
  assert.deepEqual(votes, []);
});

test('a refused decision keeps its status, its text and the reason that was typed', async () => {
  const world = await start();
  const request = makeRequest();
  world.put(request);
  const visitor = await signIn(world.app, APPROVER);
  world.refuse = { code: 'stale', message: 'It changed <since> you looked.' };
  const form = { decision: 'approve', version: '1', reason: 'because "I" <said>' };
  const answer = await visitor.post(`/requests/${request.id}/decision`, form);
  assert.equal(answer.statusCode, 409);
  assert.match(answer.body, /It changed &lt;since&gt; you looked\./u);
  assert.match(answer.body, /because &quot;I&quot; &lt;said&gt;<\/textarea/u);
  assert.deepEqual(world.votes[0]?.vote, {
    decision: 'approve',
    reason: 'because "I" <said>',
    version: 1,
    via: 'console',
  });
});

test('who signed in to read sees no form and cannot decide', async () => {
  const { app, put, votes } = await start();
  const request = makeRequest();
  put(request);
  const visitor = await signIn(app, 'approver-read');
  const page = await visitor.get(`/requests/${request.id}`);
  assert.doesNotMatch(page.body, /value="approve"/u);
  const form = { decision: 'approve', version: '1', reason: '' };
  const answer = await visitor.post(`/requests/${request.id}/decision`, form);
  assert.equal(answer.statusCode, 403);
  assert.deepEqual(votes, []);
});

test('nobody is offered their own request, and a stranger gets the same 404 as for none', async () => {
  const { app, put } = await start();
  const request = makeRequest();
  put(request);
  const own = await (await signIn(app, 'engineer-read+decide')).get(`/requests/${request.id}`);
  assert.equal(own.statusCode, 200);
  assert.doesNotMatch(own.body, /value="approve"/u);
  const stranger = await signIn(app, 'stranger-read');
  const hidden = await stranger.get(`/requests/${request.id}`);
  const none = await stranger.get(`/requests/${randomUUID()}`);
  assert.equal(hidden.statusCode, 404);
  assert.equal(hidden.body, none.body);
});

test('a hidden write is approved only by who may see it whole, and the look is recorded first', async () => {
  const world = await start();
  const request = makeRequest(
    {},
    { masked: 'update customers set ssn = ‹masked›', hidesWrite: true },
  );
  world.put(request);
  const visitor = await signIn(world.app, APPROVER);
  const url = `/requests/${request.id}`;
  const form = { decision: 'approve', version: '1', reason: '' };
  for (const review of [{ kind: 'masked' }, { kind: 'elsewhere', at: 'https://gw2/' }] as const) {
    world.review = review;
    const { body } = await visitor.get(url);
    assert.ok(!body.includes('value="approve"'));
    assert.equal(body.includes('https://gw2/'), 'at' in review);
    const refused = await visitor.post(`${url}/decision`, form);
    assert.equal(refused.statusCode, 403);
    assert.match(refused.body, /Part of this write is hidden/u);
  }
  assert.deepEqual(world.votes, []);
  world.review = { kind: 'whole', text: "update customers set ssn = '078-05-1120'" };
  const whole = await visitor.get(url);
  assert.match(whole.body, /078-05-1120/u);
  assert.deepEqual(world.appended.at(-1), {
    kind: 'look',
    person: people.approver.email,
    request: request.id,
    body: { via: 'console', looked: 'exact statement' },
  });
  assert.doesNotMatch((await (await signIn(world.app, 'security-read')).get(url)).body, /078-05/u);
  world.logDown = true;
  const closed = await visitor.get(url);
  assert.equal(closed.statusCode, 503);
  assert.doesNotMatch(closed.body, /078-05-1120/u);
  world.logDown = false;
  assert.equal((await visitor.post(`${url}/decision`, form)).statusCode, 303);
});

test('what people wrote is text on every page, and what would deceive the eye is shown', async () => {
  const { app, put, records } = await start();
  const evil = '<img src=x onerror=alert(1)>"\'</textarea></script>\u202e\u200b\u0000';
  const request = makeRequest(
    {
      decisions: [
        { person: evil, group: evil, decision: 'deny', reason: evil, via: 'slack', at: evil },
      ],
    },
    {
      person: { email: people.engineer.email, name: evil, groups: [evil] },
      masked: evil,
      words: [evil],
      rules: [evil],
      message: evil,
      reason: evil,
      target: evil,
      application: evil,
    },
  );
  put(request);
  const record = makeRecord({
    kind: evil,
    person: evil,
    body: { [evil]: evil, list: [evil, { [evil]: null }] },
  });
  records.push(record);
  const visitor = await signIn(app, APPROVER);
  for (const url of [
    '/',
    `/requests/${request.id}`,
    `/records/${record.id}`,
    `/records?q=${encodeURIComponent(evil)}`,
  ]) {
    const { body, statusCode } = await visitor.get(url);
    assert.equal(statusCode, 200, url);
    assert.doesNotMatch(body, /<img src=x|<\/textarea><\/script>|\u202e|\u200b/u, url);
    assert.ok(!body.includes('\u0000'));
    assert.match(body, /‹U\+202E›‹U\+200B›/u, url);
  }
});
