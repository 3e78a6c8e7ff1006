import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { B, codes, E, F, P, Q, RawClient, S, told } from '../fakes/raw-client.ts';

let gateway: TestGateway;
let file: string;
let original: string;
let fails = false;
before(async () => {
  gateway = await startGateway({
    failpoint: (point, kinds) => {
      if (fails && point === 'before' && kinds.includes('policy')) throw new Error('planted');
    },
  });
  file = join(gateway.config.policies, 'shop.cedar');
  original = await readFile(file, 'utf8');
});
after(() => gateway.stop());
afterEach(async () => {
  fails = false;
  await rules(original);
});

const EVERY_CHANGE = `@id("shop-writes-need-a-second-person")`;
const HELD = "update orders set status = 'x' where id = 1";

async function rules(text: string): Promise<void> {
  await writeFile(file, text);
  await gateway.running.reload();
}
const plus = (rule: string): string => `${original}\n${rule}\n`;
const never = (): string =>
  plus(
    '@id("frozen") @message("orders are frozen") forbid (principal, action == Action::"write", resource == Table::"shop/public/orders");',
  );

async function held(sql = HELD): Promise<{ ended: Promise<any>; id: string }> {
  const client = await gateway.open();
  const ended = outcome(client.query(sql));
  const { id } = await gateway.pending();
  return { ended, id };
}
/** Fails instead of waiting for ever. */
const ends = async (ended: Promise<any>): Promise<any> => {
  let answer: any;
  void ended.then((value) => (answer = value));
  return eventually('the end of the hold', () => answer);
};
const stateOf = async (id: string): Promise<string> =>
  (await gateway.api('approver', `/requests/${id}`)).body.state;

test('a changed file is noticed by itself, and is recorded before it is used', async () => {
  const { version } = gateway.running.rules();
  await writeFile(file, never());
  await eventually('the new rules', () => gateway.running.rules().version !== version || undefined);
  const last = (await gateway.records('policy')).at(-1).json.body;
  assert.equal(last.version, gateway.running.rules().version);
  assert.equal(last.before, version);
  assert.equal(last.cause, 'file');
  assert.equal(last.gateway, 'test');
});

test('a hold that the new rules forbid ends at once, and says why to client and card', async () => {
  const { ended, id } = await held();
  await rules(never());
  const refused = await ends(ended);
  assert.equal(refused.code, '42501');
  assert.match(refused.message, /the rules changed: orders are frozen/);
  assert.match(refused.detail, /frozen/);
  assert.equal(await stateOf(id), 'refused');
  const why = (await gateway.records('request')).find(
    (record) => record.json.body.event === 'refused' && record.json.request === id,
  );
  assert.match(why.json.body.why, /the rules changed: orders are frozen/);
});

test('a hold that needs other approvers now ends, also with a vote', async () => {
  const two = original.replace(EVERY_CHANGE, `@quorum("2") ${EVERY_CHANGE}`);
  assert.notEqual(two, original);
  await rules(two);
  const { ended, id } = await held();
  assert.equal((await gateway.decide('approve', 'approver')).status, 200);
  await rules(two.replace('@quorum("2")', '@quorum("3")'));
  const refused = await ends(ended);
  assert.equal(refused.code, '40001');
  assert.match(refused.message, /the rules changed: it needs other approvers now/);
  assert.equal(await stateOf(id), 'refused');
  const late = await gateway.api('approver2', `/requests/${id}/decision`, {
    decision: 'approve',
    reason: 'late',
  });
  assert.equal(late.status, 409);
});

test('a hold whose card would hide more now ends', async () => {
  const { ended } = await held("update orders set status = 'told' where id = 1");
  await rules(
    plus(
      '@id("hide") @mask("null") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/orders/status") unless { principal in Group::"security" };' +
        '@id("assign") permit (principal in Group::"engineering", action == Action::"assign", resource == Column::"shop/public/orders/status");',
    ),
  );
  assert.match((await ends(ended)).message, /the rules changed: approvers may see other parts/);
});

