import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startBeside } from '../fakes/beside.ts';
import { eventually, type TestGateway } from '../fakes/gateway.ts';
import { checkLedger, keepLedger } from '../conformance/ledger.ts';
import { approve, approved, query, runsAlone, SHAPE_RULES, startShapes } from './shape-world.ts';

let gateway: TestGateway;
let count = 0;
/** A statement like no other before it, for any row. */
const fresh = (): ((id: number) => string) => {
  count += 1;
  const text = `s${count}`;
  return (id) => `update orders set status = '${text}' where id = ${id}`;
};
before(async () => {
  gateway = await startShapes();
  await keepLedger(gateway);
});
after(() => gateway?.stop());

const rules = async (text: string): Promise<void> => {
  await writeFile(join(gateway.config.policies, 'shop.cedar'), text);
  await gateway.running.reload();
};

const revoke = async (who: string, id: string): Promise<number> => {
  const response = await fetch(`${gateway.running.api}/requests/${id}/shape`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${await gateway.token(who, 'decide')}` },
  });
  return response.status;
};

test('each later run is a record of its own that names the approval, and the ledger agrees', async () => {
  const client = await gateway.open();
  const sql = fresh();
  const request = await approved(gateway, client, sql(1));
  assert.deepEqual(request.shape.approvers, ['approver@example.com']);
  assert.equal(request.decisions[0].shape, true);
  assert.equal(await runsAlone(gateway, client, sql(2)), true);
  const found = (await gateway.records('statement')).filter(
    (row) => row.json.body.approval === request.id,
  );
  assert.equal(found.length, 1);
  assert.equal(found[0].verdict, 'approved');
  assert.deepEqual(found[0].json.body.rules, ['shapes']);
  assert.equal(found[0].json.body.text, sql(2));
  const decided = (await gateway.records('decision')).find((row) => row.request === request.id);
  assert.equal(decided.json.body.shape, true);
  assert.equal(decided.json.body.shapeMs, 1_800_000);
  await client.end();
  await checkLedger(gateway);
});

test('an approval without the shape lets nothing run again', async () => {
  const client = await gateway.open();
  const sql = fresh();
  const request = await approved(gateway, client, sql(1), {});
  assert.equal(request.shape, undefined);
  assert.equal(await runsAlone(gateway, client, sql(1)), false);
  await client.end();
});

test('another person, and another session of the same one', async () => {
  const client = await gateway.open();
  const sql = fresh();
  await approved(gateway, client, sql(1));
  await client.end();
  const again = await gateway.open();
  assert.equal(await runsAlone(gateway, again, sql(2)), true);
  await again.end();
  const other = await gateway.open('oncall');
  assert.equal(await runsAlone(gateway, other, sql(2)), false);
  await other.end();
});

test('other settings, another place for the same name', async () => {
  const client = await gateway.open();
  const text = `p${(count += 1)}`;
  const sql = (id: number): string =>
    `update pairs set text = '${text}' where tenant = 1 and id = ${id}`;
  await approved(gateway, client, sql(1));
  for (const setting of [
    `set search_path = other, public`,
    `set search_path = public, other`,
    `set datestyle = 'German'`,
    `set timezone = 'Asia/Tokyo'`,
  ]) {
    await client.query(setting);
    assert.equal(await runsAlone(gateway, client, sql(2)), false, setting);
    await client.query('reset all');
  }
  assert.equal(await runsAlone(gateway, client, sql(2)), true);
  await client.end();
});

const word = (): string => `update words set n = ${(count += 1)} + 0 where word = 'w1'`;

test('a changed definition, a dropped key', async () => {
  const client = await gateway.open();
  const first = word();
  await approved(gateway, client, first);
  assert.equal(await runsAlone(gateway, client, first.replace('w1', 'w2')), true);
  await gateway.targetSql.query('alter table words drop constraint words_pkey');
  assert.equal(await runsAlone(gateway, client, first.replace('w1', 'w2')), false);
  await gateway.targetSql.query('alter table words add primary key (word)');
  const second = word();
  await approved(gateway, client, second);
  await gateway.targetSql.query('alter table words add column more int');
  assert.equal(await runsAlone(gateway, client, second), false);
  await client.end();
});

test('it ends with its time, by the clock of the store', async () => {
  const client = await gateway.open();
  const sql = fresh();
  const { id } = await approved(gateway, client, sql(1));
  assert.equal(await runsAlone(gateway, client, sql(2)), true);
  await gateway.storeSql.query(
    `update countersign.shape set ends_at = clock_timestamp() - interval '1 ms' where request = $1`,
    [id],
  );
  assert.equal(await runsAlone(gateway, client, sql(2)), false);
  assert.equal(await revoke('approver', id), 409);
  await client.end();
});

test('what never ran leaves nothing that can run', async () => {
  const client = await gateway.open();
  const sql = fresh();
  const answer = query(client, sql(1));
  const { id } = await gateway.pending();
  await client.end();
  await answer;
  await eventually('the end of its request', async () => {
    const { body } = await gateway.api('approver', `/requests/${id}`);
    return body.state !== 'pending';
  });
  assert.notEqual(await approve(gateway, id), 200);
  const again = await gateway.open();
  const { id: first } = await approved(gateway, again, sql(1));
  await gateway.storeSql.query(`update countersign.request set state = 'abandoned' where id = $1`, [
    first,
  ]);
  assert.equal(await runsAlone(gateway, again, sql(1)), false);
  await again.end();
});

for (const who of ['approver', 'approver2', 'security', 'engineer'])
  test(`${who} revokes it`, async () => {
    const client = await gateway.open();
    const sql = fresh();
    const { id } = await approved(gateway, client, sql(1));
    assert.equal(await revoke(who, id), 200);
    assert.equal(await runsAlone(gateway, client, sql(1)), false);
    const { body } = await gateway.api('approver', `/requests/${id}`);
    assert.equal(body.shape.revokedBy, `${who}@example.com`);
    const record = (await gateway.records('request')).find(
      (row) => row.request === id && row.json.body.event === 'shape-revoked',
    );
    assert.equal(record.person, `${who}@example.com`);
    await client.end();
  });

test('who has nothing to do with it does not revoke it', async () => {
  const client = await gateway.open();
  const sql = fresh();
  const { id } = await approved(gateway, client, sql(1));
  assert.equal(await revoke('stranger', id), 404);
  assert.equal(await revoke('oncall', id), 403);
  assert.equal(await runsAlone(gateway, client, sql(2)), true);
  await client.end();
});

for (const gone of ['approver', 'engineer'])
  test(`it ends when ${gone} is deactivated, before this gateway has heard of it`, async () => {
    const client = await gateway.open();
    const sql = fresh();
    await approved(gateway, client, sql(1));
    await gateway.storeSql.query(
      `insert into countersign.person (email, name, state, valid_until) values ($1, 'x', 'deactivated', now())`,
      [`${gone}@example.com`],
    );
    try {
      let done = false;
      const answer = query(client, sql(2)).then(() => (done = true));
      await eventually('an answer or a hold', async () => {
        const { rowCount } = await gateway.storeSql.query(
          `select from countersign.request where state = 'pending'`,
        );
        return done || rowCount === 1 || undefined;
      });
      await client.end().catch(() => undefined);
      await answer;
      assert.ok(!(await gateway.ranOnTarget()).includes(sql(2)));
    } finally {
      await gateway.storeSql.query('delete from countersign.person');
    }
  });

test('an approver who is in the group no more counts no more', async () => {
  const client = await gateway.open();
  const sql = fresh();
  const { id } = await approved(gateway, client, sql(1));
  await gateway.storeSql.query(
    `update countersign.shape set approvers = '{oncall@example.com}' where request = $1`,
    [id],
  );
  assert.equal(await runsAlone(gateway, client, sql(2)), false);
  await client.end();
});

test('rules that change what is asked end it; rules that do not, do not', async () => {
  const client = await gateway.open();
  const sql = fresh();
  await approved(gateway, client, sql(1));
  try {
    await rules(`${SHAPE_RULES}
      @id("elsewhere") forbid (principal, action == Action::"write", resource == Table::"shop/public/strict") when { context.hour > 24 };`);
    assert.equal(await runsAlone(gateway, client, sql(2)), true);
    for (const change of [
      SHAPE_RULES.replace('@id("shapes") @hold("dba") @shape("30m")', '@id("shapes") @hold("dba")'),
      SHAPE_RULES.replace(
        '@id("shapes") @hold("dba") @shape("30m")',
        '@id("shapes") @hold("dba") @shape("5m")',
      ),
      SHAPE_RULES.replace('@id("shapes") @hold("dba")', '@id("shapes") @hold("security")'),
      SHAPE_RULES.replace('@id("shapes") @hold("dba")', '@id("shapes") @quorum("2") @hold("dba")'),
      SHAPE_RULES.replace('@id("shapes")', '@id("renamed")'),
      `${SHAPE_RULES} @id("also") @hold("dba") @shape("30m") forbid (principal, action == Action::"write", resource == Table::"shop/public/orders");`,
    ]) {
      await rules(change);
      assert.equal(await runsAlone(gateway, client, sql(2)), false, change);
    }
  } finally {
    await rules(SHAPE_RULES);
  }
  assert.equal(await runsAlone(gateway, client, sql(2)), true);
  await client.end();
});

test('a quorum approves the shape only as a whole', async () => {
  const client = await gateway.open();
  const votes = async (first: object, second: object): Promise<any> => {
    count += 1;
    const { rows } = await gateway.storeSql.query('select id from countersign.request');
    const answer = query(client, `update twice set n = ${count} where id = 1`);
    const { id } = await gateway.pending(rows.map((row) => row.id));
    assert.equal(await approve(gateway, id, 'approver', first), 200);
    assert.equal(await approve(gateway, id, 'approver', first), 409);
    assert.equal(await approve(gateway, id, 'approver2', second), 200);
    await answer;
    return (await gateway.api('approver', `/requests/${id}`)).body;
  };
  const shape = { shape: true };
  assert.equal((await votes(shape, {})).shape, undefined);
  assert.equal(
    await runsAlone(gateway, client, `update twice set n = ${count} where id = 2`),
    false,
  );
  assert.equal((await votes({}, shape)).shape, undefined);
  assert.deepEqual((await votes(shape, shape)).shape.approvers.toSorted(), [
    'approver2@example.com',
    'approver@example.com',
  ]);
  assert.equal(
    await runsAlone(gateway, client, `update twice set n = ${count} where id = 2`),
    true,
  );
  await client.end();
});

test('nobody approves their own shape', async () => {
  const client = await gateway.open('approver');
  const sql = fresh();
  const answer = query(client, sql(1));
  const { id } = await gateway.pending();
  assert.equal(await approve(gateway, id, 'approver'), 403);
  assert.equal(await approve(gateway, id, 'approver2'), 200);
  await answer;
  await client.end();
});

test('approved here, it runs there; revoked there, it does not run here', async () => {
  const there = await startBeside(gateway, 'there');
  try {
    const client = await gateway.open();
    const sql = fresh();
    const { id } = await approved(gateway, client, sql(1));
    const other = await gateway.open('engineer', { port: there.running.postgres.port });
    assert.equal(await runsAlone(gateway, other, sql(2)), true);
    const answer = await fetch(`${there.running.api}/requests/${id}/shape`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${await gateway.token('approver2', 'decide')}` },
    });
    assert.equal(answer.status, 200);
    assert.equal(await runsAlone(gateway, client, sql(2)), false);
    await client.end();
    await other.end();
  } finally {
    await there.running.stop();
  }
  await checkLedger(gateway);
});
