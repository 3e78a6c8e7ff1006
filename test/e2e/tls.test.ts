import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import type { TargetConfig } from '#src/config/config.ts';
import { makeAuthority, writePem, type Authority } from '../fakes/certificates.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { serveCertificate } from '../wire/server-tls.ts';

let dir: string;
let authority: Authority;
let gateway: TestGateway;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-e2e-tls-'));
  authority = await makeAuthority();
  const { ca, key, cert } = await writePem(dir, {
    ca: authority.cert,
    ...(await authority.issue({ cn: 'first' })),
  });
  const tls = { key, cert, clientCa: ca, clientCert: 'required' } as const;
  gateway = await startGateway({ config: { tls } });
  await gateway.targetSql.end();
  await serveCertificate(gateway.target, await authority.issue());
  const shop = gateway.config.targets.get('shop');
  assert.ok(shop);
  const encrypted: Pick<TargetConfig, 'tls'> = {
    tls: { mode: 'verify-full', ca, channelBinding: 'require' },
  };
  Object.assign(shop, encrypted);
});
after(async () => {
  await gateway?.stop();
  await rm(dir, { recursive: true });
});

async function openAsEngineer() {
  const mine = await authority.issue({ cn: 'engineer@example.com' });
  const ssl = { ca: authority.cert, ...mine };
  return gateway.open('engineer', { host: 'localhost', ssl, enableChannelBinding: true });
}

test('from the client’s certificate to the target’s, a session is encrypted on its whole way', async () => {
  const client = await openAsEngineer();
  const { rows } = await client.query('select id, status from orders where id = 42');
  assert.deepEqual(rows, [{ id: '42', status: 'paid' }]);
  const [start] = await gateway.records('session-start');
  assert.equal(start.json.body.tls, true);
  assert.match(start.json.body.certificate, /^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/);
});

test('a session goes on while the certificate is replaced, and the next one sees the new', async () => {
  const client = await openAsEngineer();
  await writePem(dir, await authority.issue({ cn: 'second' }));
  await eventually('the new certificate', async () => {
    const socket: TLSSocket = connect({
      host: 'localhost',
      port: gateway.running.postgres.port,
      ca: authority.cert,
      ALPNProtocols: ['postgresql'],
    });
    await once(socket, 'secureConnect');
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN === 'second' || undefined;
  });
  const { rows } = await client.query('select 1 as fine');
  assert.deepEqual(rows, [{ fine: 1 }]);
  assert.ok(gateway.logged.some((line) => line.includes('new handshakes use the changed')));
  await (await openAsEngineer()).end();
});

test('without a certificate of their own, nobody comes as far as a password', async () => {
  const ssl = { ca: authority.cert };
  await assert.rejects(gateway.open('engineer', { host: 'localhost', ssl }), {
    message: 'connection requires a valid client certificate',
  });
});
