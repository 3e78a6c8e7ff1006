import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import { scramKeys, startScram } from '#src/identity/scram.ts';
import type { ScramSecrets } from '#src/identity/token.ts';

// RFC 7677 section 3.
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO';
const NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const BOTH = `rOprNGfwEbeRWgbNEkqO${NONCE}`;
const FINAL = `c=biws,r=${BOTH},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`;

const secrets = (...passwords: string[]): ScramSecrets => ({
  salt: SALT,
  iterations: 4096,
  verifiers: passwords.map((password) => ({ token: password, ...scramKeys(password, SALT) })),
});

test('SCRAM-SHA-256 accepts the exchange of RFC 7677 and answers as it does', () => {
  const scram = startScram(FIRST, secrets('pencil'), {}, NONCE);
  assert.equal(scram?.serverFirst, `r=${BOTH},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
  assert.deepEqual(scram?.finish(FINAL), {
    serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    token: 'pencil',
  });
});

test('SCRAM finds the one token of several that the client knows', () => {
  const scram = startScram(FIRST, secrets('pen', 'pencil', 'eraser'), {}, NONCE);
  assert.equal(scram?.finish(FINAL)?.token, 'pencil');
  assert.equal(startScram(FIRST, secrets('pen', 'eraser'), {}, NONCE)?.finish(FINAL), undefined);
  assert.equal(startScram(FIRST, secrets(), {}, NONCE)?.finish(FINAL), undefined);
});

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** A client's last message with a right proof over whatever it claims. */
function finalFor(first: string, serverFirst: string, withoutProof: string): string {
  const salted = pbkdf2Sync('pencil', SALT, 4096, 32, 'sha256');
  const key = hmac(salted, 'Client Key');
  const stored = createHash('sha256').update(key).digest();
  const bare = first.slice(first.indexOf(',,') + 2);
  const signature = hmac(stored, `${bare},${serverFirst},${withoutProof}`);
  return `${withoutProof},p=${Buffer.from(key.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')}`;
}

test('SCRAM ignores the user name, and takes a client that could bind channels but is not offered to', () => {
  for (const [first, binding] of [
    ['n,,n=,r=abc', 'biws'],
    ['y,,n=someone,r=abc', 'eSws'],
  ] as const) {
    const scram = startScram(first, secrets('pencil'), {}, NONCE);
    assert.ok(scram);
    const final = finalFor(first, scram.serverFirst, `c=${binding},r=abc${NONCE}`);
    assert.equal(scram.finish(final)?.token, 'pencil', first);
  }
});

test('SCRAM refuses a wrong nonce, a wrong channel binding and malformed last messages despite a right proof', () => {
  const scram = startScram('n,,n=,r=abc', secrets('pencil'), {}, NONCE);
  assert.ok(scram);
  for (const withoutProof of [
    'c=biws,r=abc',
    `c=biws,r=abc${NONCE}x`,
    `c=eSws,r=abc${NONCE}`,
    `c=cD10bHMtdW5pcXVlLCw=,r=abc${NONCE}`,
    `c=biws,r=abc${NONCE},m=1`,
    `r=abc${NONCE}`,
  ])
    assert.equal(
      scram.finish(finalFor('n,,n=,r=abc', scram.serverFirst, withoutProof)),
      undefined,
      withoutProof,
    );
  assert.equal(scram.finish(''), undefined);
  assert.equal(scram.finish(`c=biws,r=abc${NONCE},p=AAAA`), undefined);
});

test('SCRAM refuses first messages that ask for more than it does', () => {
  for (const first of [
    'p=tls-server-end-point,,n=,r=abc',
    'n,a=admin,n=,r=abc',
    'n,,m=ext,n=,r=abc',
    'n,,n=,r=',
    'n,,n=,r=a b',
    'n,,r=abc',
    '',
  ])
    assert.equal(startScram(first, secrets('pencil')), undefined, first);
});

test('SCRAM makes a fresh nonce for every exchange', () => {
  const one = startScram('n,,n=,r=abc', secrets());
  const two = startScram('n,,n=,r=abc', secrets());
  assert.notEqual(one?.serverFirst, two?.serverFirst);
});
