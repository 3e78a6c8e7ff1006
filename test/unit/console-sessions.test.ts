import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { RecordingEvent } from '#src/recording/port.ts';
import { fakeRecordings, makeSession } from '../fakes/sessions.ts';
import { start } from './api-app.ts';
import { makeRecord, makeWorld, people, type World } from './api-fakes.ts';
import { signIn } from './console-visit.ts';

const at = (second: number): string =>
  new Date(Date.UTC(2026, 10, 20, 20, 0, second)).toISOString();
const textOf = (body: string): string => body.replaceAll(/<[^>]*>/gu, ' ').replaceAll(/\s+/gu, ' ');

const SESSION = randomUUID();
const [HELD, DENIED, READ] = [randomUUID(), randomUUID(), randomUUID()];

/** One statement of each verdict, one of the gateway's own, a look, and what the target said. */
function furnished(events: readonly RecordingEvent[] = []): World {
  const world = makeWorld();
  const held = { session: SESSION, statement: HELD, request: randomUUID() };
  // The log gives the newest first.
  world.records.push(
    makeRecord({
      ...held,
      kind: 'outcome',
      at: at(63),
      body: { ok: true, rows: 1, tags: ['UPDATE 1'], durationMs: 3.21 },
    }),
    makeRecord({
      ...held,
      kind: 'decision',
      at: at(62),
      person: people.approver.email,
      body: { decision: 'approve', group: 'dba', via: 'slack', reason: 'checked' },
    }),
    makeRecord({
      ...held,
      verdict: 'hold',
      at: at(2),
      body: { text: 'update orders', words: ['updates orders'], rules: ['writes'] },
    }),
    makeRecord({
      session: SESSION,
      statement: READ,
      at: at(2),
      body: {
        text: 'select id, name, ssn from customers',
        words: ['reads customers'],
        rules: ['reads'],
        masked: { 'shop/public/customers/ssn': 'null' },
      },
    }),
    makeRecord({
      session: SESSION,
      statement: DENIED,
      verdict: 'deny',
      at: at(1),
      body: { text: 'drop table x', words: ['drops x'], message: 'never', rules: ['no-drop'] },
    }),
    makeRecord({
      session: SESSION,
      statement: randomUUID(),
      at: at(1),
      body: { class: ['countersign'], text: 'select own' },
    }),
    makeRecord({ session: SESSION, kind: 'look', person: people.security.email, body: {} }),
    makeRecord({ session: SESSION, kind: 'session-start', at: at(0), body: {} }),
  );
  world.sessions.push(
    makeSession({ id: SESSION, startedAt: at(0), endedAt: at(70), state: 'ended' }),
  );
  if (events.length > 0) world.deps = { ...world.deps, recordings: fakeRecordings(events) };
  return world;
}

const rows = (count: number): RecordingEvent[] =>
  Array.from({ length: count }, (_, i) => ({
    t: 2_100,
    k: 'row',
    s: READ,
    cells: [String(i), i === 0 ? '<b>Ann</b>\u202E' : null, i === 1 ? '' : null],
  }));
const RESULT: readonly RecordingEvent[] = [
  { t: 2_000, k: 'statement', id: READ, text: 'select', verdict: 'allow' },
  { t: 2_050, k: 'columns', s: READ, names: ['id', 'name', 'ssn'] },
  ...rows(30),
  { t: 2_100, k: 'rest', s: READ, rows: 1_200, bytes: 34_000, digest: 'abcdef0123456789' },
  { t: 2_200, k: 'end', s: READ, tag: 'SELECT 1230', rows: 1_230, ms: 12 },
  { t: 2_300, k: 'gap', reason: 'missing', chunk: 3 },
];

test('a session tells its statements in order, each with its verdict, approvals and outcome', async () => {
  const { app } = await start({ world: furnished() });
  const { body } = await (await signIn(app, 'approver-read')).get(`/sessions/${SESSION}`);
  const text = textOf(body);
  assert.match(text, /Statements, oldest first 3 /u);
  assert.match(
    text,
    /drops x deny [\d: -]+UTC no-drop never .*drop table x .*updates orders hold/u,
  );
  assert.match(text, /Approved by approver@example\.com for dba, in slack after 1 min checked/u);
  assert.match(text, /Outcome : UPDATE 1, 1 row, 3\.2 ms/u);
  assert.match(text, /State Ended .*From 127\.0\.0\.1:51234, with psql/u);
  assert.match(text, /Ended 2026-11-20 20:01:10 UTC ?, after 1 min/u);
  assert.match(text, /1 of the gateway’s own/u);
  assert.ok(!text.includes('select own'));
  assert.ok(body.includes(`id="s-${HELD}"`));
  const engineer = await (await signIn(app, 'engineer-read')).get(`/sessions/${SESSION}`);
  assert.doesNotMatch(engineer.body, /approver@example/u);
});

