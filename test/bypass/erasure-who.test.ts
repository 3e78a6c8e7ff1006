import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { idOf, timeOf, whoActs } from '#cli/audit/eraser.ts';
import { type Eraser, openEraser } from '../fakes/erasure.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';

describe('who may erase, and hold, from the command line', () => {
  let gateway: TestGateway;
  let eraser: Eraser;
  before(async () => {
    gateway = await startGateway();
    const { postgres } = gateway.config.store;
    eraser = await openEraser(postgres === 'embedded' ? '' : postgres.url);
  });
  after(async () => {
    await eraser.close();
    await gateway.stop();
  });

  const asks = (token: string | undefined) =>
    whoActs(
      gateway.config,
      { db: eraser.owner, audit: eraser.audit },
      undefined,
      token === undefined ? {} : { token },
    );

  test('a member of security whose token may decide', async () => {
    assert.equal(await asks(await gateway.token('security', 'decide')), 'security@example.com');
  });

  test('nobody else, and no other token', async () => {
    const none = /not a live token, with the scope decide, of a member of security/;
    for (const who of ['engineer', 'approver', 'oncall', 'stranger'])
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await assert.rejects(asks(await gateway.token(who, 'decide')), none, who);
    await assert.rejects(asks(await gateway.token('security', 'connect')), none);
    const { token, info } = await gateway.running.tokens.issue(
      'security@example.com',
      ['decide'],
      'agent',
      60_000,
      {
        agent: 'copilot',
      },
    );
    await assert.rejects(asks(token), none, 'an agent');
    const own = await gateway.running.tokens.issue('security@example.com', ['decide'], 'x', 60_000);
    await gateway.running.tokens.revoke(own.info.id);
    await assert.rejects(asks(own.token), none, 'revoked');
    await assert.rejects(asks('cs_made_up'), none);
    await assert.rejects(asks(undefined), /who acts\?/);
    assert.ok(info.agent);
  });

  test('times and ids that are none are refused before anything is looked for', () => {
    assert.equal(timeOf('2026-01-31', 'before'), '2026-01-31T00:00:00.000Z');
    assert.equal(timeOf('2026-01-31T10:00:00+02:00', 'before'), '2026-01-31T08:00:00.000Z');
    for (const text of ['yesterday', '2026-13-01', '400d', '2026-01-31; drop table record', ''])
      assert.throws(() => timeOf(text, 'before'), /is not a time/, text);
    assert.throws(() => idOf("x' or true", 'record'), /is not an id/);
  });
});
