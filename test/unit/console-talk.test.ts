import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Talk, Talked } from '#src/approval/talk.ts';
import { makeRequest, makeWorld, people } from './api-fakes.ts';
import { start } from './api-app.ts';
import { signIn } from './console-visit.ts';

const said = {
  person: people.approver2.email,
  via: 'slack',
  at: '2026-11-20T20:16:00.000Z',
} as const;

/** A world in which talk is only written down. */
async function scene(change: Parameters<typeof makeRequest>[0] = {}) {
  const world = makeWorld();
  const request = makeRequest(change);
  const calls: unknown[] = [];
  const heard =
    (what: string) =>
    (...args: unknown[]): Promise<Talked> => {
      calls.push([what, ...args]);
      return Promise.resolve({ ok: true, request });
    };
  const talk: Talk = {
    others: () => ['oncall'],
    ask: heard('ask'),
    answer: heard('answer'),
    handOver: heard('handOver'),
    remind: heard('remind'),
    retract: () => Promise.resolve(false),
  };
  Object.assign(world.deps, { talk });
  const { app } = await start({ world });
  world.put(request);
  return { app, calls, path: `/requests/${request.id}`, id: request.id };
}

test('on its page an approver asks, hands over and reminds, by name', async () => {
  const { app, calls, path, id } = await scene();
  const visitor = await signIn(app, 'approver-read+decide');
  const page = (await visitor.get(path)).body;
  for (const name of ['Ask a question', 'Hand over', 'Remind those who have not agreed yet'])
    assert.ok(page.includes(name), name);
  for (const [form, fields] of [
    ['questions', { text: 'Why?' }],
    ['hand-overs', { group: 'oncall' }],
    ['reminders', {}],
  ] as const) {
    const answer = await visitor.post(`${path}/${form}`, fields);
    assert.deepEqual([answer.statusCode, answer.headers.location], [303, path]);
  }
  const by = people.approver;
  assert.deepEqual(calls, [
    ['ask', id, by, 'Why?', 'console'],
    ['handOver', id, by, 'oncall', 'console'],
    ['remind', id, by, 'console'],
  ]);
});

test('a question is shown as it was written, and only who wants it has a form to answer', async () => {
  const question = { ...said, id: randomUUID(), text: '<b>Why?</b>' };
  const { app, calls, path, id } = await scene({ questions: [question] });
  const approver = await signIn(app, 'approver-read+decide');
  const theirs = (await approver.get(path)).body;
  assert.ok(theirs.includes('&lt;b&gt;Why?&lt;/b&gt;'));
  assert.ok(!theirs.includes('/answers'));
  const engineer = await signIn(app, 'engineer-read');
  const own = (await engineer.get(path)).body;
  assert.ok(own.includes(`${path}/answers`));
  assert.ok(!own.includes(`${path}/questions`) && !own.includes(`${path}/hand-overs`));
  await engineer.post(`${path}/answers`, { question: question.id, text: 'Because.' });
  assert.deepEqual(calls, [['answer', id, question.id, people.engineer, 'Because.', 'console']]);
});

test('a form from elsewhere, and a sign-in that only reads, say nothing about a request', async () => {
  const { app, calls, path } = await scene();
  const visitor = await signIn(app, 'approver-read+decide');
  for (const change of [{ csrf: 'x'.repeat(43) }, { site: 'cross-site' }]) {
    const answer = await visitor.post(`${path}/questions`, { text: 'Hm?' }, visitor.cookie, change);
    assert.equal(answer.statusCode, 403);
  }
  const reader = await signIn(app, 'approver-read');
  assert.ok(!(await reader.get(path)).body.includes('Ask a question'));
  assert.equal((await reader.post(`${path}/questions`, { text: 'Hm?' })).statusCode, 403);
  assert.equal((await reader.post(`${path}/hand-overs`, { group: 'oncall' })).statusCode, 403);
  assert.deepEqual(calls, []);
});
