import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import * as codec from '#gateway/postgres/codec.ts';
import { startUp } from '#gateway/postgres/startup.ts';
import { makeCertificate } from '../fakes/certificates.ts';
import { type Listening, RawClient, fixedTls, listen, startup } from './support.ts';

const TLS_FIRST = 0x16;

async function upgrade(client: RawClient): Promise<RawClient> {
  client.socket.removeAllListeners('data');
  const socket = tls.connect({ socket: client.socket, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  return new RawClient(socket);
}

describe('startup', () => {
  let plain: Listening;
  let secure: Listening;
  before(async () => {
    plain = await listen({ startupMs: 3000 });
    secure = await listen({ tls: fixedTls(await makeCertificate()), startupMs: 3000 });
  });
  after(async () => {
    await plain.close();
    await secure.close();
  });

  it('answers encryption requests in either order and goes on in clear text on loopback', async () => {
    for (const requests of [
      [codec.sslRequest(), codec.gssencRequest()],
      [codec.gssencRequest(), codec.sslRequest()],
    ]) {
      const client = await RawClient.connect(plain.port);
      for (const request of requests)
        assert.equal((await client.send(request).bytes(1)).toString(), 'N');
      assert.equal((await client.send(startup()).message()).type, 'R');
      client.socket.destroy();
    }
  });

  it('refuses GSS, then encrypts, then authenticates inside TLS', async () => {
    const client = await RawClient.connect(secure.port);
    assert.equal((await client.send(codec.gssencRequest()).bytes(1)).toString(), 'N');
    assert.equal((await client.send(codec.sslRequest()).bytes(1)).toString(), 'S');
    const inside = await upgrade(client);
    const { type, body } = await inside.send(startup()).message();
    assert.equal(type, 'R');
    assert.deepEqual(codec.parseSaslMechanisms(codec.parseAuthentication(body).data), [
      'SCRAM-SHA-256-PLUS',
      'SCRAM-SHA-256',
    ]);
    inside.socket.destroy();
  });

  it('refuses bytes that were sent in clear text behind an encryption request', async () => {
    for (const [listening, request] of [
      [secure, codec.sslRequest()],
      [plain, codec.sslRequest()],
      [secure, codec.gssencRequest()],
    ] as const) {
      const client = await RawClient.connect(listening.port);
      const error = await client.send(request, startup()).fatal();
      assert.equal(error.get('C'), '08P01');
      assert.match(error.get('M') ?? '', /unencrypted data/);
    }
  });

  it('takes direct TLS only with ALPN postgresql', async () => {
    const options = { port: secure.port, host: '127.0.0.1', rejectUnauthorized: false };
    const good = tls.connect({ ...options, ALPNProtocols: ['postgresql'] });
    await once(good, 'secureConnect');
    const client = new RawClient(good);
    assert.equal((await client.send(startup()).message()).type, 'R');
    good.destroy();
    for (const ALPNProtocols of [undefined, ['h2']]) {
      const bad = new RawClient(
        tls.connect({ ...options, ...(ALPNProtocols && { ALPNProtocols }) }),
      );
      bad.send(startup());
      assert.equal((await bad.ended()).length, 0);
    }
  });

  it('hangs up on direct TLS when it has no certificate', async () => {
    const client = await RawClient.connect(plain.port);
    client.send(Buffer.from([TLS_FIRST, 3, 1, 0, 5, 1, 2, 3, 4, 5]));
    assert.equal((await client.ended()).length, 0);
  });

  it('negotiates the protocol version down and names unknown options', async () => {
    const cases: [Buffer, { minor: number; unsupported: string[] } | undefined][] = [
      [startup({}, 0), undefined],
      [startup({}, 2), undefined],
      [startup({}, 9999), { minor: 2, unsupported: [] }],
      [
        startup({ '_pq_.new': '1', '_pq_.other': '' }, 2),
        { minor: 2, unsupported: ['_pq_.new', '_pq_.other'] },
      ],
      [startup({ '_pq_.new': '1' }, 0), { minor: 0, unsupported: ['_pq_.new'] }],
    ];
    for (const [packet, expected] of cases) {
      const client = await RawClient.connect(plain.port);
      const first = await client.send(packet).message();
      if (expected) assert.deepEqual(codec.parseNegotiateProtocolVersion(first.body), expected);
      const next = expected ? await client.message() : first;
      assert.equal(next.type, 'R');
      client.socket.destroy();
    }
  });

  it('refuses other major versions and a packet without a user with a FATAL', async () => {
    const old = Buffer.from(startup());
    old.writeInt32BE(2 << 16, 4);
    const client = await RawClient.connect(plain.port);
    assert.equal((await client.send(old).fatal()).get('C'), '0A000');
    const nobody = await RawClient.connect(plain.port);
    assert.equal((await nobody.send(startup({ user: '' })).fatal()).get('C'), '28000');
    const again = await RawClient.connect(plain.port);
    assert.equal((await again.send(codec.sslRequest()).bytes(1)).toString(), 'N');
    assert.equal((await again.send(codec.sslRequest()).fatal()).get('C'), '0A000');
  });

  it('takes clear text from other machines for nothing but a CancelRequest', async () => {
    const options = { loopback: false, encrypt: undefined };
    const [client, server] = duplexPair();
    client.write(startup());
    await assert.rejects(startUp(server, options), { sqlstate: '28000' });
    const [near, end] = duplexPair();
    near.write(startup());
    const required = { loopback: true, required: true, encrypt: undefined };
    await assert.rejects(startUp(end, required), { message: /only over TLS.*no encryption/ });
    const [canceller, other] = duplexPair();
    canceller.write(codec.cancelRequest(7, Buffer.from([1, 2, 3, 4])));
    assert.deepEqual(await startUp(other, options), {
      kind: 'cancel',
      pid: 7,
      secret: Buffer.from([1, 2, 3, 4]),
    });
  });

  it('refuses malformed startup packets without an answer that helps to guess', async () => {
    const long = Buffer.alloc(8);
    long.writeInt32BE(10_001);
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), long, Buffer.alloc(8)]) {
      const client = await RawClient.connect(plain.port);
      assert.equal((await client.send(bytes).ended()).length, 0);
    }
    const unterminated = startup().subarray(0, -1);
    unterminated.writeInt32BE(unterminated.length);
    const client = await RawClient.connect(plain.port);
    assert.equal((await client.send(unterminated).fatal()).get('C'), '08P01');
  });

  it('reads a startup packet that comes byte by byte', async () => {
    const client = await RawClient.connect(plain.port);
    for (const byte of startup()) {
      client.send(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    assert.equal((await client.message()).type, 'R');
    client.socket.destroy();
  });

  it('drops a client that does not finish its startup in time, and goes on serving others', async () => {
    const listening = await listen({ startupMs: 50 });
    const silent = await RawClient.connect(listening.port);
    const half = await RawClient.connect(listening.port);
    half.send(startup().subarray(0, 20));
    assert.equal((await silent.ended()).length, 0);
    assert.equal((await half.ended()).length, 0);
    const client = await RawClient.connect(listening.port);
    assert.equal((await client.send(startup()).message()).type, 'R');
    await listening.close();
  });

  it('bounds connections that have not authenticated', async () => {
    const listening = await listen({ maxUnauthenticated: 1 });
    const first = await RawClient.connect(listening.port);
    assert.equal((await first.send(startup()).message()).type, 'R');
    const second = await RawClient.connect(listening.port);
    assert.equal((await second.fatal()).get('C'), '53300');
    await listening.close();
    await first.ended();
  });

  it('survives clients that reset the connection at any moment', async () => {
    for (const bytes of [
      Buffer.alloc(0),
      codec.sslRequest(),
      startup(),
      startup().subarray(0, 9),
    ]) {
      const client = await RawClient.connect(secure.port);
      client.send(bytes);
      await new Promise(setImmediate);
      if ('resetAndDestroy' in client.socket) (client.socket as tls.TLSSocket).resetAndDestroy();
    }
    const client = await RawClient.connect(secure.port);
    assert.equal((await client.send(codec.sslRequest()).bytes(1)).toString(), 'S');
    client.socket.destroy();
  });
});
