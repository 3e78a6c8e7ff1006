import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { as, decide, get, start } from './api-app.ts';
import { makeRequest, people } from './api-fakes.ts';

test('a request without a token is answered 401 as problem+json that says what to send', async () => {
  const { app } = await start();
  const answer = await app.inject('/api/v1/requests');
  assert.equal(answer.statusCode, 401);
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/u);
  assert.equal(answer.json().code, 'no-token');
  assert.match(answer.json().detail, /Authorization: Bearer/u);
});

test('an unknown token is answered 401 and never quoted', async () => {
  const { app } = await start();
  const answer = await app.inject(get('intruder-read', '/requests'));
  assert.equal(answer.statusCode, 401);
  assert.equal(answer.json().code, 'bad-token');
  assert.doesNotMatch(answer.body, /intruder/u);
});

test('a person who left the directory is nobody, whatever the token says', async () => {
  const { app, directory } = await start();
  directory.delete(people.approver.email);
  const answer = await app.inject(get('approver-read', '/requests'));
  assert.equal(answer.statusCode, 401);
  assert.equal(answer.json().code, 'nobody');
});

test('the pending requests go to those who may see them, and to nobody else', async () => {
  const { app, put } = await start();
  const request = makeRequest();
  put(request);
  for (const name of ['engineer', 'approver', 'security']) {
    const answer = await app.inject(get(`${name}-read`, '/requests?state=pending'));
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(
      answer.json().requests.map(({ id }: { id: string }) => id),
      [request.id],
    );
  }
  const answer = await app.inject(get('stranger-read', '/requests?state=pending'));
  assert.deepEqual(answer.json().requests, []);
});

test('one request is shown whole to its approver and is a 404 for a stranger', async () => {
  const { app, put } = await start();
  const request = makeRequest();
  put(request);
  const seen = await app.inject(get('approver-read', `/requests/${request.id}`));
  assert.equal(seen.statusCode, 200);
  const { gateway: _, ...shown } = request;
  assert.deepEqual(seen.json(), shown);
  const hidden = await app.inject(get('stranger-read', `/requests/${request.id}`));
  const missing = await app.inject(get('stranger-read', `/requests/${randomUUID()}`));
  assert.equal(hidden.statusCode, 404);
  assert.deepEqual(hidden.json(), missing.json());
});

test('a decision is passed on with its reason and answered with the request', async () => {
  const { app, put, votes } = await start();
  const request = makeRequest();
  put(request);
  const answer = await app.inject(
    decide('approver-decide', request.id, { decision: 'approve', reason: ' checked the order ' }),
  );
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.json().state, 'approved');
  assert.deepEqual(votes, [
    {
      id: request.id,
      person: people.approver.email,
      vote: { decision: 'approve', reason: 'checked the order', via: 'api' },
    },
  ]);
});

test('an approval needs no reason and a denial does', async () => {
  const { app, put, votes } = await start();
  const request = makeRequest();
  put(request);
  const denied = await app.inject(decide('approver-decide', request.id, { decision: 'deny' }));
  assert.equal(denied.statusCode, 422);
  const blank = await app.inject(
    decide('approver-decide', request.id, { decision: 'deny', reason: '   ' }),
  );
  assert.equal(blank.statusCode, 422);
  assert.deepEqual(votes, []);
  const approved = await app.inject(decide('approver-decide', request.id, { decision: 'approve' }));
  assert.equal(approved.statusCode, 200);
});

test('a token without the scope decide cannot decide', async () => {
  const { app, put, votes } = await start();
  const request = makeRequest();
  put(request);
  for (const token of ['approver-read', 'approver-connect', 'approver-connect+read']) {
    const answer = await app.inject(decide(token, request.id, { decision: 'approve' }));
    assert.equal(answer.statusCode, 403);
    assert.equal(answer.json().code, 'missing-scope');
  }
  const read = await app.inject(get('approver-connect', '/requests'));
  assert.equal(read.json().code, 'missing-scope');
  assert.deepEqual(votes, []);
});

test('each refusal of a decision has its status and keeps its text', async () => {
  const world = await start();
  const expected = {
    'not-found': 404,
    'already-decided': 409,
    'own-request': 403,
    'not-an-approver': 403,
    'already-voted': 409,
    'reason-required': 422,
    'step-up-required': 403,
    expired: 409,
    stale: 409,
    'must-review': 403,
  } as const;
  for (const [code, status] of Object.entries(expected)) {
    world.refuse = { code: code as keyof typeof expected, message: `because ${code}` };
    const answer = await world.app.inject(
      decide('approver-decide', randomUUID(), { decision: 'approve' }),
    );
    assert.equal(answer.statusCode, status, code);
    assert.equal(answer.json().code, code);
    // Why it is hidden depends on who asks, so the door says it in its own words.
    const says = code === 'must-review' ? /^Part of this write is hidden/ : `because ${code}`;
    assert.match(answer.json().detail, new RegExp(says));
  }
});

test('input that is not strictly what the schema says is refused', async () => {
  const { app, put, votes } = await start();
  const request = makeRequest();
  put(request);
  const bodies = [
    { decision: 'maybe' },
    { decision: 'approve', person: 'approver2@example.com' },
    { decision: 'approve', reason: 'x'.repeat(1_001) },
    { decision: 'approve', reason: 'a\u0000b' },
    { decision: ['approve'] },
    [],
  ];
  for (const body of bodies) {
    const answer = await app.inject(decide('approver-decide', request.id, body));
    assert.equal(answer.statusCode, 422, JSON.stringify(body));
    assert.ok(answer.json().errors.length > 0);
  }
  for (const [contentType, payload, status] of [
    ['application/json', '{', 400],
    ['application/json', '{"decision":"approve","__proto__":{}}', 400],
    ['text/plain', 'decision=approve', 415],
    ['application/x-www-form-urlencoded', 'decision=approve', 415],
    ['application/json', JSON.stringify({ reason: 'x'.repeat(20_000) }), 413],
  ] as const) {
    const options = as('approver-decide', {
      method: 'POST',
      url: `/api/v1/requests/${request.id}/decision`,
      payload,
      headers: { 'content-type': contentType },
    });
    const answer = await app.inject(options);
    assert.equal(answer.statusCode, status, payload.slice(0, 60));
    assert.match(answer.headers['content-type'] ?? '', /problem\+json/u);
  }
  for (const url of ['/requests?state=open', '/requests/42', '/requests?limit=0', '/records?x=1'])
    assert.equal((await app.inject(get('approver-read', url))).statusCode, 422, url);
  assert.deepEqual(votes, []);
});
