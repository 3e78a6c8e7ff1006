import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { listenHttp } from '#gateway/api/listener.ts';
import { makeCertificate, type Certificate } from '../fakes/certificates.ts';
import { fixedTls } from '../wire/support.ts';
import { makeWorld } from './api-fakes.ts';

let certificate: Certificate;
let source: ReturnType<typeof fixedTls>;
let http: Awaited<ReturnType<typeof listenHttp>>;
before(async () => {
  certificate = await makeCertificate();
  source = fixedTls(certificate);
  http = await listenHttp({
    ...makeWorld('https://gate.example.com').deps,
    log: pino({ level: 'silent' }),
    address: { host: '127.0.0.1', port: 0 },
    tls: source.use,
  });
});
after(() => http.close());

async function get(path: string, ca: string): Promise<{ answer: IncomingMessage; body: string }> {
  const asked = request(http.url + path, { ca, agent: false }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { answer, body: await text(answer) };
}

test('console and API speak HTTPS, and only that, when they are given a certificate', async () => {
  assert.match(http.url, /^https:/);
  const { answer, body } = await get('/healthz', certificate.cert);
  assert.equal(answer.statusCode, 200, body);
  assert.match(String(answer.headers['strict-transport-security']), /max-age/);
  assert.match((answer.socket as TLSSocket).getProtocol() ?? '', /^TLSv1\.[23]$/);
  await assert.rejects(fetch(http.url.replace('https:', 'http:')));
});

test('a sign-in gets a cookie that leaves only over TLS', async () => {
  const { answer } = await get('/sign-in', certificate.cert);
  const cookies = answer.headers['set-cookie'] ?? [];
  assert.equal(cookies.length, 1);
  for (const cookie of cookies) assert.match(cookie, /^__Host-.*; Secure/i);
  assert.equal(answer.statusCode, 200);
});

test('new connections see a changed certificate; a bad one changes nothing', async () => {
  const next = await makeCertificate({ cn: 'next' });
  source.replace(next);
  assert.equal((await get('/healthz', next.cert)).answer.statusCode, 200);
  await assert.rejects(get('/healthz', certificate.cert), /self-signed/);
  assert.throws(() => source.replace({ key: certificate.key, cert: next.cert }));
  assert.equal((await get('/healthz', next.cert)).answer.statusCode, 200);
});
