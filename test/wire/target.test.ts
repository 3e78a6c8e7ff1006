import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import * as codec from '#gateway/postgres/codec.ts';
import { type TargetConnection, openTarget } from '#gateway/postgres/target.ts';
import type { TargetConfig } from '#src/config/config.ts';
import { type TestPostgres, startPostgres } from '../fakes/postgres.ts';
import { type Certificate, makeCertificate, writePem } from '../fakes/certificates.ts';
import { permit, targetConfig } from './support.ts';
import { serveCertificate } from './server-tls.ts';

const PASSWORD = 'the gateway’s own secret';

describe('a target', () => {
  let server: TestPostgres;
  let certificate: Certificate;
  let base: TargetConfig;
  let dir: string;
  const open = new Set<TargetConnection>();
  before(async () => {
    server = await startPostgres();
    dir = await mkdtemp(join(tmpdir(), 'countersign-target-'));
    certificate = await makeCertificate();
    await serveCertificate(server, certificate);
    const admin = new pg.Client(server.url);
    await admin.connect();
    await admin.query(`create role gateway login password '${PASSWORD}'`);
    await admin.end();
    base = targetConfig(server.port, PASSWORD);
  });
  after(async () => {
    for (const connection of open) connection.destroy();
    await server.stop();
    await rm(dir, { recursive: true });
  });

  async function connect(
    config: Partial<TargetConfig> = {},
    parameters = new Map<string, string>(),
  ): Promise<{ target: TargetConnection; until: (type: string) => Promise<Buffer[]> }> {
    const target = await openTarget({ ...base, ...config }, undefined, parameters);
    open.add(target);
    return { target, until: reader(target) };
  }

  it('logs in with SCRAM, pins what statements are judged under, and passes settings on', async () => {
    const { target } = await connect(
      {},
      new Map([
        ['application_name', 'mine'],
        ['client_encoding', 'LATIN1'],
      ]),
    );
    assert.equal(target.parameters.get('client_encoding'), 'UTF8');
    assert.equal(target.parameters.get('standard_conforming_strings'), 'on');
    assert.equal(target.parameters.get('application_name'), 'mine');
    assert.ok(target.pid > 0);
    assert.equal(target.secretKey?.length, 4);
  });

  it('runs one statement for one permit, and a permit only once', async () => {
    const { target, until } = await connect();
    const once = permit();
    target.run(once, codec.query('select 41 + 1'));
    const messages = await until('Z');
    assert.ok(messages.some((message) => message.includes('42')));
    assert.throws(() => target.run(once, codec.query('select 1')), /has been used/);
    const bound = { portal: '', statement: '', formats: [], values: [], resultFormats: [] };
    const fresh = permit();
    const wrong = [
      Buffer.concat([codec.query('select 1'), codec.query('select 2')]),
      Buffer.concat([codec.bind(bound), codec.bind(bound)]),
      codec.sync(),
      codec.query('select 1').subarray(0, -1),
      Buffer.concat([codec.query('select 1'), Buffer.from('Q')]),
    ];
    for (const bytes of wrong) assert.throws(() => target.run(fresh, bytes));
    // None of them spent it.
    target.run(fresh, codec.query('select 43'));
    assert.ok((await until('Z')).some((message) => message.includes('43')));
  });

  it('lets nothing run without a permit', async () => {
    const { target } = await connect();
    const bound = { portal: 'p', statement: '', formats: [], values: [], resultFormats: [] };
    const call = codec.query('x');
    call[0] = codec.ClientMessage.FunctionCall;
    for (const bytes of [
      codec.query('select 1'),
      codec.bind(bound),
      codec.execute('p'),
      call,
      codec.terminate(),
    ]) {
      assert.throws(() => target.prepare(bytes), /needs a permit/);
      assert.throws(() => target.prepare(Buffer.concat([codec.sync(), bytes])), /needs a permit/);
    }
    for (const bytes of [codec.query('select 1'), codec.bind(bound), codec.execute('p')])
      assert.throws(() => target.execute(bytes), /permit/);
  });

  it('executes a portal that was bound under a permit until it is closed', async () => {
    const { target, until } = await connect();
    target.prepare(codec.parse('s', 'select generate_series(1, 3)'));
    const bound = { portal: 'p', statement: 's', formats: [], values: [], resultFormats: [] };
    target.run(permit(), Buffer.concat([codec.bind(bound), codec.execute('p', 1), codec.flush()]));
    await until('s');
    target.execute(Buffer.concat([codec.execute('p', 1), codec.flush()]));
    await until('s');
    target.prepare(codec.close('P', 'p'));
    assert.throws(() => target.execute(codec.execute('p')), /not bound/);
    target.prepare(codec.sync());
    await until('Z');
  });

  it('passes CopyData in pieces and nothing else between them', async () => {
    const { target, until } = await connect();
    target.run(permit(), codec.query('create temp table t (x text)'));
    await until('Z');
    target.run(permit(), codec.query('copy t from stdin'));
    await until('G');
    // The data look like a query: cut at the right place they would be one.
    const data = Buffer.concat([
      Buffer.from('d'),
      Buffer.alloc(4),
      Buffer.from('a\n'),
      Buffer.from('b\n'),
    ]);
    data.writeInt32BE(data.length - 1, 1);
    target.prepare(data.subarray(0, 6));
    assert.throws(() => target.run(permit(), codec.query('select 1')), /has not ended/);
    assert.throws(() => target.execute(codec.sync()), /has not ended/);
    assert.throws(() => target.fail(), /has not ended/);
    target.prepare(data.subarray(6));
    const done = Buffer.from([codec.ClientMessage.CopyDone, 0, 0, 0, 4]);
    target.prepare(done);
    assert.ok((await until('Z')).some((message) => message.includes('COPY 2')));
  });

  it('says when more was sent than it takes, and when it takes more again', async () => {
    const { target, until } = await connect();
    target.run(permit(), codec.query('create temp table t (x text)'));
    await until('Z');
    target.run(permit(), codec.query('copy t from stdin'));
    await until('G');
    const line = Buffer.from(`${'x'.repeat(65_536)}\n`);
    const data = Buffer.concat([Buffer.from('d....'), line]);
    data.writeInt32BE(data.length - 1, 1);
    const drained = new Promise<void>((resolve) => target.onDrain(resolve));
    process.kill(target.pid, 'SIGSTOP');
    try {
      for (let sent = 0; sent < 64 << 20; sent += data.length) {
        target.prepare(data);
        // Writes go out at the end of the turn.
        await new Promise(setImmediate);
        if (target.congested) break;
      }
      assert.ok(target.congested);
    } finally {
      process.kill(target.pid, 'SIGCONT');
    }
    await drained;
    assert.ok(!target.congested);
    target.prepare(Buffer.from([codec.ClientMessage.CopyDone, 0, 0, 0, 4]));
    await until('Z');
  });

  it('cancels what runs, over the same kind of connection', async () => {
    for (const mode of ['disable', 'require'] as const) {
      const { target, until } = await connect({ tls: { mode } });
      target.run(permit(), Buffer.concat([codec.query('select pg_sleep(30)')]));
      // Until the statement runs there is nothing to cancel, so ask again.
      const error = until('Z').then((messages) => messages.find((message) => message[0] === 0x45));
      const limit = AbortSignal.timeout(10_000);
      let message: Buffer | undefined;
      while (!message) {
        limit.throwIfAborted();
        message = await Promise.race([error, target.cancel().then(() => undefined)]);
      }
      assert.equal(codec.parseError(message.subarray(5)).get('C'), '57014');
    }
  });

  it('encrypts as configured and checks the certificate where it should', async () => {
    const inUse = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()';
    const files = await writePem(dir, {
      ca: certificate.cert,
      other: (await makeCertificate()).cert,
    });
    const { ca, other } = files;
    for (const tls of [
      { mode: 'require' },
      { mode: 'require', ca },
      { mode: 'verify-full', ca },
    ] as const) {
      const { target, until } = await connect({ tls });
      target.run(permit(), codec.query(inUse));
      const row = (await until('Z')).find((message) => message[0] === 0x44);
      assert.equal(codec.parseDataRow(row?.subarray(5) ?? Buffer.alloc(0))[0]?.toString(), 't');
    }
    for (const tls of [
      { mode: 'verify-full' },
      { mode: 'verify-full', ca: other },
      { mode: 'require', ca: other },
    ] as const)
      await assert.rejects(connect({ tls }), { name: 'TargetUnavailable' });
    const renamed = { host: '127.1', tls: { mode: 'verify-full', ca } } as const;
    await assert.rejects(connect(renamed), { message: /127\.1\. is not in the cert/ });
  });

  it('says why it cannot be opened, without the password', async () => {
    const cases: [Partial<TargetConfig>, RegExp][] = [
      [{ password: () => Promise.resolve('wrong secret') }, /refused the gateway's credential/],
      [{ database: 'nowhere' }, /database "nowhere" does not exist/],
      [{ port: 1 }, /cannot be reached/],
    ];
    for (const [config, message] of cases)
      await assert.rejects(connect(config), (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!JSON.stringify([error.message, error.stack, error.cause]).includes('secret'));
        return true;
      });
    const stopped = AbortSignal.abort();
    await assert.rejects(openTarget(base, undefined, new Map(), stopped), {
      name: 'TargetUnavailable',
    });
  });

  it('tells when the target ends the connection, and runs nothing afterwards', async () => {
    const { target } = await connect();
    target.onData(() => undefined);
    const closed = new Promise<void>((resolve) => target.onClose(() => resolve()));
    target.resume();
    const admin = new pg.Client(server.url);
    await admin.connect();
    await admin.query('select pg_terminate_backend($1)', [target.pid]);
    await admin.end();
    await closed;
    const unused = permit();
    assert.throws(() => target.run(unused, codec.query('select 1')), /closed the connection/);
    const { target: another } = await connect();
    another.run(unused, codec.query('select 1'));
  });
});

/** Reads messages up to and including one of the given type. */
function reader(target: TargetConnection): (type: string) => Promise<Buffer[]> {
  let messages: Buffer[] = [];
  let wake: (() => void) | undefined;
  const message = (_type: number, buffer: Buffer, start: number, end: number): void => {
    messages.push(buffer.subarray(start, end));
    wake?.();
  };
  const framer = new codec.StreamFramer({ message, run: () => undefined }, '');
  target.onData((chunk) => framer.push(chunk));
  target.resume();
  return async (type) => {
    const limit = AbortSignal.timeout(10_000);
    for (;;) {
      const at = messages.findIndex((one) => one.toString('latin1', 0, 1) === type);
      if (at >= 0) {
        const taken = messages.slice(0, at + 1);
        messages = messages.slice(at + 1);
        return taken;
      }
      await new Promise<void>((resolve, reject) => {
        wake = resolve;
        limit.addEventListener('abort', () => reject(new Error('nothing came')), { once: true });
      });
    }
  };
}
