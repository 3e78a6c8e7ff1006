import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { databaseOf } from '#cli/connect/local.ts';
import { clientEnvironment } from '#cli/connect/program.ts';
import { dsn } from '#cli/connect.ts';
import { storedLogin } from '#cli/connection.ts';
import { browserCommand } from '#cli/login/browser.ts';
import { gatewayUrl } from '#cli/login/gateway.ts';
import { openKeyring } from '#cli/login/keyring.ts';
import {
  loginFile,
  readLogin,
  removeLogin,
  saveLogin,
  type StoredLogin,
} from '#cli/login/stored.ts';
import { childEnvironment, userEnvironment } from '#src/config/user.ts';

const saved = { PATH: process.env['PATH'], XDG_CONFIG_HOME: process.env['XDG_CONFIG_HOME'] };
let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-cli-login-'));
  process.env['XDG_CONFIG_HOME'] = join(dir, 'config');
});
afterEach(() => {
  process.env['PATH'] = saved.PATH;
});
after(async () => {
  if (saved.XDG_CONFIG_HOME === undefined) delete process.env['XDG_CONFIG_HOME'];
  else process.env['XDG_CONFIG_HOME'] = saved.XDG_CONFIG_HOME;
  await rm(dir, { recursive: true });
});

/** A program of this name that comes first, keeps its last input in a file, and writes down its arguments. */
async function fake(name: string, script: string): Promise<{ args: () => Promise<string> }> {
  const folder = await mkdtemp(join(dir, 'bin-'));
  const log = join(folder, 'args');
  const program = `#!/bin/sh\necho "$@" >> '${log}'\nkept='${join(folder, 'kept')}'\n${script}\n`;
  await writeFile(join(folder, name), program);
  await chmod(join(folder, name), 0o755);
  process.env['PATH'] = `${folder}${delimiter}/usr/bin${delimiter}/bin`;
  return { args: () => readFile(log, 'utf8') };
}

const SECRET_TOOL = `case $1 in
  store) cat > "$kept" ;;
  lookup) cat "$kept" 2>/dev/null || exit 1 ;;
  clear) rm -f "$kept" ;;
esac`;

const login: StoredLogin = {
  gateway: 'https://gw.example.com',
  email: 'ann@example.com',
  token: 'cs_secret',
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  postgres: { host: 'gw.example.com', port: 6432, tls: true },
};

test('on Linux the keyring gets the token through a pipe, never as an argument', async () => {
  const tool = await fake('secret-tool', SECRET_TOOL);
  const keyring = openKeyring('linux');
  assert.equal(await keyring?.set('https://gw', 'cs_secret'), true);
  assert.equal(await keyring?.get('https://gw'), 'cs_secret');
  await keyring?.remove('https://gw');
  assert.equal(await keyring?.get('https://gw'), undefined);
  assert.doesNotMatch(await tool.args(), /cs_secret/);
  assert.match(
    await tool.args(),
    /store --label=Countersign https:\/\/gw service countersign gateway https:\/\/gw/,
  );
});

test('on macOS too; what could break out of its command is refused', async () => {
  const security = `case $1 in
  -i) sed -n 's/.* -w //p' > "$kept" ;;
  find-generic-password) cat "$kept" 2>/dev/null || exit 44 ;;
  delete-generic-password) rm -f "$kept" ;;
esac`;
  const tool = await fake('security', security);
  const keyring = openKeyring('darwin');
  assert.equal(await keyring?.set('https://gw', 'cs_secret'), true);
  assert.equal(await keyring?.get('https://gw'), 'cs_secret');
  assert.equal(await keyring?.set('https://gw', 'a\ndelete-keychain'), false);
  assert.equal(await keyring?.set('x -w y', 'cs_secret'), false);
  await keyring?.remove('https://gw');
  assert.equal(await keyring?.get('https://gw'), undefined);
  assert.doesNotMatch(await tool.args(), /cs_secret/);
  assert.equal(openKeyring('win32'), undefined);
});

test('with a keyring the file holds no token; without one it does, for its owner alone', async () => {
  await fake('secret-tool', SECRET_TOOL);
  assert.equal(await saveLogin(login), 'the keyring');
  assert.doesNotMatch(await readFile(loginFile(), 'utf8'), /cs_secret/);
  assert.deepEqual(await readLogin(), login);
  await removeLogin(login.gateway);
  assert.equal(await readLogin(), undefined);
  // One that takes it and does not give it back counts as none.
  await fake('secret-tool', 'cat > /dev/null');
  assert.equal(await saveLogin(login), loginFile());
  assert.match(await readFile(loginFile(), 'utf8'), /cs_secret/);
  assert.deepEqual(await readLogin(login.gateway), login);
  assert.equal(await readLogin('https://other.example.com'), undefined);
});

test('a second gateway is kept beside the first, and the last one is meant', async () => {
  await fake('secret-tool', 'exit 1');
  const other = { ...login, gateway: 'https://two.example.com', token: 'cs_two' };
  await saveLogin(login);
  await saveLogin(other);
  assert.equal((await readLogin())?.token, 'cs_two');
  assert.equal((await readLogin(login.gateway))?.token, 'cs_secret');
  await removeLogin(other.gateway);
  assert.equal((await readLogin())?.token, 'cs_secret');
});

