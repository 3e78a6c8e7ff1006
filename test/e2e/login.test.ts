import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
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

/** The live one that a login has made. */
async function ownToken() {
  const all = await gateway.running.tokens.list('engineer@example.com');
  return all.find(({ label, revokedAt }) => label.startsWith('countersign-cli at ') && !revokedAt);
}

const shell = (script: string) => ['connect', 'shop', '--', '/bin/sh', '-c', script];

test('login prints address and code, waits for the browser, and keeps the token in a file of one’s own', async () => {
  const { code, err } = await login();
  assert.equal(code, 0, err);
  assert.match(
    err,
    /Signed in at http:\/\/127\.0\.0\.1:\d+ as engineer@example\.com until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC;/,
  );
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

test(
  'Ctrl-C reaches psql through connect, and withdraws what it waits for',
  { skip: without('psql') },
  async () => {
    const program = start([
      'connect',
      'shop',
      '--',
      need('psql') ?? '',
      '-Xc',
      "update orders set status = 'refunded' where id = 42",
    ]);
    await program.prints(/HINT|NOTICE/u);
    const { id } = await gateway.pending();
    program.child.kill('SIGINT');
    assert.equal(await program.done, 1, program.said.err);
    assert.match(program.said.err, /withdrawn|cancel/u);
    const { body } = await gateway.api('engineer', `/requests/${id}`);
    assert.equal(body.state, 'withdrawn');
  },
);

test('signals go to the client, and how it ended is the exit code', async () => {
  assert.equal((await run(shell('exit 7'))).code, 7);
  assert.equal((await run(shell('kill -KILL $$'))).code, 137);
  const program = start(shell('trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'));
  await program.prints('ready');
  program.child.kill('SIGTERM');
  assert.equal(await program.done, 9);
  const missing = await run(['connect', 'shop', '--', '/no/such/program']);
  assert.deepEqual([missing.code, /cannot be run/u.test(missing.err)], [1, true], missing.err);
});

test(
  'without a program it prints an address for any client, and closes at the signal',
  { skip: without('psql') },
  async () => {
    for (const how of [[], ['--socket']]) {
      const program = start(['connect', 'shop', ...how], { XDG_RUNTIME_DIR: home });
      await program.prints('Ctrl-C closes it');
      const dsn = program.said.out.trim();
      const psql = startProgram(need('psql') ?? '', ['-XAtwc', 'select 6 * 7', dsn], {
        env: { HOME: home },
      });
      assert.equal(await psql.done, 0, psql.said.err);
      assert.equal(psql.said.out.trim(), '42');
      program.child.kill('SIGINT');
      assert.equal(await program.done, 0);
      const later = startProgram(need('psql') ?? '', ['-XAtwc', 'select 1', dsn], {
        env: { HOME: home },
      });
      assert.equal(await later.done, 2, later.said.out);
    }
  },
);

test('a file that others can read is refused by every command that would use it', async () => {
  const file = join(home, '.config/countersign/login.json');
  await chmod(file, 0o644);
  for (const argv of [['whoami'], ['logout'], ['connect', 'shop'], ['query', 'shop', 'select 1']]) {
    const { code, err } = await run(argv);
    assert.deepEqual([code, /others can read or write/u.test(err)], [1, true], err);
  }
  await chmod(file, 0o600);
  assert.equal((await run(['whoami'])).code, 0);
});

test('a new login is taken up by a connect that is open', { skip: without('psql') }, async () => {
  const connect = start(['connect', 'shop']);
  await connect.prints('Ctrl-C closes it');
  const ask = async () => {
    const dsn = connect.said.out.trim();
    const psql = startProgram(need('psql') ?? '', ['-XAtwc', 'select 6 * 7', dsn], {
      env: { HOME: home },
    });
    return { code: await psql.done, ...psql.said };
  };
  await gateway.running.tokens.revoke((await ownToken())?.id ?? '');
  assert.match((await ask()).err, /password authentication failed/u);
  assert.equal((await login()).code, 0);
  assert.equal((await ask()).out.trim(), '42');
  connect.child.kill('SIGTERM');
  assert.equal(await connect.done, 0);
});

test('one Ctrl-C ends connect, below the launcher too', async () => {
  const launcher = new URL('../../countersign.mjs', import.meta.url).pathname;
  const connect = startProgram(process.execPath, [launcher, 'connect', 'shop'], {
    cwd: home,
    env: { PATH: '/usr/bin:/bin', HOME: home, XDG_CONFIG_HOME: join(home, '.config') },
  });
  await connect.prints('Ctrl-C closes it');
  connect.child.kill('SIGINT');
  const over = await Promise.race([
    connect.done,
    setTimeout(10_000, 'still there', { ref: false }),
  ]);
  if (over === 'still there') connect.child.kill('SIGKILL');
  assert.equal(over, 0);
});

test('logout revokes the token at the gateway and forgets it here', async () => {
  const token = await ownToken();
  assert.ok(token);
  assert.equal((await run(['logout'])).code, 0);
  assert.equal(await gateway.running.tokens.find(token.id), undefined);
  assert.equal(await ownToken(), undefined);
  const { code, err } = await run(['whoami']);
  assert.deepEqual([code, /nobody is signed in here/u.test(err)], [1, true], err);
  assert.equal((await run(['logout'])).code, 0);
});

test('a denied login ends with the reason, and an address that is no gateway with the next step', async () => {
  const program = start(['login', '--gateway', gateway.running.console]);
  const code = /Code +([A-Z]{4}-[A-Z]{4})/u.exec(await program.prints(/Code .*/u))?.[1] ?? '';
  await confirmCode(engineer, code, 'deny');
  assert.equal(await program.done, 1);
  assert.match(program.said.err, /the sign-in was denied/u);
  const nobody = await run(['login', '--gateway', 'http://127.0.0.1:9']);
  assert.deepEqual(
    [nobody.code, /no gateway that one can sign in to/u.test(nobody.err)],
    [1, true],
  );
  assert.equal((await run(['login', '--gateway', 'http://gw.example.com'])).code, 2);
});
