import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { openAuthority } from '#src/identity/ca.ts';
import type { Scope, TokenKind } from '#src/identity/token.ts';
import { makeAuthority, writePem, type Authority } from '../fakes/certificates.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';

let gateway: TestGateway;
let authority: Authority;
let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-bypass-certificate-'));
  authority = await makeAuthority();
  const { key, cert } = await writePem(dir, await authority.issue());
  const tls = { key, cert, certificateLogin: true };
  gateway = await startGateway({ config: { dataDir: join(dir, 'data'), tls } });
});
after(async () => {
  await gateway?.stop();
  await rm(dir, { recursive: true, force: true });
});

const PEM = { type: 'spki', format: 'pem' } as const;
const PRIVATE = { type: 'pkcs8', format: 'pem' } as const;
const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

async function tokenOf(
  scopes: readonly Scope[] = ['connect', 'read'],
  kind: TokenKind = {},
  ms = 3_600_000,
) {
  return gateway.running.tokens.issue('engineer@example.com', scopes, 'test', ms, kind);
}

async function ask(token: string, public_key: string) {
  const response = await fetch(`${gateway.running.console}/oauth/certificate`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: new URLSearchParams({ public_key }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

async function certify(token: string) {
  const { publicKey, privateKey } = newKey();
  const { status, body } = await ask(token, publicKey.export(PEM).toString());
  assert.equal(status, 200, JSON.stringify(body));
  return {
    key: privateKey.export(PRIVATE).toString(),
    cert: body['certificate'] ?? '',
    expiresAt: body['expires_at'] ?? '',
  };
}

/** With no password at all. */
async function come(shown: { key: string; cert: string }, user = 'engineer@example.com') {
  const client = new pg.Client({
    host: 'localhost',
    port: gateway.running.postgres.port,
    user,
    database: 'shop',
    ssl: { ca: authority.cert, key: shown.key, cert: shown.cert },
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

test('the certificate opens sessions of its person, of nobody else, and only while it lasts', async () => {
  const { token } = await tokenOf();
  const mine = await certify(token);
  const client = await come(mine);
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1);
  await client.end();
  await assert.rejects(come(mine, 'approver@example.com'), {
    code: '28000',
    message: /certificate authentication failed for user "approver@example.com"/,
  });
  await gateway.storeSql.query(
    `update countersign.client_certificate set expires_at = clock_timestamp() - interval '1 second'`,
  );
  await assert.rejects(come(mine), { code: '28000', message: /has expired or was revoked/ });
});

test('a certificate that is revoked by itself, or whose login ends, ends its sessions and opens no more', async () => {
  const { token, info } = await tokenOf();
  const [one, two] = [await certify(token), await certify(token)];
  const listed = await gateway.running.tokens.list('engineer@example.com');
  const [own] = listed.filter(({ label }) => /^certificate [0-9a-f]{8} of test$/u.test(label));
  assert.ok(own);
  // The newest is the second.
  const [first, second] = [await come(one), await come(two)];
  const ended = once(second, 'error');
  assert.equal(await gateway.running.tokens.revoke(own.id), true);
  const [said] = await ended;
  assert.match(String(said), /revoked or has expired/);
  assert.match(said.hint, /countersign login/);
  await assert.rejects(come(two), { code: '28000' });
  assert.equal((await first.query('select 1 as one')).rows[0].one, 1);
  const alsoEnded = once(first, 'error');
  await gateway.running.tokens.revoke(info.id);
  await alsoEnded;
  await assert.rejects(come(one), { code: '28000' });
});

test('a certificate of another authority in the person’s name is no proof', async () => {
  const { token } = await tokenOf();
  const mine = await certify(token);
  const other = await makeAuthority();
  const forged = await other.issue({
    cn: 'engineer@example.com',
    san: 'email:engineer@example.com',
  });
  await assert.rejects(come(forged), /password must be a string|no password/i);
  // One that was made with the right authority's name and serial, by hand, is still another.
  const foreign = await openAuthority(join(dir, 'foreign'));
  const { publicKey, privateKey } = newKey();
  const made = foreign.issue('engineer@example.com', publicKey, new Date(Date.now() + 60_000));
  const key = privateKey.export(PRIVATE).toString();
  await assert.rejects(
    come({ key, cert: made.toString() }),
    /password must be a string|no password/i,
  );
  // And one that a writer of the store has put beside ours is not signed by its authority.
  await gateway.storeSql.query(
    `insert into countersign.client_certificate (sha256, token, authority, expires_at)
     select decode($1, 'hex'), token, authority, clock_timestamp() + interval '1 hour'
     from countersign.client_certificate order by expires_at desc limit 1`,
    [made.fingerprint256.replaceAll(':', '')],
  );
  await assert.rejects(come({ key, cert: made.toString() }), /has expired or was revoked/);
  const client = await come(mine);
  await client.end();
});

test('it never lives longer than the token that asked for it', async () => {
  const { token, info } = await tokenOf(['connect'], {}, 90_000);
  const { expiresAt } = await certify(token);
  assert.ok(Date.parse(expiresAt) <= Date.parse(info.expiresAt));
  const { token: long } = await tokenOf(['connect'], {}, 7 * 86_400_000);
  const left = Date.parse((await certify(long)).expiresAt) - Date.now();
  assert.ok(left <= 8 * 3_600_000, String(left));
});

test('agents, tokens without connect and strangers get none', async () => {
  const key = newKey().publicKey.export(PEM).toString();
  const agent = await tokenOf(['connect'], { agent: 'assistant' });
  assert.equal((await ask(agent.token, key)).status, 403);
  const reader = await tokenOf(['read', 'decide']);
  assert.equal((await ask(reader.token, key)).status, 403);
  assert.equal((await ask('cs_nothing', key)).status, 401);
  const { token, info } = await tokenOf();
  await gateway.running.tokens.revoke(info.id);
  assert.equal((await ask(token, key)).status, 401);
});

const text = (key: KeyObject) => key.export(PEM).toString();

test('weak keys, private keys and other texts are refused', async () => {
  const { token } = await tokenOf();
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const odd = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const bad = [text(weak.publicKey), text(odd.publicKey), newKey().privateKey.export(PRIVATE), ''];
  for (const each of bad) {
    const { status, body } = await ask(token, each.toString());
    assert.deepEqual([status, body['error']], [400, 'invalid_request'], each.toString());
  }
});

test('the authority’s key is the gateway’s alone, and one that others could read is not used', async () => {
  const file = join(dir, 'data', 'client-ca.pem');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const folder = join(dir, 'open');
  await openAuthority(folder);
  await chmod(join(folder, 'client-ca.pem'), 0o644);
  await assert.rejects(openAuthority(folder), /can be read by others/);
});
