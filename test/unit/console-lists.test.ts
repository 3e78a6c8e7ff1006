import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { href, recordsQuery, recordsSearch, tidied } from '#gateway/console/filters.ts';
import { start } from './api-app.ts';
import { makeRequest, people } from './api-fakes.ts';
import { signIn } from './console-visit.ts';

const APPROVER = 'approver-read+decide';
const search = (fields: Record<string, string>): string =>
  recordsSearch(recordsQuery.parse(fields));
const cards = (body: string): number => body.split('data-request=').length - 1;

test('a list is asked for with the reader’s rights, and goes on where the last page ended', async () => {
  const { app, put } = await start();
  const mine = Array.from({ length: 30 }, () => makeRequest());
  for (const request of mine) put(request);
  put(makeRequest({}, { person: people.approver2, words: ['is none of the engineer’s'] }));
  const engineer = await signIn(app, 'engineer-read');
  const first = await engineer.get('/?state=open');
  assert.equal(cards(first.body), 25);
  assert.match(first.body, /25\+/u);
  const next = /href="([^"]*before=[^"]*)"/u.exec(first.body)?.[1]?.replaceAll('&amp;', '&') ?? '';
  assert.equal(next, href('/', { state: 'open', before: mine[24]?.id }));
  const second = await engineer.get(next);
  assert.equal(cards(second.body), 5);
  assert.doesNotMatch(first.body + second.body, /none of the engineer/u);
  assert.doesNotMatch(second.body, /rel="next"/u);
  assert.equal(cards((await (await signIn(app, 'stranger-read')).get('/?state=all')).body), 0);
});

test('a filter that makes no sense opens the page as if it were not there', async () => {
  const { app, put } = await start();
  put(makeRequest());
  const visitor = await signIn(app, APPROVER);
  for (const query of [
    'state=nonsense',
    'from=yesterday',
    'before=1',
    'target=a&target=b',
    'x=y',
  ]) {
    const answer = await visitor.get(`/?${query}`);
    assert.equal(answer.statusCode, 200, query);
    assert.match(answer.body, /For you to decide/u, query);
  }
  assert.equal((await visitor.get('/records?from=x&kind=a&kind=b')).statusCode, 200);
});

test('what a form sent empty is not in the address, and an address that was shared leads there', async () => {
  const { app } = await start();
  const visitor = await signIn(app, APPROVER);
  const sent = await visitor.get('/?state=mine&target=&person=ann+b&from=&to=');
  assert.equal(sent.statusCode, 303);
  assert.equal(sent.headers.location, '/?state=mine&person=ann+b');
  assert.equal(tidied('/records?q=a%26b&kind='), '/records?q=a%26b');
  assert.equal(tidied('/?state='), '/');
  assert.equal(tidied('/?q=a=b'), undefined);
  await visitor.post('/sign-out', {});
  const away = await visitor.get('/?state=mine&person=ann');
  await visitor.get(away.headers.location ?? '');
  const back = await visitor.post('/sign-in', { token: APPROVER, next: '/?state=mine&person=ann' });
  assert.equal(back.headers.location, '/?state=mine&person=ann');
});

test('no field of the records’ form can say more than itself', () => {
  assert.equal(
    search({ q: 'refund', kind: 'outcome', person: 'a@b.c' }),
    'person:a@b.c kind:outcome refund',
  );
  assert.equal(search({ target: 'x" kind:"look' }), 'target:"x  kind: look"');
  assert.equal(search({ person: 'x kind:look' }), 'person:"x kind:look"');
  assert.equal(search({ person: '"', q: 'a' }), 'person:" " a');
});

test('a search within days is recorded with them', async () => {
  const { app, appended } = await start();
  const visitor = await signIn(app, APPROVER);
  const before = randomUUID();
  await visitor.get(
    `/records?q=ssn+078&kind=outcome&from=2026-01-02&to=2026-01-31&before=${before}`,
  );
  assert.deepEqual(appended.at(-1)?.body, {
    via: 'console',
    looked: 'search',
    filters: ['kind:outcome'],
    freeWords: 2,
    limit: 51,
    from: '2026-01-02T00:00:00.000Z',
    to: '2026-02-01T00:00:00.000Z',
    before,
  });
});
