import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { openLine } from '#bot/slack/line.ts';
import { eventually } from '../fakes/gateway.ts';
import { type SlackKit, startSlackKit } from '../fakes/slack-kit.ts';
import { acceptWebSocket, type Peer } from '../fakes/websocket.ts';

const UNHANDLED: unknown[] = [];
const onUnhandled = (error: unknown): void => {
  UNHANDLED.push(error);
};

let kit: SlackKit;
before(async () => {
  process.on('unhandledRejection', onUnhandled);
  kit = await startSlackKit('socket');
});
after(async () => {
  await kit.stop();
  process.off('unhandledRejection', onUnhandled);
});
// A new bot has no failures behind it, for which it would wait longer.
beforeEach(() => fresh());
afterEach(() => assert.deepEqual(UNHANDLED, [], 'nothing that could end the process'));

const lines = () => kit.slack.socket.lines;
const both = () =>
  eventually('two lines to Slack', () => lines().length === 2 && kit.problem() === undefined);
/** Resolves when the lines are gone; others may be there by then. */
const cutAll = async () => {
  const ended = kit.slack.socket.closed() + lines().length;
  for (const { peer } of lines()) peer.drop();
  await eventually('a cut', () => kit.slack.socket.closed() >= ended);
};
const fresh = () => kit.restartBot(gone);
const gone = async () => {
  await eventually('no line', () => lines().length === 0);
};
const state = async (id: string) => (await kit.requests.get(id))?.state;
const opens = () => kit.slack.calls.filter(({ method }) => method === 'apps.connections.open');
const logged = (words: RegExp, from = 0) =>
  kit.log.slice(from).filter((line) => words.test(line.text));

for (const reason of ['warning', 'refresh_requested'])
  test(`a refresh (${reason}) opens new lines while the old ones still carry clicks`, async () => {
    await both();
    const one = await kit.hold();
    const two = await kit.hold();
    const old = kit.slack.socket.disconnect(reason);
    // At once, on a line that is to go: there is no moment without one.
    const [line] = old;
    assert.ok(line);
    assert.equal((await kit.actor.click('UAPP', 'approve', one.message)).status, 200);
    await eventually('new lines', () => lines().filter(({ leaving }) => !leaving).length === 2);
    assert.equal(lines().length, 4, 'the old ones are still there');
    assert.equal((await kit.actor.click('UAPP', 'approve', two.message)).status, 200);
    kit.slack.socket.hangUp(old);
    assert.deepEqual(
      [await state(one.request.id), await state(two.request.id)],
      ['approved', 'approved'],
    );
  });

test('clicks through many refreshes are each handled once, and none is lost', async () => {
  await both();
  for (let round = 0; round < 3; round += 1) {
    const held = [];
    for (let i = 0; i < 4; i += 1) held.push(await kit.hold());
    const clicks = held.map(({ message }) => kit.actor.click('UAPP', 'approve', message));
    const old = kit.slack.socket.disconnect('refresh_requested', lines().slice(0, 1));
    clicks.push(kit.actor.click('USTR', 'approve', held[0]?.message ?? assert.fail()));
    for (const { status } of await Promise.all(clicks)) assert.equal(status, 200);
    kit.slack.socket.hangUp(old);
    for (const { request } of held) assert.equal(await state(request.id), 'approved');
  }
  const acked = kit.slack.socket.acked;
  assert.equal(new Set(acked).size, acked.length, 'each envelope was acknowledged once');
});

test('a connection that is cut before the answer: Slack sends the click again, and it counts once', async () => {
  await both();
  const { request, message } = await kit.hold({ groups: [{ group: 'dba', quorum: 2 }] });
  kit.slack.fault('users.info', { kind: 'slow', ms: 300 });
  const sent = kit.actor.clickOf('UAPP', 'approve', message);
  const payload: unknown = JSON.parse(new URLSearchParams(sent.body).get('payload') ?? '');
  const first = lines()[0];
  const delivery = kit.slack.socket.deliver(payload, { line: 0 });
  await kit.slack.until(() => kit.slack.calls.some(({ method }) => method === 'users.info'));
  first?.peer.drop();
  const { acked, attempts } = await delivery;
  assert.ok(acked && attempts > 1, 'it was sent again and acknowledged');
  await kit.stored(request.id, 2);
  assert.equal((await kit.requests.get(request.id))?.decisions.length, 1);
  assert.equal(kit.problem(), undefined, 'the other line was there all the time');
});

test('with both connections cut, Slack keeps the click and a new line takes it', async () => {
  await both();
  const { request, message } = await kit.hold();
  await cutAll();
  assert.equal((await kit.actor.click('UAPP', 'approve', message)).status, 200);
  assert.equal(await state(request.id), 'approved');
  await both();
});

