import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import pg from 'pg';
import * as codec from '#gateway/postgres/codec.ts';
import { serverEndPoint } from '#gateway/postgres/end-point.ts';
import type { ListenOptions } from '#gateway/postgres/listener.ts';
import {
  type Authority,
  type Certificate,
  type CertificateOptions,
  makeAuthority,
  makeCertificate,
  writePem,
} from '../fakes/certificates.ts';
import { listenBetween, withoutPlus } from './middle.ts';
import { psql } from './psql.ts';
import {
  EMAIL,
  type Listening,
  PASSWORD,
  RawClient,
  fixedTls,
  listen,
  startup,
} from './support.ts';

const PLUS = 'SCRAM-SHA-256-PLUS';
const open: { close(): unknown }[] = [];
let authority: Authority;
let certificate: Certificate;
let dir: string;
before(async () => {
  authority = await makeAuthority();
  certificate = await authority.issue();
  dir = await mkdtemp(join(tmpdir(), 'countersign-client-tls-'));
  await writePem(dir, { ca: authority.cert });
});
after(async () => {
  await Promise.all(open.map((one) => one.close()));
  await rm(dir, { recursive: true });
});

async function listening(options: Partial<ListenOptions>): Promise<Listening> {
  const one = await listen(options);
  open.push(one);
  return one;
}

const at = (port: number, more = ''): string =>
  `host=127.0.0.1 port=${String(port)} user=${EMAIL} dbname=shop sslmode=require ${more}`;

async function direct(port: number, options: tls.ConnectionOptions = {}): Promise<RawClient> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['postgresql'],
    ...options,
  });
  await once(socket, 'secureConnect');
  return new RawClient(socket);
}

async function show(port: number, shown: Certificate, more = ''): Promise<string> {
  const { cert, key } = await writePem(dir, { cert: shown.cert, key: shown.key });
  const { out, err } = await psql(at(port, `sslcert=${cert} sslkey=${key} ${more}`));
  return out + err;
}

/** The DER form of a PEM text. */
const der = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');

describe('TLS from a client', () => {
  it('binds the password to the channel for every kind of certificate that PostgreSQL can', async () => {
    const kinds: CertificateOptions[] = [
      {},
      { digest: 'sha384' },
      { key: 'rsa' },
      { key: 'rsa', digest: 'sha512' },
      { key: 'rsa-pss', digest: 'sha256' },
    ];
    for (const kind of kinds) {
      const { port } = await listening({ tls: fixedTls(await makeCertificate(kind)) });
      const { out, err } = await psql(at(port, 'channel_binding=require'));
      assert.equal(out.trim(), 'hello', `${JSON.stringify(kind)}: ${err}`);
    }
  });

  it('offers no channel binding with an Ed25519 certificate, for which none is defined', async () => {
    const { port } = await listening({ tls: fixedTls(await makeCertificate({ key: 'ed25519' })) });
    const { out, err } = await psql(at(port));
    assert.equal(out.trim(), 'hello', err);
    const demanding = await psql(at(port, 'channel_binding=require'));
    assert.match(demanding.err, /channel binding is required, but .*did not offer/);
  });

  it('lets node-postgres in over direct TLS with channel binding', async () => {
    const { port, clients } = await listening({ tls: fixedTls(certificate) });
    const client = new pg.Client({
      host: 'localhost',
      port,
      user: EMAIL,
      password: PASSWORD,
      database: 'shop',
      ssl: { ca: authority.cert },
      sslnegotiation: 'direct',
      enableChannelBinding: true,
    });
    await client.connect();
    assert.deepEqual((await client.query('hello')).rows, [{ echo: 'hello' }]);
    assert.equal(clients[0]?.tls, true);
    await client.end();
  });

  it('speaks TLS 1.2 and 1.3 and nothing older', async () => {
    const { port } = await listening({ tls: fixedTls(certificate) });
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await direct(port, { minVersion: version, maxVersion: version });
      assert.equal((await client.send(startup()).message()).type, 'R');
      client.socket.destroy();
    }
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;
    await assert.rejects(direct(port, old), /alert protocol version|unsupported protocol/);
  });

  it('refuses clear text everywhere when TLS is required, but not a CancelRequest', async () => {
    const { port, cancels } = await listening({ tls: fixedTls(certificate, { required: true }) });
    const { code, err } = await psql(at(port, 'sslmode=disable'));
    assert.equal(code, 2);
    assert.match(err, /FATAL: {2}the gateway takes connections only over TLS.*no encryption/);
    assert.equal((await psql(at(port, 'sslmode=prefer'))).out.trim(), 'hello');
    let told = false;
    const { keyData } = cancels.register(7, 0, () => void (told = true));
    const { pid, secret } = codec.parseBackendKeyData(keyData.subarray(5));
    await (await RawClient.connect(port)).send(codec.cancelRequest(pid, secret)).ended();
    assert.ok(told);
  });

  it('uses a changed certificate from the next handshake on, and ends no session for it', async () => {
    const source = fixedTls(certificate);
    const { port } = await listening({ tls: source });
    const early = await direct(port);
    await early.send(startup()).message();
    const next = await authority.issue({ cn: 'next' });
    source.replace(next);
    assert.throws(() => source.replace({ key: certificate.key, cert: next.cert }));
    const shown = async (): Promise<unknown> => {
      const { socket } = await direct(port);
      const { subject } = (socket as tls.TLSSocket).getPeerCertificate();
      socket.destroy();
      return subject.CN;
    };
    assert.equal(await shown(), 'next');
    early.send(codec.saslInitialResponse('SCRAM-SHA-256', 'n,,n=,r=abc'));
    assert.equal((await early.message()).type, 'R');
    const { out, err } = await psql(at(port, 'channel_binding=require'));
    assert.equal(out.trim(), 'hello', err);
  });
});

