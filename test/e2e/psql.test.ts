import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { without } from '../fakes/need.ts';
import { startProgram } from '../fakes/terminal.ts';
import { PSQL, type PsqlKit, startPsqlKit } from './psql-kit.ts';

const skip = without('psql');
const RULES = `
  @id("test-cities") @hold("dba") @expires("1s") @message("cities change fast")
  forbid (principal, action == Action::"assign", resource == Column::"shop/public/customers/city");
`;

let kit: PsqlKit;
before(async () => {
  if (!skip) kit = await startPsqlKit({ rules: RULES });
});
after(() => kit?.stop());

test('psql shows the engineer masked columns', { skip }, async () => {
  const { code, out } = await kit.psql(
    'engineer',
    'select id, email, ssn, card from customers limit 2',
  );
  assert.equal(code, 0);
  assert.match(out, /1 \| p\*\*\*@e\*\*\*\.org \|\s+\| \*{12}0001/);
  assert.doesNotMatch(out, /123-45|4111/);
});

test('psql shows security clear columns, and the record says which', { skip }, async () => {
  const { out } = await kit.psql(
    'security',
    'select ssn as clear_for_security from customers limit 1',
  );
  assert.match(out, /123-45-0001/);
  const records = await kit.gateway.records('statement');
  const { body } = records.find(({ json }) => json.body.text.includes('clear_for_security')).json;
  assert.deepEqual(body.clear, ['shop/public/customers/ssn']);
  assert.doesNotMatch(JSON.stringify(records), /123-45-0001/);
});

test('psql tells the stranger which rule is missing and whom to ask', { skip }, async () => {
  const { code, err } = await kit.psql('stranger', 'select 1');
  assert.equal(code, 2);
  assert.match(err, /no rule permits connect on shop/);
  assert.match(err, /HINT: .*ask for access/);
});

test(
  'psql with a wrong password, a token that only decides or an unknown name is not let in',
  { skip },
  async () => {
    const decide = await kit.gateway.token('engineer', 'decide');
    for (const [who, PGPASSWORD] of [
      ['engineer', 'wrong'],
      ['engineer', decide],
      ['nobody', 'wrong'],
    ] as const) {
      const attempt = startProgram(PSQL, ['-X', '-w', kit.where(who), '-c', 'select 1'], {
        env: { PATH: process.env['PATH'], PGPASSWORD },
      });
      assert.equal(await attempt.done, 2);
      assert.match(attempt.said.err, /password authentication failed for user/);
    }
  },
);

test(
  'psql prints the notice while the update waits, then UPDATE 1 once it is approved',
  { skip },
  async () => {
    const update = await kit.held(
      'engineer',
      "update orders set status = 'refunded' where id = 42",
    );
    assert.match(update.said.err, /held by rule shop-writes-need-a-second-person: changes to shop/);
    assert.match(
      update.said.err,
      /one of group dba can release it until \d{4}-.*; Ctrl-C withdraws it/,
    );
    assert.match(update.said.err, new RegExp(`HINT: +http://127.*/requests/${update.id}`));
    assert.equal(update.said.out, '');
    assert.equal(await kit.ran('id = 42'), 0);
    await kit.gateway.decide('approve');
    assert.equal(await update.done, 0);
    assert.equal(update.said.out, 'UPDATE 1\n');
    assert.equal(await kit.ran('id = 42'), 1);
  },
);

test('psql prints who denied the update and why, and goes on', { skip }, async () => {
  const sql = 'update orders set total = 1 where id = 43';
  const update = await kit.held('engineer', sql, '-c', 'select 1 as before');
  await kit.gateway.decide('deny', 'approver', 'not on a Friday');
  assert.equal(await update.done, 1);
  assert.match(
    update.said.err,
    /ERROR: +countersign: denied by approver@example\.com: not on a Friday/,
  );
  assert.match(update.said.err, /Held by rule shop-writes-need-a-second-person/);
  assert.equal(await kit.ran('id = 43'), 0);
});

test(
  'psql is told when nobody decided in time, with the rule and the next step',
  { skip },
  async () => {
    const { code, err } = await kit.psql(
      'engineer',
      "update customers set city = 'Porto' where id = 1",
    );
    assert.equal(code, 1);
    assert.match(err, /ERROR: +countersign: nobody decided in time/);
    assert.match(err, /Held by rule .*test-cities/);
    assert.match(err, /HINT: +Ask one of group dba and send it again/);
    assert.equal(await kit.ran('Porto'), 0);
  },
);

