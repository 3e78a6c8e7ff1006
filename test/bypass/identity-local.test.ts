import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import net from 'node:net';
import { TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import pg from 'pg';
import { openLocalEnd, type LocalEnd, type LocalOptions } from '#cli/connect/local.ts';
import { tlsOptions } from '#cli/query.ts';
import { openSession } from '#cli/session.ts';
import { readPrivate, writePrivate } from '#cli/login/private-file.ts';
import { makeAuthority } from '../fakes/certificates.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';

// What another user of the same machine could try against `countersign connect` and the file of the login.

let gateway: TestGateway;
let dir: string;
const open: LocalEnd[] = [];
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-local-'));
  gateway = await startGateway();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((end) => end.close()));
});
after(async () => {
  await gateway?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function local(more: Partial<LocalOptions> = {}) {
  const failures: string[] = [];
  const end = await openLocalEnd({
    at: { port: 0 },
    target: 'shop',
    upstream: async () => ({
      host: '127.0.0.1',
      port: gateway.running.postgres.port,
      ssl: false,
      email: 'engineer@example.com',
      token: await gateway.token('engineer'),
    }),
    failed: (error) => void failures.push(error.message),
    ...more,
  });
  open.push(end);
  return { ...end, failures };
}

async function query(end: LocalEnd, more: pg.ClientConfig = {}, sql = 'select 6 * 7 as answer') {
  const client = new pg.Client({
    host: end.host,
    port: end.port,
    user: 'whoever',
    database: 'shop',
    password: end.password,
    ...more,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(sql)).rows[0];
  } finally {
    await client.end().catch(() => undefined);
  }
}

const sessions = async (): Promise<number> =>
  (await gateway.storeSql.query('select count(*)::int as n from countersign.session')).rows[0].n;

test('a local port lets in who knows its password, as the person of the login whatever name they give', async () => {
  const end = await local();
  assert.deepEqual(await query(end), { answer: 42 });
  const { rows } = await gateway.storeSql.query('select distinct person from countersign.session');
  assert.deepEqual(rows, [{ person: 'engineer@example.com' }]);
});

test('another user of the machine who finds the port gets no session from it', async () => {
  const end = await local();
  const earlier = await sessions();
  for (const password of [
    '',
    'postgres',
    'x'.repeat(32),
    `${end.password}x`,
    end.password?.slice(1),
  ])
    await assert.rejects(query(end, { password }), (error: { code?: string }) =>
      ['28P01', undefined].includes(error.code),
    );
  assert.equal(await sessions(), earlier);
  assert.ok(end.password && end.password.length >= 32);
});

test('each local port has a password of its own, and closing it ends what came through it', async () => {
  const [one, two] = [await local(), await local()];
  assert.notEqual(one.password, two.password);
  await assert.rejects(query(one, { password: two.password }), { code: '28P01' });
  const client = new pg.Client({
    host: one.host,
    port: one.port,
    user: 'x',
    password: one.password,
  });
  const gone = once(client, 'error');
  await client.connect();
  await one.close();
  await gone;
});

test('a web page that posts to the port reaches nothing', async () => {
  const end = await local();
  const earlier = await sessions();
  const request = `POST / HTTP/1.1\r\nHost: 127.0.0.1:${end.port}\r\nContent-Length: 8\r\n\r\nselect 1`;
  const socket = net.connect(end.port, end.host, () => socket.end(request));
  let said = '';
  socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
  socket.on('error', () => undefined);
  await once(socket, 'close');
  assert.deepEqual([said, await sessions()], ['', earlier]);
});

test('a socket lies in a folder that only its owner can enter, and goes with it', async () => {
  const end = await local({ at: { below: dir } });
  assert.equal(end.password, undefined);
  assert.equal((await stat(end.host)).mode & 0o777, 0o700);
  assert.deepEqual(await query(end), { answer: 42 });
  await end.close();
  assert.deepEqual(await readdir(dir), []);
});

test('a gateway that asks for the token in the clear, or believes anything, is not believed', async () => {
  // AuthenticationCleartextPassword, AuthenticationMD5Password, AuthenticationOk at once.
  for (const kind of [3, 5, 0]) {
    const heard: Buffer[] = [];
    const fake = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        heard.push(chunk);
        const answer = Buffer.from([0x52, 0, 0, 0, 12, 0, 0, 0, kind, 1, 2, 3, 4]);
        socket.write(kind === 5 ? answer : Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, kind]));
      });
    });
    fake.listen(0, '127.0.0.1');
    await once(fake, 'listening');
    const { port } = fake.address() as net.AddressInfo;
    const token = await gateway.token('engineer');
    const upstream = { host: '127.0.0.1', port, ssl: false as const, email: 'e@x', token };
    const end = await local({ upstream: () => Promise.resolve(upstream) });
    await assert.rejects(query(end), { code: '08001' });
    assert.equal(Buffer.concat(heard).includes(token), false);
    fake.close();
  }
});

