import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { confirmCode, signedIn, type Browser } from '../fakes/browser.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { need, without } from '../fakes/need.ts';
import { startProgram, type Program } from '../fakes/terminal.ts';

let gateway: TestGateway;
let engineer: Browser;
let home: string;
before(async () => {
  gateway = await startGateway();
  engineer = await signedIn(gateway.running.console, await gateway.token('engineer'));
  home = await mkdtemp(join(tmpdir(), 'countersign-login-'));
});
after(async () => {
  await gateway?.stop();
  await rm(home, { recursive: true, force: true });
});

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;

/** The command as somebody runs it who has no keyring, no browser and a home of their own. */
function start(argv: readonly string[], env: Record<string, string> = {}): Program {
  return startProgram(process.execPath, [MAIN, ...argv], {
    cwd: home,
    env: { PATH: '/usr/bin:/bin', HOME: home, XDG_CONFIG_HOME: join(home, '.config'), ...env },
  });
}

async function run(argv: readonly string[], env: Record<string, string> = {}) {
  const program = start(argv, env);
  return { code: await program.done, ...program.said };
}

async function login(more: readonly string[] = [], env: Record<string, string> = {}) {
  const program = start(['login', '--gateway', gateway.running.console, ...more], env);
  const code = /Code +([A-Z]{4}-[A-Z]{4})/u.exec(await program.prints(/Code .*/u))?.[1] ?? '';
  await confirmCode(engineer, code);
  return { code: await program.done, ...program.said };
}

test('login prints address and code, waits for the browser, and keeps the token in a file of one’s own', async () => {
  const { code, err } = await login();
  assert.equal(code, 0, err);
  assert.match(err, /Signed in at http:\/\/127\.0\.0\.1:\d+ as engineer@example\.com until /);
  assert.equal((await stat(join(home, '.config/countersign/login.json'))).mode & 0o777, 0o600);
  const who = await run(['whoami', '--json']);
  assert.equal(who.code, 0, who.err);
  const { email, scopes, groups } = JSON.parse(who.out);
  assert.deepEqual(
    [email, scopes, groups],
    ['engineer@example.com', ['connect', 'read'], ['engineering']],
  );
});

test('other commands use the login', async () => {
  const query = await run(['query', 'shop', '--json', 'select 1 as one']);
  assert.deepEqual([query.code, JSON.parse(query.out)], [0, [{ one: 1 }]], query.err);
  const requests = await run(['requests', 'list', '--json']);
  assert.deepEqual([requests.code, JSON.parse(requests.out)], [0, []], requests.err);
});

test(
  'psql runs through connect, and its exit code is the command’s',
  { skip: without('psql') },
  async () => {
    const psql = need('psql') ?? '';
    const good = await run([
      'connect',
      'shop',
      '--',
      psql,
      '-XAtc',
      'select current_database(), 6 * 7',
    ]);
    assert.deepEqual([good.code, good.out.trim()], [0, 'shop|42'], good.err);
    const failed = await run([
      'connect',
      'shop',
      '--socket',
      '--',
      psql,
      '-Xv',
      'ON_ERROR_STOP=1',
      '-c',
      'select nothing',
    ]);
    assert.equal(failed.code, 1, failed.err);
  },
);