test('a result is a table with its first rows, and says plainly what it does not show', async () => {
  const { app, appended } = await start({ world: furnished(RESULT) });
  const engineer = await signIn(app, 'engineer-read');
  const { body } = await engineer.get(`/sessions/${SESSION}`);
  const text = textOf(body);
  assert.equal(body.split('<td class="number">').length - 1, 20);
  assert.match(text, /name ssn masked 0 &lt;b&gt;Ann&lt;\/b&gt;‹U\+202E› masked 1 NULL empty/u);
  assert.match(text, /10 more rows are recorded: show all \./u);
  assert.match(text, /1,200 more rows \(34 kB\) were not kept; digest abcdef0123456789/u);
  assert.match(text, /1,230 rows/u);
  assert.match(text, /2 s into it: part 3 of the recording is missing/u);
  assert.match(text, /masked: ssn \(null\)/u);
  const look = { via: 'console', looked: 'recording' };
  assert.deepEqual(appended.at(-1), {
    kind: 'look',
    person: people.engineer.email,
    session: SESSION,
    body: look,
  });
  const whole = await engineer.get(`/sessions/${SESSION}?statement=${READ}`);
  assert.equal(whole.body.split('<td class="number">').length - 1, 30);
  assert.doesNotMatch(whole.body, /drop table/u);
  assert.deepEqual(appended.at(-1)?.body, { ...look, statement: READ });
});

test('statements are filtered by verdict', async () => {
  const { app } = await start({ world: furnished() });
  const visitor = await signIn(app, 'approver-read');
  const denied = await visitor.get(`/sessions/${SESSION}?verdict=deny`);
  assert.match(denied.body, /drop table x/u);
  assert.doesNotMatch(denied.body, /update orders/u);
  assert.match(denied.body, /aria-current="page">Denied/u);
});

test('ten thousand statements are read in parts, and a link leads to the part with its statement', async () => {
  const world = makeWorld();
  const session = randomUUID();
  world.sessions.push(makeSession({ id: session, state: 'ended', endedAt: at(1) }));
  for (let i = 9_999; i >= 0; i -= 1)
    world.records.push(makeRecord({ session, body: { words: [`statement ${i}`], text: 'x' } }));
  const { app } = await start({ world });
  const visitor = await signIn(app, 'approver-read');
  const first = await visitor.get(`/sessions/${session}`);
  assert.ok(first.body.length < 200_000, String(first.body.length));
  assert.match(first.body, />statement 49</u);
  assert.doesNotMatch(first.body, />statement 50<|rel="prev"/u);
  const next = /href="([^"]+)" rel="next"/u.exec(first.body)?.[1] ?? '';
  const second = await visitor.get(next);
  assert.match(second.body, />statement 50</u);
  const back = /href="([^"]+)" rel="prev"/u.exec(second.body)?.[1] ?? '';
  assert.match((await visitor.get(back)).body, />statement 0</u);
  const { statement } = world.records[0] ?? {};
  const linked = await visitor.get(`/sessions/${session}?at=${statement}`);
  assert.match(linked.body, />statement 9999</u);
  const last = await visitor.get(`/sessions/${session}?part=last`);
  assert.match(last.body, />statement 9999</u);
  assert.doesNotMatch(last.body, /rel="next"/u);
});

test('a session of others is a 404 to who may not see it, page, recording, live view and end alike', async () => {
  const world = furnished(RESULT);
  const { app } = await start({ world });
  const stranger = await signIn(app, 'stranger-read');
  for (const path of ['', '?statement=x', '/live', '/terminal'])
    assert.equal((await stranger.get(`/sessions/${SESSION}${path}`)).statusCode, 404, path);
  const ended = await stranger.post(`/sessions/${SESSION}/end`, { reason: 'mine now' });
  assert.equal(ended.statusCode, 404);
  const api = await app.inject({
    url: `/api/v1/sessions/${SESSION}/recording`,
    headers: { authorization: 'Bearer stranger-read' },
  });
  assert.equal(api.statusCode, 404);
  assert.deepEqual(
    world.appended.filter(({ kind }) => kind === 'look'),
    [],
  );
  assert.deepEqual(world.ends, []);
});

test('a running session is ended by its form, with a reason; what is refused is said on its page', async () => {
  const world = makeWorld();
  const session = makeSession();
  world.sessions.push(session);
  const { app } = await start({ world });
  const path = `/sessions/${session.id}`;
  const security = await signIn(app, 'security-read+decide');
  assert.match((await security.get(path)).body, /<button class="danger">End this session/u);
  assert.match((await security.get('/sessions')).body, /<button class="danger">End it/u);
  const empty = await security.post(`${path}/end`, { reason: ' ' });
  assert.equal(empty.statusCode, 422);
  assert.match(empty.body, /role="alert"/u);
  const done = await security.post(`${path}/end`, { reason: 'too long' });
  assert.equal(done.statusCode, 303);
  assert.deepEqual(world.ends, [
    {
      id: session.id,
      end: { by: people.security.email, via: 'console', reason: 'too long' },
    },
  ]);
  const approver = await signIn(app, 'approver-read+decide');
  assert.doesNotMatch((await approver.get(path)).body, /class="danger"/u);
  assert.equal((await approver.post(`${path}/end`, { reason: 'x' })).statusCode, 403);
  const reader = await signIn(app, 'security-read');
  assert.equal((await reader.post(`${path}/end`, { reason: 'x' })).statusCode, 403);
  const foreign = await security.post(`${path}/end`, { reason: 'x' }, undefined, {
    origin: 'https://evil.example',
  });
  assert.equal(foreign.statusCode, 403);
  assert.equal(world.ends.length, 1);
});
