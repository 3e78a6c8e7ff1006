import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RulesState } from '#gateway/reload.ts';
import { makeRequest, makeWorld } from './api-fakes.ts';
import { start } from './api-app.ts';
import { signIn } from './console-visit.ts';

const loaded: RulesState = {
  version: 'abcdef0123456789',
  loadedAt: '2026-01-02T03:04:05.000Z',
  problems: [],
  configuration: [],
  failures: 0,
};

test('who decides reads that rules or configuration on disk do not load, and what is in force', async () => {
  const world = makeWorld();
  const request = makeRequest();
  world.put(request);
  const paths = ['/', '/?state=open', `/requests/${request.id}`];
  let rules = loaded;
  world.deps.rules = () => rules;
  const { app } = await start({ world });
  const texts = async (token: string): Promise<string[]> => {
    const visitor = await signIn(app, token);
    return Promise.all(paths.map(async (path) => (await visitor.get(path)).body));
  };
  for (const text of await texts('approver-read+decide')) assert.doesNotMatch(text, /on disk/);

  rules = {
    ...loaded,
    since: '2026-01-02T04:00:00.000Z',
    problems: ['shop.cedar:7: unexpected <token> (write it anew)'],
    failures: 1,
  };
  for (const text of await texts('approver-read+decide')) {
    assert.match(text, /do not load since/);
    assert.match(text, /shop\.cedar:7: unexpected &lt;token&gt;/);
    assert.match(text, /abcdef012345/);
    assert.doesNotMatch(text, /configuration on disk/);
  }
  for (const text of await texts('approver-read')) assert.doesNotMatch(text, /on disk/);

  rules = { ...loaded, configuration: ['people.<x>: needs a name'] };
  for (const text of await texts('approver-read+decide')) {
    assert.match(text, /configuration on disk cannot be used/);
    assert.match(text, /people\.&lt;x&gt;: needs a name/);
    assert.doesNotMatch(text, /rules on disk/);
  }
});
