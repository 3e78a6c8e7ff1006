import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { openSamlStore } from '#src/identity/saml/store.ts';
import { openSignIns, type NewSignIn, type SignInStore } from '#src/identity/sign-ins.ts';
import { tidy } from '#src/identity/tidy.ts';
import type { Tokens } from '#src/identity/token.ts';
import { openTokens } from '#src/identity/tokens.ts';
import { openVault } from '#src/identity/vault.ts';
import { startStore, type TestStore } from '../store/store.ts';

let dir: string;
let store: TestStore;
let audit: OpenAuditLog;
let signIns: SignInStore;
let tokens: Tokens;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-tidy-'));
  store = await startStore();
  const onError = assert.ifError;
  audit = await openAuditLog({ db: store.db, writer: 't', epoch: 1, held: () => true, onError });
  const sessions = { idleMs: 60_000, longestMs: 3_600_000 };
  signIns = openSignIns({ db: store.db, audit, vault: await openVault(dir), sessions });
  tokens = await openTokens(store.db, audit);
});
after(async () => {
  await audit.close();
  await store.close();
  await rm(dir, { recursive: true });
});

const ada: NewSignIn = {
  person: 'ada@example.com',
  provider: 'acme',
  scopes: ['read'],
  client: '127.0.0.1',
};
const start = (more: Partial<NewSignIn> = {}) =>
  signIns.start(randomBytes(32), { ...ada, ...more });
const sql = (text: string, ...values: unknown[]) => store.db.pool.query(text, values);

test('a sign-in that ends by itself leaves a record, once, that says why', async () => {
  const [live, idle, old] = [await start(), await start(), await start()];
  const lifetime = 3_600_000;
  const { info } = await tokens.issue('ada@example.com', ['read'], 'x', lifetime);
  const byToken = await start({ token: info.id });
  await sql(
    "update countersign.sign_in set seen_at = seen_at - interval '61 seconds' where id = $1",
    idle.id,
  );
  await sql('update countersign.sign_in set ends_at = clock_timestamp() where id = $1', old.id);
  await tokens.revoke(info.id, 'ada@example.com');
  await tidy({ db: store.db, signIns });
  await tidy({ db: store.db, signIns });
  const { rows } = await sql(
    `select body::jsonb -> 'body' ->> 'signIn' as id, body::jsonb -> 'body' ->> 'why' as why
     from countersign.record_body where kind = 'sign-out'`,
  );
  assert.deepEqual(
    new Map(rows.map((row) => [row.id, row.why])),
    new Map([
      [idle.id, 'it was not used for too long'],
      [old.id, 'its time was over'],
      [byToken.id, 'the token that it was made with has ended'],
    ]),
  );
  assert.equal(rows.length, 3);
  assert.ok(await signIns.get(live.id));
});

const make = async (parent?: string) => {
  const kind = parent === undefined ? {} : { parent };
  const { info } = await tokens.issue('ada@example.com', ['read'], 'x', 60_000, kind);
  return info.id;
};
const expire = (id: string, days: number) =>
  sql(
    "update countersign.token set expires_at = clock_timestamp() - $2 * interval '1 day' where id = $1",
    id,
    days,
  );
const known = async () => {
  const { rows } = await sql('select id from countersign.token');
  return rows.map(({ id }) => id);
};

test('tokens are forgotten a month after they expired, but for what still hangs on them', async () => {
  const [fresh, lately, long, parent] = [await make(), await make(), await make(), await make()];
  const child = await make(parent);
  await expire(lately, 29);
  await expire(long, 31);
  await expire(parent, 31);
  await tidy({ db: store.db, signIns });
  const left = await known();
  assert.deepEqual(
    [fresh, lately, long, parent, child].map((id) => left.includes(id)),
    [true, true, false, true, true],
  );
  await expire(child, 31);
  await tidy({ db: store.db, signIns });
  await tidy({ db: store.db, signIns });
  assert.ok(!(await known()).includes(parent));
});

test('sign-ins that nobody finishes are bounded, and the newest stay', async () => {
  const saml = openSamlStore(store.db);
  const browser = randomBytes(32);
  await sql(
    `insert into countersign.saml_flow (id, provider, browser, next, expires_at)
     select 'old' || n, 'acme', '\\x00', '/', clock_timestamp() + interval '1 minute' + n * interval '1 ms'
     from generate_series(1, 20010) n`,
  );
  const mine = await saml.begin('acme', browser, '/');
  const { rows } = await sql(
    "select count(*)::int as n, bool_or(id = $1) as mine, bool_or(id = 'old1') as oldest from countersign.saml_flow",
    mine,
  );
  assert.ok(rows[0].n <= 20_002, String(rows[0].n));
  assert.deepEqual([rows[0].mine, rows[0].oldest], [true, false]);
  await sql("update countersign.saml_flow set expires_at = clock_timestamp() - interval '1 ms'");
  await tidy({ db: store.db, signIns });
  assert.equal((await sql('select from countersign.saml_flow')).rowCount, 0);
});
