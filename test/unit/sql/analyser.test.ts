import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Part, PreparedText } from '#src/statement/sql/analysis.ts';
import { type Analyser, openAnalyser } from '#gateway/postgres/analyser.ts';
import { StatementCache } from '#gateway/postgres/analyser/cache.ts';
import { type TestTarget, brief, isRuled, nothingNamed, startTarget } from './target.ts';

describe('the analyser of a target', () => {
  let target: TestTarget;
  before(async () => {
    target = await startTarget();
  });
  after(() => target.close());

  it('reads names by the search path of the session', async () => {
    assert.equal(
      brief(await target.analyse('delete from orders', { path: 'other, public' })),
      'delete delete other.orders ! unbounded',
    );
    assert.equal(
      brief(await target.analyse('select id from other.orders', { path: '""' })),
      'select read other.orders -> other.orders.id=',
    );
    assert.match(
      brief(await target.analyse('select id from orders', { path: '' })),
      /^refused not-resolved 42P01/,
    );
    assert.equal(
      brief(await target.analyse('truncate orders', { path: 'nowhere, other' })),
      'truncate delete other.orders ! unbounded',
    );
  });

  it('refuses a path through a schema that only the target role may look into', async () => {
    const { refused } = await target.analyse('select id from orders', { path: 'closed, public' });
    assert.equal(refused?.rule, 'countersign/not-resolved');
    assert.match(refused?.message ?? '', /USAGE on the schema closed/);
  });

  it('says where RowDescription must come from', async () => {
    const [part] = (
      await target.analyse('select id, ssn || 1, mail from customers join contacts using (id)')
    ).parts;
    const origins = part?.effect.outputs?.map(({ origin }) => (origin[0] > 0 ? origin[1] : 0));
    assert.deepEqual(origins, [1, 0, 3]);
  });

  it('gives parameter types as the target resolved them, and takes those of a Parse', async () => {
    const sql = 'select name from customers where id = $1 and name = $2';
    assert.deepEqual((await target.analyse(sql)).parameterTypes, [23, 25]);
    assert.deepEqual((await target.analyse(sql, { types: [20, 0] })).parameterTypes, [20, 25]);
    assert.match(
      brief(await target.analyse('select get_ssn($1)', { types: [16] })),
      /^refused not-resolved 42883/,
    );
  });

  it('judges EXECUTE with the types that were prepared, and FETCH by its cursor', async () => {
    const prepared = new Map<string, PreparedText>([
      ['sql', 'prepare sql (int) as update orders set total = $1 where id = $1'],
      ['wire', { text: 'select get_ssn($1)', types: [23] }],
      ['loop', 'execute sql(1)'],
    ]);
    const [declared] = (await target.analyse('declare c cursor for select ssn from customers'))
      .parts;
    const cursors = new Map<string, Part>(declared ? [['c', declared]] : []);
    const named = { prepared, cursors };
    assert.equal(
      brief(await target.analyse('execute sql(7)', { named })),
      'update read orders, write orders | filter orders.id, assign orders.total',
    );
    assert.equal(
      brief(await target.analyse('execute wire(7)', { named })),
      'select execute get_ssn -> - ! opaque ruled',
    );
    assert.match(brief(await target.analyse('execute loop', { named })), /^refused not-resolved/);
    assert.equal(
      brief(await target.analyse('fetch all from c', { named })),
      'fetch read customers -> customers.ssn= ! ruled',
    );
    assert.match(brief(await target.analyse('fetch all from c')), /^refused not-resolved 34000/);
  });

  it('sees DDL that others ran, at the latest with a fresh look', async () => {
    await target.sql('create table later (id int, note text)');
    assert.equal(
      brief(await target.analyse('select note from later')),
      'select read later -> later.note=',
    );
    const old = await target.analyse('select note from later', { fresh: true });
    await target.sql('alter table later rename note to remark');
    const renamed = await target.analyse('select * from later', { fresh: true });
    assert.equal(brief(renamed), 'select read later -> later.id=, later.remark=');
    assert.notEqual(renamed.definitions, old.definitions);
  });

  it('looks again before it answers from memory after a pause', async ({ mock }) => {
    await target.sql('create table pausing (id int, note text)');
    const sql = 'select note from pausing';
    await target.analyse(sql, { fresh: true });
    await target.analyse(sql);
    await target.sql('alter table pausing rename note to remark');
    const now = performance.now.bind(performance);
    mock.method(performance, 'now', () => now() + 3000);
    assert.match(brief(await target.analyse(sql)), /^refused not-resolved 42703/);
  });

  it('binds the definition of a view, of a function and of a trigger', async () => {
    const change = async (sql: string, ddl: string): Promise<void> => {
      const old = await target.analyse(sql, { fresh: true });
      assert.equal((await target.analyse(sql, { fresh: true })).definitions, old.definitions);
      await target.sql(ddl);
      assert.notEqual((await target.analyse(sql, { fresh: true })).definitions, old.definitions);
    };
    await target.sql('create view short as select id, name from customers');
    await change(
      'select name from short',
      'create or replace view short as select id, upper(name) as name from customers',
    );
    await target.sql(`create function twice(i int) returns int language sql as 'select 2 * i'`);
    await change(
      'select twice(1)',
      `create or replace function twice(i int) returns int language sql as 'select 3 * i'`,
    );
    await change(
      'insert into other.orders values (1)',
      'create trigger t before insert on other.orders for each row execute function loud()',
    );
  });

  it('answers from memory until something changes', async () => {
    const sql = 'select name from customers where id = 5';
    const first = await target.analyse(sql);
    assert.equal(await target.analyse(sql), first);
    assert.notEqual(await target.analyse(sql, { path: 'public' }), first);
    assert.notEqual(await target.analyse(sql, { fresh: true }), first);
    target.analyser.bumpEpoch();
    assert.notEqual(await target.analyse(sql), first);
  });

  it('refuses what another transaction has locked, without waiting for long', async () => {
    const holder = await target.session();
    try {
      await holder.query('begin; lock table payments in access exclusive mode');
      const { refused } = await target.analyse('select 1 from payments where id = 77');
      assert.equal(refused?.code, '55P03');
    } finally {
      await holder.end();
    }
  });

  it('judges many statements at once under different paths', async () => {
    const all = Array.from({ length: 40 }, (_, index) =>
      target.analyse(`select id + ${index} from orders`, {
        path: index % 2 === 0 ? 'public' : 'other',
      }),
    );
    const found = (await Promise.all(all)).map((analysis) => brief(analysis));
    assert.deepEqual(
      new Set(found),
      new Set(['select read orders -> orders.id', 'select read other.orders -> other.orders.id']),
    );
  });

  it('leaves no trace of a statement in the log of the target', async () => {
    await target.analyse(`select 'needle-in-the-log' from customers`);
    await target.analyse(`select needle_in_the_log from customers`);
    assert.doesNotMatch(await target.log(), /needle/);
  });

  it('follows chains of references without doing the work twice', async () => {
    const steps = Array.from(
      { length: 40 },
      (_, n) => `c${n + 1} as (select a.x || b.x as x from c${n} a, c${n} b)`,
    );
    const sql = `with c0 as (select ssn as x from customers), ${steps.join(', ')} select x from c40`;
    assert.equal(
      brief(await target.analyse(sql)),
      'select read customers -> customers.ssn ! ruled',
    );
  });

  it('judges a large insert, in a worker', async () => {
    const rows = Array.from({ length: 3000 }, (_, index) => `(${index}, 'name ${index}')`);
    const analysis = await target.analyse(
      `insert into customers (id, name) values ${rows.join(', ')}`,
    );
    assert.equal(
      brief(analysis),
      'insert write customers | assign customers.id, assign customers.name ! ruled',
    );
    assert.match(analysis.masker(isRuled)().text, /\(2999, 'name 2999'\)$/);
  });

  it('refuses everything when the target cannot be asked', async () => {
    const errors: Error[] = [];
    const lost: Analyser = openAnalyser({ ...target.config, port: 1 }, 'shop', {
      onError: (error) => errors.push(error),
    });
    const { refused } = await lost.analyse(
      'select 1',
      { searchPath: 'public', user: 'app' },
      nothingNamed,
      {},
    );
    assert.equal(refused?.rule, 'countersign/analyser');
    assert.equal(errors.length, 1);
    await assert.rejects(lost.ready());
    await lost.close();
  });
});

