import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import { beginFlow, openFlow } from '#src/identity/oidc/flow.ts';

const secret = randomBytes(32);

suite('the state of a sign-in', () => {
  const flow = { provider: 'acme', next: '/records', startedAt: Date.now() };
  const { state, nonce, pkceVerifier } = beginFlow(secret, 'cookie', flow);

  test('opens in the browser that began it, with the same nonce and verifier', () => {
    assert.deepEqual(openFlow(secret, 'cookie', state), {
      flow,
      secrets: { state, nonce, pkceVerifier },
    });
    assert.match(pkceVerifier, /^[\w-]{43}$/);
    assert.notEqual(nonce, pkceVerifier);
  });

  test('opens in no other browser, with no other key, and not after ten minutes', () => {
    assert.equal(openFlow(secret, 'another', state), undefined);
    assert.equal(openFlow(randomBytes(32), 'cookie', state), undefined);
    assert.equal(openFlow(secret, 'cookie', state, Date.now() + 601_000), undefined);
  });

  test('opens not when a character was changed, added or taken away', () => {
    for (let at = 0; at < state.length; at += 7) {
      const other = state[at] === 'A' ? 'B' : 'A';
      const changed = state.slice(0, at) + other + state.slice(at + 1);
      assert.equal(openFlow(secret, 'cookie', changed), undefined);
    }
    for (const changed of ['', 'x', `${state}=`, `${state}A`, state.slice(0, -1), `${state} `])
      assert.equal(openFlow(secret, 'cookie', changed), undefined);
  });

  test('tells the provider nothing of where the person was going', () => {
    assert.ok(!Buffer.from(state, 'base64url').includes('records'));
  });

  test('of a step-up has a nonce of this request and this attempt alone', () => {
    const stepUp = { request: '1', person: 'approver@example.com' };
    const nonces = [
      beginFlow(secret, 'cookie', flow).nonce,
      beginFlow(secret, 'cookie', { ...flow, stepUp }).nonce,
      beginFlow(secret, 'cookie', { ...flow, stepUp }).nonce,
      beginFlow(secret, 'cookie', { ...flow, stepUp: { ...stepUp, request: '2' } }).nonce,
    ];
    assert.equal(new Set(nonces).size, 4);
  });
});
