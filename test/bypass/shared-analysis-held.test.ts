import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, type TestGateway } from '../fakes/gateway.ts';
import { heldWith, startEstimates } from './estimate-world.ts';

const RULES = `
@id("reads-wait") @hold("dba") @count("exact")
forbid (principal, action == Action::"read", resource == Table::"shop/public/pairs");`;

let gateway: TestGateway;
before(async () => {
  gateway = await startEstimates(RULES);
});
after(() => gateway?.stop());

async function held(sql: string): Promise<any> {
  const waiting = await heldWith(gateway, sql);
  await waiting.end();
  return waiting.request;
}

test('approvers see the rows and the text of the statement itself, not of one of its shape', async () => {
  const first = await held('select text from pairs where id = 1');
  assert.equal(first.rows.counted, 3, JSON.stringify(first.rows));
  const second = await held('select text from pairs where id = 99');
  assert.equal(second.rows.counted, 0, JSON.stringify(second.rows));
  assert.match(JSON.stringify(second), /id = 99/);
  assert.doesNotMatch(JSON.stringify(second), /id = 1\b/);
});

test('an approval runs the statement itself', async () => {
  await held('select tenant, id from pairs where id = 2');
  const waiting = await heldWith(gateway, 'select tenant, id from pairs where id = 3');
  const { request } = waiting;
  await gateway.api('approver', `/requests/${request.id}/decision`, {
    decision: 'approve',
    reason: 'yes',
  });
  const answer = await waiting.answer;
  assert.deepEqual(
    answer.rows,
    [1, 2, 3].map((tenant) => ({ tenant, id: 3 })),
  );
  await waiting.end().catch(() => undefined);
});

test('records hold the text of each, without the values that others may not read', async () => {
  const client = await gateway.open();
  for (const value of ['first', 'second', 'anna@example.org', 'third'])
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await client.query(`select n from hidden_keys where ssn = '${value}' and n = 5`);
  for (const id of [1, 2, 3])
    // oxlint-disable-next-line no-await-in-loop
    await client.query(`select mail from mails where n = ${id} and mail = 'm${id}'`);
  await client.end();
  const texts = await eventually('the records', async () => {
    const { rows } = await gateway.storeSql.query(
      `select body::jsonb -> 'body' ->> 'text' as text from countersign.record_body where kind = 'statement'
         and (body like '%hidden_keys%' or body like '%from mails%') order by at, id`,
    );
    return rows.length === 7 ? rows.map(({ text }) => String(text)) : undefined;
  });
  const hidden = texts.filter((text) => text.includes('hidden_keys'));
  assert.deepEqual(
    new Set(hidden),
    new Set(["select n from hidden_keys where ssn = '•••' and n = 5"]),
  );
  assert.deepEqual(
    texts.filter((text) => text.includes('mails')).toSorted(),
    [1, 2, 3].map((id) => `select mail from mails where n = ${id} and mail = 'm${id}'`),
  );
});
