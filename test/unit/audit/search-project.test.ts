import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { forgetProjection, searchLag } from '#src/audit/search/project.ts';
import { shared } from '#src/audit/shared.ts';
import type { Effect, Resource } from '#src/statement/effect.ts';
import { writeEffects } from '#src/statement/recorded.ts';
import { eventually } from '../../fakes/gateway.ts';
import { SearchWorld, statement } from './search-world.ts';

const table = (name: string): Resource => ({ type: 'Table', path: ['shop', 'public', name] });

describe('what is searched', () => {
  let world: SearchWorld;
  before(async () => {
    world = await SearchWorld.start();
  });
  after(() => world[Symbol.asyncDispose]());

  const countRows = async (): Promise<number> =>
    (await world.store.db.pool.query('select count(*)::int as n from countersign.search_record'))
      .rows[0].n;

  test('a statement is one row with its verdict, decision and outcome', async () => {
    const effects: readonly Effect[] = [
      {
        class: 'delete',
        accesses: [{ action: 'delete', resource: table('orders') }],
        columns: [],
        bounded: true,
        words: '',
      },
    ];
    const names = shared(writeEffects(effects)) ?? assert.fail('too long');
    const held = statement('ada', "delete from orders where card = '[card]'", {
      verdict: 'hold',
      request: randomUUID(),
      said: {
        class: ['delete'],
        effects: names.digest,
        masked: { 'shop/public/customers/ssn': 'null' },
        rules: ['writes'],
      },
      shared: [names],
    });
    const about = { ...held, verdict: undefined, shared: undefined, body: {} };
    const { verdict: _, shared: __, ...of } = about;
    const [id] = await world.write(
      held,
      {
        ...of,
        kind: 'decision',
        person: 'bo@example.com',
        body: { decision: 'approve', reason: 'fine' },
      },
      { ...of, kind: 'claim', verdict: 'approved' },
      { ...of, kind: 'outcome', body: { ok: true, rows: 3, durationMs: 12.5, tags: ['DELETE 3'] } },
    );
    await world.project();
    const [found, ...more] = await world.find('kind:statement "from orders"');
    assert.deepEqual(more, []);
    const { record, decidedAt, waitedMs, index: __2, ...rest } = found ?? assert.fail('not found');
    assert.equal(record.id, id);
    assert.ok((waitedMs ?? -1) >= 0 && decidedAt);
    assert.deepEqual(rest, {
      verdicts: ['approved', 'hold'],
      decision: 'approved',
      decidedBy: ['bo@example.com'],
      effects: ['delete'],
      tables: ['public.orders'],
      masked: ['card', 'null', 'public.customers.ssn'],
      rows: 3,
      durationMs: 12.5,
    });
    for (const q of [
      'verdict:held decision:approved decided-by:bo effect:delete table:orders masked:card',
      'table:public.orders masked:ssn masked:customers.ssn masked:null',
      'rows:3 rows:>2 rows:1..3 duration:<1s -rows:>3 waited:>=0ms',
      'person:ada@example.com target:sh* -target:dev* before:2099-01-01',
      `statement:${held.statement} request:${held.request} session:${held.session}`,
    ])
      assert.deepEqual(await world.ids(`kind:statement ${q}`), [id], q);
    for (const q of [
      'decided-by:ada',
      'table:order',
      'masked:email',
      '-verdict:held',
      'error:*',
      'after:2098-01-01',
    ])
      assert.deepEqual(await world.ids(`kind:statement ${q}`), [], q);
    // The decision is an act of its own, of whoever made it.
    assert.equal((await world.find('kind:decision person:bo decision:approved fine')).length, 1);
  });

  test('in whatever order its records come, and however often, the row is the same', async () => {
    const late = statement('cy', 'update late set a = 1');
    const { verdict: _, ...of } = late;
    const outcome = {
      ...of,
      kind: 'outcome' as const,
      body: { ok: false, code: '23505', rows: 0 },
    };
    await world.write(outcome);
    await world.project();
    assert.equal((await world.find('cy late')).length, 0);
    const [id] = await world.write(late);
    await world.project();
    assert.deepEqual(await world.ids('person:cy error:23505'), [id]);
    const rows = await countRows();
    await world.store.db.pool.query('update countersign.search_cursor set index = 0');
    await world.project();
    assert.equal(await countRows(), rows);
    assert.deepEqual(await world.ids('person:cy error:23*'), [id]);
    assert.equal(
      (await world.search.counts({ terms: [], from: 0, to: Date.now() + 1, usual: undefined }, {}))
        .total,
      rows,
    );
  });

  test('it goes on where it was, however it was stopped, and two of them do no harm', async () => {
    const running = [world.running(), world.running()];
    const ids = await world.write(
      ...Array.from({ length: 20 }, (_, n) => statement('dee', `select ${n}`)),
    );
    await running.shift()?.close();
    const more = await world.write(
      ...Array.from({ length: 20 }, (_, n) => statement('dee', `select ${n}`)),
    );
    running.push(world.running());
    after(() => Promise.all(running.map((one) => one.close())));
    await eventually(
      'all of them',
      async () => (await world.find('person:dee')).length === 40 || undefined,
    );
    await Promise.all(running.map((one) => one.close()));
    assert.deepEqual(await world.ids('person:dee'), [...ids, ...more].toReversed());
    assert.deepEqual(world.errors, []);
  });

  test('what came back is found, as far as it was recorded', async () => {
    const asked = statement('eve', 'select * from customers');
    const chunk = {
      kind: 'recording' as const,
      ...(asked.session && { session: asked.session }),
      body: { chunk: 0 },
    };
    const [id] = await world.write(asked, chunk);
    const s = asked.statement;
    const readChunk = () =>
      Promise.resolve([
        { t: 1, k: 'columns' as const, s, names: ['id', 'city'] },
        { t: 2, k: 'row' as const, s, cells: ['1', 'Coimbra', null] },
        { t: 3, k: 'row' as const, s, cells: ['2', 'x'.repeat(50_000)] },
        { t: 4, k: 'notice' as const, s, severity: 'NOTICE', code: '00000', message: 'too late' },
        { t: 5, k: 'gap' as const, reason: 'lost' as const },
      ]);
    await world.project({ readChunk });
    assert.deepEqual(await world.ids('coimbra'), [id]);
    assert.deepEqual(await world.ids('-coimbra person:eve'), []);
    assert.deepEqual(await world.ids('"too late"'), []);
    const { rows } = await world.store.db.pool.query(
      'select length(output) as n from countersign.search_record where id = $1',
      [id],
    );
    assert.equal(rows[0].n, 16_384);
  });

  test('what cannot be read stops nothing for ever, and is said once', async () => {
    const ids = await world.write(
      statement('fay', 'select \0 one'),
      statement('fay', 'x'.repeat(100_000)),
    );
    await world.project();
    assert.deepEqual(await world.ids('person:fay'), ids.toReversed());
  });

  test('a rebuild finds the same', async () => {
    const known = await world.ids('');
    await forgetProjection(world.store.db);
    assert.equal((await world.find('')).length, 0);
    assert.ok((await searchLag(world.store.db)) > 0);
    await world.project();
    assert.deepEqual(await world.ids(''), known);
  });
});