test(
  'psql refuses a drop and an unbounded delete at once, with rule and next step',
  { skip },
  async () => {
    const { err } = await kit.psql(
      'engineer',
      'drop table orders',
      'delete from orders',
      'update orders set total = 0',
    );
    assert.match(err, /no rule permits define on shop\.public\.orders/);
    assert.equal(err.match(/DELETE and UPDATE need a WHERE/g)?.length, 2);
    assert.equal(err.match(/HINT:/g)?.length, 3);
    assert.doesNotMatch(err, /NOTICE/);
    assert.equal((await kit.ran('drop table')) + (await kit.ran('delete from')), 0);
  },
);

test(
  'SIGINT withdraws what a psql script waits for: 57014, and nothing runs',
  { skip },
  async () => {
    const update = await kit.held(
      'engineer',
      'update orders set total = 1 where id = 44',
      '-v',
      'VERBOSITY=verbose',
    );
    update.child.kill('SIGINT');
    assert.notEqual(await update.done, 0);
    assert.match(update.said.err, /ERROR: +57014: countersign: the request was withdrawn/);
    assert.equal(await kit.state(update.id), 'withdrawn');
    assert.equal(await kit.ran('id = 44'), 0);
  },
);

test(
  'Ctrl-C at a terminal withdraws the request, and the same psql goes on',
  { skip },
  async () => {
    const terminal = await kit.atTerminal('engineer');
    terminal.type('delete from orders where id = 45;\n');
    await terminal.prints('NOTICE');
    const { id } = await kit.gateway.pending();
    terminal.type('\u0003');
    await terminal.prints('the request was withdrawn');
    assert.equal(await kit.state(id), 'withdrawn');
    terminal.type("select 'still', 'here';\n");
    await terminal.prints(/still +\| +here/);
    terminal.type('delete from orders where id = 546;\n');
    await kit.gateway.decide('approve');
    await terminal.prints('DELETE 1');
    terminal.type('\\q\n');
    await terminal.done;
    assert.equal(await kit.ran('id = 45'), 0);
  },
);

test('a psql that is killed while it waits leaves nothing that can run', { skip }, async () => {
  const update = await kit.held('engineer', 'update orders set total = 1 where id = 47');
  update.child.kill('SIGKILL');
  await update.done;
  const signal = AbortSignal.timeout(10_000);
  while ((await kit.state(update.id)) === 'pending') signal.throwIfAborted();
  const { status } = await kit.gateway.api('approver', `/requests/${update.id}/decision`, {
    decision: 'approve',
    reason: 'too late',
  });
  assert.equal(status, 409);
  assert.equal(await kit.ran('id = 47'), 0);
});

test(
  'in a transaction the notice speaks of its locks, and the approved update commits with it',
  { skip },
  async () => {
    const terminal = await kit.start('engineer', [kit.where('engineer'), '-v', 'ON_ERROR_STOP=1']);
    terminal.type('begin;\nupdate orders set total = 48 where id = 48;\n');
    const text = await terminal.prints('NOTICE');
    assert.match(text, /transaction around it has been open for \d+ s and holds its locks/);
    const { body } = await kit.gateway.api(
      'approver',
      `/requests/${(await kit.gateway.pending()).id}`,
    );
    assert.ok(body.card.transactionOpenMs >= 0);
    await kit.gateway.decide('approve');
    terminal.child.stdin?.end('commit;\nselect total as of_48 from orders where id = 48;\n');
    assert.equal(await terminal.done, 0);
    assert.match(terminal.said.out, /BEGIN\nUPDATE 1\nCOMMIT\n of_48 \n-+\n 48\.00/);
  },
);

test(
  'a refusal fails the transaction of psql, savepoints work, and commit becomes rollback',
  { skip },
  async () => {
    const { said, done, child } = await kit.start('engineer', [kit.where('engineer')]);
    child.stdin?.write(
      'begin;\nsavepoint s;\ndrop table payments;\nselect 1 as lost;\nrollback to s;\nselect 2 as kept;\n',
    );
    child.stdin?.write('delete from orders;\n');
    child.stdin?.end('commit;\nselect 3 as after;\n');
    assert.equal(await done, 0);
    assert.match(said.out, /BEGIN\nSAVEPOINT\nROLLBACK\n kept[^]*ROLLBACK\n after/);
    assert.match(said.err, /no rule permits define[^]*transaction is aborted[^]*need a WHERE/);
    assert.doesNotMatch(said.out, /lost/);
  },
);

test(
  'hold.inTransaction ends a hold in a transaction, and the transaction with it',
  { skip },
  async () => {
    const short = await startPsqlKit({ inTransactionMs: 300 });
    try {
      const { said, done, child } = await short.start('engineer', [short.where('engineer')]);
      child.stdin?.end('begin;\nupdate orders set total = 1 where id = 1;\ncommit;\n');
      await done;
      assert.match(said.err, /NOTICE[^]*nobody decided in time/);
      assert.equal(said.out, 'BEGIN\nROLLBACK\n');
    } finally {
      await short.stop();
    }
  },
);
