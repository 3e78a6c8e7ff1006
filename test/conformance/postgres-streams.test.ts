import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { serialize } from 'pg-protocol';
import { eventually, outcome, type TestGateway } from '../fakes/gateway.ts';
import { B, codes, D, E, F, P, Q, RawClient, run, S, told } from '../fakes/raw-client.ts';
import { decide, reaches, startHeld, stateOf } from './held.ts';
import { checkLedger, ranForGateway } from './ledger.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startHeld();
});
after(() => gateway.stop());

const copyIn = 'copy orders (customer_id, status, total) from stdin';
const row = (status: string) => serialize.copyData(Buffer.from(`1\t${status}\t5\n`));
const count = async (where: string): Promise<number> =>
  (await gateway.targetSql.query(`select from ${where}`)).rowCount ?? -1;
const ran = async (part: string): Promise<number> =>
  (await ranForGateway(gateway)).filter((text) => text.includes(part)).length;
const usable = async (client: RawClient): Promise<void> => {
  assert.deepEqual(codes(await client.ask(Q('select 1'))), []);
  assert.deepEqual(codes(await client.ask(run('select 1'), S())), []);
};

const string = (n: number) =>
  `insert into notes values ('string ${n}'); update orders set status = 'string ${n}' where id = 509; select 5 as five`;

for (const [name, start, end] of [
  ['simple', [Q(copyIn)], []],
  ['extended', [run(copyIn), S()], [S()]],
] as const) {
  test(`${name}: rows are taken by COPY only once it is approved`, async () => {
    const client = await RawClient.connect(gateway);
    const earlier = await ran(copyIn);
    client.send(...start);
    const { id } = await gateway.pending();
    assert.equal(await ran(copyIn), earlier);
    await decide(gateway, 'approve');
    await client.until('copyInResponse');
    const heard = await client.ask(
      row(`copied ${name}`),
      row(`copied ${name}`),
      serialize.copyDone(),
      ...end,
    );
    assert.ok(told(heard).includes('COPY 2'), told(heard));
    assert.equal(await count(`orders where status = 'copied ${name}'`), 2);
    await reaches(gateway, id, 'done');
    await usable(client);
    client.end();
  });

  test(`${name}: a denied COPY takes no rows, also none that were sent ahead`, async () => {
    const client = await RawClient.connect(gateway);
    client.send(...start);
    await client.until('notice');
    await decide(gateway, 'deny');
    assert.deepEqual(codes(await client.until('readyForQuery')), ['42501']);
    client.send(row(`denied ${name}`), serialize.copyDone(), ...end);
    if (end.length > 0) await client.until('readyForQuery');
    await usable(client);
    assert.equal(await count(`orders where status = 'denied ${name}'`), 0);
    client.end();
  });

  test(`${name}: a COPY that the client fails is an outcome that failed`, async () => {
    const client = await RawClient.connect(gateway);
    client.send(...start);
    const { id } = await gateway.pending();
    await decide(gateway, 'approve');
    await client.until('copyInResponse');
    const heard = await client.ask(row(`failed ${name}`), serialize.copyFail('no more'), ...end);
    assert.deepEqual(codes(heard), ['57014']);
    await reaches(gateway, id, 'done');
    assert.equal(await count(`orders where status = 'failed ${name}'`), 0);
    await usable(client);
    client.end();
  });
}

test('a COPY to the client is judged, recorded and streamed', async () => {
  const client = await RawClient.connect(gateway);
  const heard = await client.ask(Q('copy orders (id) to stdout'));
  assert.ok(heard.filter(({ name }) => name === 'copyData').length >= 1000);
  assert.deepEqual(codes(heard), []);
  await usable(client);
  client.end();
});

test('a pipeline of two held statements asks for each, and both run once', async () => {
  const client = await RawClient.connect(gateway);
  client.send(
    run("update orders set status = 'first' where id = 501"),
    run("update orders set status = 'second' where id = 502"),
    S(),
  );
  const first = await gateway.pending();
  await decide(gateway, 'approve');
  const second = await gateway.pending([first.id]);
  assert.equal(await count(`orders where status = 'first'`), 0, 'nothing is committed yet');
  await decide(gateway, 'approve');
  const heard = await client.until('readyForQuery');
  assert.deepEqual(codes(heard), []);
  assert.equal(await count(`orders where status in ('first', 'second')`), 2);
  assert.notEqual(first.id, second.id);
  client.end();
});

test('a pipeline whose second statement is denied commits neither', async () => {
  const client = await RawClient.connect(gateway);
  client.send(
    run("update orders set status = 'half' where id = 503"),
    run("update orders set status = 'other half' where id = 504"),
    S(),
  );
  const first = await gateway.pending();
  await decide(gateway, 'approve');
  await gateway.pending([first.id]);
  await decide(gateway, 'deny');
  assert.deepEqual(codes(await client.until('readyForQuery')), ['42501']);
  assert.equal(await count(`orders where status like '%half'`), 0);
  await usable(client);
  client.end();
});

