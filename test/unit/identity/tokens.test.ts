import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { liveRoles } from '#src/identity/grants.ts';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { openDirectory } from '#src/identity/directory.ts';
import { peopleOf } from '#src/identity/people.ts';
import { startScram } from '#src/identity/scram.ts';
import { isSecret, newSecret } from '#src/identity/secret.ts';
import type { Tokens } from '#src/identity/token.ts';
import { endedTokens, openTokens } from '#src/identity/tokens.ts';
import { startStore, type TestStore } from '../store/store.ts';

function proveWith(password: string, secrets: Awaited<ReturnType<Tokens['scram']>>) {
  const scram = startScram('n,,n=,r=client', secrets);
  assert.ok(scram);
  const nonce = /^r=([^,]+),/.exec(scram.serverFirst)?.[1];
  const salted = pbkdf2Sync(password, secrets.salt, secrets.iterations, 32, 'sha256');
  const key = createHmac('sha256', salted).update('Client Key').digest();
  const stored = createHash('sha256').update(key).digest();
  const message = `n=,r=client,${scram.serverFirst},c=biws,r=${nonce}`;
  const signature = createHmac('sha256', stored).update(message).digest();
  const proof = Buffer.from(key.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64');
  return scram.finish(`c=biws,r=${nonce},p=${proof}`)?.token;
}

describe('tokens', () => {
  let store: TestStore;
  let audit: OpenAuditLog;
  let tokens: Tokens;

  before(async () => {
    store = await startStore();
    const onError = assert.ifError;
    audit = await openAuditLog({
      db: store.db,
      writer: 'test',
      epoch: 1,
      held: () => true,
      onError,
    });
    tokens = await openTokens(store.db, audit);
  });
  after(async () => {
    await audit.close();
    await store.close();
  });

  const HOUR = 3_600_000;

  test('a token is recognisable, and a slip in it is noticed without the store', () => {
    const token = newSecret();
    assert.match(token, /^cs_[\w-]{49}$/);
    assert.equal(isSecret(token), true);
    for (const wrong of ['', 'cs_', token.slice(0, -1), `${token}x`, token.replace('cs_', 'xx_')])
      assert.equal(isSecret(wrong), false);
    const other = token[10] === 'A' ? 'B' : 'A';
    assert.equal(isSecret(token.slice(0, 10) + other + token.slice(11)), false);
  });

  test('an exchanged token ends with the one it came from, never later, and names its agent', async () => {
    const own = await tokens.issue('e@example.com', ['connect', 'read'], 'own', HOUR);
    const kind = { agent: 'bot', parent: own.info.id };
    const acting = await tokens.issue('e@example.com', ['connect'], 'bot', 8 * HOUR, kind);
    assert.equal(acting.info.expiresAt, own.info.expiresAt);
    assert.equal((await tokens.check(acting.token, 'connect'))?.agent, 'bot');
    const { verifiers } = await tokens.scram('e@example.com');
    assert.deepEqual(
      verifiers.map(({ agent }) => agent),
      ['bot', undefined],
    );
    assert.deepEqual(await endedTokens(store.db, [acting.info.id]), new Set());
    await tokens.revoke(own.info.id);
    assert.equal(await tokens.check(acting.token, 'connect'), undefined);
    assert.deepEqual((await tokens.scram('e@example.com')).verifiers, []);
    assert.deepEqual(await endedTokens(store.db, [acting.info.id]), new Set([acting.info.id]));
    assert.ok((await tokens.list('e@example.com')).every((token) => token.revokedAt));
    await assert.rejects(tokens.issue('e@example.com', ['connect'], 'x', HOUR, kind), /ended/);
  });

  test('a token that is no password opens nothing by SCRAM', async () => {
    const { token } = await tokens.issue('f@example.com', ['connect'], 'x', HOUR, {
      password: false,
    });
    assert.equal((await tokens.check(token, 'connect'))?.person, 'f@example.com');
    assert.deepEqual((await tokens.scram('f@example.com')).verifiers, []);
  });

  test('a token counts for its scopes only', async () => {
    const { token, info } = await tokens.issue(
      'Ada@Example.com',
      ['connect', 'read'],
      'laptop',
      HOUR,
    );
    assert.deepEqual(
      [info.person, info.label, info.scopes],
      ['ada@example.com', 'laptop', ['connect', 'read']],
    );
    assert.equal((await tokens.check(token, 'connect'))?.id, info.id);
    assert.equal((await tokens.check(token, 'read'))?.person, 'ada@example.com');
    assert.equal(await tokens.check(token, 'decide'), undefined);
    assert.equal(await tokens.check(newSecret(), 'read'), undefined);
    assert.equal(await tokens.check('password', 'read'), undefined);
  });

  test('an expired or revoked token counts for nothing, at once', async () => {
    const short = await tokens.issue('bob@example.com', ['read'], '', 1);
    const kept = await tokens.issue('bob@example.com', ['connect', 'read'], '', HOUR);
    await store.db.pool.query('select pg_sleep(0.01)');
    assert.equal(await tokens.check(short.token, 'read'), undefined);
    assert.equal(await tokens.revoke(short.info.id), false);
    assert.ok(await tokens.check(kept.token, 'read'));
    const revoked = await Promise.all([tokens.revoke(kept.info.id), tokens.revoke(kept.info.id)]);
    assert.equal(revoked.filter(Boolean).length, 1);
    assert.equal(await tokens.check(kept.token, 'read'), undefined);
    assert.equal((await tokens.scram('bob@example.com')).verifiers.length, 0);
    assert.equal(await tokens.revoke('no-such-token'), false);
    const listed = await tokens.list('BOB@example.com');
    assert.equal(listed.length, 2);
    assert.ok(listed.find(({ id }) => id === kept.info.id)?.revokedAt);
  });

  test('issuing and revoking leave their records, which hold neither token nor hash', async () => {
    const { token, info } = await tokens.issue('eve@example.com', ['read'], 'ci', HOUR);
    await tokens.revoke(info.id);
    const { rows } = await store.db.pool.query<{ body: string }>(
      "select body from countersign.record_body where kind = 'token' and person = 'eve@example.com' order by at, body",
    );
    assert.deepEqual(
      rows.map(({ body }) => (JSON.parse(body) as { body: { action: string } }).body.action),
      ['issue', 'revoke'],
    );
    const all = rows.map(({ body }) => body).join('');
    assert.equal(all.includes(token.slice(3, 20)), false);
    assert.equal(all.includes(createHash('sha256').update(token).digest('hex')), false);
  });

  test('tokens without a scope, with an unknown one, or without a lifetime are not issued', async () => {
    await assert.rejects(tokens.issue('x@example.com', [], '', HOUR), /scopes/);
    await assert.rejects(tokens.issue('x@example.com', ['root' as 'read'], '', HOUR), /scopes/);
    await assert.rejects(tokens.issue('x@example.com', ['read'], '', 0), /lifetime/);
  });

  test('SCRAM knows connect tokens only, and a stranger looks like anybody else', async () => {
    const { token, info } = await tokens.issue('sam@example.com', ['connect'], '', HOUR);
    await tokens.issue('sam@example.com', ['decide', 'read'], '', HOUR);
    const secrets = await tokens.scram('Sam@Example.com');
    assert.deepEqual(
      secrets.verifiers.map((verifier) => verifier.token),
      [info.id],
    );
    assert.equal(proveWith(token, secrets), info.id);
    assert.equal(proveWith(newSecret(), secrets), undefined);

    const stranger = await tokens.scram('nobody@example.com');
    assert.deepEqual(stranger, await tokens.scram('NOBODY@example.com'));
    assert.equal(stranger.verifiers.length, 0);
    assert.equal(stranger.salt.length, secrets.salt.length);
    assert.notDeepEqual(stranger.salt, secrets.salt);
    const again = await openTokens(store.db, audit);
    assert.deepEqual((await again.scram('nobody@example.com')).salt, stranger.salt);
  });

  test('people are found without regard to case, and one who is there twice is an error', async () => {
    const ada = { name: 'Ada', groups: ['dba'] };
    const of = (...emails: string[]) =>
      peopleOf({
        people: new Map(emails.map((email) => [email, ada])),
        identity: NO_PROVIDERS,
      });
    const directory = openDirectory({
      db: store.db,
      notices: { on: () => () => undefined },
      configured: () => of('Ada@Example.com'),
    });
    assert.deepEqual(await directory.find('aDA@example.com'), { email: 'ada@example.com', ...ada });
    assert.equal(await directory.find('eve@example.com'), undefined);
    assert.throws(() => of('a@b.c', 'A@b.c'), /twice/);
  });

  test('a grant gives its role while it is live by the clock of the database', async () => {
    const grant = (role: string, from: string, to: string, revoked = 'null') =>
      store.db.pool.query(
        `insert into countersign.access_grant (id, person, target, role, starts_at, ends_at, revoked_at)
       values ($1, 'ada@example.com', 'shop', $2, now() + $3, now() + $4, ${revoked})`,
        [randomUUID(), role, from, to],
      );
    await grant('writer', '-1 h', '1 h');
    await grant('reader', '-2 h', '2 h');
    await grant('past', '-2 h', '-1 h');
    await grant('future', '1 h', '2 h');
    await grant('revoked', '-1 h', '1 h', 'now()');
    assert.deepEqual(await liveRoles(store.db, 'Ada@example.com'), ['shop/reader', 'shop/writer']);
    assert.deepEqual(await liveRoles(store.db, 'eve@example.com'), []);
  });
});
