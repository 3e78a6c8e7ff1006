import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import pg from 'pg';
import { connectClient } from '#gateway/postgres/analyser/client.ts';
import * as codec from '#gateway/postgres/codec.ts';
import { errorMessage } from '#gateway/postgres/refusal.ts';
import { openTarget } from '#gateway/postgres/target.ts';
import type { TargetConfig } from '#src/config/config.ts';
import {
  type Authority,
  type Certificate,
  makeAuthority,
  makeCertificate,
  writePem,
} from '../fakes/certificates.ts';
import { type TestPostgres, startPostgres } from '../fakes/postgres.ts';
import { listenBetween, withoutPlus } from './middle.ts';
import { serveCertificate } from './server-tls.ts';
import { targetConfig } from './support.ts';

const PASSWORD = 'the gateway’s own secret';

let dir: string;
let authority: Authority;
let ca: string;
const open: { close(): unknown }[] = [];
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-target-tls-'));
  authority = await makeAuthority();
  ({ ca } = await writePem(dir, { ca: authority.cert }));
});
after(async () => {
  await Promise.all(open.map((one) => one.close()));
  await rm(dir, { recursive: true });
});

/** Both ways in which the gateway connects to a target: sessions, and the analyser (and doctor). */
const ways: Record<string, (config: TargetConfig) => Promise<void>> = {
  session: async (config) => (await openTarget(config, undefined, new Map())).destroy(),
  analyser: async (config) => {
    const { user, password, database } = config;
    const client = await connectClient(config, {
      user,
      password: await password(),
      database,
      connectionTimeoutMillis: 5000,
    });
    await client.end();
  },
};

/** The same outcome whichever way; undefined is: it was opened. */
async function outcome(config: TargetConfig): Promise<Record<string, string | undefined>> {
  const found: Record<string, string | undefined> = {};
  for (const [way, connect] of Object.entries(ways))
    found[way] = await connect(config).then(
      () => undefined,
      (error: Error) => error.message,
    );
  return found;
}

async function opens(config: TargetConfig): Promise<void> {
  assert.deepEqual(await outcome(config), { session: undefined, analyser: undefined });
}

async function refuses(config: TargetConfig, message: RegExp): Promise<void> {
  for (const [way, found] of Object.entries(await outcome(config)))
    assert.match(found ?? 'it was opened', message, way);
}

