import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { as, get, start } from './api-app.ts';

const from = (remoteAddress: string, token: string): InjectOptions => ({
  ...get(token, '/requests'),
  remoteAddress,
});

test('health, readiness and the description need no token, and readiness says what is missing', async () => {
  const world = await start();
  assert.equal((await world.app.inject('/healthz')).statusCode, 200);
  assert.equal((await world.app.inject('/readyz')).statusCode, 200);
  world.missing = ['the store does not answer'];
  const answer = await world.app.inject('/readyz');
  assert.equal(answer.statusCode, 503);
  assert.match(answer.json().detail, /the store does not answer/u);
  const api = (await world.app.inject('/api/openapi.json')).json();
  assert.equal(api.openapi, '3.1.0');
  assert.deepEqual(Object.keys(api.paths), [
    '/requests',
    '/requests/{id}',
    '/requests/{id}/decision',
    '/requests/{id}/shape',
    '/records',
    '/records/facets',
    '/records/histogram',
    '/views',
    '/views/{id}',
    '/records/export',
    '/records/{id}',
    '/records/{id}/proof',
    '/sessions',
    '/sessions/{id}',
    '/sessions/{id}/recording',
    '/summaries',
    '/tokens',
    '/tokens/{id}',
    '/sign-ins',
    '/sign-ins/{id}',
    '/people/{email}/end',
  ]);
  assert.equal(
    api.paths['/requests/{id}/decision'].post.requestBody.content['application/json'].schema.oneOf
      .length,
    2,
  );
});

test('routes that do not exist yet are a 404 problem', async () => {
  const { app } = await start();
  const id = randomUUID();
  for (const [method, url] of [
    ['GET', `/api/v1/grants/${id}`],
    ['POST', '/api/v1/requests'],
    ['GET', `/api/v1/records/${id}/proof`],
    ['GET', '/log/checkpoint'],
    ['DELETE', `/api/v1/requests/${id}`],
  ] as const) {
    const answer = await app.inject(as('approver-read+decide', { method, url }));
    assert.equal(answer.statusCode, 404, url);
    assert.match(answer.headers['content-type'] ?? '', /problem\+json/u);
  }
});

test('every answer has the security headers, none allows another origin, and HEAD works', async () => {
  const { app } = await start();
  for (const url of ['/healthz', '/api/v1/requests', '/nowhere']) {
    const answer = await app.inject({ url, headers: { origin: 'https://evil.example' } });
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/u);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
  const head = await app.inject({ ...get('approver-read', '/requests'), method: 'HEAD' });
  assert.equal(head.statusCode, 200);
  assert.equal(head.body, '');
});

test('an address that fails too often is told to wait, and what is right opens all the same', async () => {
  const { app } = await start();
  for (let i = 0; i < 60; i += 1)
    assert.equal((await app.inject(from('192.0.2.1', 'nobody-read'))).statusCode, 401);
  const limited = await app.inject(from('192.0.2.1', 'nobody-read'));
  assert.equal(limited.statusCode, 429);
  assert.equal(limited.json().code, 'too-many-attempts');
  assert.equal((await app.inject(from('192.0.2.1', 'approver-read'))).statusCode, 200);
  assert.equal((await app.inject(from('192.0.2.2', 'approver-read'))).statusCode, 200);
});

test('a failure inside is answered 503 and its text reaches neither the answer nor the log', async () => {
  const lines: string[] = [];
  const world = await start({ lines });
  world.storeDown = true;
  const answer = await world.app.inject(get('approver-read', `/requests/${randomUUID()}`));
  assert.equal(answer.statusCode, 503);
  assert.doesNotMatch(answer.body + lines.join(''), /secret-value/u);
  assert.match(lines.join(''), /could not answer/u);
});

test('the log names routes, never addresses with what was searched for or a token', async () => {
  const lines: string[] = [];
  const { app } = await start({ lines });
  await app.inject(get('security-read', '/records?q=078-05-1120'));
  assert.match(lines.join(''), /\/api\/v1\/records/u);
  assert.doesNotMatch(lines.join(''), /078-05-1120|security-read/u);
});
