import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { actorOf, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeSlack } from '../fakes/slack.ts';

const MACHINE = 'deploy@machines.example.com';

let gateway: TestGateway;
let slack: FakeSlack;
let actor: ReturnType<typeof actorOf>;
before(async () => {
  slack = await startSlack();
  slack.users.set('UMACHINE', { email: MACHINE });
  slack.users.set('UAPPROVER', { email: 'approver@example.com' });
  const machine = {
    name: 'Deploy job',
    groups: ['engineering', 'dba'],
    issuer: 'https://platform.example.com',
    audience: 'https://countersign.example.com',
    claims: new Map([['sub', ['job']]]),
  };
  // In lower case the Kelvin sign is a small k.
  slack.users.set('UKELVIN', { email: '\u212Aim@example.com' });
  const people = new Map([
    ['engineer@example.com', { name: 'engineer', groups: ['engineering'] }],
    ['approver@example.com', { name: 'approver', groups: ['engineering', 'dba'] }],
    ['kim@example.com', { name: 'Kim', groups: ['engineering', 'dba'] }],
  ]);
  const port = await freePort();
  gateway = await startGateway({
    slack: slackConfig('http', slack, port),
    config: { people, identity: { ...NO_PROVIDERS, machines: new Map([[MACHINE, machine]]) } },
  });
  actor = actorOf('http', slack, () => `http://127.0.0.1:${port}`);
});
after(async () => {
  await gateway?.stop();
  await slack?.close();
});

for (const [user, whose, why] of [
  ['UMACHINE', 'the address of a machine', /machine/iu],
  ['UKELVIN', 'an address that only becomes somebody’s in lower case', /Say once who you are/u],
] as const)
  test(`a chat account with ${whose} approves and denies nothing`, () => refusedClick(user, why));

async function refusedClick(user: string, why: RegExp): Promise<void> {
  const client = await gateway.open();
  const sql = `update orders set status = '${user}' where id = 42`;
  const answer = outcome(client.query(sql));
  const { id } = await gateway.pending();
  const message = await slack.until(() =>
    slack.messages.find((one) => JSON.stringify(one.metadata ?? '').includes(id)),
  );
  await eventually('the stored card', async () => {
    const { rowCount } = await gateway.storeSql.query(
      'select from countersign.post where request = $1 and ts is not null',
      [id],
    );
    return rowCount === 1 || undefined;
  });
  await actor.click(user, 'approve', message);
  await slack.until(() => slack.ephemerals.find((one) => why.test(JSON.stringify(one))));
  assert.equal((await gateway.api('approver', `/requests/${id}`)).body.state, 'pending');
  await gateway.decide('deny');
  assert.equal((await answer).code, '42501');
  assert.ok(!(await gateway.ranOnTarget()).includes(sql));
}
