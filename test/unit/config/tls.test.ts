import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { watchTls } from '#gateway/tls.ts';
import type { Config } from '#src/config/config.ts';
import { certificates, readServerPem } from '#src/config/tls.ts';
import { watchFiles } from '#src/config/watch.ts';
import {
  type Certificate,
  makeAuthority,
  makeCertificate,
  writePem,
} from '../../fakes/certificates.ts';
import { eventually } from '../../fakes/gateway.ts';
import { Folder, problemsOf } from './folder.ts';

let dir: string;
let one: Certificate;
let two: Certificate;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-tls-'));
  [one, two] = await Promise.all([makeCertificate(), makeCertificate({ days: 5 })]);
});
after(() => rm(dir, { recursive: true }));

const quick = { settleMs: 20, pollMs: 60_000 };

test('keys that contradict each other are refused by name', async () => {
  const folder = new Folder();
  folder.fill();
  const files = await writePem(folder.dir, { key: one.key, cert: one.cert });
  const pair = { key: files.key, cert: files.cert };
  const target = 'targets.shop.tls';
  const cases = [
    [{ tls: { ...pair, clientCert: 'required' } }, 'tls.clientCa', /is missing/],
    [{ tls: { ...pair, clientCa: './no.pem' } }, 'tls.clientCa', /no readable file/],
    [
      { tls: { ...pair, clientCa: files.cert, certificateLogin: true } },
      'tls.certificateLogin',
      /clientCert is required/,
    ],
    [{ tls: { ...pair, console: true } }, 'publicUrl', /start the address with https/],
    [{ [target]: { mode: 'verify-full', cert: files.cert } }, target, /together/],
    [
      { [target]: { mode: 'verify-full', cert: files.cert, key: './no' } },
      `${target}.key`,
      /no file/,
    ],
    [
      { [target]: { mode: 'disable', channelBinding: 'require' } },
      `${target}.channelBinding`,
      /TLS/,
    ],
    [
      { [target]: { mode: 'require', clearPassword: true } },
      `${target}.clearPassword`,
      /set mode to verify-full/,
    ],
    [
      { [target]: { mode: 'verify-full', clearPassword: true, channelBinding: 'require' } },
      `${target}.clearPassword`,
      /bound to no channel/,
    ],
  ] as const;
  for (const [changes, path, message] of cases)
    assert.match((await problemsOf(folder.read(changes)))[path] ?? '', message, path);
  const guarded = await folder.read({ tls: { ...pair, clientCa: files.cert } });
  assert.deepEqual(guarded.tls, {
    ...pair,
    required: false,
    clientCa: files.cert,
    clientCert: 'required',
    certificateLogin: false,
    console: false,
  });
  folder.remove();
});

suite('watched files', () => {
  test('are noticed when they are written over, renamed into place, or linked elsewhere', async () => {
    const folder = await mkdtemp(join(dir, 'watch-'));
    const file = join(folder, 'tls.crt');
    for (const version of ['v1', 'v2']) {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, 'tls.crt'), version);
    }
    // As Kubernetes mounts a secret.
    await symlink('v1', join(folder, '..data'));
    await symlink('..data/tls.crt', file);
    let changes = 0;
    const watching = watchFiles([file], () => Promise.resolve(void (changes += 1)), quick);
    const moves = [
      async () => {
        await symlink('v2', join(folder, '..new'));
        await rename(join(folder, '..new'), join(folder, '..data'));
      },
      async () => {
        await writeFile(join(folder, 'next'), 'renamed');
        await rename(join(folder, 'next'), file);
      },
      () => writeFile(file, 'written over'),
    ];
    for (const [index, move] of moves.entries()) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await move();
      await eventually(`change ${index + 1}`, () => changes === index + 1 || undefined);
    }
    await writeFile(file, 'written over');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(changes, moves.length, 'the same content is no change');
    watching.close();
  });

  test('are found by polling where the system does not tell', async () => {
    const file = join(dir, 'not-there-yet', 'cert.pem');
    let changes = 0;
    const changed = () => Promise.resolve(void (changes += 1));
    const watching = watchFiles([file], changed, { settleMs: 10, pollMs: 20 });
    await mkdir(join(dir, 'not-there-yet'));
    await writeFile(file, 'x');
    await eventually('the change', () => changes > 0 || undefined);
    watching.close();
  });
});

