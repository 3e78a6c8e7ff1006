import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseOwners } from '#src/config/owners.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { RawClient } from '../fakes/raw-client.ts';
import { send, vote } from './held.ts';

const parsed = parseOwners('owners: [{ table: shop/public/customers, groups: security }]');
assert.ok('owners' in parsed);

const RULES = `
@id("all") permit (principal in Group::"engineering", action in [Action::"connect", Action::"read", Action::"write", Action::"filter", Action::"assign", Action::"reveal"], resource in Target::"shop");
@id("first") @hold("dba") @message("changes wait")
forbid (principal, action == Action::"write", resource == Table::"shop/public/orders");
@id("second") @hold("security") @stage("2")
forbid (principal, action == Action::"write", resource == Table::"shop/public/orders");
@id("owned") @hold("owner")
forbid (principal, action == Action::"write", resource in Target::"shop") unless { resource == Table::"shop/public/orders" };
@id("ssn") @mask("null")
forbid (principal, action == Action::"reveal", resource == Column::"shop/public/customers/ssn") unless { principal in Group::"security" };
`;

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway({ onlyRules: RULES, config: { owners: parsed.owners } });
});
after(() => gateway.stop());

const UPDATE = 'update orders set status = $$staged$$ where id = 1';
const until = () => new Date(Date.now() + 3_600_000).toISOString();
const away = (who: string, substitute: string) =>
  gateway.api(who, '/absences', { substitute: `${substitute}@example.com`, until: until() });

async function remove(who: string, id: string, use: 'connect' | 'decide' = 'decide') {
  const token = await gateway.token(who, use);
  const answer = await fetch(`${gateway.running.api}/absences/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${token}` },
  });
  return answer.status;
}

test('a held statement runs only after the stages in their order, and the second is not asked before', async () => {
  const client = await RawClient.connect(gateway, 'engineer');
  const id = await send(gateway, client, UPDATE);
  const early = await vote(gateway, 'security', id);
  assert.deepEqual([early.status, early.body.code], [409, 'not-your-turn']);
  assert.equal((await vote(gateway, 'approver', id)).body.state, 'pending');
  assert.ok(!(await gateway.ranOnTarget()).includes(UPDATE));
  const done = await vote(gateway, 'security', id);
  assert.equal(done.status, 200);
  await eventually('the statement', async () =>
    (await gateway.ranOnTarget()).includes(UPDATE) ? true : undefined,
  );
  client.end();
});

test('a substitute decides, under both names, and gets nothing else of who is away', async () => {
  const made = await away('security', 'approver2');
  assert.equal(made.status, 200, JSON.stringify(made.body));
  const client = await RawClient.connect(gateway, 'engineer');
  const text = "update customers set name = 'x' where id = 1";
  const id = await send(gateway, client, text);
  assert.equal((await vote(gateway, 'approver', id)).body.code, 'not-found', 'not even to be seen');
  const done = await vote(gateway, 'approver2', id);
  assert.equal(done.status, 200, JSON.stringify(done.body));
  assert.equal(done.body.decisions[0].standsFor, 'security@example.com');
  assert.deepEqual(done.body.requirement.groups, [
    { group: 'security', quorum: 1, owns: ['shop.public.customers'] },
  ]);
  await eventually('the statement', async () =>
    (await gateway.ranOnTarget()).includes(text) ? true : undefined,
  );
  client.end();
  // What members of security may do beside deciding.
  assert.equal((await gateway.api('approver2', '/tokens?person=engineer@example.com')).status, 404);
  const own = await gateway.open('approver2');
  const { rows } = await own.query('select ssn from customers where id = 1');
  assert.equal(rows[0].ssn, null);
  assert.equal(await remove('security', made.body.id), 200);
  const told = (await gateway.records('person')).map((one) => JSON.stringify(one));
  for (const event of ['away', 'back'])
    assert.ok(
      told.some((one) => one.includes(`"event":"${event}"`) && one.includes('approver2@')),
      event,
    );
});

test('what nobody owns is refused at once, and says why', async () => {
  const client = await gateway.open('engineer');
  await assert.rejects(
    client.query('insert into payments (id, order_id, amount) values (900, 1, 1)'),
    {
      message: /nobody owns shop\.public\.payments, so nobody could approve it/,
    },
  );
});

test('a token that may not decide hands nothing on, and ends nothing', async () => {
  const token = await gateway.token('approver', 'connect');
  const answer = await fetch(`${gateway.running.api}/absences`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ substitute: 'engineer@example.com', until: until() }),
  });
  assert.equal(answer.status, 403);
  const { body } = await away('approver', 'engineer');
  assert.equal(await remove('approver', body.id, 'connect'), 403);
  assert.equal(await remove('stranger', body.id), 404);
  assert.equal(await remove('oncall', body.id), 404, 'it is none of theirs');
  assert.equal(await remove('engineer', body.id), 200, 'a substitute may give it back');
  assert.equal((await gateway.api('approver', '/absences')).body.absences.length, 0);
});

test('times that cannot be, and people who are no colleagues, are refused with what is wrong', async () => {
  const past = await gateway.api('approver', '/absences', {
    substitute: 'engineer@example.com',
    until: new Date(Date.now() - 1_000).toISOString(),
  });
  assert.equal(past.status, 422);
  const long = await gateway.api('approver', '/absences', {
    substitute: 'engineer@example.com',
    until: new Date(Date.now() + 91 * 86_400_000).toISOString(),
  });
  assert.match(long.body.detail, /within 90 days/);
  for (const who of ['stranger', 'approver', 'nobody-at-all'])
    // oxlint-disable-next-line no-await-in-loop
    assert.equal((await away('approver', who)).status, 422, who);
});
