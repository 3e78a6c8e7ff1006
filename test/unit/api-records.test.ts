import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { get, start } from './api-app.ts';
import { makeRecord, people } from './api-fakes.ts';

test('own records are read without a look, other people’s only after the look is recorded', async () => {
  const { app, records, appended } = await start();
  const record = makeRecord();
  records.push(record);
  const own = await app.inject(get('engineer-read', `/records/${record.id}`));
  assert.equal(own.statusCode, 200);
  assert.deepEqual(own.json(), record);
  assert.deepEqual(appended, []);
  const other = await app.inject(get('security-read', `/records/${record.id}`));
  assert.equal(other.statusCode, 200);
  assert.deepEqual(appended, [
    {
      kind: 'look',
      person: people.security.email,
      body: { via: 'api', looked: 'record', record: record.id },
    },
  ]);
  assert.equal((await app.inject(get('stranger-read', `/records/${record.id}`))).statusCode, 404);
});

test('nothing is shown when the look cannot be recorded', async () => {
  const world = await start();
  const record = makeRecord();
  world.records.push(record);
  world.logDown = true;
  for (const url of [`/records/${record.id}`, '/records?q=orders', `/sessions/${record.session}`]) {
    const answer = await world.app.inject(get('security-read', url));
    assert.equal(answer.statusCode, 503, url);
    assert.equal(answer.json().code, 'not-recorded');
    assert.doesNotMatch(answer.body, /customers/u);
  }
});

test('a search is recorded by its filters, without the words that might be secret values', async () => {
  const { app, appended, searches } = await start();
  const q = 'person:engineer@example.com 078-05-1120 kind:statement target:4111111111111111';
  const answer = await app.inject(
    get('security-read', `/records?limit=7&q=${encodeURIComponent(q)}`),
  );
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(searches, [{ q, limit: 7 }]);
  assert.deepEqual(appended[0]?.body, {
    via: 'api',
    looked: 'search',
    filters: ['person:engineer@example.com', 'kind:statement'],
    freeWords: 2,
    limit: 7,
  });
});

test('a search by an ordinary person finds only their own records', async () => {
  const { app, records, searches } = await start();
  const mine = makeRecord();
  records.push(makeRecord({ person: people.approver.email }), mine);
  const answer = await app.inject(get('engineer-read', '/records?q=person:approver@example.com'));
  assert.deepEqual(answer.json().records, [mine]);
  assert.match(searches[0]?.q ?? '', /^person:engineer@example\.com /u);
});

test('a session is told by its records, oldest first', async () => {
  const { app, records } = await start();
  const session = randomUUID();
  const end = makeRecord({ session, kind: 'session-end', at: '2026-11-20T20:20:00.000Z' });
  const begin = makeRecord({ session, kind: 'session-start', at: '2026-11-20T20:10:00.000Z' });
  records.push(end, begin);
  const answer = await app.inject(get('engineer-read', `/sessions/${session}`));
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.json().startedAt, begin.at);
  assert.equal(answer.json().endedAt, end.at);
  assert.deepEqual(answer.json().records, [begin, end]);
  assert.equal((await app.inject(get('stranger-read', `/sessions/${session}`))).statusCode, 404);
});
