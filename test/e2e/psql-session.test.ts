import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { without } from '../fakes/need.ts';
import { makeCertificate, writePem } from '../fakes/certificates.ts';
import { type PsqlKit, startPsqlKit } from './psql-kit.ts';

const skip = without('psql');
const SCHEMA = `create function add(a int, b int) returns int language sql as 'select a + b';`;

let kit: PsqlKit;
let tlsFolder: string | undefined;
before(async () => {
  if (skip) return;
  const pem = await makeCertificate();
  tlsFolder = await mkdtemp(join(tmpdir(), 'countersign-psql-tls-'));
  const tls = await writePem(tlsFolder, pem);
  kit = await startPsqlKit({ schema: SCHEMA, config: { tls } });
  await writeFile(join(kit.folder, 'ca.pem'), pem.cert);
});
after(async () => {
  await kit?.stop();
  if (tlsFolder) await rm(tlsFolder, { recursive: true });
});

async function withOptions(PGOPTIONS: string, ...args: string[]) {
  const psqlRun = await kit.start('engineer', [kit.where('engineer'), ...args], { PGOPTIONS });
  return { code: await psqlRun.done, ...psqlRun.said };
}

const META: [command: string, shows: RegExp][] = [
  ['\\d', /public \| orders +\| table/],
  ['\\d customers', /customers_email_key[^]*Referenced by/],
  ['\\d+ orders', /orders_total_check/],
  ['\\dt', /public \| customers/],
  ['\\dt+', /Size/],
  ['\\df', /add +\| integer/],
  ['\\du', /gateway/],
  ['\\dn', /public/],
  ['\\di', /orders_pkey/],
  ['\\dp orders', /gateway=arwd/],
  ['\\dx', /plpgsql/],
  ['\\sf add', /select a \+ b/],
  ['\\conninfo', /database "shop" as user "engineer@example\.com"/],
];
for (const [command, shows] of META)
  test(`psql's ${command} works as without the gateway`, { skip }, async () => {
    const { code, out, err } = await kit.psql('engineer', command);
    assert.equal(err, '');
    assert.match(out, shows);
    assert.equal(code, 0);
  });

test(
  "psql's \\l lists the databases, or says what the target itself says to an older psql",
  { skip },
  async () => {
    const [through, direct] = [
      await kit.psql('engineer', '\\l'),
      await kit.start('engineer', [
        kit.gateway.target.url.replace(/\/[^/]*$/, '/shop'),
        '-c',
        '\\l',
      ]),
    ];
    const code = await direct.done;
    assert.equal(through.code, code);
    if (code === 0) assert.match(through.out, /shop/);
    else
      assert.ok(
        through.err.includes(/column (.*) does not exist/.exec(direct.said.err)?.[0] ?? '?'),
      );
  },
);

test('psql copies out, and what is masked comes out masked', { skip }, async () => {
  const file = join(kit.folder, 'orders.csv');
  const { out } = await kit.psql(
    'engineer',
    `\\copy (select id, total from orders where id between 901 and 903 order by id) to '${file}' csv header`,
    '\\copy (select ssn, card from customers where id = 1) to stdout',
    'copy (select email from customers where id = 1) to stdout csv',
  );
  assert.equal(out, 'COPY 3\n\\N\t************0001\np***@e***.org\n');
  assert.equal(await readFile(file, 'utf8'), 'id,total\n901,901.00\n902,902.00\n903,903.00\n');
});

test('psql copies in once approved, from a file and from its input', { skip }, async () => {
  const file = join(kit.folder, 'new.csv');
  await writeFile(file, '5,imported,1.50\n6,imported,2.50\n');
  const copy = await kit.held(
    'engineer',
    `\\copy orders (customer_id, status, total) from '${file}' csv`,
  );
  await kit.gateway.decide('approve');
  assert.equal(await copy.done, 0, copy.said.err);
  assert.equal(copy.said.out, 'COPY 2\n');
  const typed = await kit.start('engineer', [kit.where('engineer')]);
  typed.type('copy orders (customer_id, status, total) from stdin;\n7\timported\t3\n\\.\n');
  await typed.prints('NOTICE');
  await kit.gateway.decide('approve');
  typed.child.stdin?.end("select count(*) as imported from orders where status = 'imported';\n");
  assert.equal(await typed.done, 0);
  assert.match(typed.said.out, /COPY 1\n imported \n-+\n +3/);
});

