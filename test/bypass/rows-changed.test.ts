import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { eventually, outcome, type TestGateway } from '../fakes/gateway.ts';
import { B, codes, D, E, F, P, Q, type RawClient, run, S, told } from '../fakes/raw-client.ts';
import { count, fill, raw as talking, startRows, statusOf } from './rows-world.ts';

const RULES = `
  @id("at-most-three") @rows("3")
  permit (principal in Group::"engineering", action in [Action::"write", Action::"delete"], resource in Target::"shop");
`;

describe('a limit on the rows that a statement changes', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startRows(RULES);
  });
  after(() => gateway.stop());
  beforeEach(() => fill(gateway));

  const changed = (): Promise<number> => count(gateway, 'few where v <> 0');
  const all = (table = 'few'): Promise<number> => count(gateway, table);
  const raw = <T>(use: (client: RawClient) => Promise<T>): Promise<T> => talking(gateway, use);

  test('lets what keeps to it through, whatever it is', async () => {
    const client = await gateway.open();
    const tags: [string, number | null][] = [];
    for (const sql of [
      'update few set v = 1 where id <= 3',
      'delete from few where id <= 3',
      'insert into few values (1), (2), (3)',
      'insert into few values (1), (2), (30) on conflict (id) do update set v = 2',
      'merge into few using (values (1), (2)) x (id) on few.id = x.id when matched then update set v = 3',
      'update few set v = 4 where id <= 3 returning id',
      'select id from few for update',
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      const { command, rowCount } = await client.query(sql);
      tags.push([command, rowCount]);
    }
    assert.deepEqual(tags, [
      ['UPDATE', 3],
      ['DELETE', 3],
      ['INSERT', 3],
      ['INSERT', 3],
      ['MERGE', 2],
      ['UPDATE', 3],
      ['SELECT', 21],
    ]);
    assert.equal(await changed(), 3);
  });

  test('the answer of a simple query is what the target alone would answer', async () => {
    const heard = await raw((client) =>
      client.ask(Q('update few set v = 1 where id = 1 returning v')),
    );
    assert.deepEqual(
      heard.map((h) => h.name),
      ['rowDescription', 'dataRow', 'commandComplete', 'readyForQuery'],
    );
    assert.equal(statusOf(heard), 'I');
  });

  const TOO_MANY: Readonly<Record<string, string>> = {
    update: 'update few set v = 1',
    'update with RETURNING': 'update few set v = 1 returning id',
    delete: 'delete from few',
    insert: 'insert into few select n from generate_series(100, 103) n',
    'on conflict':
      'insert into few select n from generate_series(1, 4) n on conflict (id) do update set v = 1',
    merge:
      'merge into few using generate_series(1, 40) n on few.id = n when matched and n < 3 then update set v = 1 when matched then delete when not matched then insert values (n)',
    'two that keep to it, in one string':
      'update few set v = 1 where id <= 2; update few set v = 1 where id in (3, 4)',
    'one among others, in one string':
      'select 1; update few set v = 1; select 2; insert into two values (1)',
  };
  for (const [name, sql] of Object.entries(TOO_MANY)) {
    test(`${name}: undone in a simple query, and nothing of it is said`, async () => {
      const heard = await raw((client) => client.ask(Q(sql)));
      assert.deepEqual(codes(heard), ['54000'], told(heard));
      assert.match(told(heard), /at-most-three/);
      assert.equal(statusOf(heard), 'I');
      assert.deepEqual([await changed(), await all(), await all('two')], [0, 20, 0]);
    });

    test(`${name}: a transaction fails with it`, async () => {
      await raw(async (client) => {
        await client.ask(Q('begin'));
        const heard = await client.ask(Q(sql));
        assert.deepEqual(codes(heard), ['54000'], told(heard));
        assert.equal(statusOf(heard), 'E');
        assert.deepEqual(codes(await client.ask(Q('select 1'))), ['25P02']);
        const end = await client.ask(Q('commit'));
        assert.match(told(end), /ROLLBACK/);
      });
      assert.deepEqual([await changed(), await all(), await all('two')], [0, 20, 0]);
    });

    if (sql.includes(';')) continue;
    test(`${name}: undone in a pipeline with what came before and behind`, async () => {
      await raw(async (client) => {
        const heard = await client.ask(
          run('insert into two values (1)'),
          run(sql),
          run('insert into two values (2)'),
          S(),
        );
        assert.deepEqual(codes(heard), ['54000'], told(heard));
        assert.equal(statusOf(heard), 'I');
        assert.deepEqual(codes(await client.ask(run('select 1'), S())), []);
      });
      assert.deepEqual([await changed(), await all(), await all('two')], [0, 20, 0]);
    });

    test(`${name}: EXECUTE of a prepared statement is counted too`, async () => {
      await raw(async (client) => {
        assert.deepEqual(codes(await client.ask(Q(`prepare p as ${sql}`))), []);
        const heard = await client.ask(Q('execute p'));
        assert.deepEqual(codes(heard), ['54000'], told(heard));
      });
      assert.deepEqual([await changed(), await all()], [0, 20]);
    });
  }

  test('a savepoint takes it back, and the transaction goes on', async () => {
    await raw(async (client) => {
      await client.ask(Q('begin'));
      await client.ask(Q('update few set v = 1 where id = 1'));
      await client.ask(Q('savepoint a'));
      assert.equal(statusOf(await client.ask(Q('update few set v = 2'))), 'E');
      assert.equal(statusOf(await client.ask(Q('rollback to a'))), 'T');
      assert.equal(statusOf(await client.ask(Q('commit'))), 'I');
    });
    assert.equal(await changed(), 1);
  });

  test('COMMIT in the same string, or sent ahead, comes too late', async () => {
    await raw(async (client) => {
      const strings = ['begin; update few set v = 1; commit', 'update few set v = 1; commit'];
      for (const sql of strings) {
        // oxlint-disable-next-line no-await-in-loop
        const heard = await client.ask(Q(sql));
        assert.match(told(heard), /limited-control/);
      }
      await client.ask(Q('begin'));
      client.send(Q('update few set v = 1'), Q('commit'), Q('select 7'));
      const [update, commit, last] = [
        await client.until('readyForQuery'),
        await client.until('readyForQuery'),
        await client.until('readyForQuery'),
      ];
      assert.deepEqual(codes(update), ['54000']);
      assert.match(told(commit), /ROLLBACK/);
      assert.match(told(last), /7/);
    });
    assert.equal(await changed(), 0);
  });

  test('COMMIT in the same pipeline, and behind one Sync after another', async () => {
    await raw(async (client) => {
      client.send(
        run('begin'),
        run('update few set v = 1'),
        run('commit'),
        S(),
        run('commit'),
        S(),
      );
      const first = await client.until('readyForQuery');
      assert.deepEqual(codes(first), ['54000'], told(first));
      await client.until('readyForQuery');
      const procedure = await client.ask(run('update few set v = 1'), run('call commits()'), S());
      assert.ok(codes(procedure).length > 0);
    });
    assert.equal(await changed(), 0);
  });

  test('a simple query behind a pipeline without Sync commits nothing', async () => {
    await raw(async (client) => {
      const heard = await client.ask(run('update few set v = 1'), Q('commit'), S());
      assert.ok(codes(heard).includes('54000'), told(heard));
      assert.equal(statusOf(heard), 'I');
      const guarded = await client.ask(P('select 1'), B(), E(), Q('update few set v = 1'));
      assert.match(told(guarded), /limited-control/);
    });
    assert.equal(await changed(), 0);
  });

  test('pieces of a portal are not executed, and Flush shows no more than Sync', async () => {
    await raw(async (client) => {
      const pieces = await client.ask(
        P('update few set v = 1 returning id'),
        B(),
        E({ rows: 1 }),
        S(),
      );
      assert.match(told(pieces), /changes-uncounted/);
      client.send(run('update few set v = 1 returning id'), F());
      assert.deepEqual(codes(await client.until('error')), ['54000']);
      await client.ask(S());
      const described = await client.ask(P('delete from few'), B(), D('P'), E(), E(), S());
      assert.deepEqual(codes(described), ['54000']);
    });
    assert.equal(await changed(), 0);
    assert.equal(await all(), 20);
  });

  test('many statements that keep to it make a pipeline that keeps to it', async () => {
    await raw(async (client) => {
      const heard = await client.ask(
        ...[1, 2, 3, 4, 5, 6].map((n) => run(`update few set v = 1 where id = ${n}`)),
        S(),
      );
      assert.deepEqual(codes(heard), []);
      assert.equal(heard.filter((h) => h.name === 'commandComplete').length, 6);
    });
    assert.equal(await changed(), 6);
  });

  const UNCOUNTED: Readonly<Record<string, string>> = {
    'a data-modifying expression':
      'with a as (update few set v = 1 returning id) select count(*) from a',
    'two of them': 'with a as (delete from two returning id) update few set v = 1 where id = 1',
    'EXPLAIN ANALYZE': 'explain analyze update few set v = 1',
    TRUNCATE: 'truncate few',
    'a function that writes': 'insert into two select touch()',
    'COPY of a write': 'copy (update few set v = 1 returning id) to stdout',
  };
  for (const [name, sql] of Object.entries(UNCOUNTED))
    test(`${name} cannot be counted, and is refused`, async () => {
      const heard = await raw((client) => client.ask(Q(sql)));
      assert.match(told(heard), /changes-uncounted/);
      assert.equal(await changed(), 0);
      assert.equal(await all(), 20);
    });

  test('an error at the end undoes it, and the tag is not said', async () => {
    const heard = await raw((client) => client.ask(Q('insert into late values (1, 999)')));
    assert.deepEqual(codes(heard), ['23503']);
    assert.ok(!heard.some((h) => h.name === 'commandComplete'));
    assert.equal(statusOf(heard), 'I');
    assert.equal(await all('late'), 0);
  });

  test('an error of the statement itself ends the transaction of the gateway too', async () => {
    await raw(async (client) => {
      const heard = await client.ask(Q('insert into few values (1)'));
      assert.deepEqual([codes(heard), statusOf(heard)], [['23505'], 'I']);
      assert.equal(statusOf(await client.ask(Q('update few set v = 1 where id = 1'))), 'I');
    });
    assert.equal(await changed(), 1);
  });

  test("the gateway's own BEGIN and COMMIT are recorded, and what they framed too", async () => {
    const client = await gateway.open();
    await outcome(client.query('update few set v = 1 where id = 17'));
    await outcome(client.query('update few set v = 17'));
    // The client hears of the error before the rollback is through.
    const texts = await eventually('the rollback', async () => {
      const records = await gateway.records('statement');
      const session = records.findLast(
        ({ json }) => json.body.text === 'update few set v = 17',
      )?.session;
      const found: string[] = records
        .filter((record) => record.session === session)
        .map(({ json }) => json.body.text)
        .filter((text) => !text.includes('current_setting'));
      return found.includes('ROLLBACK') ? found : undefined;
    });
    // Two that are written in one millisecond have no order here.
    assert.deepEqual(texts.toSorted(), [
      'BEGIN',
      'BEGIN',
      'COMMIT',
      'ROLLBACK',
      'update few set v = 1 where id = 17',
      'update few set v = 17',
    ]);
    const outcomes = await eventually('the outcome', async () => {
      const found = await gateway.records('outcome');
      return found.some(({ json }) => json.body.code === '54000') ? found : undefined;
    });
    assert.ok(outcomes.length > 0);
    await gateway.verify();
  });

  test('a client that goes away before the end leaves nothing half done', async () => {
    for (let i = 0; i < 5; i += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await raw((client) => {
        client.send(Q('update few set v = 1'));
        return new Promise((resolve) => setTimeout(resolve, 3 * i));
      });
    }
    await eventually('quiet', async () => {
      const { rows } = await gateway.targetSql.query(
        "select 1 from pg_stat_activity where usename = 'gateway' and (state <> 'idle' or xact_start is not null)",
      );
      return rows.length === 0;
    });
    assert.equal(await changed(), 0);
  });

  test('a target that goes away between the tag and the end commits nothing', async () => {
    await gateway.targetSql.query(`
      create or replace function die() returns trigger language plpgsql as
        'begin perform pg_terminate_backend(pg_backend_pid()); return null; end';
      create constraint trigger dies after update on few deferrable initially deferred for each row execute function die()`);
    try {
      const heard = await raw((client) => client.ask(Q('update few set v = 1 where id = 1')));
      assert.ok(!heard.some((h) => h.name === 'commandComplete'), told(heard));
      assert.equal(await changed(), 0);
    } finally {
      await gateway.targetSql.query('drop trigger dies on few');
    }
  });
});
