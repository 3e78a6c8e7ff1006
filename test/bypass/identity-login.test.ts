import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { confirmCode, signedIn, type Browser } from '../fakes/browser.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';

let gateway: TestGateway;
let engineer: Browser;
before(async () => {
  gateway = await startGateway();
  engineer = await signedIn(gateway.running.console, await gateway.token('engineer'));
});
after(() => gateway?.stop());

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
type Reply = { readonly status: number; readonly body: Record<string, any> };

async function ask(path: string, form: Record<string, string> | string): Promise<Reply> {
  const response = await fetch(`${gateway.running.console}${path}`, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  return { status: response.status, body: (await response.json()) as Record<string, any> };
}

const begin = async (client = 'countersign-cli') =>
  (await ask('/oauth/device_authorization', { client_id: client })).body;
const fetchToken = (device_code: string, client_id = 'countersign-cli') =>
  ask('/oauth/token', { grant_type: DEVICE, device_code, client_id });

test('a confirmed code gives one token, of the person who confirmed, that connects and never decides', async () => {
  const { device_code, user_code } = await begin();
  assert.equal((await confirmCode(engineer, user_code)).status, 200);
  const { status, body } = await fetchToken(device_code);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body['scope'], 'connect read');
  const client = await gateway.open('engineer', { password: body['access_token'] });
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1);
  const decided = await fetch(`${gateway.running.api}/requests/${crypto.randomUUID()}/decision`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${body['access_token']}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ decision: 'approve', reason: 'x' }),
  });
  assert.equal(decided.status, 403);
  assert.equal((await fetchToken(device_code)).body['error'], 'invalid_grant');
});
