import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

const ALL = '@id("all") permit (principal in Group::"dba", action, resource);';

void describe('a person whom no rule limits', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ onlyRules: ALL });
  });
  after(() => gateway.stop());

  const texts = async (kind = 'statement'): Promise<any[]> =>
    (await gateway.records(kind)).map((row) => row.json);

  void test('gets what the server says to anything, each statement recorded before it ran', async () => {
    const db = await gateway.open('approver');
    const set = await db.query(
      "create temp table t (a int); set search_path = public; insert into t values (1), (2); select sum(a) from t where 'secret@example.com' <> ''",
    );
    assert.equal((set as any)[3].rows[0].sum, '3');
    const wrong = await outcome(db.query('selec 1'));
    assert.equal(wrong.message, 'syntax error at or near "selec"');
    const bound = await db.query({ name: 'one', text: 'select $1::int + 1 as n', values: [41] });
    assert.equal(bound.rows[0].n, 42);
    const records = await texts();
    const all = records.map((json) => json.text);
    assert.ok(all.some((text: string) => text.includes("'[email]'") && text.startsWith('create temp')));
    assert.ok(all.includes('selec 1'));
    assert.ok(all.includes("select $1::int + 1 as n\n-- $1 = '41'"));
    assert.ok(records.every((json) => json.unrestricted === true));
    await eventually('outcomes', async () => (await texts('outcome')).length === records.length);
    const outcomes = await texts('outcome');
    assert.ok(outcomes.some((json) => json.code === '42601'));
    assert.ok(outcomes.some((json) => json.tags.join() === 'CREATE TABLE,SET,INSERT 0 2,SELECT 1'));
    await db.end();
    await gateway.verify();
  });
});
