import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { endEverything } from '#src/identity/end.ts';
import { openSignIns, type NewSignIn, type SignInStore } from '#src/identity/sign-ins.ts';
import { openTokens } from '#src/identity/tokens.ts';
import { openVault } from '#src/identity/vault.ts';
import { startStore, type TestStore } from '../store/store.ts';

let dir: string;
let store: TestStore;
let audit: OpenAuditLog;
let signIns: SignInStore;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-vault-'));
  store = await startStore();
  const onError = assert.ifError;
  audit = await openAuditLog({ db: store.db, writer: 't', epoch: 1, held: () => true, onError });
  signIns = await open({ idleMs: 60_000, longestMs: 3_600_000 });
});
after(async () => {
  await audit.close();
  await store.close();
  await rm(dir, { recursive: true });
});

const open = async (sessions: { idleMs: number; longestMs: number }) =>
  openSignIns({ db: store.db, audit, vault: await openVault(dir), sessions });
const cookie = (): Buffer => randomBytes(32);
const byProvider: NewSignIn = {
  person: 'Ada@example.com',
  provider: 'acme',
  scopes: ['read', 'decide'],
  client: '127.0.0.1',
  authTime: 1_700_000_000_000,
  acr: 'gold',
  amr: ['pwd', 'otp'],
  sid: 'session at acme',
};

test('a sign-in is found by its cookie until it is ended, by every gateway', async () => {
  const id = cookie();
  const started = await signIns.start(id, byProvider);
  const other = await open({ idleMs: 60_000, longestMs: 3_600_000 });
  const found = await other.find(id, true);
  assert.deepEqual(found, started);
  assert.deepEqual(
    [found?.person, found?.authTime, found?.acr, found?.amr, found?.sid],
    ['ada@example.com', 1_700_000_000_000, 'gold', ['pwd', 'otp'], 'session at acme'],
  );
  assert.equal(await other.find(cookie(), true), undefined);
  assert.deepEqual(await other.ofProvider('acme', 'session at acme'), [started]);
  assert.deepEqual(await other.ofProvider('other', 'session at acme'), []);
  assert.equal(await other.revoke(started.id, 'signed out'), true);
  assert.equal(await other.revoke(started.id, 'signed out'), false);
  assert.equal(await other.revoke('no-uuid', 'signed out'), false);
  assert.equal(await signIns.find(id, true), undefined);
  assert.deepEqual(await signIns.list('ada@example.com'), []);
});

const age = (column: string, id: string, seconds: number) =>
  store.db.pool.query(
    `update countersign.sign_in set ${column} = clock_timestamp() - $2 * interval '1 s' where id = $1`,
    [id, seconds],
  );

test('a sign-in ends without use and after its longest time, and use keeps it only from the first', async () => {
  const one = cookie();
  const { id } = await signIns.start(one, byProvider);
  await age('seen_at', id, 50);
  assert.ok(await signIns.find(one, false));
  await age('seen_at', id, 61);
  assert.equal(await signIns.find(one, true), undefined);
  await age('seen_at', id, 50);
  assert.ok(await signIns.find(one, true));
  const seen = (await signIns.find(one, false))?.lastUsedAt ?? '';
  assert.ok(Date.now() - Date.parse(seen) < 40_000, 'use was noted');
  await age('ends_at', id, 0);
  assert.equal(await signIns.find(one, true), undefined);
});

test('a sign-in that was made with a token ends with it', async () => {
  const tokens = await openTokens(store.db, audit);
  const { info } = await tokens.issue('bob@example.com', ['read'], 'x', 3_600_000);
  const id = cookie();
  const { provider: _, ...rest } = byProvider;
  await signIns.start(id, { ...rest, person: 'bob@example.com', token: info.id });
  assert.equal((await signIns.find(id, true))?.token, info.id);
  await tokens.revoke(info.id);
  assert.equal(await signIns.find(id, true), undefined);
});

test('what a provider gave is stored sealed, opens in its own row only, and goes with the end of everything', async () => {
  const id = cookie();
  const secrets = { refreshToken: 'the refresh token', idToken: 'the id token' };
  await store.db.pool.query(
    `insert into countersign.person (email, provider, subject, name, checked_at, valid_until)
     values ('eve@example.com', 'acme', 'eve', 'Eve', clock_timestamp() - interval '10 m', 'infinity')`,
  );
  const eve = { ...byProvider, person: 'eve@example.com', ...secrets };
  const { id: row } = await signIns.start(id, eve);
  const { rows } = await store.db.pool.query('select s::text as text from countersign.sign_in s');
  const bodies = await store.db.pool.query('select body from countersign.record_body');
  const kept = JSON.stringify([rows, bodies.rows]);
  for (const secret of [...Object.values(secrets), ...Object.values(secrets).map(hex)])
    assert.ok(!kept.includes(secret));
  assert.equal(await signIns.idToken(row), 'the id token');
  assert.deepEqual(await signIns.refreshable(60_000), [
    {
      signIn: row,
      person: 'eve@example.com',
      provider: 'acme',
      refreshToken: 'the refresh token',
    },
  ]);
  assert.deepEqual(await signIns.refreshable(3_600_000), []);
  await signIns.keepRefreshToken(row, 'the next one');
  assert.equal((await signIns.refreshable(60_000))[0]?.refreshToken, 'the next one');
  const other = await signIns.start(cookie(), { ...eve, person: 'ada@example.com' });
  await store.db.pool.query(
    `update countersign.sign_in set id_token = (select id_token from countersign.sign_in where id = $1) where id = $2`,
    [row, other.id],
  );
  assert.equal(await signIns.idToken(other.id), undefined);
  await endEverything(
    { db: store.db, audit },
    { email: 'eve@example.com', why: 'enough', action: 'end' },
  );
  assert.equal(await signIns.find(id, true), undefined);
  assert.equal(await signIns.idToken(row), undefined);
  assert.deepEqual(await signIns.refreshable(60_000), []);
});

const hex = (text: string): string => Buffer.from(text).toString('hex');

test('the key file is kept to its owner, and another key opens nothing', async () => {
  const path = join(dir, 'identity.key');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const vault = await openVault(dir);
  const sealed = vault.seal('text', 'use');
  assert.equal(vault.open(sealed, 'use'), 'text');
  assert.equal(vault.open(sealed, 'other use'), undefined);
  const last = sealed.length - 1;
  sealed.writeUInt8(sealed.readUInt8(last) ^ 1, last);
  assert.equal(vault.open(sealed, 'use'), undefined);
  assert.equal(vault.open(Buffer.alloc(3), 'use'), undefined);
  const elsewhere = await openVault(join(dir, 'elsewhere'));
  assert.equal(elsewhere.open(vault.seal('text', 'use'), 'use'), undefined);
  await chmod(path, 0o640);
  await assert.rejects(openVault(dir), /chmod 600/);
  await chmod(path, 0o600);
  const all = await Promise.all([1, 2, 3].map(() => openVault(join(dir, 'new'))));
  assert.equal((await readFile(join(dir, 'new', 'identity.key'))).length, 32);
  assert.ok(all.every((one) => one.open(all[0]?.seal('x', 'y') ?? Buffer.alloc(0), 'y') === 'x'));
});
