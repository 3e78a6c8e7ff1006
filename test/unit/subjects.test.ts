import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subjects } from '#gateway/subjects.ts';

const ada = { email: 'ada@example.com', name: 'Ada', groups: ['engineering'] };
const bot = { id: 'bot', groups: ['agents'] };

test('an agent is judged with its person: the same subject as long as nothing changed, nobody once it is gone', async () => {
  let person: typeof ada | undefined = ada;
  const agents = new Map([['bot', bot]]);
  const { find: subject } = subjects(
    () => Promise.resolve(person),
    () => Promise.resolve({ roles: ['shop/reader'], started: [], forMs: Infinity }),
    agents,
  );
  const own = await subject('ada@example.com');
  const both = await subject('ada@example.com', 'bot');
  assert.deepEqual(own, { person: ada, roles: ['shop/reader'] });
  assert.deepEqual(both, { ...own, agent: bot });
  assert.equal(await subject('ada@example.com', 'bot'), both);
  assert.equal(await subject('ada@example.com'), own);
  assert.equal(await subject('ada@example.com', 'other'), undefined);
  agents.delete('bot');
  assert.equal(await subject('ada@example.com', 'bot'), undefined);
  agents.set('bot', bot);
  person = { ...ada, groups: [] };
  assert.deepEqual((await subject('ada@example.com', 'bot'))?.person.groups, []);
  person = undefined;
  assert.equal(await subject('ada@example.com', 'bot'), undefined);
});
