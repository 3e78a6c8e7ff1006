import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';

const HOLDS = 50;
const MOST_MS = 10_000;

/** A Slack that takes every call and answers none. */
const slack: Server = createServer(() => undefined);
let calls = 0;
let gateway: TestGateway;
before(async () => {
  slack.on('request', () => (calls += 1));
  slack.listen(0, '127.0.0.1');
  await once(slack, 'listening');
  const { port } = slack.address() as AddressInfo;
  gateway = await startGateway({
    slack: {
      mode: 'http',
      botToken: 'xoxb-test',
      signingSecret: 'test',
      teams: ['T0123456'],
      listen: { host: '127.0.0.1', port: await freePort() },
      matchEmail: ['T0123456'],
      apiUrl: `http://127.0.0.1:${port}/api/`,
    },
  });
});
after(async () => {
  await gateway.stop();
  slack.closeAllConnections();
  slack.close();
});

test('a stop ends fifty holds, a reader that does not read and a Slack that does not answer in 10 s', async () => {
  const reader = await gateway.open();
  const unread = outcome(reader.query("select repeat('x', 1000) from generate_series(1, 100000)"));
  reader.connection.stream.pause();
  const ended: Promise<any>[] = [];
  for (let n = 1; n <= HOLDS; n += 1) {
    const engineer = await gateway.open();
    const held = engineer.query("update orders set status = 'late' where id = $1", [n]);
    ended.push(outcome(held));
  }
  await eventually('all are held and Slack is asked', async () => {
    const sql = `select count(*)::int as held from countersign.request where state = 'pending'`;
    const { rows } = await gateway.storeSql.query<{ held: number }>(sql);
    return (rows[0]?.held === HOLDS && calls > 0) || undefined;
  });

  const from = performance.now();
  await gateway.running.stop();
  const took = performance.now() - from;
  assert.ok(took < MOST_MS, `it took ${took} ms`);
  for (const refused of await Promise.all(ended))
    assert.match(refused.message, /the gateway is stopping/);
  reader.connection.stream.resume();
  assert.ok((await unread) instanceof Error);
  const { rows } = await gateway.storeSql.query(
    'select state, count(*)::int as requests from countersign.request group by state',
  );
  assert.deepEqual(rows, [{ state: 'abandoned', requests: HOLDS }]);
  await gateway.verify();
});
