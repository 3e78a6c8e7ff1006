import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import type { Socket } from 'node:net';
import pg from 'pg';

/** Of the memory that a big result may add to the gateway (issue: 1 M rows of 100 bytes, 64 MB). */
const ALLOWED = 64 * 1024 * 1024;
const SMALL = 8 * 1024 * 1024;
// Linux alone says how much of a process is in memory, and how much was at most.
const skip = process.platform !== 'linux' && 'needs /proc';

type Started = { readonly port: number; readonly token: string };
let child: ChildProcess;
let started: Started;
before(async () => {
  if (skip) return;
  child = fork(new URL('gateway-child.ts', import.meta.url));
  [started] = await once(child, 'message', { signal: AbortSignal.timeout(60_000) });
});
after(async () => {
  if (skip) return;
  child.disconnect();
  if (child.exitCode === null) await once(child, 'exit', { signal: AbortSignal.timeout(30_000) });
});

async function open(): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: started.port,
    user: 'engineer@example.com',
    password: started.token,
    database: 'shop',
  });
  await client.connect();
  return client;
}

const memory = async (name: 'VmRSS' | 'VmHWM'): Promise<number> => {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
};

/** Compiling WebAssembly takes memory for a while after the first statements, and gives it back. */
async function settled(client: pg.Client): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  for (let last = 0, calm = 0; calm < 4; signal.throwIfAborted()) {
    for (let n = 0; n < 50; n++) await client.query(`select ${n}`);
    await count(client, big(20_000));
    await delay(250, undefined, { signal });
    const now = await memory('VmRSS');
    calm = Math.abs(now - last) < SMALL ? calm + 1 : 0;
    last = now;
  }
}

/** By how much the gateway's memory grows at most while `work` is done, in bytes. */
async function growth(work: () => Promise<void>): Promise<number> {
  // 5: what was at most begins anew.
  await writeFile(`/proc/${child.pid}/clear_refs`, '5');
  const start = await memory('VmRSS');
  await work();
  return (await memory('VmHWM')) - start;
}

/** Rows are counted and let go, as a program does that reads a long result. */
async function count(client: pg.Client, text: string, onRow?: (n: number) => void) {
  let rows = 0;
  const query = new pg.Query(text);
  query.on('row', () => {
    rows += 1;
    onRow?.(rows);
  });
  const ended = once(query, 'end');
  client.query(query);
  await ended;
  return rows;
}

const big = (rows: number) => `select n, repeat('x', 96) from generate_series(1, ${rows}) n`;

const tooMuch = (grown: number) => `grew by ${Math.round(grown / 1024 / 1024)} MB`;

test('a million rows of 100 bytes pass without staying in memory', { skip }, async () => {
  const client = await open();
  // What the first large result needs once, such as the thread that seals its recording.
  await count(client, big(20_000));
  await settled(client);
  const grown = await growth(async () => {
    assert.equal(await count(client, big(1_000_000)), 1_000_000);
  });
  assert.ok(grown <= ALLOWED, tooMuch(grown));
  await client.end();
});

test('masked rows pass without staying in memory', { skip }, async () => {
  const client = await open();
  const sql =
    'select a.email, a.card, a.ssn, b.name from customers a, customers b, orders c limit ';
  assert.equal(await count(client, `${sql} 20000`), 20_000);
  await settled(client);
  const grown = await growth(async () => {
    assert.equal(await count(client, `${sql} 300000`), 300_000);
  });
  assert.ok(grown <= ALLOWED, tooMuch(grown));
  await client.end();
});

test(
  'a client that does not read holds the target back instead of filling the gateway',
  { skip },
  async () => {
    const client = await open();
    const other = await open();
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    let answer: Promise<number> | undefined;
    const grown = await growth(async () => {
      await new Promise<void>((resolve) => {
        answer = count(client, big(600_000), (n) => {
          if (n !== 1000) return;
          stream.pause();
          resolve();
        });
      });
      // Somebody else is served meanwhile; after hundreds of statements, what could pile up has done so.
      for (let n = 0; n < 300; n++) await other.query('select 1');
    });
    assert.ok(grown <= ALLOWED, tooMuch(grown));
    stream.resume();
    assert.equal(await answer, 600_000);
    await client.end();
    await other.end();
  },
);