test('a token of one’s own or another name leaves the login out; an ended one is said', async () => {
  await fake('secret-tool', 'exit 1');
  await saveLogin(login);
  assert.equal((await storedLogin({}, undefined, {}))?.token, 'cs_secret');
  assert.equal((await storedLogin({ as: 'ann@example.com' }, undefined, {}))?.token, 'cs_secret');
  assert.equal(await storedLogin({ as: 'engineer' }, undefined, {}), undefined);
  assert.equal(await storedLogin({ token: 't' }, undefined, {}), undefined);
  assert.equal(await storedLogin({}, undefined, { token: 't' }), undefined);
  await saveLogin({ ...login, expiresAt: new Date(0).toISOString() });
  await assert.rejects(storedLogin({}, undefined, {}), { hint: /countersign login/ });
  assert.equal(await storedLogin({}, { people: {} }, {}), undefined);
});

const folder = (env: Record<string, string>, platform: NodeJS.Platform) =>
  userEnvironment(env, platform, '/home/ann').folder;

test('files lie where the platform has them', () => {
  assert.equal(folder({}, 'linux'), '/home/ann/.config/countersign');
  assert.equal(folder({ XDG_CONFIG_HOME: '/x' }, 'linux'), '/x/countersign');
  assert.equal(folder({ XDG_CONFIG_HOME: 'relative' }, 'linux'), '/home/ann/.config/countersign');
  assert.equal(folder({}, 'darwin'), '/home/ann/Library/Application Support/countersign');
  assert.match(folder({ APPDATA: 'C:\\Roaming' }, 'win32'), /^C:\\Roaming.countersign$/);
});

const at = (env: Record<string, string>, platform: NodeJS.Platform = 'linux') =>
  browserCommand('https://gw/device?code=BCDF-GHJK', userEnvironment(env, platform, '/h'));

test('a browser is opened where there is one, and only for a harmless address', () => {
  const url = 'https://gw/device?code=BCDF-GHJK';
  assert.equal(at({}), undefined);
  assert.deepEqual(at({ DISPLAY: ':0' }), ['xdg-open', url]);
  assert.deepEqual(at({ WAYLAND_DISPLAY: 'w' }), ['xdg-open', url]);
  assert.deepEqual(at({ BROWSER: 'firefox:chromium' }), ['firefox', url]);
  assert.deepEqual(at({ BROWSER: 'open -n %s' }), ['open', '-n', url]);
  assert.deepEqual(at({}, 'darwin'), ['open', url]);
  assert.deepEqual(at({}, 'win32'), ['cmd', '/c', 'start', '""', url]);
  const graphical = userEnvironment({ DISPLAY: ':0' }, 'linux', '/h');
  for (const bad of [
    'file:///etc/passwd',
    '--help',
    'https://gw/&calc',
    'https://gw/"x',
    'https://u:p@gw/',
  ])
    assert.equal(browserCommand(bad, graphical), undefined, bad);
});

test('the token goes over https, or stays on this machine', () => {
  assert.equal(gatewayUrl('https://gw.example.com/console/'), 'https://gw.example.com');
  assert.equal(gatewayUrl('gw.example.com'), 'https://gw.example.com');
  assert.equal(gatewayUrl('http://127.0.0.1:8080/'), 'http://127.0.0.1:8080');
  assert.equal(gatewayUrl('http://[::1]:8080'), 'http://[::1]:8080');
  for (const bad of ['http://gw.example.com', 'http://127.0.0.1.evil.example', 'ftp://gw', ''])
    assert.throws(() => gatewayUrl(bad), { exit: 2 }, bad);
});

test('the address of the local end is one that libpq reads', () => {
  const port = { host: '127.0.0.1', port: 5, password: 'pw' };
  assert.equal(
    dsn(port, 'ann@example.com', 'shop/main'),
    'postgresql://ann%40example.com:pw@127.0.0.1:5/shop%2Fmain?sslmode=disable',
  );
  const socket = { host: '/run/x', port: 5432, password: undefined };
  assert.equal(
    dsn(socket, 'ann@example.com', 'shop'),
    'postgresql://ann%40example.com@/shop?host=%2Frun%2Fx&port=5432',
  );
});

test('a client’s environment has the local end and nothing that leads elsewhere', () => {
  const variables = clientEnvironment(
    { host: '127.0.0.1', port: 5, password: 'pw' },
    { email: 'ann@example.com', target: 'shop' },
  );
  const env = childEnvironment(variables, {
    PGHOSTADDR: '203.0.113.9',
    PGSERVICE: 'prod',
    PGSSLMODE: 'verify-full',
    PGOPTIONS: '-c countersign.reason=x',
    HOME: '/h',
  });
  assert.deepEqual(env, {
    HOME: '/h',
    PGOPTIONS: '-c countersign.reason=x',
    PGHOST: '127.0.0.1',
    PGPORT: '5',
    PGUSER: 'ann@example.com',
    PGDATABASE: 'shop',
    PGPASSWORD: 'pw',
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
  });
});

test('another database is one of the same target', () => {
  assert.equal(databaseOf(undefined, 'ann', 'shop'), 'shop');
  assert.equal(databaseOf('ann', 'ann', 'shop'), 'shop');
  assert.equal(databaseOf('analytics', 'ann', 'shop'), 'shop/analytics');
  assert.equal(databaseOf('shop/analytics', 'ann', 'shop'), 'shop/analytics');
  assert.equal(databaseOf('shop/main', 'ann', 'shop/main'), 'shop/main');
  assert.equal(databaseOf('other/x', 'ann', 'shop'), 'shop/other/x');
});
