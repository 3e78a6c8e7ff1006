import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Check } from '#cli/doctor/check.ts';
import { clock } from '#cli/doctor/clock.ts';
import { checkDetectors } from '#cli/doctor/detectors.ts';
import { certificate, checkKeys } from '#cli/doctor/keys.ts';
import { checkMachine, checkNode, coreDumps, diskState } from '#cli/doctor/machine.ts';
import { checkRedis, redisChecks } from '#cli/doctor/queue.ts';
import { checkScim } from '#cli/doctor/scim.ts';
import { checkStore } from '#cli/doctor/store.ts';
import { checkTarget } from '#cli/doctor/target.ts';
import type { Config, TargetConfig } from '#src/config/config.ts';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { migrate } from '#src/store/migrate.ts';
import { openDatabase } from '#src/store/database.ts';
import { inDatabase, makeShop, sqlOn } from '../fakes/shop.ts';
import { scimProvider } from '../fakes/scim.ts';
import { freePort, startPostgres, type TestPostgres } from '../fakes/postgres.ts';

let server: TestPostgres;
let folder = '';
before(async () => {
  server = await startPostgres({ fsync: true });
  folder = await mkdtemp(join(tmpdir(), 'countersign-doctor-'));
  await makeShop(server);
});
after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const target = (): TargetConfig => ({
  name: 'shop',
  protocol: 'postgres',
  environment: 'production',
  timeZone: 'UTC',
  host: server.host,
  port: server.port,
  user: 'gateway',
  password: () => Promise.resolve('gateway'),
  database: 'shop',
  analyser: { user: 'analyser', password: () => Promise.resolve('analyser') },
  tls: { mode: 'disable' },
  hold: { inTransactionMs: 1, resendMs: 1 },
  record: { rows: 1, bytes: 1 },
});

/** `state found` by what was checked; each that is not well must say what to do. */
function found(checks: readonly Check[]): Map<string, string> {
  for (const check of checks) assert.ok(check.state === 'ok' || check.next, check.what);
  return new Map(checks.map((check) => [check.what, `${check.state} ${check.found}`]));
}

test('of a target: server, clock, encryption, and roles that can do no more than they must', async () => {
  const well = found(await checkTarget(target()));
  assert.match(well.get('shop: gateway role') ?? '', /^ok /);
  assert.match(well.get('shop: analyser role') ?? '', /^ok /);
  assert.match(well.get('shop: server') ?? '', /^ok PostgreSQL \d/);
  assert.match(well.get('shop: clock') ?? '', /^ok differs from ours by 0\.0 s/);
  assert.match(well.get('shop: password') ?? '', /^ok a wrong one is refused/);
  assert.match(well.get('shop: encryption') ?? '', /^ok none, on this machine/);
});

test('each power of a role that would let people past the rules is named, with how to take it', async () => {
  const cases: readonly (readonly [give: string, take: string, says: RegExp])[] = [
    ['alter role gateway superuser', 'alter role gateway nosuperuser', /^fail .*superuser/],
    ['alter role gateway createrole', 'alter role gateway nocreaterole', /^fail .*make roles/],
    ['alter role gateway replication', 'alter role gateway noreplication', /^fail .*replicate/],
    [
      'grant pg_read_server_files to gateway',
      'revoke pg_read_server_files from gateway',
      /^fail .*files/,
    ],
    ['alter role gateway bypassrls', 'alter role gateway nobypassrls', /^warn .*row security/],
    [
      'grant pg_read_all_data to gateway',
      'revoke pg_read_all_data from gateway',
      /^warn .*every table/,
    ],
  ];
  for (const [give, take, says] of cases) {
    await sqlOn(server.url, give);
    const checks = found(await checkTarget(target()));
    assert.match(checks.get('shop: gateway role') ?? '', says, give);
    await sqlOn(server.url, take);
  }
});

