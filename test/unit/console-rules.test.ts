import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inboxPage } from '#gateway/console/pages/inbox.ts';

const person = { email: 'ada@example.com', name: 'Ada', groups: ['dba'] };
const loaded = {
  version: 'abcdef0123456789',
  loadedAt: '2026-01-02T03:04:05.000Z',
  failures: 0,
  configuration: [],
};
const page = (canDecide: boolean, rules: Parameters<typeof inboxPage>[2]['rules']): string =>
  inboxPage(person, canDecide, { pending: [], all: [], rules }).body.text;

test('approvers read that the rules on disk do not load, and which are in force', () => {
  const broken = {
    ...loaded,
    since: '2026-01-02T04:00:00.000Z',
    problems: ['shop.cedar:7: unexpected <token> (write it anew)'],
    failures: 1,
  };
  const text = page(true, broken);
  assert.match(text, /do not load since/);
  assert.match(text, /shop\.cedar:7: unexpected &lt;token&gt;/);
  assert.match(text, /abcdef012345/);
  assert.doesNotMatch(page(false, broken), /do not load/);
  assert.doesNotMatch(page(true, { ...loaded, problems: [] }), /do not load/);
});