test('a statement behind one that failed on the target is not asked for, nor run', async () => {
  const client = await RawClient.connect(gateway);
  const heard = await client.ask(
    run('select 1/0'),
    run("update orders set status = 'behind' where id = 505"),
    S(),
  );
  assert.deepEqual(codes(heard), ['22012']);
  await eventually('no request', async () => {
    const { rows } = await gateway.storeSql.query(
      `select from countersign.request where state in ('pending', 'approved', 'running')`,
    );
    return rows.length === 0 || undefined;
  });
  assert.equal(await ran('behind'), 0);
  await usable(client);
  client.end();
});

test('one prepared statement is asked for at each Bind, and each approval runs one', async () => {
  const client = await RawClient.connect(gateway);
  await client.ask(P('update orders set status = $1 where id = $2', 'u'), S());
  for (const [i, decision] of (['approve', 'deny', 'approve'] as const).entries()) {
    client.send(B({ statement: 'u', values: [`bound ${i}`, '506'] }), E(), S());
    // oxlint-disable-next-line no-await-in-loop
    await decide(gateway, decision);
    // oxlint-disable-next-line no-await-in-loop
    const heard = await client.until('readyForQuery');
    assert.deepEqual(codes(heard), decision === 'deny' ? ['42501'] : []);
  }
  assert.equal(await count(`orders where id = 506 and status = 'bound 2'`), 1);
  client.end();
});

test('an approved portal runs once, however often it is executed', async () => {
  const client = await RawClient.connect(gateway);
  client.send(
    P("update orders set status = status || '!' where id = 507 returning id"),
    B({ portal: 'p' }),
    E({ portal: 'p' }),
    E({ portal: 'p' }),
    S(),
  );
  await decide(gateway, 'approve');
  const heard = await client.until('readyForQuery');
  assert.deepEqual(codes(heard), []);
  assert.equal(heard.filter(({ name }) => name === 'dataRow').length, 1);
  assert.equal(await count(`orders where id = 507 and status = 'paid!'`), 1);
  await usable(client);
  client.end();
});

test('a held statement without a Sync waits, answers at a Flush, and commits only with the Sync', async () => {
  const client = await RawClient.connect(gateway);
  client.send(run("update orders set status = 'flushed' where id = 508"), F());
  await decide(gateway, 'approve');
  await client.until('commandComplete');
  assert.equal(await count(`orders where status = 'flushed'`), 0);
  await client.ask(S());
  assert.equal(await count(`orders where status = 'flushed'`), 1);
  client.end();
});

test('a client that goes away before its Sync leaves nothing behind, at once', async () => {
  const client = await RawClient.connect(gateway);
  client.send(run("insert into notes values ('never synced')"), F());
  await client.until('commandComplete');
  client.end();
  await eventually('the backend to go', async () => {
    const { rows } = await gateway.targetSql.query(
      `select from pg_stat_activity where usename = 'gateway' and query like '%never synced%'`,
    );
    return rows.length === 0 || undefined;
  });
  assert.equal(await count(`notes where text = 'never synced'`), 0);
});

test('a string is one unit: one request, all of it or nothing', async () => {
  const engineer = await gateway.open();
  const denied = outcome(engineer.query(string(1)));
  await decide(gateway, 'deny');
  assert.equal((await denied).code, '42501');
  assert.equal(await ran('string 1'), 0);
  const approved = engineer.query(string(2));
  await decide(gateway, 'approve');
  assert.equal(((await approved) as any).length, 3);
  assert.equal(await count(`notes where text like 'string%'`), 1);
  const control = await outcome(engineer.query(`${string(3)}; commit; select 1`));
  assert.equal(control.code, '0A000', control.message);
  assert.equal(await ran('string 3'), 0);
});

test('Describe of a held statement runs nothing and asks nobody', async () => {
  const client = await RawClient.connect(gateway);
  const sql = "update orders set status = 'described' where id = 510 returning id";
  const heard = await client.ask(P(sql, 'd'), D('S', 'd'), S());
  assert.deepEqual(codes(heard), []);
  assert.equal(await ran('described'), 0);
  client.end();
});

test('a gateway that stops while it holds abandons, and nothing runs later', async () => {
  const engineer = await gateway.open();
  const held = outcome(engineer.query("update orders set status = 'stopped' where id = 511"));
  const { id } = await gateway.pending();
  await gateway.restart();
  const ended = await held;
  assert.equal(ended.code, '57P01', ended.message);
  assert.equal(await stateOf(gateway, id), 'abandoned');
  const late = await gateway.api('approver', `/requests/${id}/decision`, {
    decision: 'approve',
    reason: 'late',
  });
  assert.equal(late.status, 409);
  assert.equal(await ran('stopped'), 0);
  const again = await gateway.open();
  assert.equal((await again.query('select id from orders where id = 511')).rowCount, 1);
  const { rows } = await gateway.storeSql.query(
    `select s.body from countersign.record_body o join countersign.record_body s on s.statement = o.statement and s.kind = 'statement'
     where o.kind = 'outcome' and (o.body::jsonb->'body'->>'unknown')::bool and s.body not like '%never synced%'`,
  );
  assert.deepEqual(rows, [], 'after an orderly stop every outcome is known');
});

test('after streams, pipelines and a restart both lists are still the same', async () => {
  await checkLedger(gateway);
});