test('what the rights of the target would close is named, with how to close it', async () => {
  const shop = inDatabase(server.url, 'shop');
  const closed = found(await checkTarget(target()));
  assert.match(closed.get('shop: reach') ?? '', /^ok /);
  const cases: readonly (readonly [what: string, give: string, take: string, says: RegExp])[] = [
    [
      'own tables',
      'alter table orders owner to gateway',
      'alter table orders owner to postgres',
      /^warn gateway owns public\.orders$/,
    ],
    [
      'functions of others',
      `create function peek() returns text language sql security definer as 'select ssn from customers limit 1'`,
      'drop function peek',
      /^warn gateway may call, with the rights of their owner, peek\(\)$/,
    ],
    [
      'ways out',
      'create extension dblink',
      'drop extension dblink',
      /^warn gateway may use dblink$/,
    ],
    [
      'statistics',
      'grant pg_read_all_stats to gateway',
      'revoke pg_read_all_stats from gateway',
      /^warn .*pg_read_all_stats$/,
    ],
    [
      'new objects',
      'grant create on schema public to gateway',
      'revoke create on schema public from gateway',
      /^warn .*schema public$/,
    ],
  ];
  for (const [what, give, take, says] of cases) {
    await sqlOn(shop, give);
    const checks = found(await checkTarget(target()));
    assert.match(checks.get(`shop: ${what}`) ?? '', says, give);
    await sqlOn(shop, take.replace('to postgres', 'to current_user'));
  }
});

test('an analyser that could read, or cannot keep statements out of the log, is refused', async () => {
  await sqlOn(inDatabase(server.url, 'shop'), 'grant select on customers to analyser');
  const reads = found(await checkTarget(target()));
  assert.match(reads.get('shop: analyser role') ?? '', /^fail analyser may read public\.customers/);
  await sqlOn(inDatabase(server.url, 'shop'), 'revoke select on customers from analyser');
  await sqlOn(server.url, 'revoke set on parameter log_min_messages from analyser');
  const logs = found(await checkTarget(target()));
  assert.match(logs.get('shop: analyser role') ?? '', /^fail /);
  await sqlOn(server.url, 'grant set on parameter log_min_messages to analyser');
});

test('of the store: durability, schema, tokens and cards', async () => {
  await sqlOn(server.url, 'create database countersign');
  const url = inDatabase(server.url, 'countersign');
  const config = {
    store: { postgres: { url } },
    people: new Map([['jane@example.com', { name: 'Jane', groups: [] }]]),
    chat: { channels: new Map() },
  } as unknown as Config;
  assert.match(found(await checkStore(config)).get('store schema') ?? '', /^warn empty/);
  const db = openDatabase(url, { max: 1, onError: () => undefined });
  await migrate(db);
  const well = found(await checkStore(config));
  assert.match(well.get('store durability') ?? '', /^ok fsync/);
  assert.match(well.get('store schema') ?? '', /^ok \d{4}-/);
  assert.match(well.get('store: clock') ?? '', /^ok /);
  assert.equal(well.get('tokens'), 'ok 0 live, as hashes');
  assert.equal(well.get('cards'), 'ok none waits for chat');
  await sqlOn(
    url,
    `insert into countersign.token (id, person, scopes, sha256, stored_key, server_key, expires_at)
     values (gen_random_uuid(), 'joe@example.com', '{read}', sha256('1'), sha256('2'), sha256('3'), now() + interval '1 day')`,
  );
  assert.match(found(await checkStore(config)).get('tokens') ?? '', /^warn .*joe@example\.com/);
  await sqlOn(url, `update countersign.token set stored_key = 'password'`);
  assert.match(found(await checkStore(config)).get('tokens') ?? '', /^fail /);
  await sqlOn(
    url,
    `insert into countersign.migration (name, sha256) values ('9999-later.sql', '')`,
  );
  assert.match(
    found(await checkStore(config)).get('store schema') ?? '',
    /^fail .*newer than this/,
  );
  await db.close();
});

const states = (info: string) => redisChecks(info).map(({ state }) => state);
test('a Redis that is old, throws hints away or is not there is told apart', async () => {
  assert.deepEqual(states('redis_version:7.2.4\r\nmaxmemory_policy:noeviction\r\n'), ['ok', 'ok']);
  assert.deepEqual(states('redis_version:6.0.16\r\nmaxmemory_policy:allkeys-lru\r\n'), [
    'fail',
    'warn',
  ]);
  const url = `redis://127.0.0.1:${await freePort()}`;
  const [none] = await checkRedis({ backend: 'redis', url });
  assert.equal(none?.state, 'fail');
});

