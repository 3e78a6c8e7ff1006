import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { hold, leave } from './held.ts';

const status = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/u.exec(answer)?.[1]);
const flip = (text: string, at: number): string =>
  text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);

describe('attacks over HTTP', () => {
  let gateway: TestGateway;
  let token: string;
  before(async () => {
    gateway = await startGateway();
    token = await gateway.token('approver', 'decide');
  });
  after(() => gateway.stop());

  /** One request as its bytes, since clients tidy addresses and headers up; the whole answer. */
  const raw = (line: string, headers: readonly string[] = [], body = ''): Promise<string> =>
    new Promise((resolve, reject) => {
      const { port, host } = new URL(gateway.running.console);
      const socket = net.connect(Number(port), '127.0.0.1');
      let answer = '';
      socket.setEncoding('latin1');
      socket.on('data', (text) => (answer += text));
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
      const all = [line, `host: ${host}`, 'connection: close', ...headers];
      if (body !== '') all.push(`content-length: ${Buffer.byteLength(body)}`);
      socket.write(`${all.join('\r\n')}\r\n\r\n${body}`);
    });
  const bearer = () => `authorization: Bearer ${token}`;

  const MARK = `'"><script>alert(1)</script>`;

  test('no address leads out of the assets, and none is quoted in what is said of it', async () => {
    for (const path of [
      '/assets/../../../package.json',
      '/assets/%2e%2e/%2e%2e/package.json',
      '/assets/..%2f..%2fpackage.json',
      '/assets/..%5c..%5cpackage.json',
      '/assets/x/console.css/../../../../etc/passwd',
      '/assets/%00console.css',
      '/%',
      '/requests/%ff',
      `/${encodeURIComponent(MARK)}`,
      `/requests/${encodeURIComponent(MARK)}`,
      `/records?q=${encodeURIComponent(MARK)}`,
      `/api/v1/requests?state=${encodeURIComponent(MARK)}`,
      `/api/v1/requests?${encodeURIComponent(MARK)}=1`,
    ])
      for (const accept of ['text/html', 'application/json']) {
        const answer = await raw(`GET ${path} HTTP/1.1`, [`accept: ${accept}`, bearer()]);
        assert.ok([303, 400, 404, 422].includes(status(answer)), `${path}: ${answer.slice(0, 80)}`);
        assert.doesNotMatch(answer, /"name": "countersign"|root:/u, path);
        if (/content-type: text\/html/u.test(answer))
          assert.doesNotMatch(answer, /<script>alert/u, path);
        assert.match(answer, /x-content-type-options: nosniff/u, path);
        assert.match(answer, /cache-control: no-store/u, path);
      }
  });

  test('the sign-in leads to no other site, however the way there is written', async () => {
    for (const next of [
      '//evil.example/requests',
      '/\\evil.example/requests',
      '/%5cevil.example',
      'https:evil.example/requests',
      'https://evil.example/requests',
      'javascript:alert(1)//requests',
      '/requests/../..//evil.example',
      '/\t/evil.example/requests',
      '/requests@evil.example',
      '\r\nlocation: https://evil.example',
      `${new URL(gateway.running.console).origin}.evil.example/requests`,
    ]) {
      const answer = await raw(`GET /sign-in?next=${encodeURIComponent(next)} HTTP/1.1`);
      assert.equal(status(answer), 200, next);
      const [, into] = /name="next" value="([^"]*)"/u.exec(answer) ?? [];
      assert.match(into ?? 'none', /^\/(?:requests\/?)?$/u, next);
      assert.doesNotMatch(answer.split('\r\n\r\n')[0] ?? '', /evil/u, next);
    }
  });

  test('what is no plain JSON of a decision decides nothing', async () => {
    const one = await hold(gateway);
    const path = `/api/v1/requests/${one.id}/decision`;
    const json = 'content-type: application/json';
    const yes = '{"decision":"approve","reason":"x"}';
    const bodies: [string, string][] = [
      ['content-type: text/plain', yes],
      ['content-type: application/x-www-form-urlencoded', 'decision=approve&reason=x'],
      ['content-type: multipart/form-data; boundary=x', '--x--'],
      ['content-type: application/xml', '<decision>approve</decision>'],
      [json, '{"__proto__":{"decision":"approve","reason":"x"}}'],
      [json, '{"decision":"deny","__proto__":{"decision":"approve"},"reason":"x"}'],
      [json, '{"constructor":{"prototype":{"decision":"approve"}},"reason":"x"}'],
      [json, '{"decision":["approve"],"reason":"x"}'],
      [json, '{"decision":"approve","reason":{"toString":"x"}}'],
      [json, '{"decision":"approve","reason":"x","person":"approver2@example.com"}'],
      [json, '{"decision":"approve","reason":"x","reviewed":true,"via":"console"}'],
      [json, '{"decision":"APPROVE","reason":"x"}'],
      [json, `${yes}${yes}`],
      [json, `[${yes}]`],
      [json, '{"decision":"approve","reason":"a\\u001b[2Jb"}'],
      [json, `{"decision":"approve","reason":"${'x'.repeat(1_001)}"}`],
      [json, `{"decision":"approve","reason":"${'x'.repeat(20_000)}"}`],
      [json, '['.repeat(8_000)],
    ];
    for (const [type, body] of bodies) {
      const answer = await raw(`POST ${path} HTTP/1.1`, [bearer(), type], body);
      assert.ok(
        [400, 413, 415, 422].includes(status(answer)),
        `${body.slice(0, 60)}: ${answer.slice(0, 60)}`,
      );
    }
    for (const more of ['?decision=approve', '?reason=x&decision=approve'])
      assert.equal(status(await raw(`POST ${path}${more} HTTP/1.1`, [bearer(), json], yes)), 422);
    assert.equal((await gateway.api('approver', `/requests/${one.id}`)).body.state, 'pending');
    assert.equal(Object.hasOwn(Object.prototype, 'decision'), false);
    await leave(gateway, one);
  });

  test('no header of a stranger makes them local, somebody else, or another site', async () => {
    const spoofs = [
      'x-forwarded-for: 127.0.0.1',
      'x-forwarded-user: approver@example.com',
      'x-remote-user: approver@example.com',
      'x-original-url: /api/v1/requests',
      'x-rewrite-url: /metrics',
      'x-http-method-override: POST',
      'cookie: countersign=approver@example.com',
      `cookie: countersign=${'a'.repeat(43)}; countersign=${'b'.repeat(43)}`,
      'authorization: Basic YXBwcm92ZXI6eA==',
      'authorization: Bearer',
      'authorization: Bearer undefined',
      `authorization: Bearer cs_${'A'.repeat(49)}`,
    ];
    for (const spoof of spoofs)
      assert.equal(status(await raw('GET /api/v1/requests HTTP/1.1', [spoof])), 401, spoof);
    const evil = await raw('GET /sign-in HTTP/1.1', [
      'x-forwarded-host: evil.example',
      'x-forwarded-proto: gopher',
    ]);
    assert.doesNotMatch(evil, /evil\.example|gopher/u);
    for (const method of ['TRACE', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'PROPFIND']) {
      const answer = await raw(`${method} /api/v1/requests HTTP/1.1`, [
        bearer(),
        'origin: https://evil.example',
      ]);
      assert.ok(status(answer) >= 400, method);
      assert.doesNotMatch(answer, /access-control-|cs_/iu, method);
    }
    // A name that was made to resolve to this machine, and what a proxy on this machine passes on.
    for (const [host, header] of [
      ['evil.example', 'x-a: b'],
      ['127.0.0.1', 'x-forwarded-for: 203.0.113.9'],
      ['127.0.0.1', 'forwarded: for=203.0.113.9'],
    ]) {
      const { port } = new URL(gateway.running.console);
      const headers = {
        host: `${host}:${port}`,
        ...Object.fromEntries([header?.split(': ') ?? []]),
      };
      const { request } = await import('node:http');
      const code = await new Promise((resolve, reject) => {
        request({ host: '127.0.0.1', port, path: '/metrics', headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        })
          .on('error', reject)
          .end();
      });
      assert.equal(code, 401, `${host} ${header}`);
    }
  });

  test('a token that differs in one character, or only begins like one, opens nothing', async () => {
    for (const guess of [
      flip(token, 3),
      flip(token, 20),
      flip(token, token.length - 1),
      token.slice(0, -1),
      `${token}A`,
      token.toUpperCase(),
      token.slice(3),
      `${token}%00`,
    ])
      assert.equal(
        status(await raw('GET /api/v1/requests HTTP/1.1', [`authorization: Bearer ${guess}`])),
        401,
      );
    assert.equal(status(await raw('GET /api/v1/requests HTTP/1.1', [bearer()])), 200);
  });

  test('what answers to everybody names no person, target, table or rule', async () => {
    for (const path of [
      '/healthz',
      '/readyz',
      '/sign-in',
      '/metrics',
      '/api/openapi.json',
      '/nothing',
    ]) {
      const answer = await raw(`GET ${path} HTTP/1.1`);
      const about =
        path === '/metrics'
          ? /@example\.com|orders|customers|shop-writes/u
          : /@example\.com|shop\b|orders|customers/u;
      assert.doesNotMatch(answer, about, path);
      assert.doesNotMatch(answer, /server: |x-powered-by/iu, path);
    }
  });
});
