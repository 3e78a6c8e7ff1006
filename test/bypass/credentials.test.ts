import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { codes, Q, RawClient, told } from '../fakes/raw-client.ts';
import { cookies, hold, leave, post, send } from './held.ts';

describe('credentials that do not suffice', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway();
  });
  after(() => gateway.stop());

  test('tokens without the scope decide do not decide', async () => {
    const one = await hold(gateway);
    for (const scopes of [['read'], ['connect'], ['connect', 'read']] as const) {
      const { token } = await gateway.running.tokens.issue(
        'approver@example.com',
        scopes,
        'x',
        60_000,
      );
      assert.equal(await post(gateway, one.id, { authorization: `Bearer ${token}` }), 403);
    }
    for (const headers of [{}, { authorization: 'Bearer x' }, { authorization: 'Basic eDp4' }])
      assert.equal(await post(gateway, one.id, headers as Record<string, string>), 401);
    await leave(gateway, one);
  });

  test('an expired or revoked token does not decide', async () => {
    const one = await hold(gateway);
    const old = await gateway.running.tokens.issue('approver@example.com', ['decide'], 'x', 1);
    const gone = await gateway.running.tokens.issue(
      'approver@example.com',
      ['decide'],
      'x',
      60_000,
    );
    await gateway.running.tokens.revoke(gone.info.id);
    for (const { token } of [old, gone])
      assert.equal(await post(gateway, one.id, { authorization: `Bearer ${token}` }), 401);
    await leave(gateway, one);
  });

  test('tokens that decide, are expired, revoked or another person’s are no password', async () => {
    const tokens = gateway.running.tokens;
    const old = await tokens.issue('engineer@example.com', ['connect'], 'x', 1);
    const gone = await tokens.issue('engineer@example.com', ['connect'], 'x', 60_000);
    await tokens.revoke(gone.info.id);
    const decides = await tokens.issue('engineer@example.com', ['decide', 'read'], 'x', 60_000);
    const other = await tokens.issue('approver@example.com', ['connect'], 'x', 60_000);
    for (const { token } of [old, gone, decides, other]) {
      const { greeting } = await RawClient.connect(gateway, 'engineer', token);
      assert.match(told(greeting), /28P01|28000/);
    }
  });

  test('a token that is revoked takes the sessions along that it has opened, and what waits in them', async () => {
    const { tokens } = gateway.running;
    const stolen = await tokens.issue('engineer@example.com', ['connect'], 'stolen', 60_000);
    const idle = await RawClient.connect(gateway, 'engineer', stolen.token);
    const holding = await RawClient.connect(gateway, 'engineer', stolen.token);
    const other = await RawClient.connect(gateway);
    const text = "update orders set status = 'stolen' where id = 1";
    const id = await send(gateway, holding, text);
    await tokens.revoke(stolen.info.id);
    for (const client of [idle, holding])
      assert.match(
        told(await client.until('closed')),
        /57P01.*token of this session was revoked or has expired/u,
      );
    assert.equal((await gateway.api('approver', `/requests/${id}`)).body.state, 'abandoned');
    assert.ok(!(await gateway.ranOnTarget()).includes(text));
    assert.deepEqual(codes(await other.ask(Q('select 1'))), []);
    other.end();
  });

  test('a token that expires ends its sessions too', async () => {
    const { tokens } = gateway.running;
    const { token } = await tokens.issue('engineer@example.com', ['connect'], 'short', 1_000);
    const client = await RawClient.connect(gateway, 'engineer', token);
    assert.match(told(await client.until('closed')), /57P01.*has expired/u);
  });

  test('the console’s cookie does not decide without its form token, nor for another site', async () => {
    const one = await hold(gateway);
    const { token } = await gateway.running.tokens.issue(
      'approver@example.com',
      ['decide', 'read'],
      'x',
      60_000,
    );
    const origin = new URL(gateway.running.api).origin;
    const page = await fetch(`${origin}/sign-in`);
    const first = cookies(page);
    const csrf = /name="csrf" value="([^"]+)"/u.exec(await page.text())?.[1] ?? '';
    const signed = await fetch(`${origin}/sign-in`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: first, origin, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ csrf, token, next: '' }),
    });
    assert.equal(signed.status, 303);
    const cookie = cookies(signed) || first;
    assert.equal(
      (await fetch(`${gateway.running.api}/requests/${one.id}`, { headers: { cookie } })).status,
      200,
    );
    assert.equal(await post(gateway, one.id, { cookie }), 403);
    assert.equal(await post(gateway, one.id, { cookie, origin }), 403);
    assert.equal(await post(gateway, one.id, { cookie, origin, 'x-csrf-token': csrf }), 403);
    assert.equal(
      await post(gateway, one.id, { cookie, origin: 'https://evil.example', 'x-csrf-token': 'x' }),
      403,
    );
    const form = await fetch(`${origin}/requests/${one.id}/decision`, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        cookie,
        origin: 'https://evil.example',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ decision: 'approve', reason: 'x' }),
    });
    assert.ok(form.status >= 400, String(form.status));
    assert.equal((await gateway.api('approver', `/requests/${one.id}`)).body.state, 'pending');
    await leave(gateway, one);
  });

  test('a cancel key that is guessed or another session’s does not withdraw a hold', async () => {
    const one = await hold(gateway);
    const mine = await RawClient.connect(gateway, 'security');
    const { processID } = one.client.key;
    for (const [pid, secret] of [
      [processID, 0],
      [processID, mine.key.secretKey],
      [mine.key.processID, one.client.key.secretKey],
    ]) {
      const request = Buffer.alloc(16);
      request.writeInt32BE(16, 0);
      request.writeInt32BE(80877102, 4);
      request.writeInt32BE(pid, 8);
      request.writeInt32BE(secret, 12);
      const socket = net.connect(gateway.running.postgres.port, '127.0.0.1');
      await new Promise<void>((resolve) => {
        socket.on('error', () => resolve());
        socket.on('close', () => resolve());
        socket.resume();
        socket.end(request);
      });
    }
    assert.equal((await gateway.api('approver', `/requests/${one.id}`)).body.state, 'pending');
    mine.end();
    await leave(gateway, one);
  });
});