test('files that others may read or change are named', async () => {
  const dataDir = join(folder, 'data');
  const policies = join(folder, 'policies');
  await mkdir(dataDir, { mode: 0o700 });
  await mkdir(policies, { mode: 0o755 });
  const file = join(folder, 'countersign.yaml');
  const password = join(dataDir, 'store-password');
  await writeFile(file, '', { mode: 0o600 });
  await writeFile(password, 'x', { mode: 0o600 });
  const config = { dataDir, policies, targets: new Map() } as unknown as Config;
  assert.match(found(await checkKeys(config, file)).get('file modes') ?? '', /^ok /);
  await chmod(password, 0o644);
  await chmod(policies, 0o777);
  const open = found(await checkKeys(config, file));
  assert.match(open.get(`file modes of ${password}`) ?? '', /^fail others may read it \(644\)/);
  assert.match(open.get(`file modes of ${policies}`) ?? '', /^fail others may change it \(777\)/);
});

test('certificates, disks, clocks and Node.js have their limits', async () => {
  const now = Date.parse('2026-06-01T00:00:00Z');
  const until = (day: string) =>
    certificate({ file: 'a.pem', subject: 'CN=gw', notAfter: new Date(day) }, now).state;
  assert.deepEqual(['2026-05-31', '2026-06-20', '2026-12-01'].map(until), ['fail', 'warn', 'ok']);
  assert.equal(certificate({ file: 'a.pem', problem: 'no' }, now).state, 'fail');
  const GiB = 1024 ** 3;
  assert.deepEqual(
    [10_000, GiB / 2, 2 * GiB].map((free) => diskState('disk', free).state),
    ['fail', 'warn', 'ok'],
  );
  assert.deepEqual(
    [0, 1_900, 2_000, 3_100, 4_000].map((there) => clock('x', there, 2_000, 2_200).state),
    ['warn', 'ok', 'ok', 'ok', 'warn'],
  );
  assert.equal(checkNode('20.1.0').state, 'fail');
  const machine = found(await checkMachine(folder));
  assert.match(machine.get('native cryptography') ?? '', /OpenSSL 3.*SHA-256 \d+ MB\/s/);
  assert.match(machine.get('disk') ?? '', /GiB free/);
});

const limits = (size: string) =>
  `Limit  Soft Limit  Hard Limit  Units\nMax core file size   ${size}   unlimited   bytes\n`;

test('core dumps that would hold secrets are a warning', () => {
  assert.equal(coreDumps(limits('0'))[0]?.state, 'ok');
  assert.equal(coreDumps(limits('unlimited'))[0]?.state, 'warn');
  assert.deepEqual(coreDumps(''), []);
});

const token = (secret: () => Promise<string>) => ({ scim: { token: secret } });

test('a SCIM token that is short or cannot be read is found, and not shown', async () => {
  const providers = new Map([
    ['good', scimProvider('good')],
    [
      'short',
      scimProvider(
        'short',
        token(() => Promise.resolve('hunter2')),
      ),
    ],
    [
      'away',
      scimProvider(
        'away',
        token(() => Promise.reject(new Error('there is no file'))),
      ),
    ],
  ]);
  const checks = await checkScim({ ...NO_PROVIDERS, providers });
  assert.deepEqual(
    checks.map(({ state }) => state),
    ['ok', 'fail', 'fail'],
  );
  assert.equal(JSON.stringify(checks).includes('hunter2'), false);
});

test('says which engine looks for sensitive values, and how fast', () => {
  const [check] = checkDetectors(() => undefined);
  assert.equal(check?.state, 'ok');
  assert.match(check.found, /^re2(?:js)?, \d+ MB\/s$/);
  const [broken] = checkDetectors(() => 'compiled against a different Node.js version\nand more');
  assert.equal(broken?.state, 'warn');
  assert.match(broken.found, /cannot be loaded: compiled against a different Node.js version$/);
});
