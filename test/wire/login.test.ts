import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import pg from 'pg';
import * as codec from '#gateway/postgres/codec.ts';
import { makeCertificate } from '../fakes/certificates.ts';
import { psql } from './psql.ts';
import { EMAIL, type Listening, PASSWORD, RawClient, fixedTls, listen } from './support.ts';

describe('signing in', () => {
  let listening: Listening;
  let at: string;
  before(async () => {
    listening = await listen({ tls: fixedTls(await makeCertificate()) });
    at = `host=127.0.0.1 port=${String(listening.port)} user=${EMAIL}`;
  });
  after(() => listening.close());

  it('lets psql in with a token, in clear text on loopback and over TLS', async () => {
    for (const sslmode of ['disable', 'require']) {
      const { out, err } = await psql(
        `${at} dbname=shop/other sslmode=${sslmode} application_name=my-psql`,
      );
      assert.equal(out.trim(), 'hello', err);
      const client = listening.clients.at(-1);
      assert.equal(client?.tls, sslmode === 'require');
      assert.deepEqual(
        [
          client?.person.email,
          client?.token,
          client?.target,
          client?.database,
          client?.application,
        ],
        [EMAIL, 'token-1', 'shop', 'other', 'my-psql'],
      );
    }
  });

  it('hands on settings and picks out the reason from PGOPTIONS', async () => {
    const PGOPTIONS = String.raw`-c countersign.reason=INC-7\ is\ open --search-path=a\\b -cCountersign.Purpose=support`;
    const { out, err } = await psql(`${at} dbname=shop`, { PGOPTIONS, PGTZ: 'UTC' });
    assert.equal(out.trim(), 'hello', err);
    const client = listening.clients.at(-1);
    assert.deepEqual(Object.fromEntries(client?.countersign ?? []), {
      reason: 'INC-7 is open',
      purpose: 'support',
    });
    assert.deepEqual(Object.fromEntries(client?.parameters ?? []), {
      search_path: String.raw`a\b`,
      timezone: 'UTC',
      application_name: 'psql',
    });
    assert.equal(client?.database, undefined);
  });

  it('refuses settings that are not for clients, by name, and only to who has signed in', async () => {
    const cases = [
      ['-c role=postgres', /"role"/],
      ['-c session_authorization=x', /"session_authorization"/],
      ['-c debug_print_rewritten=on', /"debug_print_rewritten"/],
      ['-c session_preload_libraries=x', /"session_preload_libraries"/],
      ['-c client_min_messages=debug5', /client_min_messages/],
      ['-c standard_conforming_strings=off', /standard_conforming_strings/],
      ['-c countersign.approved=yes', /countersign.approved/],
      ['-d 5', /invalid command-line argument/],
    ] as const;
    for (const [PGOPTIONS, message] of cases) {
      const { code, err } = await psql(`${at} dbname=shop`, { PGOPTIONS });
      assert.equal(code, 2);
      assert.match(err, message);
      const stranger = await psql(`${at} dbname=shop`, { PGOPTIONS, PGPASSWORD: 'wrong' });
      assert.match(stranger.err, /password authentication failed/);
    }
    const latin = await psql(`${at} dbname=shop client_encoding=LATIN1`);
    assert.match(latin.err, /"client_encoding" to "LATIN1"/);
    const ascii = await psql(`${at} dbname=shop client_encoding=SQL_ASCII`);
    assert.equal(ascii.out.trim(), 'hello');
  });

  it('gives a wrong token and a stranger the same answer', async () => {
    const wrong = await psql(`${at} dbname=shop`, { PGPASSWORD: 'cs_wrong' });
    const stranger = await psql(`${at.replace(EMAIL, 'eve@example.com')} dbname=shop`);
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /FATAL: {2}password authentication failed for user "ann@example.com"/);
    assert.equal(stranger.err.replaceAll('eve@', 'ann@'), wrong.err);
    assert.ok(!wrong.err.includes('cs_wrong'));
  });

  it('refuses somebody who was removed, replication, and a connection without a target', async () => {
    listening.people.delete(EMAIL);
    const removed = await psql(`${at} dbname=shop`);
    listening.people.add(EMAIL);
    assert.match(removed.err, /no longer known/);
    const replication = await psql(`${at} dbname=shop replication=database`);
    assert.match(replication.err, /replication connections do not go through/);
    const nowhere = await psql(`${at} dbname=/other`);
    assert.match(nowhere.err, /no target was named/);
  });

  it('fails closed with 57P03 when the store or the directory cannot be asked', async () => {
    const broken = await listen({
      directory: { find: () => Promise.reject(new Error('secret cause')) },
    });
    const { err } = await psql(
      `${at.replace(/port=\d+/, `port=${String(broken.port)}`)} dbname=shop`,
    );
    assert.match(err, /cannot check passwords now/);
    assert.ok(!err.includes('secret cause'));
    await broken.close();
  });

  it('lets node-postgres in over TLS and in clear text', async () => {
    for (const ssl of [false, { rejectUnauthorized: false }]) {
      const client = new pg.Client({
        host: '127.0.0.1',
        port: listening.port,
        user: EMAIL,
        password: PASSWORD,
        database: 'shop',
        ssl,
      });
      await client.connect();
      const { rows } = await client.query('hello');
      assert.deepEqual(rows, [{ echo: 'hello' }]);
      await client.end();
    }
  });

  it('tells a session of its CancelRequest over every kind of connection before it hangs up', async () => {
    const secure = { port: listening.port, host: '127.0.0.1', rejectUnauthorized: false };
    for (const kind of ['plain', 'tls', 'direct']) {
      let told = false;
      const { keyData, unregister } = listening.cancels.register(7, 2, async () => {
        await new Promise(setImmediate);
        told = true;
      });
      const { pid, secret } = codec.parseBackendKeyData(keyData.subarray(5));
      assert.deepEqual([pid, secret.length], [7, 32]);
      let client = await RawClient.connect(listening.port);
      if (kind === 'tls') {
        await client.send(codec.sslRequest()).bytes(1);
        client.socket.removeAllListeners('data');
        client = new RawClient(tls.connect({ ...secure, socket: client.socket }));
      } else if (kind === 'direct') {
        client.socket.destroy();
        client = new RawClient(tls.connect({ ...secure, ALPNProtocols: ['postgresql'] }));
      }
      client.send(codec.cancelRequest(pid, secret));
      assert.equal((await client.ended()).length, 0);
      assert.ok(told, kind);
      unregister();
    }
  });

  it('cancels nothing for a wrong secret, another process, a shorter key, or after the session ended', async () => {
    let told = 0;
    const { keyData, unregister } = listening.cancels.register(9, 0, () => void (told += 1));
    const { secret } = codec.parseBackendKeyData(keyData.subarray(5));
    const wrong = Buffer.from(secret.map((byte) => byte ^ 1));
    assert.equal(await listening.cancels.cancel(9, wrong), false);
    assert.equal(await listening.cancels.cancel(8, secret), false);
    assert.equal(await listening.cancels.cancel(9, secret.subarray(0, 3)), false);
    assert.equal(told, 0);
    assert.equal(await listening.cancels.cancel(9, secret), true);
    unregister();
    assert.equal(await listening.cancels.cancel(9, secret), false);
    assert.equal(told, 1);
  });

  it('lets Ctrl-C in psql end what waits', async () => {
    const served = listening.clients.length;
    const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', PGPASSWORD: PASSWORD };
    const child = spawn('psql', ['-X', '-c', 'hold', `${at} dbname=shop`], { env });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const limit = AbortSignal.timeout(10_000);
    while (listening.clients.length === served) {
      limit.throwIfAborted();
      await new Promise(setImmediate);
    }
    const client = listening.clients.at(-1);
    assert.ok(client);
    await once(client.socket, 'data', { signal: limit });
    child.kill('SIGINT');
    await once(child, 'close', { signal: limit });
    assert.match(err, /canceling statement due to user request/);
  });
});