describe('somebody between a client and the gateway', () => {
  it('who has a certificate that the client trusts is found by channel binding', async () => {
    const { port } = await listening({ tls: fixedTls(certificate) });
    const between = await listenBetween(port, await authority.issue());
    open.push(between);
    const trusting = `sslmode=verify-full sslrootcert=${join(dir, 'ca.pem')}`;
    const { err } = await psql(at(between.port, trusting));
    assert.match(err, /FATAL: {2}SCRAM channel binding check failed/);
    const unbound = await psql(at(between.port, `${trusting} channel_binding=disable`));
    assert.equal(unbound.out.trim(), 'hello', 'what channel binding is there for');
  });

  it('who takes channel binding out of the offer is found too', async () => {
    const { port } = await listening({ tls: fixedTls(certificate) });
    const between = await listenBetween(port, await authority.issue(), withoutPlus);
    open.push(between);
    const { err } = await psql(at(between.port));
    assert.match(err, /FATAL: {2}the client supports SCRAM channel binding but thinks/);
  });

  it('cannot mix the mechanisms, nor bind to another channel', async () => {
    const { port } = await listening({ tls: fixedTls(certificate) });
    const cases = [
      ['SCRAM-SHA-256', 'p=tls-server-end-point,,n=,r=abc', '08P01'],
      [PLUS, 'n,,n=,r=abc', '08P01'],
      [PLUS, 'y,,n=,r=abc', '08P01'],
      [PLUS, 'p=tls-unique,,n=,r=abc', '28000'],
      ['SCRAM-SHA-256', 'y,,n=,r=abc', '28000'],
      ['SCRAM-SHA-1', 'n,,n=,r=abc', '08P01'],
    ] as const;
    for (const [mechanism, first, sqlstate] of cases) {
      const client = await direct(port);
      await client.send(startup()).message();
      const error = await client.send(codec.saslInitialResponse(mechanism, first)).fatal();
      assert.equal(error.get('C'), sqlstate, `${mechanism} ${first}`);
    }
    const plain = await RawClient.connect(port);
    await plain.send(startup()).message();
    const bound = codec.saslInitialResponse(PLUS, 'p=tls-server-end-point,,n=,r=abc');
    assert.equal((await plain.send(bound).fatal()).get('C'), '08P01');
  });
});

