import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FORM } from '../fakes/slack-actor.ts';
import { type SlackKit, startSlackKit } from '../fakes/slack-kit.ts';

let kit: SlackKit;
before(async () => {
  kit = await startSlackKit('http');
});
after(() => kit.stop());

const now = () => Math.floor(Date.now() / 1_000);
const state = async (id: string) => (await kit.requests.get(id))?.state;

test('a wrong signature, and a time that is past or to come, are refused before anything is read', async () => {
  const { request, message } = await kit.hold();
  for (const options of [
    { signature: `v0=${'0'.repeat(64)}` },
    { signature: 'v0=' },
    { signature: 'v1=00' },
    { signature: '' },
    { at: now() - 301 },
    { at: now() + 120 },
    { at: now() + 301 },
    { at: now() + 86_400 },
    { headers: { 'x-slack-request-timestamp': 'tomorrow' } },
    { headers: { 'x-slack-request-timestamp': '' } },
  ]) {
    const answer = await kit.actor.click('UAPP', 'approve', message, options);
    assert.deepEqual([answer.status, answer.text], [401, ''], JSON.stringify(options));
  }
  assert.equal(await state(request.id), 'pending');
});

test('without its signature a call is refused, also when it claims to be a check of TLS', async () => {
  const { request, message } = await kit.hold();
  const { sent } = await kit.actor.click('USTR', 'approve', message);
  const post = (body: string) =>
    fetch(`${kit.address()}/slack/events`, {
      method: 'POST',
      body,
      headers: { 'content-type': FORM },
    });
  assert.equal((await post(sent.body)).status, 401);
  await post(`ssl_check=1&${sent.body.replace('USTR', 'UAPP')}`);
  assert.equal(await state(request.id), 'pending');
});

test('signed bytes that were changed, or moved to another second, are refused', async () => {
  const { request, message } = await kit.hold();
  const { sent } = await kit.actor.click('USTR', 'approve', message);
  const stale = `v0=${'a'.repeat(64)}`;
  const changed = { ...sent, body: sent.body.replace('USTR', 'UAPP') };
  assert.equal((await kit.actor.send(changed, { signature: stale })).status, 401);
  assert.equal((await kit.actor.send({ ...sent, at: sent.at + 400 })).status, 401);
  assert.equal(await state(request.id), 'pending');
});

test('a replay within the five minutes has no second effect', async () => {
  const { request, message } = await kit.hold({ groups: [{ group: 'dba', quorum: 2 }] });
  const { sent } = await kit.actor.click('UAPP', 'approve', message);
  await kit.stored(request.id, 2);
  const told = kit.slack.ephemerals.length;
  for (let i = 0; i < 3; i += 1) assert.equal((await kit.actor.send(sent)).status, 200);
  assert.equal(kit.slack.ephemerals.length, told);
  assert.equal((await kit.requests.get(request.id))?.decisions.length, 1);
});

test('a body that is too large, of another type, or no payload is refused, with a sentence and no stack', async () => {
  const { message } = await kit.hold();
  const { sent } = await kit.actor.click('USTR', 'approve', message);
  const said = kit.log.length;
  const large = { ...sent, body: `payload=${'x'.repeat(1_048_577)}` };
  assert.equal((await kit.actor.send(large)).status, 413);
  const status = async (body: string, type: string) =>
    (await kit.actor.send({ ...sent, body }, { headers: { 'content-type': type } })).status;
  for (const type of ['text/plain', 'text/json', 'multipart/form-data; boundary=x', ''])
    assert.equal(await status(sent.body, type), 415);
  assert.equal(await status(sent.body, 'application/json'), 400, 'a form is no JSON');
  for (const body of ['payload={', 'payload=null', 'payload=[]', 'payload=1', 'x=1', ''])
    assert.equal(await status(body, FORM), 400, body);
  assert.equal((await fetch(`${kit.address()}/elsewhere`, { method: 'POST' })).status, 404);
  assert.equal((await fetch(`${kit.address()}/slack/events`)).status, 404);
  const lines = JSON.stringify(kit.log.slice(said));
  assert.ok(kit.log.length > said, 'it is said in the log');
  assert.doesNotMatch(lines, /\bat .*\.[jt]s:\d+|node_modules/);
});

test('a type with a charset is the same type', async () => {
  const { request, message } = await kit.hold();
  const headers = { 'content-type': `${FORM}; charset=utf-8` };
  assert.equal((await kit.actor.click('UAPP', 'approve', message, { headers })).status, 200);
  assert.equal(await state(request.id), 'approved');
});

test('a signed call that nothing handles says so', async () => {
  const { sent } = await kit.actor.click('USTR', 'approve', (await kit.hold()).message);
  const body = new URLSearchParams({ payload: '{"type":"x"}' }).toString();
  assert.equal((await kit.actor.send({ ...sent, body })).status, 404);
});
