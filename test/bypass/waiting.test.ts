import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { B, C, D, E, F, P, Q, RawClient, S, codes, told } from '../fakes/raw-client.ts';
import { vote } from './held.ts';

const MIB = 1024 * 1024;
const SLOW = 'select pg_sleep(0.7)';

describe('attacks on what waits', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway();
  });
  after(() => gateway.stop());
  const runs = async (text: string) =>
    (await gateway.ranOnTarget()).filter((sql) => sql.includes(text)).length;
  const ended = (id: string) =>
    eventually('the end of the request', async () => {
      const { state } = (await gateway.api('approver', `/requests/${id}`)).body;
      return ['pending', 'approved', 'running'].includes(state) ? undefined : state;
    });
  /** Sends, and gives the id of the request that comes of it. */
  const held = async (client: RawClient, ...messages: readonly Buffer[]): Promise<string> => {
    const { rows } = await gateway.storeSql.query('select id from countersign.request');
    client.send(...messages);
    return (await gateway.pending(rows.map(({ id }) => id))).id;
  };

  test('a client that sent too much ahead to be read and then went away leaves nothing that can run', async () => {
    const text = "update orders set status = 'ahead' where id = 1";
    const junk = Buffer.concat(
      Array.from({ length: 12 }, () => Q(`select '${'x'.repeat(MIB / 10)}'`)),
    );
    const client = await RawClient.connect(gateway);
    const { rows } = await gateway.storeSql.query('select id from countersign.request');
    client.send(Q(SLOW), Q(text), junk);
    await eventually('the slow one', async () => (await runs(SLOW)) > 0 || undefined);
    client.send(junk);
    const id = await eventually('its request', async () => {
      const now = await gateway.storeSql.query('select id from countersign.request');
      return now.rows.map((row) => row.id).find((one) => !rows.some((row) => row.id === one));
    });
    client.end();
    assert.equal(await ended(id), 'withdrawn');
    assert.notEqual((await vote(gateway, 'approver', id)).status, 200);
    assert.equal(await runs("'ahead'"), 0);
  });

  test('a client that sends more than 1 MiB behind a hold is refused it, and goes on', async () => {
    const client = await RawClient.connect(gateway);
    const junk = Array.from({ length: 12 }, () => Q(`select '${'x'.repeat(MIB / 10)}'`));
    const id = await held(client, Q("update orders set status = 'behind' where id = 1"));
    client.send(...junk);
    const heard = await client.until('readyForQuery');
    assert.match(told(heard), /57014.*1 MiB/);
    for (const _ of junk) assert.deepEqual(codes(await client.until('readyForQuery')), []);
    assert.equal(await ended(id), 'withdrawn');
    client.end();
    assert.equal(await runs("'behind'"), 0);
  });

  test('what a pipeline sends behind a hold, with Syncs of its own, runs after it and in order', async () => {
    const client = await RawClient.connect(gateway);
    const id = await held(
      client,
      Buffer.concat([
        P("update orders set status = 'first' where id = 11", 'u'),
        B({ statement: 'u' }),
        D('P'),
        F(),
        E(),
        C('P'),
        S(),
      ]),
      Buffer.concat([
        P('select status from orders where id = 11', 's'),
        B({ statement: 's' }),
        E(),
        F(),
        C('S', 's'),
        S(),
      ]),
      Q('select 2'),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(await runs('select status from orders where id = 11'), 0);
    assert.equal(await runs("'first'"), 0);
    await vote(gateway, 'approver', id);
    const all = [
      await client.until('readyForQuery'),
      await client.until('readyForQuery'),
      await client.until('readyForQuery'),
    ];
    assert.deepEqual(all.map(codes), [[], [], []]);
    assert.match(told(all[0] ?? []), /UPDATE 1/);
    assert.match(told(all[1] ?? []), /first/);
    client.end();
    assert.equal(await runs("'first'"), 1);
  });

  test('a denial fails its own pipeline only, and what was sent behind it does not take its place', async () => {
    const client = await RawClient.connect(gateway);
    const id = await held(
      client,
      Buffer.concat([
        P("update orders set status = 'no' where id = 12", 'u'),
        B({ statement: 'u' }),
        E(),
        P('select 3', 't'),
        B({ statement: 't' }),
        E(),
        S(),
      ]),
      Buffer.concat([B({ statement: 'u' }), E(), S()]),
    );
    await vote(gateway, 'approver', id, { decision: 'deny', reason: 'no' });
    assert.deepEqual(codes(await client.until('readyForQuery')), ['42501']);
    // The same prepared statement is another statement, with a request of its own.
    const second = (await gateway.pending([id])).id;
    assert.equal(await runs("'no'"), 0);
    await vote(gateway, 'approver', second, { decision: 'deny', reason: 'no' });
    assert.deepEqual(codes(await client.until('readyForQuery')), ['42501']);
    client.end();
  });

  test('closing the statement and the portal while they wait changes nothing of what was approved', async () => {
    const client = await RawClient.connect(gateway);
    const id = await held(
      client,
      Buffer.concat([
        P("update orders set status = 'mine' where id = 13", 'u'),
        B({ portal: 'p', statement: 'u' }),
      ]),
      Buffer.concat([
        C('P', 'p'),
        C('S', 'u'),
        P("update orders set status = 'other' where id = 15", 'u'),
        B({ portal: 'p', statement: 'u' }),
        E({ portal: 'p' }),
        S(),
      ]),
    );
    await vote(gateway, 'approver', id);
    const other = (await gateway.pending([id])).id;
    assert.match(
      JSON.stringify((await gateway.api('approver', `/requests/${other}`)).body),
      /'other'/,
    );
    await vote(gateway, 'approver', other, { decision: 'deny', reason: 'no' });
    assert.deepEqual(codes(await client.until('readyForQuery')), ['42501']);
    client.end();
    assert.equal((await runs("'mine'")) + (await runs("'other'")), 0);
  });

  const cancel = async ({ processID, secretKey }: any): Promise<void> => {
    const request = Buffer.alloc(16);
    for (const [i, word] of [16, 80877102, processID, secretKey].entries())
      request.writeInt32BE(word, i * 4);
    const socket = net.connect(gateway.running.postgres.port, '127.0.0.1');
    await new Promise<void>((resolve) => {
      socket.on('error', () => resolve());
      socket.on('close', () => resolve());
      socket.resume();
      socket.end(request);
    });
  };

  test('a cancel that comes with the approval stops this statement or none, and never one sent after it', async () => {
    const client = await RawClient.connect(gateway);
    for (let i = 0; i < 12; i += 1) {
      const text = `update orders set status = 'race${i}' where id = 14`;
      const id = await held(client, Q(text));
      const voting = vote(gateway, 'approver', id);
      await new Promise((resolve) => setTimeout(resolve, i * 2));
      const [heard] = await Promise.all([
        client.until('readyForQuery'),
        cancel(client.key),
        voting,
      ]);
      const stopped = codes(heard).length > 0;
      assert.ok(
        codes(heard).every((code) => code === '57014'),
        told(heard),
      );
      const next = await client.ask(Q('select count(*) from generate_series(1, 200000)'));
      assert.match(told(next), /200000/, `the cancel hit what came after ${told(heard)}`);
      const state = await ended(id);
      assert.ok(stopped || state === 'done', state);
      if (state === 'withdrawn') assert.equal(await runs(`'race${i}'`), 0);
    }
    client.end();
  });

  test('what was bound under rules that have changed by its Execute is not run, what was approved under them is', async () => {
    const file = join(gateway.config.policies, 'shop.cedar');
    const rules = await readFile(file, 'utf8');
    const reload = async (text: string) => {
      await writeFile(file, text);
      await gateway.running.reload();
    };
    const client = await RawClient.connect(gateway);
    const id = await held(
      client,
      Buffer.concat([P("update orders set status = 'anew' where id = 16"), B(), F()]),
    );
    await reload(`${rules}\n// once\n`);
    await vote(gateway, 'approver', id);
    assert.deepEqual(codes(await client.until('bindComplete')), []);
    client.send(E(), S());
    assert.match(told(await client.until('readyForQuery')), /UPDATE 1/);
    const late = await held(
      client,
      Buffer.concat([P("update orders set status = 'late' where id = 16"), B(), F()]),
    );
    await vote(gateway, 'approver', late);
    await client.until('bindComplete');
    await reload(rules);
    client.send(E(), S());
    assert.deepEqual(codes(await client.until('readyForQuery')), ['40001']);
    client.end();
    assert.equal(await runs("'late'"), 0);
  });
});
