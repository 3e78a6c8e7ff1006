import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { RecordKind } from '#src/audit/log.ts';
import { eventually, outcome, type TestGateway } from '../fakes/gateway.ts';
import { codes, Q, RawClient, run, S, told } from '../fakes/raw-client.ts';
import { cancel, estimated, reaches, startHeld, stateOf } from '../conformance/held.ts';
import { checkLedger, ranForGateway } from '../conformance/ledger.ts';

type Point = 'before' | 'after';
type Fault = { readonly point: Point; readonly kind: RecordKind; left: number };

let gateway: TestGateway;
let fault: Fault | undefined;
let planted = 0;
let count = 0;
before(async () => {
  gateway = await startHeld({
    failpoint: (point, kinds) => {
      if (!fault || fault.point !== point || !kinds.includes(fault.kind) || fault.left === 0)
        return;
      fault.left -= 1;
      planted += 1;
      throw new Error(`planted: ${fault.kind} ${point}`);
    },
  });
});
beforeEach(() => {
  fault = undefined;
  planted = 0;
  count += 1;
});
after(() => gateway.stop());

const fail = (point: Point, kind: RecordKind, times = 1): void => {
  fault = { point, kind, left: times };
};
const ran = async (part: string): Promise<number> =>
  (await ranForGateway(gateway)).filter((text) => text.includes(part)).length;
const update = (): string => `update orders set status = 'fault ${count}' where id = ${count}`;
const vote = (id: string, decision = 'approve') =>
  gateway.api('approver', `/requests/${id}/decision`, { decision, reason: 'because' });
/** A session that knows its settings already, so that the next record is the next statement's. */
async function warm(): Promise<RawClient> {
  const client = await RawClient.connect(gateway);
  await client.ask(Q('select 1'));
  return client;
}
async function usable(client: RawClient): Promise<void> {
  assert.deepEqual(codes(await client.ask(Q('select 1'))), []);
  assert.deepEqual(codes(await client.ask(run('select 1'), S())), []);
  client.end();
}
const open = async (): Promise<number> =>
  (
    await gateway.storeSql.query(
      `select from countersign.request where state in ('pending', 'approved', 'running')`,
    )
  ).rowCount ?? -1;

const FORMS = {
  simple: (sql: string) => [Q(sql)],
  extended: (sql: string) => [run(sql), S()],
};

for (const [name, form] of Object.entries(FORMS)) {
  test(`${name}: a statement whose record fails is not run, and says why`, async () => {
    const client = await warm();
    fail('before', 'statement');
    const heard = await client.ask(...form(`select ${count} as not_recorded`));
    assert.deepEqual(codes(heard), ['58000']);
    assert.match(told(heard), /countersign: the statement was not run, because it cannot be rec/);
    assert.match(told(heard), /countersign doctor/);
    assert.equal(planted, 1);
    assert.equal(await ran('not_recorded'), 0);
    await usable(client);
  });

  test(`${name}: a statement whose record lost its reply runs once, with that one record`, async () => {
    const client = await warm();
    fail('after', 'statement');
    const heard = await client.ask(...form(`select ${count} as recorded`));
    assert.deepEqual(codes(heard), []);
    assert.equal(planted, 1);
    assert.equal(await ran(`select ${count} as recorded`), 1);
    await usable(client);
  });

  test(`${name}: in a transaction a record that fails fails the transaction`, async () => {
    const client = await warm();
    await client.ask(Q('begin'));
    await client.ask(Q(`insert into notes values ('half ${count}')`));
    fail('before', 'statement');
    const heard = await client.ask(...form(`select ${count} as not_recorded`));
    assert.deepEqual(codes(heard), ['58000']);
    assert.equal(heard.at(-1)?.['status'], 'E');
    assert.ok(told(await client.ask(Q('commit'))).includes('ROLLBACK'));
    const { rowCount } = await gateway.targetSql.query(
      `select from notes where text = 'half ${count}'`,
    );
    assert.equal(rowCount, 0);
    await usable(client);
  });

  test(`${name}: a hold that cannot be opened asks nobody and runs nothing`, async () => {
    const client = await warm();
    fail('before', 'statement');
    const heard = await client.ask(...form(update()));
    assert.deepEqual(codes(heard), ['58000']);
    assert.ok(!heard.some((one) => one.name === 'notice'), 'nothing waits, so nothing is said');
    await eventually('no open request', async () => (await open()) === 0 || undefined);
    assert.equal(await ran(`fault ${count}'`), 0);
    await usable(client);
  });

  test(`${name}: a hold whose opening lost its reply waits, and runs once when approved`, async () => {
    const client = await warm();
    fail('after', 'statement');
    client.send(...form(update()));
    const { id } = await gateway.pending();
    assert.equal((await vote(id)).body.state, 'approved');
    assert.deepEqual(codes(await client.until('readyForQuery')), []);
    assert.equal(await ran(`fault ${count}'`), 1);
    await reaches(gateway, id, 'done');
    await usable(client);
  });

  test(`${name}: a claim that fails runs nothing and ends the request`, async () => {
    const client = await warm();
    client.send(...form(update()));
    const { id } = await gateway.pending();
    fail('before', 'claim');
    assert.equal((await vote(id)).body.state, 'approved');
    const heard = await client.until('readyForQuery');
    assert.deepEqual(codes(heard), ['58000']);
    assert.equal(planted, 1);
    await reaches(gateway, id, 'abandoned');
    assert.equal(await ran(`fault ${count}'`), 0);
    await usable(client);
  });

  test(`${name}: a claim that lost its reply runs once`, async () => {
    const client = await warm();
    client.send(...form(update()));
    const { id } = await gateway.pending();
    fail('after', 'claim');
    await vote(id);
    assert.deepEqual(codes(await client.until('readyForQuery')), []);
    assert.equal(planted, 1);
    assert.equal(await ran(`fault ${count}'`), 1);
    await reaches(gateway, id, 'done');
    await usable(client);
  });
}