test('a hold that the new rules allow, or hold in the same way, waits on and runs once approved', async () => {
  const { ended, id } = await held();
  await rules(
    original.replace(/@id\("shop-writes-need-a-second-person"\)[^]*?;/, '') + '\n// other text\n',
  );
  assert.equal(await stateOf(id), 'pending');
  await rules(plus('// the same rules'));
  assert.equal(await stateOf(id), 'pending');
  await gateway.decide('approve');
  assert.equal((await ends(ended)).rowCount, 1);
});

test('a transaction and a prepared statement that are open follow the new rules', async () => {
  const client = await gateway.open();
  const read = { name: 'cards', text: 'select card from customers where id = $1', values: [1] };
  await client.query('begin');
  const [seen] = (await client.query(read)).rows;
  await rules(
    plus(
      '@id("no-cards") @message("no cards") forbid (principal, action == Action::"read", resource == Table::"shop/public/customers");',
    ),
  );
  assert.ok(seen.card);
  const refused = await outcome(client.query(read));
  assert.match(refused.message, /no cards/);
  assert.equal((await outcome(client.query('select 1'))).code, '25P02');
  await client.query('rollback');
  await rules(original);
  assert.deepEqual((await client.query(read)).rows, [seen]);
});

test('a cursor and a portal that are open give no more rows', async () => {
  const cursor = await gateway.open();
  await cursor.query('begin');
  await cursor.query('declare c cursor for select id from orders order by id');
  assert.equal((await cursor.query('fetch 1 from c')).rowCount, 1);
  const raw = await RawClient.connect(gateway);
  await raw.ask(Q('begin'));
  raw.send(
    P('select id from orders order by id'),
    B({ portal: 'p' }),
    E({ portal: 'p', rows: 1 }),
    F(),
  );
  await raw.until('portalSuspended', 'error');
  await rules(
    plus(
      '@id("no-orders") @message("no orders") forbid (principal, action == Action::"read", resource == Table::"shop/public/orders");',
    ),
  );
  assert.match((await outcome(cursor.query('fetch 1 from c'))).message, /no orders/);
  const answer = await raw.ask(E({ portal: 'p', rows: 1 }), S());
  assert.deepEqual(codes(answer), ['40001']);
  assert.match(told(answer), /the rules changed since this statement was bound/);
  assert.equal(answer.at(-1)['status'], 'E');
  raw.end();
});

test('rules that do not load change nothing, and are told to operators and approvers', async () => {
  const { version, failures } = gateway.running.rules();
  await rules(plus('@id("typo") forbid (principal in Group::"dbaa", action, resource);'));
  await rules(plus('forbid (principal, action, resource'));
  const state = gateway.running.rules();
  assert.equal(state.version, version);
  assert.ok(state.failures >= failures + 2);
  assert.match(state.problems.join('\n'), /^shop\.cedar:\d+: /m);
  assert.ok(state.since);
  assert.ok(gateway.logged.some((line) => /do not load/.test(line) && /shop\.cedar:/.test(line)));
  const ready = await fetch(`${gateway.running.console}/readyz`);
  assert.equal(ready.status, 200);
  assert.match(await ready.text(), /rules on disk do not load/);
  const client = await gateway.open();
  assert.equal((await client.query('select id from orders where id = 1')).rowCount, 1);
  await rules(original);
  assert.deepEqual(gateway.running.rules().problems, []);
  assert.equal(gateway.running.rules().since, undefined);
});

test('a column that the target does not have refuses the whole version', async () => {
  const { version } = gateway.running.rules();
  await rules(
    plus(
      '@id("typo") @mask("null") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/customers/snn");',
    ),
  );
  assert.match(gateway.running.rules().problems.join(), /no column "shop\/public\/customers\/snn"/);
  assert.equal(gateway.running.rules().version, version);
});

test('rules that cannot be recorded are not used', async () => {
  const { version } = gateway.running.rules();
  fails = true;
  await rules(never());
  assert.equal(gateway.running.rules().version, version);
  fails = false;
  await eventually(
    'they are tried again',
    () => gateway.running.rules().version !== version || undefined,
  );
});