test('a gateway with the certificate of another name, or without TLS, does not see the login', async () => {
  const authority = await makeAuthority();
  for (const san of ['DNS:localhost', 'IP:127.0.0.2', undefined]) {
    const pair = await authority.issue({ san: san ?? 'IP:127.0.0.1' });
    const heard: string[] = [];
    const fake = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => {
        // The last one has no TLS.
        socket.write(san === undefined ? 'N' : 'S');
        if (san === undefined) return void socket.on('data', (chunk) => heard.push(String(chunk)));
        const secure = new TLSSocket(socket, {
          isServer: true,
          ...pair,
          ALPNProtocols: ['postgresql'],
        });
        secure.on('error', () => undefined);
        secure.on('data', (chunk) => heard.push(String(chunk)));
      });
    });
    fake.listen(0, '127.0.0.1');
    await once(fake, 'listening');
    const { port } = fake.address() as net.AddressInfo;
    const ssl = await tlsOptions('verify-full', undefined, '127.0.0.1');
    assert.ok(ssl);
    const upstream = {
      host: '127.0.0.1',
      port,
      ssl: { ...ssl, ca: authority.cert },
      email: 'engineer@example.com',
      token: await gateway.token('engineer'),
    };
    const end = await local({ upstream: () => Promise.resolve(upstream) });
    await assert.rejects(query(end), { code: '08001' });
    const { host, token } = upstream;
    const address = { host, port, user: upstream.email, token };
    const quiet = { target: 'shop', settings: {}, onNotice: () => undefined };
    await assert.rejects(openSession({ ...quiet, address, ssl: upstream.ssl }));
    assert.deepEqual(heard, [], san);
    fake.close();
  }
});

test('a new sign-in counts at the next connection, and an ended one says what to do', async () => {
  const { tokens } = gateway.running;
  const issue = () => tokens.issue('engineer@example.com', ['connect'], 'l', 60_000);
  let { token, info } = await issue();
  const end = await local({
    upstream: () =>
      Promise.resolve({
        host: '127.0.0.1',
        port: gateway.running.postgres.port,
        ssl: false,
        email: 'engineer@example.com',
        token,
      }),
  });
  assert.deepEqual(await query(end), { answer: 42 });
  await tokens.revoke(info.id);
  await assert.rejects(query(end), { code: '28P01' });
  ({ token, info } = await issue());
  assert.deepEqual(await query(end), { answer: 42 });
});

test('a file that others can read or write is refused, and so are links and other people’s folders', async () => {
  const folder = join(dir, 'config');
  const path = join(folder, 'login.json');
  await writePrivate(path, 'secret');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  assert.equal(await readPrivate(path), 'secret');
  for (const mode of [0o640, 0o604, 0o620, 0o666]) {
    await chmod(path, mode);
    await assert.rejects(readPrivate(path), /others can read or write/);
  }
  const link = join(folder, 'link.json');
  await chmod(path, 0o600);
  await symlink(path, link);
  await assert.rejects(readPrivate(link), { hint: /it is a link/ });
  const shared = join(dir, 'shared');
  await mkdir(shared);
  await chmod(shared, 0o777);
  await assert.rejects(writePrivate(join(shared, 'login.json'), 'secret'), /others can write/);
  assert.deepEqual(await readdir(shared), []);
  assert.equal(await readPrivate(join(folder, 'nothing.json')), undefined);
});
