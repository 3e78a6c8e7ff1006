import assert from 'node:assert/strict';
import { chmod, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { confirmCode, signedIn } from '../fakes/browser.ts';
import { makeAuthority, writePem, type Authority } from '../fakes/certificates.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { need, without } from '../fakes/need.ts';
import { startProgram } from '../fakes/terminal.ts';

let gateway: TestGateway;
let authority: Authority;
let home: string;
let ca: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'countersign-certificate-'));
  authority = await makeAuthority();
  const { key, cert, root } = await writePem(home, {
    root: authority.cert,
    ...(await authority.issue()),
  });
  ca = root;
  gateway = await startGateway({
    config: { dataDir: join(home, 'data'), tls: { key, cert, certificateLogin: true } },
  });
});
after(async () => {
  await gateway?.stop();
  await rm(home, { recursive: true, force: true });
});

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;
const command = (argv: readonly string[]) =>
  startProgram(process.execPath, [MAIN, ...argv], {
    cwd: home,
    env: { PATH: '/usr/bin:/bin', HOME: home, XDG_CONFIG_HOME: join(home, '.config') },
  });

async function psql(user: string, ssl: string, sql = 'select 6 * 7') {
  const where = `host=localhost port=${gateway.running.postgres.port} user=${user} dbname=shop sslrootcert=${ca} sslmode=verify-full ${ssl}`;
  const program = startProgram(need('psql') ?? '', ['-XAtw', where, '-c', sql], {
    env: { PATH: '/usr/bin:/bin', HOME: home },
  });
  return { code: await program.done, ...program.said };
}

test(
  'a certificate of the login is the whole proof to psql, until the logout',
  { skip: without('psql') },
  async () => {
    const engineer = await signedIn(gateway.running.console, await gateway.token('engineer'));
    const login = command(['login', '--gateway', gateway.running.console, '--certificate']);
    const code = /Code +([A-Z]{4}-[A-Z]{4})/u.exec(await login.prints(/Code .*/u))?.[1] ?? '';
    await confirmCode(engineer, code);
    assert.equal(await login.done, 0, login.said.err);
    const [, ssl = ''] = /Certificate: sslmode=verify-full (.*)/u.exec(login.said.err) ?? [];
    const good = await psql('engineer@example.com', ssl);
    assert.deepEqual([good.code, good.out.trim()], [0, '42'], good.err);
    const [, cert = ''] = /sslcert='([^']+)'/u.exec(ssl) ?? [];
    assert.match(await readFile(cert, 'utf8'), /BEGIN CERTIFICATE/);
    const other = await psql('approver@example.com', ssl);
    assert.match(other.err, /certificate authentication failed for user "approver@example.com"/);
    const bare = await psql('engineer@example.com', 'sslcert=/none');
    assert.match(bare.err, /no password supplied/);
    const six = ['-XAtc', 'select 6 * 7'];
    const connected = command(['connect', 'shop', '--ca', ca, '--', need('psql') ?? '', ...six]);
    assert.equal(await connected.done, 0, connected.said.err);
    assert.equal(connected.said.out.trim(), '42');
    const kept = join(home, 'kept');
    await mkdir(kept);
    await cp(cert, join(kept, 'crt'));
    await cp(cert.replace(/crt$/u, 'key'), join(kept, 'key'));
    await chmod(join(kept, 'key'), 0o600);
    const logout = command(['logout']);
    assert.equal(await logout.done, 0, logout.said.err);
    await assert.rejects(readFile(cert), { code: 'ENOENT' });
    const ended = await psql('engineer@example.com', `sslcert=${kept}/crt sslkey=${kept}/key`);
    assert.match(ended.err, /the client certificate has expired or was revoked/);
  },
);
