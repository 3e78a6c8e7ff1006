import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type Cluster, removeCluster, startCluster, StartError } from '#src/store/embedded.ts';
import { freePort } from '../fakes/postgres.ts';

const said: string[] = [];
let dir: string;
let port: number;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-embedded-'));
  await chmod(dir, 0o711);
  port = await freePort();
});
after(() => rm(dir, { recursive: true, force: true }));

function start(onPort = port): Promise<Cluster> {
  said.length = 0;
  return startCluster({ dir, name: 'one', port: onPort, log: (text) => said.push(text) });
}

async function ask(cluster: Cluster, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: cluster.url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

test('a cluster keeps its data over a stop, a kill of its server and a kill that leaves a stale pid file', async () => {
  const first = await start();
  await ask(first, 'create table kept as select 1');
  assert.equal(await ask(first, 'show fsync'), 'on');
  assert.equal(await ask(first, 'show unix_socket_directories'), '');
  await first.stop();

  const second = await start();
  process.kill(second.pid, 'SIGKILL');
  const third = await start();
  assert.equal(await ask(third, 'select count(*) from kept'), '1');
  await third.stop();
});

test('a server that a killed run left behind is stopped before the next one starts', async () => {
  const orphan = await start();
  const next = await start();
  assert.match(said.join('\n'), new RegExp(`left behind \\(process ${orphan.pid}\\)`));
  assert.notEqual(next.pid, orphan.pid);
  await next.stop();
  await orphan.stop();
});

test('passwords go over scram-sha-256 only, and a wrong one is refused', async () => {
  const cluster = await start();
  const wrong = new URL(cluster.url);
  wrong.password = 'wrong';
  const client = new pg.Client({ connectionString: wrong.href });
  await assert.rejects(client.connect(), { code: '28P01' });
  const methods = "select string_agg(distinct auth_method, ',') from pg_hba_file_rules";
  assert.equal(await ask(cluster, methods), 'scram-sha-256');
  await cluster.stop();
});

test('a taken port is named, with the way out', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  await assert.rejects(start(address.port), (error) => {
    assert.ok(error instanceof StartError);
    assert.match(error.message, new RegExp(`port ${address.port} on 127\\.0\\.0\\.1 is taken`));
    assert.match(error.hint, /--port-base/);
    return true;
  });
  server.close();
});

test('a folder that cannot be written is named in a sentence', async () => {
  const inFile = { dir: '/dev/null/no', name: 'one', port, log: () => undefined };
  await assert.rejects(startCluster(inFile), {
    name: 'StartError',
    message: /^Cannot write \/dev/,
  });
});

test('removing a cluster removes its folder', async () => {
  const cluster = await start();
  await cluster.stop();
  await removeCluster({ dir, name: 'one', log: () => undefined });
  await assert.rejects(stat(join(dir, 'one')), { code: 'ENOENT' });
});

test('a cluster that another live process owns is neither started nor removed', async (t) => {
  if (process.platform !== 'linux') return t.skip('start times of processes are read from /proc');
  const cluster = await start();
  await cluster.stop();
  const text = await readFile(`/proc/${process.ppid}/stat`, 'utf8');
  const begun = text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  await writeFile(join(dir, 'one', 'owner'), `${process.ppid} ${begun}`);
  const refusal = { name: 'StartError', message: new RegExp(`in use by process ${process.ppid}`) };
  await assert.rejects(start(), refusal);
  await assert.rejects(removeCluster({ dir, name: 'one', log: () => undefined }), refusal);
  // The same number with another start time is another process, long gone.
  await writeFile(join(dir, 'one', 'owner'), `${process.ppid} 1`);
  await (await start()).stop();
});

test('links that the server’s user put into its folder lead to no write elsewhere', async () => {
  await (await start()).stop();
  const [elsewhere, folder] = [join(dir, 'elsewhere'), join(dir, 'one')];
  await writeFile(elsewhere, 'untouched');
  const owner = (await stat(elsewhere)).uid;

  await rm(join(folder, 'password'));
  await symlink(elsewhere, join(folder, 'password'));
  await rename(join(folder, 'data'), join(folder, 'away'));
  await (await start()).stop();
  assert.equal(await readFile(elsewhere, 'utf8'), 'untouched');
  assert.equal((await stat(elsewhere)).uid, owner);

  await rm(join(folder, 'log'));
  await symlink(elsewhere, join(folder, 'log'));
  await assert.rejects(start(), StartError);
  assert.equal(await readFile(elsewhere, 'utf8'), 'untouched');
  await rm(join(folder, 'log'));
});
