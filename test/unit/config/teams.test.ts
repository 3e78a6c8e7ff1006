import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTeams } from '#src/config/teams.ts';
import { teams } from '#src/config/schema-teams.ts';

const TENANTS = ['22222222-3333-4444-5555-666666666666'];
const found = (teamsPart: object) =>
  checkTeams({ chat: { teams: { listen: '127.0.0.1:3978', tenants: TENANTS, ...teamsPart } } }).map(
    ({ path }) => path,
  );

void test('a bot without an id or a password does not start, unless it is a local test', () => {
  assert.deepEqual(found({}), ['chat.teams.appId', 'chat.teams.appPassword']);
  assert.deepEqual(found({ appId: TENANTS[0] }), ['chat.teams.appPassword']);
  assert.deepEqual(found({ appId: TENANTS[0], appPassword: 'x' }), []);
  assert.deepEqual(found({ localTest: true }), []);
  assert.deepEqual(checkTeams({ chat: {} }), []);
});

void test('a local test listens on this machine alone, and has no id', () => {
  assert.deepEqual(found({ localTest: true, listen: '0.0.0.0:3978' }), ['chat.teams.listen']);
  assert.deepEqual(found({ localTest: true, listen: '10.0.0.1:3978' }), ['chat.teams.listen']);
  assert.deepEqual(found({ localTest: true, listen: 'localhost:3978' }), []);
  assert.deepEqual(found({ localTest: true, appId: TENANTS[0] }), ['chat.teams.localTest']);
});

const read = (serviceUrls?: string[]) =>
  teams.safeParse({
    tenants: TENANTS,
    listen: '127.0.0.1:1',
    ...(serviceUrls && { serviceUrls }),
  });

void test('service URLs are HTTPS, or of this machine, and Microsoft’s unless others are named', () => {
  assert.equal(read(['http://smba.trafficmanager.net/']).success, false);
  assert.equal(read(['https://user@smba.trafficmanager.net/']).success, false);
  assert.equal(read(['https://smba.trafficmanager.net/?a=b']).success, false);
  assert.equal(read(['http://127.0.0.1:56150/']).success, true);
  assert.equal(read([]).success, false);
  const usual = read().data?.serviceUrls ?? [];
  assert.ok(usual.length > 0 && usual.every((one) => new URL(one).protocol === 'https:'));
});
