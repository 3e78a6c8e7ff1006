import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { openApi } from '#cli/api.ts';
import { describe } from '#cli/requests.ts';

const answering = (status: number, body: unknown, seen: Request[] = []): typeof fetch =>
  ((url: string, init: RequestInit) => {
    seen.push(new Request(url, init));
    return Promise.resolve(new Response(JSON.stringify(body), { status }));
  }) as typeof fetch;

test('a decision goes out with the bearer token and never follows a redirect', async () => {
  const seen: Request[] = [];
  const api = openApi('http://127.0.0.1:1/api/v1', 'secret', answering(200, { ok: true }, seen));
  await api.post('/requests/1/decision', { decision: 'approve' }, z.object({ ok: z.boolean() }));
  const [request] = seen;
  assert.equal(request?.url, 'http://127.0.0.1:1/api/v1/requests/1/decision');
  assert.equal(request.headers.get('authorization'), 'Bearer secret');
  assert.equal(request.redirect, 'error');
  assert.deepEqual(await request.json(), { decision: 'approve' });
});

test('the API’s refusals keep their words and become exit codes', async () => {
  for (const [code, exit] of [
    ['own-request', 3],
    ['not-an-approver', 3],
    ['expired', 4],
    ['already-decided', 4],
    ['not-found', 1],
  ] as const) {
    const api = openApi(
      'http://x/api/v1',
      't',
      answering(409, { code, detail: `because ${code}` }),
    );
    await assert.rejects(api.get('/requests', z.unknown()), { exit, message: `because ${code}` });
  }
});

test('what the API cannot read is bad usage', async () => {
  const api = openApi('http://x/api/v1', 't', answering(422, { code: 'invalid', detail: 'no' }));
  await assert.rejects(api.get('/requests?state=x', z.unknown()), { exit: 2, message: 'no' });
});

test('an API that is down, or of another version, is named with the next step', async () => {
  const down = openApi('http://x/api/v1', 't', () => Promise.reject(new TypeError('fetch failed')));
  await assert.rejects(down.get('/a', z.unknown()), { exit: 1, message: /http:\/\/x\/api\/v1/ });
  const other = openApi('http://x/api/v1', 't', answering(200, { a: 1 }));
  await assert.rejects(other.get('/a', z.string()), { exit: 1, hint: /same version/ });
});

test('a request is described with everything an approver needs, and no control characters', () => {
  const lines = describe({
    id: '1',
    version: 1,
    state: 'pending',
    requirement: { groups: [{ group: 'dba', quorum: 2 }] },
    card: {
      person: { email: 'e@example.com', name: 'E\u001B[2J' },
      target: 'shop',
      masked: 'update orders\nset a = 1',
      hidesWrite: true,
      words: ['updates shop.public.orders'],
      rules: ['r'],
      message: 'm',
    },
    decisions: [{ person: 'a@example.com', decision: 'approve', reason: '' }],
    expiresAt: '2026-11-20T22:00:00.000Z',
  });
  const text = lines.join('\n');
  assert.match(text, /pending, 1 of 2 approved/);
  assert.match(text, /update orders\\nset a = 1/);
  assert.match(text, /console shows it whole/);
  assert.ok(!text.includes('\u001B'));
});