suite('certificate files', () => {
  test('that are no pair, no certificate or no key are refused by name', async () => {
    const files = await writePem(dir, { key: one.key, cert: one.cert, other: two.key, none: 'x' });
    await readServerPem({ key: files.key, cert: files.cert });
    const cases = [
      [{ key: files.other, cert: files.cert }, /other\.pem is not the key of .*cert\.pem/],
      [{ key: files.none, cert: files.cert }, /none\.pem holds no private key/],
      [{ key: files.key, cert: files.none }, /none\.pem holds no certificate/],
      [{ key: files.key, cert: join(dir, 'no') }, /no readable file .*no$/],
      [{ key: files.key, cert: files.cert, clientCa: files.none }, /none\.pem holds no cert/],
    ] as const;
    for (const [tls, message] of cases) await assert.rejects(readServerPem(tls), { message });
  });

  test('of the whole configuration are listed with their ends, bad ones too', async () => {
    const authority = await makeAuthority({ cn: 'Shop CA' });
    const files = await writePem(dir, {
      chain: (await authority.issue({ cn: 'gw' })).cert + authority.cert,
      key: one.key,
      bad: 'x',
    });
    const tls = { key: files.key, cert: files.chain };
    const targets = new Map([
      ['a', { name: 'a', tls: { mode: 'verify-full', ca: files.bad } }],
      ['b', { name: 'b', tls: { mode: 'disable', ca: join(dir, 'unused') } }],
    ]) as unknown as Config['targets'];
    const found = await certificates({ tls, targets });
    assert.deepEqual(
      found.map((fact) => ('subject' in fact ? fact.subject : fact.problem.replace(dir, ''))),
      ['CN=gw', 'CN=Shop CA', '/bad.pem holds no certificate in PEM form'],
    );
    const [leaf] = found;
    assert.ok(leaf && 'notAfter' in leaf);
    assert.equal(Math.round((leaf.notAfter.getTime() - Date.now()) / 86_400_000), 20);
  });

  test('are taken up when they change; a bad pair is logged and the one before stays', async () => {
    const folder = await mkdtemp(join(dir, 'rotate-'));
    const files = await writePem(folder, { key: one.key, cert: one.cert });
    const lines: [level: string, message: string, facts: object][] = [];
    const say = (level: string) => (facts: object, message?: string) =>
      void lines.push([level, message ?? '', facts]);
    const log = { info: say('info'), warn: say('warn'), error: say('error') } as never;
    const tls = { key: files.key, cert: files.cert };
    const watched = await watchTls({ tls, targets: new Map() }, { log, ...quick });
    let applied = '';
    watched.use?.(({ cert }) => (applied = cert));
    assert.equal(applied, one.cert);
    assert.equal(lines.length, 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await writePem(folder, { cert: two.cert });
    const bad = await eventually('the complaint', () => lines.find(([level]) => level === 'error'));
    assert.match(bad[1], /cannot be used; those before stay/);
    assert.equal(applied, one.cert);
    await writePem(folder, { key: two.key });
    await eventually('the new pair', () => applied === two.cert || undefined);
    const warning = await eventually('the warning', () =>
      lines.find(([level]) => level === 'warn'),
    );
    assert.match(warning[1], /a certificate expires in 4 days/);
    assert.deepEqual(Object.keys(warning[2]), ['file', 'subject', 'notAfter']);
    watched.close();
  });

  test('that cannot be used at the start let nothing start', async () => {
    const files = await writePem(dir, { key: one.key, cert: two.cert });
    const tls = { key: files.key, cert: files.cert };
    const nobody = { log: {} as never };
    await assert.rejects(watchTls({ tls, targets: new Map() }, nobody), /is not the key of/);
  });
});