describe('a client certificate', () => {
  let people: Authority;
  before(async () => {
    people = await makeAuthority({ cn: 'People' });
  });

  const guarded = (clientCert: 'optional' | 'required', more: Partial<ListenOptions> = {}) =>
    listening({
      tls: fixedTls({ ...certificate, clientCa: people.cert }, { clientCert }),
      ...more,
    });

  it('lets in who it names, by SAN e-mail or CN, with the token beside it', async () => {
    const { port, clients } = await guarded('required');
    const good = [
      await people.issue({ cn: 'Ann', san: `email:${EMAIL}` }),
      await people.issue({ cn: 'Ann', san: 'email:other@example.com,email:Ann@Example.com' }),
      await people.issue({ cn: EMAIL.toUpperCase() }),
    ];
    for (const one of good) assert.equal(await show(port, one), 'hello\n');
    assert.match(clients[0]?.certificate ?? '', /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const { cert, key } = await writePem(dir, good[0] ?? certificate);
    const wrong = await psql(at(port, `sslcert=${cert} sslkey=${key}`), { PGPASSWORD: 'cs_wrong' });
    assert.match(wrong.err, /password authentication failed/);
  });

  it('that is missing, wrong or of somebody else is refused before a password is asked for', async () => {
    let asked = 0;
    const scram = (): never => {
      asked += 1;
      throw new Error('nobody should be asked');
    };
    const { port } = await guarded('required', { tokens: { scram } as never });
    const other = await makeAuthority({ cn: 'People' });
    const named = { cn: EMAIL, san: `email:${EMAIL}` };
    const cases: [Certificate, RegExp][] = [
      [
        await people.issue({ cn: 'Eve', san: 'email:eve@example.com' }),
        /authentication failed for/,
      ],
      [await people.issue({ cn: `${EMAIL}.evil` }), /authentication failed for/],
      [await people.issue({ cn: 'Eve', san: `DNS:${EMAIL}` }), /authentication failed for/],
      [await people.issue({ cn: 'Eve', san: `URI:email:${EMAIL}` }), /authentication failed for/],
      [await people.issue({ ...named, days: -1 }), /not valid: certificate has expired/],
      [await other.issue(named), /not valid: /],
      [await makeCertificate(named), /not valid: self-signed certificate/],
    ];
    for (const [one, message] of cases) assert.match(await show(port, one), message);
    const missing = /FATAL: {2}connection requires a valid client certificate/;
    assert.match((await psql(at(port))).err, missing);
    assert.match((await psql(at(port, 'sslmode=disable'))).err, missing);
    assert.equal(asked, 0);
  });

  it('may be left out where it is optional, but not be a wrong one', async () => {
    const { port, clients } = await guarded('optional');
    assert.equal((await psql(at(port))).out, 'hello\n');
    assert.equal(clients.at(-1)?.certificate, undefined);
    assert.equal((await psql(at(port, 'sslmode=disable'))).out, 'hello\n');
    const wrong = await people.issue({ cn: 'Eve', san: 'email:eve@example.com' });
    assert.match(await show(port, wrong), /certificate authentication failed/);
  });

  it('is believed as the authority of this moment says', async () => {
    const source = fixedTls({ ...certificate, clientCa: people.cert }, { clientCert: 'required' });
    const { port } = await listening({ tls: source });
    const one = await people.issue({ cn: EMAIL });
    assert.equal(await show(port, one), 'hello\n');
    source.replace({ ...certificate, clientCa: (await makeAuthority({ cn: 'New' })).cert });
    assert.match(await show(port, one), /client certificate is not valid/);
  });
});

describe('tls-server-end-point', () => {
  it('is as long as the hash of the signature says, and undefined where there is no hash', async () => {
    const lengths = [
      [{ key: 'rsa', digest: 'sha1' }, 32],
      [{ key: 'rsa', digest: 'sha256' }, 32],
      [{ digest: 'sha384' }, 48],
      [{ digest: 'sha512' }, 64],
      [{ digest: 'sha224' }, undefined],
      [{ key: 'ed25519' }, undefined],
    ] as const;
    for (const [options, length] of lengths)
      assert.equal(serverEndPoint(der((await makeCertificate(options)).cert))?.length, length);
  });
});