test('a decision that fails is told to the approver, decides nothing, and can be taken again', async () => {
  const client = await warm();
  client.send(Q(update()));
  const { id } = await gateway.pending();
  fail('before', 'decision');
  assert.ok((await vote(id)).status >= 500);
  assert.equal(planted, 1);
  assert.equal(await stateOf(gateway, id), 'pending');
  assert.equal(await ran(`fault ${count}'`), 0);
  assert.equal((await vote(id, 'deny')).body.state, 'denied');
  assert.deepEqual(codes(await client.until('readyForQuery')), ['42501']);
  await usable(client);
});

test('a decision that lost its reply stands once, and the statement runs once', async () => {
  const client = await warm();
  client.send(Q(update()));
  const { id } = await gateway.pending();
  fail('after', 'decision');
  assert.equal((await vote(id)).body.state, 'approved');
  assert.deepEqual(codes(await client.until('readyForQuery')), []);
  assert.equal(planted, 1);
  const decisions = (await gateway.records('decision')).filter((row) => row.request === id);
  assert.equal(decisions.length, 1);
  assert.equal(await ran(`fault ${count}'`), 1);
  await usable(client);
});

for (const point of ['before', 'after'] as const) {
  test(`a withdrawal whose record fails ${point} is still one, and the request ends`, async () => {
    const client = await warm();
    client.send(Q(update()));
    const { id } = await gateway.pending();
    await client.until('notice');
    fail(point, 'request');
    await cancel(gateway, client);
    const heard = await client.until('readyForQuery');
    assert.deepEqual(codes(heard), ['57014']);
    assert.equal(planted, 1);
    await reaches(gateway, id, 'withdrawn');
    assert.equal(await ran(`fault ${count}'`), 0);
    await usable(client);
  });

  test(`an outcome whose record fails ${point} is written later, once, and the result stands`, async () => {
    const client = await warm();
    await eventually('the outcomes so far', async () => (await unfinished()) === 0 || undefined);
    fail(point, 'outcome', 2);
    const heard = await client.ask(Q(`select ${count} as told_late`));
    assert.deepEqual(codes(heard), []);
    await eventually('the outcome', async () => (await unfinished()) === 0 || undefined);
    assert.ok(planted >= 1);
    assert.equal(await ran(`select ${count} as told_late`), 1);
    await usable(client);
  });

  test(`a session whose record fails ${point} does not begin without one`, async () => {
    fail(point, 'session-start');
    const opening = await outcome(gateway.open());
    assert.equal(planted, 1);
    if (point === 'before') assert.equal(opening.code, '58000');
    else assert.equal((await opening.query('select 1')).rowCount, 1);
  });
}

test('outcomes that cannot be written until the end are unknown to the next process, once each', async () => {
  const client = await warm();
  client.send(Q(update()));
  const { id } = await gateway.pending();
  await estimated(gateway, id);
  await eventually('the outcomes so far', async () => (await unfinished()) <= 1 || undefined);
  fail('before', 'outcome', Infinity);
  await vote(id);
  assert.deepEqual(codes(await client.until('readyForQuery')), []);
  assert.equal(await ran(`fault ${count}'`), 1);
  await gateway.running.stop();
  fault = undefined;
  await gateway.restart();
  const rows = (await gateway.records('outcome')).filter((row) => row.request === id);
  assert.equal(rows.length, 1);
  assert.equal(rows[0].json.body.unknown, true);
  const again = await gateway.open();
  assert.equal((await again.query('select 1')).rowCount, 1);
});

test('a statement that nobody could record is refused each time, until it can be', async () => {
  const engineer = await gateway.open();
  await engineer.query('select 1');
  fail('before', 'statement', 5);
  for (let i = 0; i < 5; i += 1)
    // oxlint-disable-next-line no-await-in-loop
    assert.equal((await outcome(engineer.query('select 2'))).code, '58000');
  assert.equal((await engineer.query('select 2')).rowCount, 1);
});

test('after all these faults the log and the target tell the same', async () => {
  await checkLedger(gateway);
  assert.equal(await open(), 0, 'no request is left open');
});

/** Statements that may run and have no outcome yet. */
async function unfinished(): Promise<number> {
  const { rowCount } = await gateway.storeSql.query(
    `select from countersign.record_body s where s.kind in ('statement', 'claim')
       and s.verdict in ('allow', 'approved') and not exists (
         select from countersign.record_body o where o.statement = s.statement and o.kind = 'outcome')`,
  );
  return rowCount ?? -1;
}