describe('a target over TLS', () => {
  let server: TestPostgres;
  let base: TargetConfig;
  before(async () => {
    server = await startPostgres();
    await serveCertificate(server, await authority.issue());
    const admin = new pg.Client(server.url);
    await admin.connect();
    await admin.query(`create role gateway login password '${PASSWORD}'`);
    await admin.end();
    base = { ...targetConfig(server.port, PASSWORD), tls: { mode: 'verify-full', ca } };
  });
  after(() => server.stop());

  const through = (port: number, channelBinding: 'prefer' | 'require'): TargetConfig => ({
    ...base,
    port,
    tls: { ...base.tls, channelBinding },
  });

  it('is believed by its address or its name, with the password bound to the channel', async () => {
    for (const host of ['127.0.0.1', 'localhost'])
      for (const channelBinding of ['prefer', 'require'] as const)
        await opens({ ...base, host, tls: { ...base.tls, channelBinding } });
  });

  it('is refused under another name, and when another authority or none of the system’s signed it', async () => {
    const { other } = await writePem(dir, { other: (await makeAuthority()).cert });
    // The system resolves it to 127.0.0.1; no certificate is in that name.
    await refuses({ ...base, host: '127.1' }, /Host: 127\.1\. is not in the cert's altnames/);
    for (const mode of ['require', 'verify-full'] as const)
      await refuses({ ...base, tls: { mode, ca: other } }, /verif|signed|issuer/);
    await refuses({ ...base, tls: { mode: 'verify-full' } }, /verif|signed|issuer/);
  });

  it('with somebody between who has a good certificate gets no password', async () => {
    const between = await listenBetween(server.port, await authority.issue());
    const stripping = await listenBetween(server.port, await authority.issue(), withoutPlus);
    open.push(between, stripping);
    const found = /refused the gateway's credential|channel binding check failed/;
    await refuses(through(between.port, 'prefer'), found);
    // It says "y": the server knows that it had offered more.
    const noticed = /refused the gateway's credential|channel binding negotiation error/;
    await refuses(through(stripping.port, 'prefer'), noticed);
    await refuses(through(stripping.port, 'require'), /does not bind the password to the channel/);
  });

  it('without TLS or without a password cannot bind to a channel that is demanded', async () => {
    const tlsOff: TargetConfig['tls'] = { mode: 'disable', channelBinding: 'require' };
    await refuses({ ...base, tls: tlsOff }, /does not bind the password to the channel/);
  });

  it('with an Ed25519 certificate is reached without channel binding, unless that is demanded', async () => {
    await serveCertificate(server, await authority.issue({ key: 'rsa', digest: 'sha512' }));
    await opens({ ...base, tls: { ...base.tls, channelBinding: 'require' } });
    const ed25519 = await makeCertificate({ key: 'ed25519' });
    await serveCertificate(server, ed25519);
    const { self } = await writePem(dir, { self: ed25519.cert });
    const own: TargetConfig['tls'] = { mode: 'verify-full', ca: self };
    await opens({ ...base, tls: own });
    await refuses(
      { ...base, tls: { ...own, channelBinding: 'require' } },
      /does not bind the password to the channel/,
    );
  });

  it('that asks for a certificate of the gateway gets the one of this moment', async () => {
    const people = await makeAuthority();
    await serveCertificate(server, await authority.issue(), people.cert);
    await refuses(base, /certificate|refused the gateway's credential/);
    const mine = await people.issue({ cn: 'gateway' });
    const files = await writePem(dir, { cert: mine.cert, key: mine.key });
    const tlsFiles: TargetConfig['tls'] = { mode: 'verify-full', ca, ...files };
    await opens({ ...base, tls: tlsFiles });
    // Half replaced, or broken: what was good before is used; from a fresh start nothing is.
    const next = await people.issue({ cn: 'gateway' });
    await writePem(dir, { cert: next.cert });
    await opens({ ...base, tls: tlsFiles });
    await refuses({ ...base, tls: { ...tlsFiles } }, /certificate files|is not the key of/);
    await writePem(dir, { key: next.key });
    await opens({ ...base, tls: { ...tlsFiles } });
    const stranger = await (await makeAuthority()).issue({ cn: 'gateway' });
    await writePem(dir, { cert: stranger.cert, key: stranger.key });
    await refuses({ ...base, tls: tlsFiles }, /./);
  });

  it('is trusted as the authority’s file says now', async () => {
    await serveCertificate(server, await authority.issue());
    const { moving } = await writePem(dir, { moving: authority.cert });
    const config: TargetConfig = { ...base, tls: { mode: 'verify-full', ca: moving } };
    await opens(config);
    await writeFile(moving, (await makeAuthority()).cert);
    await refuses(config, /verif|signed|issuer/);
  });
});

/** Offers TLS with this certificate, and then asks for a password in the given way. */
async function hostile(certificate: Certificate, request?: Buffer) {
  const seen = { servername: '', alpn: '', bytes: '' };
  const secureContext = tls.createSecureContext(certificate);
  const server = net.createServer((raw) => {
    raw.on('error', () => undefined);
    raw.once('data', () => {
      raw.write('S');
      const options = { isServer: true, secureContext, ALPNProtocols: ['postgresql'] };
      const secure = new tls.TLSSocket(raw, options);
      secure.on('error', () => undefined);
      secure.once('secure', () => {
        seen.servername = String(Reflect.get(secure, 'servername'));
        seen.alpn = String(secure.alpnProtocol);
      });
      secure.once('data', () => request && secure.write(request));
      secure.on('data', (chunk: Buffer) => (seen.bytes += chunk.toString('latin1')));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  const { port } = server.address() as net.AddressInfo;
  const config: TargetConfig = {
    ...targetConfig(port, PASSWORD),
    tls: { mode: 'verify-full', ca },
  };
  return { config, seen };
}

function authentication(kind: number, data: readonly number[]): Buffer {
  const bytes = Buffer.concat([codec.authenticationOk(), Buffer.from(data)]);
  bytes.writeInt32BE(bytes.length - 1, 1);
  bytes.writeInt32BE(kind, 5);
  return bytes;
}

describe('a hostile target over TLS', () => {
  it('is refused with a certificate that is expired, self-signed, or in another name', async () => {
    const cases = [
      [await authority.issue({ days: -1 }), /certificate has expired/],
      [await makeCertificate(), /self-signed certificate/],
      [await authority.issue({ san: 'DNS:other.example' }), /not in the cert's list/],
      [await authority.issue({ san: 'IP:127.0.0.9,DNS:127.0.0.1' }), /not in the cert's list/],
    ] as const;
    for (const [certificate, message] of cases) {
      const { config, seen } = await hostile(certificate);
      await refuses(config, message);
      assert.equal(seen.bytes, '', 'nothing was said to it');
    }
  });

  it('is told the name that is meant and the protocol, and no address', async () => {
    for (const [host, servername] of [
      ['localhost', 'localhost'],
      ['127.0.0.1', 'false'],
    ] as const)
      for (const connect of Object.values(ways)) {
        const { config, seen } = await hostile(
          await authority.issue(),
          errorMessage('53300', { message: 'full' }),
        );
        await assert.rejects(connect({ ...config, host }));
        assert.deepEqual([seen.servername, seen.alpn], [servername, 'postgresql']);
      }
  });

  it('gets neither a clear-text nor an MD5 password, whatever its certificate', async () => {
    for (const request of [authentication(3, []), authentication(5, [1, 2, 3, 4])]) {
      const { config, seen } = await hostile(await authority.issue(), request);
      await refuses(config, /asks for an? (clear-text|MD5) password.*set it to scram-sha-256/);
      assert.ok(!seen.bytes.includes('p\0\0'));
    }
  });

  it('cannot talk the gateway out of TLS', async () => {
    const server = net.createServer((socket) => socket.on('data', () => socket.write('N')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(server);
    const { port } = server.address() as net.AddressInfo;
    for (const tlsMode of [{ mode: 'require' }, { mode: 'verify-full', ca }] as const)
      await refuses(
        { ...targetConfig(port, PASSWORD), tls: tlsMode },
        /does not offer TLS|does not support SSL/,
      );
  });
});