describe('the cache of judged statements', () => {
  it('forgets the oldest, and keeps what is used', () => {
    const cache = new StatementCache<number>();
    for (let index = 0; index < 10_000; index += 1) {
      cache.set('settings', `statement ${index}`, index);
      assert.equal(cache.get('settings', 'statement 0'), 0);
    }
    assert.equal(cache.get('settings', 'statement 5'), undefined);
    assert.equal(cache.get('settings', 'statement 9999'), 9999);
    assert.equal(cache.get('others', 'statement 9999'), undefined);
    cache.clear();
    assert.equal(cache.get('settings', 'statement 9999'), undefined);
  });

  it('forgets by length, and over all settings', () => {
    const long = 'x'.repeat(16_000);
    for (const settings of [() => 'settings', (index: number) => `settings ${index}`]) {
      const cache = new StatementCache<number>();
      for (let index = 0; index < 100; index += 1) cache.set(settings(index), long + index, index);
      assert.equal(cache.get(settings(0), `${long}0`), undefined);
      assert.equal(cache.get(settings(99), `${long}99`), 99);
    }
  });

  it('keeps no text that is very long', () => {
    const cache = new StatementCache<number>();
    cache.set('settings', 'x'.repeat(100_000), 1);
    assert.equal(cache.get('settings', 'x'.repeat(100_000)), undefined);
  });
});
