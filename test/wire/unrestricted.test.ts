import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

const ALL = '@id("all") permit (principal in Group::"dba", action, resource);';

void describe('a person whom no rule limits', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ onlyRules: ALL });
  });
  after(() => gateway.stop());

  const bodies = async (kind = 'statement'): Promise<any[]> =>
    (await gateway.records(kind)).map((row) => row.json.body);

  void test('gets what the server says to anything, each statement recorded before it ran', async () => {
    const db = await gateway.open('approver');
    const both: any = await db.query('create temp table t (a int); insert into t values (1), (2)');
    assert.equal(both[1].rowCount, 2);
    await db.query("set search_path = public; select 'secret@example.com' /* why */");
    const wrong = await outcome(db.query('selec 1'));
    assert.equal(wrong.message, 'syntax error at or near "selec"');
    const bound = await db.query({ name: 'one', text: 'select $1::int + 1 as n', values: [41] });
    assert.equal(bound.rows[0].n, 42);
    const records = await bodies();
    const texts = records.map((body) => body.text);
    assert.ok(texts.includes("set search_path = public; select '•••'"), texts.join('\n'));
    assert.ok(texts.includes('selec •••'));
    assert.ok(texts.includes("select $1::int + 1 as n\n-- $1 = '41'"));
    assert.ok(records.every((body) => body.unrestricted === true));
    assert.deepEqual(records[0].rules, ['all']);
    await eventually('outcomes', async () => (await bodies('outcome')).length === records.length);
    const outcomes = await bodies('outcome');
    assert.ok(outcomes.some((body) => body.code === '42601'));
    assert.ok(outcomes.some((body) => body.tags.join() === 'CREATE TABLE,INSERT 0 2'));
    await db.end();
    await gateway.verify();
  });

  void test('a value that a detector knows does not get into the record', async () => {
    const db = await gateway.open('approver');
    await db.query("select 'ann@example.com'");
    await db.query('select $1::text', ['bob@example.com']);
    await db.query("do $$ begin perform 'carl@example.com'; end $$");
    const texts = (await bodies()).map((body) => body.text).join('\n');
    assert.ok(!texts.includes('@example.com'), texts);
    await db.end();
  });

  void test('may set what the gateway else pins', async () => {
    const options = '-c debug_print_plan=on -c standard_conforming_strings=off';
    const db = await gateway.open('approver', { options });
    const { rows } = await db.query(
      "select current_setting('debug_print_plan') as p, current_setting('standard_conforming_strings') as s",
    );
    assert.deepEqual(rows, [{ p: 'on', s: 'off' }]);
    await db.end();
  });

  void test('loses the session once a rule could limit it, with what was open', async () => {
    const db = await gateway.open('approver');
    const idle = await gateway.open('approver');
    const gone = new Promise<any>((resolve) => void idle.once('error', resolve));
    await db.query('begin');
    await db.query("update customers set name = 'never'");
    const ended = new Promise<any>((resolve) => void db.once('error', resolve));
    const more = '\n@id("no") forbid (principal, action == Action::"delete", resource);';
    await writeFile(join(gateway.config.policies, 'shop.cedar'), ALL + more);
    await gateway.running.reload();
    assert.equal((await ended).code, '57P01');
    assert.equal((await gone).code, '57P01');
    const { rows } = await gateway.targetSql.query("select 1 from customers where name = 'never'");
    assert.deepEqual(rows, []);
    const judged = await gateway.open('approver');
    const denied = await outcome(judged.query('delete from customers'));
    assert.match(denied.message, /rule no forbids/);
    const replication = await outcome(
      gateway.open('approver', { replication: 'database' } as object),
    );
    assert.match(replication.message, /replication connections do not go through/);
    await judged.end();
  });
});
