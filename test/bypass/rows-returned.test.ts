import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { TestGateway } from '../fakes/gateway.ts';
import {
  B,
  C,
  codes,
  E,
  F,
  type Heard,
  P,
  Q,
  type RawClient,
  run,
  S,
  told,
} from '../fakes/raw-client.ts';
import { count, fill, raw as talking, startRows, statusOf } from './rows-world.ts';

const RULES = `
  @id("at-most-five") @rows("5")
  permit (principal in Group::"engineering", action in [Action::"read", Action::"reveal"], resource in Target::"shop");
  @id("id-is-hidden") @mask("hash")
  forbid (principal, action == Action::"reveal", resource == Column::"shop/public/two/v");
`;
const rowsIn = (heard: readonly Heard[]): number =>
  heard.filter(({ name }) => name === 'dataRow').length;

describe('a limit on the rows that a statement returns', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startRows(RULES);
  });
  after(() => gateway.stop());
  beforeEach(() => fill(gateway));
  const raw = <T>(use: (client: RawClient) => Promise<T>): Promise<T> => talking(gateway, use);

  const MANY: Readonly<Record<string, string>> = {
    'a plain query': 'select * from few',
    'an endless one': 'select a.id from few a, few b, few c, few d, generate_series(1, 1000000)',
    'one of several': 'select * from few limit 5; select * from few; select 1',
    'a set operation': 'table few union all table few',
    VALUES: 'select * from (values (1), (2), (3), (4), (5), (6)) v, (select from few limit 1) f',
  };
  for (const [name, sql] of Object.entries(MANY)) {
    test(`${name}: the rows within it come, then an error`, async () => {
      await raw(async (client) => {
        const heard = await client.ask(Q(sql));
        assert.deepEqual(codes(heard), ['54000'], told(heard));
        assert.match(told(heard), /at-most-five/);
        assert.equal(rowsIn(heard), sql.includes(';') ? 10 : 5);
        assert.equal(statusOf(heard), 'I');
        assert.equal(rowsIn(await client.ask(Q('select * from few where id < 4'))), 3);
      });
    });

    test(`${name}: a transaction fails with it, in both protocols`, async () => {
      await raw(async (client) => {
        for (const send of sql.includes(';')
          ? [Q(sql)]
          : [Q(sql), Buffer.concat([run(sql), S()])]) {
          // oxlint-disable-next-line no-await-in-loop
          await client.ask(Q('begin'));
          // oxlint-disable-next-line no-await-in-loop
          const heard = await client.ask(send);
          assert.deepEqual([codes(heard), statusOf(heard)], [['54000'], 'E'], told(heard));
          // oxlint-disable-next-line no-await-in-loop
          assert.match(told(await client.ask(Q('commit'))), /ROLLBACK/);
        }
      });
    });
  }

  test('a portal is counted over all the times that it is executed', async () => {
    await raw(async (client) => {
      const heard = await client.ask(
        P('select id from few'),
        B({ portal: 'p' }),
        ...Array.from({ length: 10 }, () => E({ portal: 'p', rows: 1 })),
        S(),
      );
      assert.deepEqual(codes(heard), ['54000']);
      assert.equal(rowsIn(heard), 5);
      // Over several Syncs of a transaction, and with Flush between.
      await client.ask(Q('begin'));
      await client.ask(
        P('select id from few'),
        B({ portal: 'q' }),
        E({ portal: 'q', rows: 3 }),
        S(),
      );
      client.send(E({ portal: 'q', rows: 2 }), F());
      assert.equal(rowsIn(await client.until('portalSuspended')), 2);
      const last = await client.ask(E({ portal: 'q', rows: 1 }), S());
      assert.deepEqual([codes(last), rowsIn(last)], [['54000'], 0]);
    });
  });

  const cursors: Readonly<Record<string, readonly string[]>> = {
    'FETCH by FETCH': ['fetch 2 c', 'fetch 3 c', 'fetch 1 c'],
    'FETCH ALL': ['fetch all c'],
    'back and forth': ['fetch 3 c', 'fetch backward 2 c', 'fetch 3 c'],
    'with MOVE between': ['fetch 5 c', 'move 3 c', 'fetch 1 c'],
    'relative and absolute': [
      'fetch absolute 7 c',
      'fetch relative 2 c',
      'fetch first c',
      'fetch last c',
      'fetch prior c',
      'fetch next c',
    ],
    'in one string': ['fetch 3 c; fetch 3 c'],
  };
  for (const [name, fetches] of Object.entries(cursors))
    test(`a cursor is counted over its life: ${name}`, async () => {
      await raw(async (client) => {
        await client.ask(Q('begin'));
        assert.deepEqual(
          codes(await client.ask(Q('declare c scroll cursor for select * from few'))),
          [],
        );
        let rows = 0;
        const seen: string[] = [];
        for (const fetch of fetches) {
          // oxlint-disable-next-line no-await-in-loop
          const heard = await client.ask(Q(fetch));
          rows += rowsIn(heard);
          seen.push(...codes(heard));
        }
        assert.deepEqual(seen, ['54000']);
        assert.equal(rows, 5);
      });
    });

  test('two cursors, and one after the other under one name, are counted each', async () => {
    await raw(async (client) => {
      await client.ask(Q('begin'));
      for (const name of ['a', 'b', 'b']) {
        // oxlint-disable-next-line no-await-in-loop
        await client.ask(Q(`declare ${name} cursor for select * from few`));
        // oxlint-disable-next-line no-await-in-loop
        const heard = await client.ask(Q(`fetch 5 ${name}`));
        assert.deepEqual([codes(heard), rowsIn(heard)], [[], 5]);
        // oxlint-disable-next-line no-await-in-loop
        if (name === 'b') await client.ask(Q('close b'));
      }
      // Closed by message, and a portal in its place.
      await client.ask(C('P', 'a'), P('select * from few'), B({ portal: 'a' }), S());
      const heard = await client.ask(E({ portal: 'a' }), S());
      assert.equal(rowsIn(heard), 5);
      assert.deepEqual(codes(heard), ['54000']);
    });
  });

  test('EXECUTE is counted', async () => {
    await raw(async (client) => {
      await client.ask(Q('prepare p as select * from few'));
      const heard = await client.ask(Q('execute p'));
      assert.deepEqual([codes(heard), rowsIn(heard)], [['54000'], 5]);
    });
  });

  test('a write that returns too many is undone with them', async () => {
    const sql = 'update few set v = 9 returning id';
    await raw(async (client) => {
      for (const send of [
        Q(sql),
        Buffer.concat([run(sql), S()]),
        Q('with u as (update few set v = 9 returning id) select * from u'),
      ]) {
        // oxlint-disable-next-line no-await-in-loop
        const heard = await client.ask(send);
        assert.deepEqual([codes(heard), statusOf(heard)], [['54000'], 'I'], told(heard));
        assert.ok(rowsIn(heard) <= 5);
      }
    });
    assert.equal(await count(gateway, 'few where v <> 0'), 0);
  });

  test('masks hold beside it', async () => {
    await gateway.targetSql.query(
      'insert into two select n, 1000 + n from generate_series(1, 9) n',
    );
    await raw(async (client) => {
      await client.ask(Q('begin; declare c cursor for select v from two'));
      for (const sent of [
        Q('fetch all c'),
        Q('select v from two'),
        Buffer.concat([run('select v from two'), S()]),
      ]) {
        // oxlint-disable-next-line no-await-in-loop
        await client.ask(Q('savepoint s'));
        // oxlint-disable-next-line no-await-in-loop
        const heard = await client.ask(sent);
        assert.equal(rowsIn(heard), 5);
        assert.doesNotMatch(told(heard), /100\d/);
        // oxlint-disable-next-line no-await-in-loop
        await client.ask(Q('rollback to s'));
      }
    });
  });
});
