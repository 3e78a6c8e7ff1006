import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { type EventEmitter, once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { stringify } from 'yaml';
import { openLogger } from '#src/config/logger.ts';
import { readConfig } from '#src/config/read.ts';
import { serve, type Running } from '#gateway/main.ts';
import { eventually, outcome, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

// The test gateway gives servers, tokens and addresses; the gateway that is tried reads its configuration from a file.
let gateway: TestGateway;
let running: Running;
let file: string;
let rules: string;
let stopped = false;
const logged: string[] = [];

before(async () => {
  gateway = await startGateway();
  for (const who of ['engineer', 'approver', 'oncall'] as Who[]) await gateway.token(who);
  await gateway.token('approver', 'decide');
  await gateway.running.stop();
  file = join(gateway.config.dataDir, 'countersign.yaml');
  rules = await readFile(join(gateway.config.policies, 'shop.cedar'), 'utf8');
  await write({});
  running = await serve(await readConfig(file), {
    log: openLogger('debug', { write: (line: string) => void logged.push(line) }),
    takeOver: true,
  });
});
after(async () => {
  await running.stop();
  await gateway.stop();
});
afterEach(async () => {
  await writeFile(join(gateway.config.policies, 'shop.cedar'), rules);
  if (!stopped) await change({});
});

type Tree = Record<string, any>;
function contents(): Tree {
  const { config, target } = gateway;
  const { url } = config.store.postgres as { url: string };
  const shop = {
    protocol: 'postgres',
    url: `postgres://gateway@${target.host}:${target.port}/shop`,
    password: '${command:echo gateway}',
    analyser: { user: 'analyser', password: '${command:echo analyser}' },
    tls: { mode: 'disable' },
  };
  const people = [...config.people].map(
    ([email, { name, groups }]) => [email, { name, groups: [...groups] }] as const,
  );
  return {
    // The chain of the first gateway is signed with a key that this one does not have.
    name: 'reloaded',
    listen: {
      console: `127.0.0.1:${config.listen.console.port}`,
      postgres: `127.0.0.1:${config.listen.postgres.port}`,
    },
    store: { postgres: url },
    targets: { shop, second: shop },
    people: Object.fromEntries(people),
    groups: [...config.groups],
    // The rules ask for fresh sign-ins, so they load only with a provider.
    identity: {
      providers: { away: { protocol: 'oidc', issuer: 'http://127.0.0.1:9', clientId: 'test' } },
    },
    chat: { channels: { 'db-approvals': { slack: 'C0123456' } } },
  };
}
async function write(changes: Tree): Promise<void> {
  await writeFile(file, stringify({ ...contents(), ...changes }));
}
async function change(changes: Tree): Promise<void> {
  await write(changes);
  await running.reload();
}
function peopleWith(changes: Tree): Tree {
  const kept = Object.entries({ ...contents()['people'], ...changes });
  return { people: Object.fromEntries(kept.filter(([, person]) => person !== undefined)) };
}
const gone = peopleWith.bind(undefined, { 'engineer@example.com': undefined });
/** Its error is expected: it says why. */
const endOf = (client: EventEmitter) => new Promise<void>((resolve) => client.once('end', resolve));
const HELD = "update orders set status = 'x' where id = 1";

test('a person who is taken out has no session, hold or running statement any more, and cannot come back', async () => {
  const [idle, holding, busy, other] = await Promise.all([
    gateway.open(),
    gateway.open(),
    gateway.open(),
    gateway.open('oncall'),
  ]);
  const ended = endOf(idle);
  const held = outcome(holding.query(HELD));
  const { id } = await gateway.pending();
  const slept = outcome(busy.query('select pg_sleep(60)'));
  await eventually('the sleep', async () => {
    const sql =
      "select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'";
    return (await gateway.targetSql.query(sql)).rowCount || undefined;
  });
  await change(gone());
  await ended;
  assert.match((await held).message, /no longer known here/);
  assert.ok((await slept) instanceof Error);
  const { rows } = await gateway.storeSql.query(
    'select state from countersign.request where id = $1',
    [id],
  );
  assert.deepEqual(rows, [{ state: 'abandoned' }]);
  assert.ok((await outcome(gateway.open())) instanceof Error);
  assert.equal((await other.query('select 1')).rowCount, 1);
  const last = (await gateway.records('policy')).at(-1).json.body;
  assert.deepEqual(last.changed, ['people["engineer@example.com"]']);
  assert.equal(last.cause, 'signal');
});

test('a group that is lost counts for the next statement', async () => {
  const client = await gateway.open();
  await client.query('select id from orders where id = 1');
  await change(peopleWith({ 'engineer@example.com': { name: 'engineer', groups: [] } }));
  const refused = await outcome(client.query('select id from orders where id = 1'));
  assert.equal(refused.code, '42501');
});

/** How often a change of this key was recorded. */
const changesOf = async (key: string): Promise<number> =>
  (await gateway.records('policy')).filter(({ json }) => json.body.changed?.includes(key)).length;

test('a digest that is changed takes effect at once, and is in force from then on', async () => {
  const { chat } = contents();
  const digests = [{ channel: 'db-approvals', at: 'daily 09:00', target: '*' }];
  await change({ chat: { ...chat, digests } });
  assert.equal(await changesOf('chat.digests'), 1);
  await change({ chat: { ...chat, digests } });
  assert.equal(await changesOf('chat.digests'), 1, 'it is not new any more');
  await change({});
  assert.equal(await changesOf('chat.digests'), 2);
});

test('a target that is taken out loses its sessions, and the others keep theirs', async () => {
  await writeFile(
    join(gateway.config.policies, 'second.cedar'),
    '@id("second") permit (principal in Group::"engineering", action == Action::"connect", resource);',
  );
  await running.reload();
  const second = await gateway.open('engineer', { database: 'second' });
  const shop = await gateway.open();
  const ended = endOf(second);
  const { shop: kept } = contents()['targets'];
  await change({ targets: { shop: kept } });
  await ended;
  assert.equal((await shop.query('select 1')).rowCount, 1);
  assert.equal((await outcome(gateway.open('engineer', { database: 'second' }))).code, '3D000');
});

test('a configuration that cannot be used changes nothing, and all its problems are logged by path', async () => {
  const client = await gateway.open();
  await change({ ...gone(), nme: 'x', log: { level: 'loud' } });
  const line = logged.findLast((one) => one.includes('cannot be used')) ?? '';
  assert.match(line, /nme: there is no such key; did you mean name\?/);
  assert.match(line, /log\.level: /);
  const { configuration, problems } = running.rules();
  assert.match(configuration.join('\n'), /^nme: there is no such key/m);
  assert.deepEqual(problems, []);
  assert.equal((await client.query('select 1')).rowCount, 1);
  await change({});
  assert.deepEqual(running.rules().configuration, []);
});

test('what waits for the next start is named, and the rest takes effect', async () => {
  await change({
    ...peopleWith({ 'new@example.com': { name: 'New' } }),
    log: { level: 'warn' },
    dataDir: './x',
  });
  const line = logged.findLast((one) => one.includes('at the next start')) ?? '';
  assert.match(line, /takes effect at the next start: dataDir, log\.level/);
  assert.doesNotMatch(line, /people/);
});

test('rules that do not load keep nobody in: what is taken out is out, and the rest waits', async () => {
  const path = join(gateway.config.policies, 'shop.cedar');
  await writeFile(path, `${rules}\nforbid (`);
  const client = await gateway.open();
  const ended = endOf(client);
  await change(
    peopleWith({ 'engineer@example.com': undefined, 'new@example.com': { name: 'New' } }),
  );
  await ended;
  assert.match(logged.findLast((one) => one.includes('until the rules load')) ?? '', /new@example/);
  await writeFile(path, rules);
  await running.reload();
  assert.deepEqual(running.rules().problems, []);
  assert.deepEqual((await gateway.records('policy')).at(-1).json.body.changed, [
    'people["new@example.com"]',
  ]);
});

test('SIGHUP makes `countersign serve` read again, and does not stop it', async () => {
  await running.stop();
  stopped = true;
  const main = new URL('../../cli/main.ts', import.meta.url);
  const child = fork(main, ['serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  try {
    await eventually('the gateway', () => /"ready"/.test(out) || undefined);
    const client = await gateway.open();
    const ended = endOf(client);
    await write(gone());
    child.kill('SIGHUP');
    await ended;
    await eventually(
      'the line',
      () => /rules or configuration have changed/.test(out) || undefined,
    );
    assert.equal(child.exitCode, null);
  } finally {
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
  }
});
