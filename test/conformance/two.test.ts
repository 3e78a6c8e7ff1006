import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { serialize } from 'pg-protocol';
import { startBeside } from '../fakes/beside.ts';
import { eventually, outcome, type TestGateway } from '../fakes/gateway.ts';
import { Q, RawClient } from '../fakes/raw-client.ts';
import { reaches, startHeld, stateOf } from './held.ts';
import { checkLedger } from './ledger.ts';

// Two gateways on one store and queue: whatever is held at `here` is seen, decided and withdrawn through `there`.
let here: TestGateway;
let there: Awaited<ReturnType<typeof startBeside>>;
let count = 0;
const update = (): string => `update orders set total = total + 1 where id = ${(count += 1)}`;

before(async () => {
  here = await startHeld({
    rules: `@id("ssn-hidden") @mask("null")
      forbid (principal, action == Action::"reveal", resource == Column::"shop/public/customers/ssn")
      unless { principal in Group::"security" };
      @id("ssn-may-be-set")
      permit (principal in Group::"engineering", action == Action::"assign", resource == Column::"shop/public/customers/ssn");
      @id("customers-wait") @hold("dba")
      forbid (principal, action == Action::"write", resource == Table::"shop/public/customers");`,
  });
  there = await startBeside(here, 'there');
});
after(async () => {
  await there?.running.stop();
  await here?.stop();
});

/** The API of the other gateway. */
async function api(path: string, body?: unknown): Promise<{ status: number; body: any }> {
  const response = await fetch(there.running.api + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${await here.token('approver', 'decide')}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}
const vote = (id: string, decision: string) =>
  api(`/requests/${id}/decision`, { decision, reason: 'seen there' });

async function cancelThere(key: { processID: number; secretKey: number }): Promise<void> {
  const socket = net.connect(there.running.postgres.port, '127.0.0.1');
  socket.end(serialize.cancel(key.processID, key.secretKey));
  socket.resume();
  await once(socket, 'close');
}

test('a hold here is listed, read and approved there, and runs here once', async () => {
  const client = await here.open();
  const sql = update();
  const answer = outcome(client.query(sql));
  const { id } = await here.pending();
  const listed = await api('/requests?state=pending');
  assert.ok(
    listed.body.requests.some((one: { id: string }) => one.id === id),
    JSON.stringify(listed),
  );
  assert.equal((await api(`/requests/${id}`)).body.card.masked, sql);
  assert.equal((await vote(id, 'approve')).status, 200);
  assert.equal((await answer).rowCount, 1);
  await reaches(here, id, 'done');
});

test('a denial there is heard here with its reason', async () => {
  const client = await here.open();
  const answer = outcome(client.query(update()));
  const { id } = await here.pending();
  assert.equal((await vote(id, 'deny')).status, 200);
  assert.match((await answer).message, /denied by approver@example\.com: seen there/);
});

test('votes at both count once a person, and together', async () => {
  const client = await here.open();
  await client.query("set countersign.reason = 'both'");
  const answer = outcome(client.query('update payments set amount = 1 where id = 1'));
  const { id } = await here.pending();
  assert.equal((await vote(id, 'approve')).status, 200);
  const again = await here.api('approver', `/requests/${id}/decision`, {
    decision: 'approve',
    reason: 'again',
  });
  assert.notEqual(again.status, 200);
  assert.equal(await stateOf(here, id), 'pending');
  await here.api('approver2', `/requests/${id}/decision`, {
    decision: 'approve',
    reason: 'second',
  });
  assert.equal((await answer).rowCount, 1);
});

test('two approvers at two gateways in the same moment: one decision', async () => {
  const client = await here.open();
  const answer = outcome(client.query(update()));
  const { id } = await here.pending();
  const [one, two] = await Promise.all([
    vote(id, 'approve'),
    here.api('approver2', `/requests/${id}/decision`, { decision: 'deny', reason: 'no' }),
  ]);
  assert.equal(one.status + two.status, 200 + 409);
  const heard = await answer;
  if (one.status === 200) assert.equal(heard.rowCount, 1);
  else assert.match(heard.message, /denied by approver2/);
});

test('Ctrl-C that reaches the other gateway withdraws the hold', async () => {
  const client = await RawClient.connect(here);
  client.send(Q(update()));
  const { id } = await here.pending();
  await cancelThere(client.key);
  const heard = await client.until('readyForQuery');
  assert.equal(heard.find((one) => one.name === 'error')?.code, '57014');
  await reaches(here, id, 'withdrawn');
  client.end();
});

test('a CancelRequest with another secret, or a forged mark, cancels nothing', async () => {
  const client = await RawClient.connect(here);
  const sql = update();
  client.send(Q(sql));
  const { id } = await here.pending();
  await cancelThere({ processID: client.key.processID, secretKey: client.key.secretKey ^ 1 });
  for (const mark of ['', `${client.key.processID}:AAAA`, 'x', `${client.key.processID}`])
    await here.storeSql.query("select pg_notify('countersign_cancel', $1)", [mark]);
  // What was sent after these has come: they were heard too.
  assert.equal((await vote(id, 'approve')).status, 200);
  const heard = await client.until('readyForQuery');
  assert.ok(heard.some((one) => one.name === 'commandComplete'));
  client.end();
});

test('a write that the card hides is shown whole only where it is held, and the way there is said', async () => {
  const client = await here.open();
  const answer = outcome(client.query("update customers set ssn = '123-45-9999' where id = 1"));
  const { id } = await here.pending();
  const refused = await vote(id, 'approve');
  assert.equal(refused.status, 403);
  const page = `${here.config.publicUrl}/requests/${id}`;
  assert.ok(JSON.stringify(refused.body).includes(page), JSON.stringify(refused.body));
  assert.equal((await vote(id, 'deny')).status, 200);
  await answer;
});

test('a token revoked there is refused here', async () => {
  const { token, info } = await here.running.tokens.issue(
    'engineer@example.com',
    ['connect'],
    'gone',
    60_000,
  );
  const client = await here.open('engineer', { password: token });
  await client.query('select 1');
  await there.running.tokens.revoke(info.id);
  const late = await outcome(here.open('engineer', { password: token }));
  assert.equal(late.code, '28P01');
});

test('the gateway that stops ends its own holds and none of the other', async () => {
  const own = await here.open();
  const kept = outcome(own.query(update()));
  const { id } = await here.pending();
  const other = await here.open('engineer', { port: there.running.postgres.port });
  const ended = outcome(other.query(update()));
  const { id: lost } = await here.pending([id]);
  await there.running.stop();
  assert.match((await ended).message, /the gateway is stopping/);
  assert.equal(await stateOf(here, lost), 'abandoned');
  assert.equal(await stateOf(here, id), 'pending');
  there = await startBeside(here, 'there');
  await vote(id, 'approve');
  assert.equal((await kept).rowCount, 1);
});

test('each has its own chain, and the ledger agrees with both', async () => {
  await eventually('two writers', async () => {
    const { rows } = await here.storeSql.query('select distinct writer from countersign.record');
    return rows.length >= 2 || undefined;
  });
  await checkLedger(here);
});
