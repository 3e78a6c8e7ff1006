import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { writeFacts } from '#cli/demo/facts.ts';
import { portsFrom } from '#cli/demo/plan.ts';
import { tour } from '#cli/demo/tour.ts';
import type { Scope, TokenInfo, Tokens } from '#src/identity/token.ts';

const where = {
  console: 'http://127.0.0.1:8080',
  api: 'http://127.0.0.1:8080/api/v1',
  postgres: { host: '127.0.0.1', port: 6432, database: 'shop' },
  issuer: 'http://127.0.0.1:8080/embedded',
};
let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-facts-'));
});
after(() => rm(dir, { recursive: true, force: true }));

/** Only what the demo asks for. */
function fakeTokens(): Tokens & { live: Map<string, TokenInfo> } {
  const live = new Map<string, TokenInfo>();
  return {
    live,
    issue(person: string, scopes: readonly Scope[], label: string) {
      const token = `token-${live.size}`;
      const info = { id: token, person, label, scopes, createdAt: '', expiresAt: '' };
      live.set(token, info);
      return Promise.resolve({ token, info });
    },
    check: (token: string, scope: Scope) =>
      Promise.resolve(live.get(token)?.scopes.includes(scope) ? live.get(token) : undefined),
  } as unknown as Tokens & { live: Map<string, TokenInfo> };
}

test('the demo writes its facts privately, in the shape that scripts rely on', async () => {
  const path = join(dir, 'first.json');
  await writeFacts(path, where, fakeTokens());
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const facts = JSON.parse(await readFile(path, 'utf8'));
  assert.deepEqual(Object.keys(facts), ['console', 'api', 'postgres', 'issuer', 'people']);
  assert.deepEqual(Object.keys(facts.people), [
    'engineer',
    'approver',
    'approver2',
    'oncall',
    'security',
    'stranger',
  ]);
  assert.deepEqual(Object.keys(facts.people.approver), ['email', 'groups', 'token', 'decideToken']);
  assert.equal(facts.people.approver.email, 'approver@example.com');
});

test('a second start keeps tokens that live and replaces those that do not', async () => {
  const path = join(dir, 'second.json');
  const tokens = fakeTokens();
  const first = await writeFacts(path, where, tokens);
  tokens.live.delete(first.people['engineer']?.decideToken ?? '');
  const second = await writeFacts(path, where, tokens);
  assert.equal(second.people['engineer']?.token, first.people['engineer']?.token);
  assert.notEqual(second.people['engineer']?.decideToken, first.people['engineer']?.decideToken);
  assert.deepEqual(second.people['oncall'], first.people['oncall']);
});

test('the tour has at most ten lines and no token', async () => {
  const facts = await writeFacts(join(dir, 'tour.json'), where, fakeTokens());
  const text = tour(facts, '.countersign/demo.json');
  assert.ok(text.split('\n').length <= 10);
  assert.doesNotMatch(text, /token-\d/);
});

test('what is pasted may go into a zsh, which takes comments for words', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const block = /## The tour[^]*?```sh\n([^]*?)```/.exec(readme)?.[1] ?? '';
  const printed = tour({ ...where, people: {} }, '.countersign/demo.json');
  const comments = `${block}\n${printed}`.match(/(?<=^|\s)# .*/gm) ?? [];
  assert.ok(comments.length >= 8);
  for (const comment of comments) {
    assert.doesNotMatch(comment, /['`;&|<>()]/);
    assert.equal(comment.split('"').length % 2, 1, comment);
  }
  assert.doesNotMatch(`${block}\n${printed}`, /^npx .*# /m);
});

test('a port base moves every port of the demo', () => {
  assert.deepEqual(Object.values(portsFrom(20000)), [20000, 20001, 20002, 20003]);
  assert.equal(portsFrom(undefined).console, 8080);
});
