import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { buttonOf } from '../fakes/teams-card.ts';
import { noteOf, type Otherwise } from '../fakes/teams-actor.ts';
import { startTeamsKit, TEAM, type TeamsKit } from '../fakes/teams-kit.ts';
import { APP_ID, OTHER_TENANT } from '../fakes/teams.ts';

let kit: TeamsKit;
before(async () => {
  kit = await startTeamsKit();
});
after(() => kit.stop());

/** Somebody who may approve presses Approve, and something about the call is not as Teams makes it. */
async function approveWith(otherwise: Otherwise) {
  const { request, message } = await kit.hold();
  const { length } = kit.teams.calls;
  const reply = await kit.actor.press(TEAM.approver, message, 'Approve', otherwise);
  const state = (await kit.requests.get(request.id))?.state;
  return { status: reply.status, state, sent: kit.teams.calls.length - length };
}
const now = () => Math.floor(Date.now() / 1_000);
const REFUSED = { status: 401, state: 'pending', sent: 0 };

void test('a token of Teams for this bot opens the door', async () => {
  assert.deepEqual((await approveWith({})).status, 200);
});

const FORGED: Readonly<Record<string, () => Promise<string>>> = {
  'no token': () => Promise.resolve(''),
  'no JWT': () => Promise.resolve('not.a.token'),
  'a key of somebody else under Teams’ key id': () => kit.teams.token({}, { stranger: true }),
  'a key id that Microsoft does not have': () => kit.teams.token({}, { kid: 'k9' }),
  'a token for another bot': () => kit.teams.token({ aud: OTHER_TENANT }),
  'a token of another issuer': () => kit.teams.token({ iss: 'https://evil.example' }),
  'a token that expired': () => kit.teams.token({ exp: now() - 600 }),
  'a token for another service': () =>
    kit.teams.token({ serviceurl: 'https://smba.trafficmanager.net/x' }),
  'a token for no service': () => kit.teams.token({ serviceurl: null }),
  async 'a token without a signature'() {
    const [, payload] = (await kit.teams.token()).split('.');
    const header = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    return `${header}.${payload}.`;
  },
};
for (const [what, token] of Object.entries(FORGED))
  void test(`${what} is refused, nothing is decided and nothing sent`, async () => {
    assert.deepEqual(await approveWith({ token: await token() }), REFUSED);
  });

void test('a call of another channel is refused, whoever signed it', async () => {
  for (const channelId of ['webchat', 'directline', 'emulator', 'AseChannel', undefined])
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    assert.deepEqual(await approveWith({ activity: { channelId } }), { ...REFUSED, status: 400 });
});

void test('another tenant is refused, however it is named, and so is none, or two', async () => {
  const conversation = { id: '19:approvals@thread.tacv2', conversationType: 'channel' };
  for (const activity of [
    {
      conversation: { ...conversation, tenantId: OTHER_TENANT },
      channelData: { tenant: { id: OTHER_TENANT } },
    },
    { conversation: { ...conversation, tenantId: OTHER_TENANT } },
    { channelData: { tenant: { id: OTHER_TENANT } } },
    { conversation, channelData: {} },
  ])
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    assert.deepEqual(await approveWith({ activity }), { ...REFUSED, status: 403 });
});

void test('the same call again decides nothing more', async () => {
  const { request, message } = await kit.hold({ groups: [{ group: 'dba', quorum: 2 }] });
  const { data } = buttonOf(message.card, 'Approve');
  const activity = {
    ...kit.actor.activityOf(TEAM.approver, message.conversation, message.id),
    type: 'invoke',
    name: 'adaptiveCard/action',
    value: { action: { type: 'Action.Execute', verb: 'approve', data } },
  };
  const token = await kit.teams.token();
  await kit.actor.post(activity, { token });
  assert.match(noteOf(await kit.actor.post(activity, { token })), /handled already/u);
  const both = await Promise.all([
    kit.actor.post(activity, { token }),
    kit.actor.post(activity, { token }),
  ]);
  assert.ok(both.every((reply) => /handled already/u.test(noteOf(reply))));
  assert.equal((await kit.requests.get(request.id))?.decisions.length, 1);
});

void test('nothing is sent to a service that is not allowed, and no redirect is followed with the bot’s token', async () => {
  const heard: (string | undefined)[] = [];
  const thief = createServer((request, response) => {
    heard.push(request.headers.authorization);
    response.end('{}');
  });
  thief.listen(0, '127.0.0.1');
  await once(thief, 'listening');
  const bound = thief.address();
  const evil = `http://127.0.0.1:${bound !== null && typeof bound !== 'string' ? bound.port : 0}/`;
  try {
    // Signed for that very service: Microsoft would not, but the door must not hang on that.
    const token = await kit.teams.token({ serviceurl: evil });
    for (const serviceUrl of [
      evil,
      kit.teams.url.replace('127.0.0.1', 'localhost'),
      `${kit.teams.url}@x`,
    ])
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      assert.notEqual((await approveWith({ activity: { serviceUrl }, token })).state, 'approved');
    // Written into the store by whoever can: it is looked at again before each call.
    await kit.store.db.pool.query('update countersign.teams_place set service_url = $1', [evil]);
    await kit.requests.open(
      (await import('../fakes/approval.ts')).asked({ channels: ['db-approvals'] }),
    );
    await kit.teams.until(() =>
      kit.log.find(({ fields }) => JSON.stringify(fields).includes('ServiceUrlNotAllowed')),
    );
    await kit.store.db.pool.query('update countersign.teams_place set service_url = $1', [
      kit.teams.url,
    ]);
    kit.teams.fail('POST', { kind: 'moved', to: evil });
    await kit.hold();
    assert.deepEqual(heard, []);
  } finally {
    thief.close();
    thief.closeAllConnections();
  }
});

void test('what is no activity, is too long, or is of a type that web pages send, comes no further', async () => {
  const { activityOf, post } = kit.actor;
  const activity = { ...activityOf(TEAM.approver, 'a:x'), type: 'message', text: 'help' };
  const status = async (body: object, otherwise?: Otherwise) =>
    (await post(body, otherwise)).status;
  assert.equal(await status(activity, { headers: { 'content-type': 'text/plain' } }), 415);
  assert.equal(await status([]), 400);
  assert.equal(await status({ ...activity, text: 'x'.repeat(300_000) }), 413);
  assert.equal(
    await status({ ...activity, conversation: { id: '..', tenantId: OTHER_TENANT } }),
    400,
  );
  assert.equal(await status({ ...activity, from: { id: 'x', aadObjectId: 'not-an-id' } }), 400);
  const get = await fetch(`${kit.address()}/api/messages`);
  assert.equal(get.status, 404);
  await get.arrayBuffer();
});

void test('the app’s password and the bot’s token stand in no log and no table', async () => {
  const all = JSON.stringify(kit.log, (_key, value: unknown) =>
    value instanceof Error ? `${value.message} ${value.stack}` : value,
  );
  assert.doesNotMatch(all, /token-of-the-bot|not used: the fake/u);
  assert.ok(APP_ID.length > 0);
});
