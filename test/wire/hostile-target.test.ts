import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import * as codec from '#gateway/postgres/codec.ts';
import { openTarget } from '#gateway/postgres/target.ts';
import type { TargetConfig } from '#src/config/config.ts';
import { targetConfig } from './support.ts';

const PASSWORD = 'the gateway’s own secret';
const READY = [
  codec.parameterStatus('client_encoding', 'UTF8'),
  codec.parameterStatus('standard_conforming_strings', 'on'),
  codec.readyForQuery('I'),
];

function authentication(kind: number, data = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.concat([codec.authenticationOk(), data]);
  bytes.writeInt32BE(bytes.length - 1, 1);
  bytes.writeInt32BE(kind, 5);
  return bytes;
}

/** Answers client-first as a server would that does not know the password. */
function serverFirst(chunk: Buffer, iterations = 4096): Buffer {
  const nonce = /r=(.*)$/.exec(chunk.toString('latin1'))?.[1] ?? '';
  return codec.authenticationSaslContinue(`r=${nonce}more,s=c2FsdA==,i=${String(iterations)}`);
}

describe('a target that is not what it should be', () => {
  const servers: net.Server[] = [];
  after(() => servers.forEach((server) => server.close()));

  /** Sends the next answer for each chunk it gets; collects what it got. */
  async function script(
    answers: ((chunk: Buffer) => Buffer)[],
    tls: TargetConfig['tls'] = { mode: 'disable' },
  ): Promise<{ error: Error; got: string }> {
    let got = '';
    const server = net.createServer((socket) => {
      const left = [...answers];
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        got += chunk.toString('latin1');
        const answer = left.shift();
        if (answer) socket.write(answer(chunk));
        else socket.destroy();
      });
    });
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const opening = openTarget({ ...targetConfig(port, PASSWORD), tls }, undefined, new Map());
    const error = await opening.then(
      () => assert.fail('it was opened'),
      (reason: Error) => reason,
    );
    return { error, got };
  }

  it('gets neither a clear-text nor an MD5 password without verified TLS', async () => {
    for (const request of [authentication(3), authentication(5, Buffer.from([1, 2, 3, 4]))]) {
      const { error, got } = await script([() => request]);
      assert.match(error.message, /asks for .*password.*set it to scram-sha-256/);
      assert.ok(!got.includes('p\0\0'));
    }
  });

  it('must prove that it knows the password, too', async () => {
    const sasl = codec.authenticationSasl(['SCRAM-SHA-256']);
    const ready = Buffer.concat([codec.authenticationOk(), ...READY]);
    const early = await script([() => sasl, () => ready]);
    assert.match(early.error.message, /did not prove/);
    const silent = await script([() => sasl, serverFirst, () => ready]);
    assert.match(silent.error.message, /did not prove/);
    const wrong = Buffer.concat([codec.authenticationSaslFinal('v=AAAA'), ready]);
    const lying = await script([() => sasl, serverFirst, () => wrong]);
    assert.match(lying.error.message, /did not prove that it knows the password/);
    for (const { error } of [early, silent, lying])
      assert.ok(!String(error.stack).includes(PASSWORD));
  });

  it('cannot make the gateway count forever', async () => {
    const { error } = await script([
      () => codec.authenticationSasl(['SCRAM-SHA-256']),
      (chunk) => serverFirst(chunk, 2_000_000_000),
    ]);
    assert.match(error.message, /iteration count/);
  });

  it('cannot slip bytes in before TLS, nor talk the gateway out of TLS', async () => {
    for (const mode of ['require', 'verify-full'] as const) {
      const stuffed = await script([() => Buffer.from('S\0\0\0')], { mode });
      assert.match(stuffed.error.message, /before TLS began/);
      const refused = await script([() => Buffer.from('N')], { mode });
      assert.match(refused.error.message, /does not offer TLS/);
      assert.ok(!refused.got.includes('gateway'));
    }
  });

  it('is refused when it does not take the pinned settings, or speaks something else', async () => {
    const off = codec.parameterStatus('standard_conforming_strings', 'off');
    const lax = [codec.authenticationOk(), ...READY.slice(0, 2), off, READY[2] ?? off];
    assert.match(
      (await script([() => Buffer.concat(lax)])).error.message,
      /standard_conforming_strings=on/,
    );
    const http = await script([() => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]);
    assert.match(http.error.message, /cannot be reached: invalid message length/);
    const gone = await script([]);
    assert.match(gone.error.message, /closed the connection/);
  });
});
