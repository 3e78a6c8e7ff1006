import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { eventually, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway.stop());

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;

type Command = {
  readonly child: ChildProcess;
  readonly said: { out: string; err: string };
  /** The exit code. */
  readonly done: Promise<number>;
};

/** The real command in a process of its own, as `who`. */
async function start(
  who: Who,
  use: 'connect' | 'decide',
  argv: readonly string[],
): Promise<Command> {
  const env = {
    PATH: '/usr/bin:/bin',
    COUNTERSIGN_TOKEN: await gateway.token(who, use),
    COUNTERSIGN_USER: `${who}@example.com`,
    COUNTERSIGN_HOST: '127.0.0.1',
    COUNTERSIGN_PORT: String(gateway.running.postgres.port),
    COUNTERSIGN_API: gateway.running.api,
  };
  const child = spawn(process.execPath, [MAIN, ...argv], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
  const done = once(child, 'close').then(() => child.exitCode ?? -1);
  return { child, said, done };
}

async function run(who: Who, use: 'connect' | 'decide', ...argv: string[]) {
  const { said, done } = await start(who, use, argv);
  return { code: await done, ...said };
}

test('the query command prints masked rows to a pipe, and exits 0', async () => {
  const { code, out } = await run(
    'engineer',
    'connect',
    'query',
    'shop',
    '--json',
    'select id, ssn, card from customers where id = 7',
  );
  assert.deepEqual(JSON.parse(out), [{ id: 7, ssn: null, card: '************0007' }]);
  assert.equal(code, 0);
});

test('the query command waits while held, and goes on when the requests command approves', async () => {
  const sql = "update orders set status = 'refunded' where id = 42";
  const query = await start('engineer', 'connect', [
    'query',
    'shop',
    '--reason',
    'ticket 4711',
    sql,
  ]);
  const { id } = await gateway.pending();
  await eventually('the notice', () => query.said.err.includes(id) || undefined);
  assert.match(query.said.err, /held by rule shop-writes-need-a-second-person/);
  const list = await run('approver', 'decide', 'requests', '--json');
  assert.equal(JSON.parse(list.out)[0].card.reason, 'ticket 4711');
  const own = await run('engineer', 'decide', 'requests', 'approve', id, '--yes');
  assert.equal(own.code, 3);
  const approved = await run('approver', 'decide', 'requests', 'approve', id.slice(0, 8), '--yes');
  assert.equal(approved.code, 0, approved.err);
  assert.equal(await query.done, 0);
  assert.equal(query.said.out, 'UPDATE 1\n');
});

test('the query command exits 3 when an approver or a rule says no, with the reason', async () => {
  const query = await start('engineer', 'connect', [
    'query',
    'shop',
    'delete from orders where id = 43',
  ]);
  const { id } = await gateway.pending();
  const denied = await run(
    'approver',
    'decide',
    'requests',
    'deny',
    id,
    '--reason',
    'not today',
    '--yes',
  );
  assert.equal(denied.code, 0, denied.err);
  assert.equal(await query.done, 3);
  assert.match(query.said.err, /denied by approver@example\.com: not today/);
  const ruled = await run('engineer', 'connect', 'query', 'shop', 'delete from orders');
  assert.equal(ruled.code, 3);
  assert.match(ruled.err, /no-unbounded-delete/);
  const stranger = await run('stranger', 'connect', 'query', 'shop', 'select 1');
  assert.equal(stranger.code, 3);
});

test('Ctrl-C withdraws what the query command waits for, and exits 4', async () => {
  const query = await start('engineer', 'connect', [
    'query',
    'shop',
    'delete from orders where id = 44',
  ]);
  const { id } = await gateway.pending();
  await eventually('the notice', () => query.said.err.includes(id) || undefined);
  query.child.kill('SIGINT');
  assert.equal(await query.done, 4);
  const { body } = await gateway.api('approver', `/requests/${id}`);
  assert.equal(body.state, 'withdrawn');
  assert.ok(!(await gateway.ranOnTarget()).some((sql) => sql.includes('id = 44')));
});

test('a mistake in SQL exits 1, and a wrong token does too', async () => {
  const mistake = await run(
    'engineer',
    'connect',
    'query',
    'shop',
    'select nothing_like_this from orders',
  );
  assert.equal(mistake.code, 1);
  const token = await gateway.token('engineer', 'decide');
  const wrong = await run('engineer', 'connect', 'query', 'shop', 'select 1', '--token', token);
  assert.equal(wrong.code, 1);
});
