import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { TOKEN_EXCHANGE } from '#gateway/oauth/token-exchange.ts';
import { startBearerWorld, type BearerWorld } from '../fakes/bearer-world.ts';
import { eventually } from '../fakes/gateway.ts';
import { codes, RawClient } from '../fakes/raw-client.ts';
import { send, vote } from './held.ts';

const TYPE = 'urn:ietf:params:oauth:token-type:access_token';

let world: BearerWorld;
before(async () => {
  const demo = await readFile(new URL('../../cli/demo/shop.cedar', import.meta.url), 'utf8');
  // The demo forbids agents to write; here they may ask.
  const onlyRules = demo.replace(/@id\("agents-only-read"\)[^;]*;/, '');
  assert.notEqual(onlyRules, demo);
  world = await startBearerWorld({}, { onlyRules });
});
after(() => world?.stop());

/** A session of the agent for this person. */
async function agentOf(who: string): Promise<RawClient> {
  const { body } = await world.grant(TOKEN_EXCHANGE, {
    subject_token: await world.gateway.token(who),
    subject_token_type: TYPE,
    actor_token: await world.actor(),
    actor_token_type: TYPE,
  });
  return RawClient.connect(world.gateway, who, body.access_token);
}

test('what an agent has held names both, and its person does not approve it', async () => {
  const { gateway } = world;
  const client = await agentOf('approver');
  const text = "update orders set status = 'agent' where id = 1";
  const id = await send(gateway, client, text);
  const { body } = await gateway.api('approver2', `/requests/${id}`);
  assert.deepEqual(
    [body.card.person.email, body.card.agent],
    ['approver@example.com', 'assistant'],
  );
  const own = await vote(gateway, 'approver', id);
  assert.equal(own.body.code, 'own-request');
  assert.equal((await vote(gateway, 'approver2', id)).status, 200);
  assert.deepEqual(codes(await client.until('readyForQuery')), []);
  assert.ok((await gateway.ranOnTarget()).includes(text));
  const kinds = await eventually('the outcome', async () => {
    const records = (await gateway.records()).filter((record) => record.request === id);
    return records.some(({ kind }) => kind === 'outcome') ? records : undefined;
  });
  // Those about the person's own acts; a vote is its voter's.
  for (const record of kinds.filter(({ person }) => person === 'approver@example.com'))
    if (record.json.body.event !== 'vote-refused')
      assert.equal(record.agent, 'assistant', `${record.kind} ${JSON.stringify(record.json.body)}`);
  for (const kind of ['statement', 'claim', 'outcome'])
    assert.ok(
      kinds.some((record) => record.kind === kind && record.agent === 'assistant'),
      kind,
    );
  client.end();
});

test('an agent that was revoked in the middle takes what waits along', async () => {
  const { gateway } = world;
  const client = await agentOf('engineer');
  const text = "update orders set status = 'gone' where id = 2";
  const id = await send(gateway, client, text);
  const { tokens } = gateway.running;
  const acting = (await tokens.list('engineer@example.com')).find(({ agent }) => agent);
  await tokens.revoke(acting?.id ?? '');
  await client.until('closed');
  assert.equal((await gateway.api('approver', `/requests/${id}`)).body.state, 'abandoned');
  assert.ok(!(await gateway.ranOnTarget()).includes(text));
});