test('invalid_auth while running ends nothing: it is said what to do, tried again, and decided elsewhere', async () => {
  await both();
  const { request, message } = await kit.hold();
  const from = kit.log.length;
  const tried = opens().length;
  kit.slack.tokens.app = 'xapp-another';
  await cutAll();
  const problem = await eventually('the problem', () =>
    /invalid_auth/.test(kit.problem() ?? '') ? kit.problem() : undefined,
  );
  assert.match(problem ?? '', /chat\.slack\.appToken.*connections:write.*restart.*in the console/);
  await eventually('further attempts', () => opens().length >= tried + 4);
  assert.equal(logged(/refuses chat\.slack\.appToken/, from).length, 1, 'said once');
  const { person } = await import('../fakes/approval.ts');
  const vote = { decision: 'approve', reason: '', via: 'console' } as const;
  assert.ok((await kit.requests.decide(request.id, person('approver'), vote)).ok);
  await kit.slack.until(() => JSON.stringify(message.blocks).includes('via console'));
  kit.slack.tokens.app = 'xapp-test';
  await both();
  assert.equal(logged(/works again/, from).length, 1);
});

for (const error of ['account_inactive', 'not_authed', 'token_revoked', 'internal_error'])
  test(`${error} from apps.connections.open is survived`, async () => {
    await both();
    for (let i = 0; i < 2; i += 1)
      kit.slack.fault('apps.connections.open', { kind: 'error', error });
    await cutAll();
    await eventually('the problem', () => kit.problem()?.includes(error));
    await both();
  });

test('503, 429, a reply that never comes and a used address are survived', async () => {
  for (const fault of [
    { kind: '500' },
    { kind: '429', seconds: 1 },
    { kind: 'lost' },
    { kind: 'error', error: 'ratelimited' },
  ] as const) {
    await fresh();
    await both();
    kit.slack.fault('apps.connections.open', fault);
    await cutAll();
  }
  await both();
});

test('an app token without connections:write is named', async () => {
  await both();
  kit.slack.appScopes.clear();
  await cutAll();
  await eventually('the problem', () =>
    /missing_scope.*connections:write/.test(kit.problem() ?? ''),
  );
  kit.slack.appScopes.add('connections:write');
  await both();
});

test('Socket Mode that is switched off is named, and comes back when it is on again', async () => {
  await both();
  for (let i = 0; i < 2; i += 1)
    kit.slack.fault('apps.connections.open', { kind: 'error', error: 'internal_error' });
  kit.slack.socket.disconnect('link_disabled');
  await eventually('it is said', () => logged(/Socket Mode is switched off/).length > 0);
  await both();
});

test('the bot leaves no line behind, and clicks wait for the next start', async () => {
  await both();
  const { request, message } = await kit.hold();
  let click: ReturnType<typeof kit.actor.click> | undefined;
  await kit.restartBot(async () => {
    await gone();
    click = kit.actor.click('UAPP', 'approve', message);
  });
  assert.equal((await click)?.status, 200);
  assert.equal(await state(request.id), 'approved');
});

test('what is no envelope is ignored', async () => {
  await both();
  const [line] = lines();
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"type":"x"}',
    '{"envelope_id":"1","type":"interactive"}',
  ])
    line?.peer.send(text);
  const { request, message } = await kit.hold();
  await kit.actor.click('UAPP', 'approve', message);
  assert.equal(await state(request.id), 'approved');
});

test('a line whose other end went silent, or never greets, is given up', async () => {
  const peers: Peer[] = [];
  let greets = true;
  const server = createServer();
  server.on('upgrade', (request, socket) => {
    const peer = acceptWebSocket(request, socket, { message: () => {}, close: () => {} });
    peers.push(peer);
    if (greets) peer.send('{"type":"hello"}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const url = `ws://127.0.0.1:${typeof bound === 'object' && bound ? bound.port : 0}`;
  const timing = { pingMs: 20, silenceMs: 200, helloMs: 300 };
  const alive = await openLine(url, () => {}, timing);
  const silent = await openLine(url, () => {}, timing);
  const [, mute] = peers;
  assert.ok(mute);
  mute.muted = true;
  assert.equal(await silent.leaving, 'silent');
  const closing = peers[0];
  assert.equal(await Promise.race([alive.leaving, Promise.resolve('alive')]), 'alive');
  closing?.close(1000);
  assert.equal(await alive.leaving, 'closed');
  greets = false;
  await assert.rejects(
    openLine(url, () => {}, timing),
    /no greeting/,
  );
  for (const peer of peers) peer.drop();
  server.close();
  await assert.rejects(
    openLine(url, () => {}, timing),
    /ended before it began/,
  );
});
