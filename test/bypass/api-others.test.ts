import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { makeRecord, people } from '../unit/api-fakes.ts';
import { get, start } from '../unit/api-app.ts';
import { signIn, visit } from '../unit/console-visit.ts';

const TRIES = 70;

test('a stranger behind the same proxy cannot lock out a token that has been good', async () => {
  const { app } = await start();
  assert.equal((await app.inject(get('approver-read', '/requests'))).statusCode, 200);
  for (let i = 0; i < TRIES; i += 1) await app.inject(get(`guess${i}-read`, '/requests'));
  assert.equal((await app.inject(get('another-guess', '/requests'))).statusCode, 429);
  assert.equal((await app.inject(get('approver-read', '/requests'))).statusCode, 200);
  await signIn(app, 'approver-read');
});

test('a token that was good and is revoked opens nothing while others are locked out', async () => {
  const { app, revoked } = await start();
  assert.equal((await app.inject(get('approver-read', '/requests'))).statusCode, 200);
  revoked.add('approver-read');
  for (let i = 0; i < TRIES; i += 1) await app.inject(get(`guess${i}-read`, '/requests'));
  assert.equal((await app.inject(get('approver-read', '/requests'))).statusCode, 429);
  const visitor = visit(app);
  await visitor.get('/sign-in');
  assert.equal((await visitor.post('/sign-in', { token: 'approver-read' })).statusCode, 429);
});

test('a session shows its requester no look at it, and no refused vote of others', async () => {
  const { app, records } = await start();
  const session = randomUUID();
  const begin = makeRecord({ session, kind: 'session-start' });
  const look = makeRecord({ session, kind: 'look', person: people.security.email });
  records.push(look, begin);
  const own = await app.inject(get('engineer-read', `/sessions/${session}`));
  assert.deepEqual(own.json().records, [begin]);
  const all = await app.inject(get('security-read', `/sessions/${session}`));
  assert.deepEqual(all.json().records, [begin, look]);
  const page = await (await signIn(app, 'engineer-read')).get(`/sessions/${session}`);
  assert.doesNotMatch(page.body, /security@/);
});