test('a copy in that is denied takes nothing, and psql goes on', { skip }, async () => {
  const file = join(kit.folder, 'never.csv');
  await writeFile(file, '7,never,3\n');
  const copy = await kit.start('engineer', [kit.where('engineer')]);
  copy.type(`\\copy orders (customer_id, status, total) from '${file}' csv\n`);
  await copy.prints('NOTICE');
  await kit.gateway.decide('deny');
  copy.child.stdin?.end("select count(*) as never from orders where status = 'never';\n");
  await copy.done;
  assert.match(copy.said.err, /denied by approver@example\.com/);
  assert.match(copy.said.out, /never \n-+\n +0/);
});

test('several statements in one psql -c are one unit', { skip }, async () => {
  const fine = await kit.psql(
    'engineer',
    'select 1 as one; select ssn as two from customers limit 1',
  );
  assert.match(fine.out, /one[^]*two \n-+\n \n/);
  const bad = await kit.psql(
    'engineer',
    "insert into orders values (9001, 1, 'x', 1); drop table orders",
  );
  assert.match(bad.err, /no rule permits define/);
  const unit = await kit.held(
    'engineer',
    'update orders set total = 49 where id = 49; select total from orders where id = 49',
  );
  await kit.gateway.decide('approve');
  await unit.done;
  assert.match(unit.said.out, /UPDATE 1[^]*49\.00/);
  assert.equal(await kit.ran('9001'), 0);
});

test('transaction control in a held string is refused', { skip }, async () => {
  const { err } = await kit.psql(
    'engineer',
    'begin; update orders set total = 1 where id = 50; commit',
  );
  assert.match(err, /ERROR: +countersign: /);
  assert.doesNotMatch(err, /NOTICE/);
  assert.equal(await kit.ran('id = 50'), 0);
});

test('psql -f goes on after errors, and says in which line they are', { skip }, async () => {
  const file = join(kit.folder, 'script.sql');
  await writeFile(
    file,
    'select 1 as first;\nselect nothing from orders;\ndrop table orders;\nselect 2 as last;\n',
  );
  const script = await kit.start('engineer', [kit.where('engineer'), '-f', file]);
  assert.equal(await script.done, 0);
  assert.match(script.said.out, /first[^]*last/);
  assert.match(script.said.err, /script\.sql:2: ERROR: .*column "nothing" does not exist/);
  assert.match(script.said.err, /script\.sql:3: ERROR: .*no rule permits define/);
  const stopped = await kit.start('engineer', [
    kit.where('engineer'),
    '-v',
    'ON_ERROR_STOP=1',
    '-f',
    file,
  ]);
  assert.equal(await stopped.done, 3);
});

test('psql -1 rolls a script back when a part is refused', { skip }, async () => {
  const file = join(kit.folder, 'one.sql');
  await writeFile(file, 'update orders set total = 51.51 where id = 51;\ndelete from orders;\n');
  const script = await kit.start('engineer', [
    kit.where('engineer'),
    '-1',
    '-v',
    'ON_ERROR_STOP=1',
    '-f',
    file,
  ]);
  await script.prints('NOTICE');
  await kit.gateway.decide('approve');
  assert.equal(await script.done, 3);
  const { out } = await kit.psql('engineer', 'select total from orders where id = 51');
  assert.match(out, /51\.00/);
});

