import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { TestGateway } from '../fakes/gateway.ts';
import { codes, Q, run, S, told } from '../fakes/raw-client.ts';
import { copyRows, count, fill, raw, startRows, statusOf } from './rows-world.ts';

const RULES = `
  @id("at-most-three") @rows("3")
  permit (principal in Group::"engineering", action == Action::"write", resource in Target::"shop");
`;

describe('COPY FROM STDIN under a limit on the rows that are changed', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startRows(RULES);
  });
  after(() => gateway.stop());
  beforeEach(() => fill(gateway));

  const CASES = [
    [3, [], 23],
    [4, ['54000'], 20],
  ] as const;
  for (const [rows, expected, left] of CASES) {
    test(`${rows} rows, in a simple query`, async () => {
      await raw(gateway, async (client) => {
        client.send(Q('copy few from stdin'));
        await client.until('copyInResponse');
        client.send(copyRows(rows));
        const heard = await client.until('readyForQuery');
        assert.deepEqual([codes(heard), statusOf(heard)], [expected, 'I'], told(heard));
      });
      assert.equal(await count(gateway, 'few'), left);
    });

    test(`${rows} rows, in a pipeline with a Sync that the target ignores, as drivers send it`, async () => {
      await raw(gateway, async (client) => {
        client.send(run('copy few from stdin'), S());
        await client.until('copyInResponse');
        client.send(copyRows(rows), S());
        const heard = await client.until('readyForQuery');
        assert.deepEqual([codes(heard), statusOf(heard)], [expected, 'I'], told(heard));
        assert.deepEqual(codes(await client.ask(run('select 1'), S())), []);
      });
      assert.equal(await count(gateway, 'few'), left);
    });

    test(`${rows} rows, in a pipeline that waits for nothing`, async () => {
      await raw(gateway, async (client) => {
        const heard = await client.ask(run('copy few from stdin'), copyRows(rows), S());
        assert.deepEqual([codes(heard), statusOf(heard)], [expected, 'I'], told(heard));
      });
      assert.equal(await count(gateway, 'few'), left);
    });

    test(`${rows} rows, in a transaction`, async () => {
      await raw(gateway, async (client) => {
        await client.ask(Q('begin'));
        client.send(Q('copy few from stdin'));
        await client.until('copyInResponse');
        client.send(copyRows(rows));
        const heard = await client.until('readyForQuery');
        assert.equal(statusOf(heard), rows > 3 ? 'E' : 'T');
        await client.ask(Q('commit'));
      });
      assert.equal(await count(gateway, 'few'), left);
    });
  }
});
