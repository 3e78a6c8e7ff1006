import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { as, start } from './api-app.ts';
import { makeWorld } from './api-fakes.ts';

const METRICS: InjectOptions = { method: 'GET', url: '/metrics' };

/** A gateway whose links lead there. */
function reachedAt(publicUrl: string) {
  const world = makeWorld();
  return start({ world: { ...world, deps: { ...world.deps, publicUrl } } });
}

test('metrics need a token with read wherever others can reach the gateway', async () => {
  const { app } = await reachedAt('https://gate.example.com');
  assert.equal((await app.inject(METRICS)).statusCode, 401);
  assert.equal((await app.inject(as('approver-decide', METRICS))).statusCode, 403);
  const read = await app.inject(as('engineer-read', METRICS));
  assert.equal(read.statusCode, 200);
  assert.match(String(read.headers['content-type']), /^text\/plain/);
});

test('a gateway for this machine alone shows them to this machine, and to nobody through it', async () => {
  const { app } = await reachedAt('http://127.0.0.1:8080');
  const from = (headers: Record<string, string>, remoteAddress = '127.0.0.1') =>
    app.inject({ ...METRICS, headers: { host: 'localhost:8080', ...headers }, remoteAddress });
  assert.equal((await from({})).statusCode, 200);
  assert.equal((await from({}, '::1')).statusCode, 200);
  assert.equal((await from({}, '192.0.2.7')).statusCode, 401);
  assert.equal((await from({ host: 'rebound.example' })).statusCode, 401);
  assert.equal((await from({ 'x-forwarded-for': '192.0.2.7' })).statusCode, 401);
  assert.equal((await from({ forwarded: 'for=192.0.2.7' })).statusCode, 401);
});

test('each request has an id of ours: in the answer and in its log lines', async () => {
  const lines: string[] = [];
  const { app } = await start({ lines });
  const answers = [];
  for (const url of ['/healthz', '/nowhere', '/api/v1/requests'])
    answers.push(await app.inject({ url, headers: { 'x-request-id': 'theirs' } }));
  const ids = answers.map((answer) => String(answer.headers['x-request-id']));
  assert.equal(new Set(ids).size, 3);
  for (const id of ids) {
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.ok(lines.some((line) => JSON.parse(line).reqId === id));
  }
  assert.doesNotMatch(lines.join(''), /theirs/);
});

test('readiness lists what is missing, and warns of what does not stop it', async () => {
  const world = await start();
  world.warnings = ['chat does not work; the log says why'];
  const well = await world.app.inject('/readyz');
  assert.equal(well.statusCode, 200);
  assert.deepEqual(well.json(), { status: 'ready', warnings: world.warnings });
  world.missing = ['the store does not answer', 'the queue does not answer'];
  const not = await world.app.inject('/readyz');
  assert.equal(not.statusCode, 503);
  assert.deepEqual(not.json().errors, world.missing);
  assert.equal((await world.app.inject('/healthz')).statusCode, 200);
});
