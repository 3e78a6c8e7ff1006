import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startHeld } from '../conformance/held.ts';
import { checkLedger } from '../conformance/ledger.ts';
import { eventually, type TestGateway } from '../fakes/gateway.ts';
import { Q, RawClient } from '../fakes/raw-client.ts';

const HOLDS = 500;
const DAYS = 7;

let gateway: TestGateway;
before(async () => {
  gateway = await startHeld({ targetSettings: { max_connections: '600' } });
});
after(() => gateway?.stop());

const open = async (): Promise<number> => {
  const { rows } = await gateway.storeSql.query(
    `select count(*)::int as n from countersign.request where state in ('pending', 'approved', 'running')`,
  );
  return rows[0].n;
};
const vote = (id: string, decision: string) =>
  gateway.api('approver', `/requests/${id}/decision`, { decision, reason: 'many' });

/** Ten at a time. */
async function inGroups<T, R>(
  all: readonly T[],
  work: (one: T, i: number) => Promise<R>,
): Promise<R[]> {
  const done: R[] = [];
  for (let from = 0; from < all.length; from += 10)
    done.push(
      ...(await Promise.all(all.slice(from, from + 10).map((one, i) => work(one, from + i)))),
    );
  return done;
}

test(`${HOLDS} holds are open at once, and each is decided`, async () => {
  // In groups: the gateway takes 200 that have not signed in yet, and no more.
  const clients = await inGroups(Array.from({ length: HOLDS }), () => RawClient.connect(gateway));
  for (const { greeting } of clients) assert.equal(greeting.at(-1)?.name, 'readyForQuery');
  // A hundred at a time: a slow machine refuses what its store cannot record within its patience.
  for (let from = 0; from < HOLDS; from += 100) {
    for (const [i, client] of clients.slice(from, from + 100).entries())
      client.send(Q(`update orders set total = total + 1 where id = ${from + i + 1}`));
    await eventually(
      'all to be held',
      async () => (await open()) === Math.min(HOLDS, from + 100) || undefined,
      100,
    );
  }
  const { rows } = await gateway.storeSql.query(
    `select id from countersign.request where state = 'pending'`,
  );
  await inGroups(rows, async ({ id }, i) =>
    assert.equal((await vote(id, i % 5 === 0 ? 'deny' : 'approve')).status, 200),
  );
  const heard = await Promise.all(clients.map((client) => client.until('readyForQuery')));
  const ran = heard.filter((messages) => messages.some(({ name }) => name === 'commandComplete'));
  assert.equal(ran.length, HOLDS - Math.ceil(HOLDS / 5));
  for (const client of clients) client.end();
  await eventually('all to have ended', async () => (await open()) === 0 || undefined);
});

test('a week of holds leaves nothing behind but requests and records', async () => {
  const client = await RawClient.connect(gateway);
  for (let day = 1; day <= DAYS; day += 1) {
    for (const decision of ['approve', 'deny']) {
      client.send(Q(`update orders set total = total + 1 where id = ${500 + day}`));
      const { id } = await gateway.pending();
      await vote(id, decision);
      await client.until('readyForQuery');
    }
    await client.ask(Q(`update quick set text = 'x' where id = ${day}`));
    await eventually('chat to have been told', async () => {
      const { rows } = await gateway.storeSql.query(
        'select count(*)::int as n from countersign.outbox where done_at is null',
      );
      return rows[0].n === 0 || undefined;
    });
    await gateway.storeSql.query(
      `update countersign.outbox set done_at = done_at - interval '1 day'`,
    );
  }
  client.end();
  await gateway.restart();
  const left = async (sql: string): Promise<number> =>
    (await gateway.storeSql.query(sql)).rows[0].n;
  await eventually('what was told a day ago to be cleared', async () => {
    const sql = `select count(*)::int as n from countersign.outbox where done_at < clock_timestamp() - interval '1 day'`;
    return (await left(sql)) === 0 || undefined;
  });
  assert.equal(await open(), 0);
  assert.equal(
    await left('select count(*)::int as n from countersign.session where ended_at is null'),
    0,
  );
  const { rows: tables } = await gateway.storeSql.query(
    `select format('select count(*)::int as n from bullmq.%I', tablename) as sql, tablename
       from pg_tables where schemaname = 'bullmq'`,
  );
  for (const { sql, tablename } of tables)
    if (/job/.test(tablename)) assert.equal(await left(sql), 0, tablename);
  const { rows: sessions } = await gateway.targetSql.query(
    `select count(*)::int as n from pg_stat_activity where usename = 'gateway'`,
  );
  assert.equal(sessions[0].n, 0);
  await checkLedger(gateway);
});