test('psql encrypts, and checks the certificate as sslmode says', { skip }, async () => {
  const ca = join(kit.folder, 'ca.pem');
  const sql = 'select 1 as fine';
  for (const more of [
    'sslmode=require',
    `sslmode=verify-full sslrootcert=${ca}`,
    'sslmode=disable',
  ]) {
    const tls = await kit.start('engineer', [
      kit.where('engineer', more),
      '-c',
      '\\conninfo',
      '-c',
      sql,
    ]);
    assert.equal(await tls.done, 0, tls.said.err);
    assert.equal(
      tls.said.out.includes('SSL connection (protocol: TLSv1.3'),
      more !== 'sslmode=disable',
    );
  }
  const other = await makeCertificate();
  await writeFile(join(kit.folder, 'other.pem'), other.cert);
  const distrusted = await kit.start('engineer', [
    kit.where('engineer', `sslmode=verify-full sslrootcert=${join(kit.folder, 'other.pem')}`),
    '-c',
    sql,
  ]);
  assert.equal(await distrusted.done, 2);
  assert.match(distrusted.said.err, /certificate verify failed/);
});

test('a reason in PGOPTIONS, or SET in the session, reaches the request', { skip }, async () => {
  const sql = 'update orders set total = 1 where id = 52';
  const PGOPTIONS = '-c countersign.reason=ticket\\ 4711';
  const inOptions = await kit.start('engineer', [kit.where('engineer'), '-c', sql], { PGOPTIONS });
  await inOptions.prints('NOTICE');
  assert.equal((await kit.gateway.pending()).id.length > 0, true);
  const first = await kit.gateway.decide('deny');
  assert.equal(first.body.card.reason, 'ticket 4711');
  await inOptions.done;
  const set = await kit.start('engineer', [
    kit.where('engineer'),
    '-c',
    "set countersign.reason = 'on call'",
    '-c',
    sql,
  ]);
  await set.prints('NOTICE');
  assert.equal((await kit.gateway.decide('deny')).body.card.reason, 'on call');
  await set.done;
});

test('what psql asks for at the start is set, or refused by name', { skip }, async () => {
  const zone = await withOptions(
    '-c TimeZone=Asia/Tokyo --statement-timeout=5s',
    '-Atc',
    'show timezone',
    '-c',
    'show statement_timeout',
  );
  assert.equal(zone.out, 'Asia/Tokyo\n5s\n');
  const unknown = await withOptions('-c no_such_thing=1', '-c', 'select 1');
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /no_such_thing/);
  const unsafe = await withOptions('-c session_replication_role=replica', '-c', 'select 1');
  assert.equal(unsafe.code, 2);
  assert.match(unsafe.err, /does not let a client set "session_replication_role"/);
});

test(
  'every form of a connection string that psql knows leads to the target',
  { skip },
  async () => {
    const { port } = kit.gateway.running.postgres;
    const user = encodeURIComponent('engineer@example.com');
    for (const args of [
      [`postgresql://${user}@127.0.0.1:${port}/shop`],
      [`postgres://127.0.0.1:${port}/shop?user=${user}&application_name=forms`],
      [`host=127.0.0.1 port=${port} user=engineer@example.com dbname=shop/shop`],
      ['-h', '127.0.0.1', '-p', String(port), '-U', 'engineer@example.com', '-d', 'shop'],
    ]) {
      const form = await kit.start('engineer', [...args, '-Atc', 'select current_database()']);
      assert.equal(await form.done, 0, form.said.err);
      assert.equal(form.said.out, 'shop\n');
    }
    const wrong = await kit.start('engineer', [
      kit.where('engineer').replace('dbname=shop', 'dbname=shops'),
      '-c',
      'select 1',
    ]);
    assert.equal(await wrong.done, 2);
    assert.match(wrong.said.err, /"?shops"?/);
  },
);

test(
  'after all that psql did, the log verifies and every session has its end',
  { skip },
  async () => {
    await kit.gateway.verify();
    const starts = (await kit.gateway.records('session-start')).filter(
      (record) => record.json.verdict === 'allow',
    );
    const ends = new Set(
      (await kit.gateway.records('session-end')).map((record) => record.json.session),
    );
    const open = starts.filter((record) => !ends.has(record.json.session));
    assert.ok(open.length <= 1, `${open.length} sessions without an end`);
  },
);
