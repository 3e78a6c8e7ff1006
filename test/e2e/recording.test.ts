import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RecordingEvent } from '#src/recording/port.ts';
import { outcome } from '../fakes/gateway.ts';
import { startRecorded, type World } from '../bypass/recordings-world.ts';

type Of<K extends RecordingEvent['k']> = Extract<RecordingEvent, { k: K }>;
const only = <K extends RecordingEvent['k']>(events: readonly RecordingEvent[], kind: K) =>
  events.filter((event): event is Of<K> => event.k === kind);

/** node-postgres then asks for every result in binary. */
const BINARY: object = { binary: true };

describe('the recording of a session', () => {
  let world: World;
  before(async () => {
    world = await startRecorded();
  });
  after(() => world.stop());

  const run = async (who: string, ...statements: readonly string[]) => {
    const client = await world.gateway.open(who);
    for (const statement of statements) await outcome(client.query(statement));
    await client.end();
    return world.recorded(who);
  };

  test('has each statement with its verdict, what came back, and how it ended', async () => {
    const events = await run(
      'engineer',
      'select id, v from brief where id = 1',
      'select 1 as a; select 2 as b, null as c',
      'select 1/0',
      'select * from nowhere',
      'drop table brief',
    );
    const shape = events.map(({ k }) => k).join(' ');
    assert.equal(
      shape,
      'statement columns row end statement columns row end columns row end statement error statement error statement error',
    );
    const [first, second, , , refused] = only(events, 'statement');
    assert.equal(first?.verdict, 'allow');
    assert.equal(first?.text, 'select id, v from brief where id = 1');
    assert.equal(refused?.verdict, 'deny');
    const rows = only(events, 'row');
    assert.deepEqual(
      rows.map(({ cells }) => cells),
      [['1', 'brief1'], ['1'], ['2', null]],
    );
    assert.equal(rows[0]?.s, first?.id);
    assert.equal(rows[1]?.s, second?.id);
    assert.deepEqual(
      only(events, 'end').map(({ tag, rows: n }) => [tag, n]),
      [
        ['SELECT 1', 1],
        ['SELECT 1', 1],
        ['SELECT 1', 1],
      ],
    );
    const errors = only(events, 'error');
    assert.equal(errors[0]?.code, '22012');
    assert.equal(errors[0]?.message, 'division by zero');
    assert.equal(errors[2]?.s, refused?.id);
    assert.ok(errors.every(({ s }) => s !== undefined));
  });

  test('keeps the first 1,000 rows of a result, and counts and digests the rest', async () => {
    const events = await run('engineer', 'select * from lots');
    assert.equal(only(events, 'row').length, 1_000);
    assert.deepEqual(only(events, 'row')[999]?.cells[0], '1000');
    const [rest] = only(events, 'rest');
    assert.equal(rest?.rows, 29_000);
    assert.ok((rest?.bytes ?? 0) > 29_000 * 100);
    assert.match(rest?.digest ?? '', /^[0-9a-f]{56}$/);
    assert.deepEqual(only(events, 'end')[0]?.rows, 30_000);
  });

  test('does not keep a row that is larger than what may be kept', async () => {
    const events = await run('engineer', 'select * from wide', 'select count(*) from wide');
    assert.equal(only(events, 'row').length, 1);
    const [rest] = only(events, 'rest');
    assert.equal(rest?.rows, 1);
    assert.ok((rest?.bytes ?? 0) > 3_000_000);
  });

  test('heeds what permits say of it', async () => {
    const events = await run('engineer', 'select * from brief', 'select * from silent');
    assert.deepEqual(
      only(events, 'row').map(({ cells }) => cells),
      [
        ['1', 'brief1'],
        ['2', 'brief2'],
      ],
    );
    const [brief, silent] = only(events, 'rest');
    assert.equal(brief?.rows, 8);
    assert.deepEqual([silent?.rows, silent?.digest], [10, undefined]);
  });

  test('reads binary cells', async () => {
    const client = await world.gateway.open('engineer', BINARY);
    await client.query('select * from kinds where i < $1', [0]);
    await client.end();
    const [row] = only(await world.recorded('engineer'), 'row');
    assert.deepEqual(row?.cells.slice(0, 11), [
      'true',
      '-7',
      '9000000000',
      '1.5',
      '-12345.0670',
      'text',
      '11111111-2222-3333-4444-555555555555',
      '{"a": 1}',
      '2026-11-21',
      '2026-11-21 12:00:00.000+00',
      '\\x00ff',
    ]);
    assert.match(row?.cells[11] ?? '', /^\\x[0-9a-f]+$/);
  });

  test('tells of a hold, and of the approval behind which it ran', async () => {
    const client = await world.gateway.open('engineer');
    const held = client.query('delete from brief where id = 9');
    await world.gateway.decide('approve');
    await held;
    await client.end();
    const events = await world.recorded('engineer');
    const statements = only(events, 'statement');
    assert.deepEqual(
      statements.map(({ verdict }) => verdict),
      ['hold', 'approved'],
    );
    assert.equal(statements[0]?.id, statements[1]?.id);
    assert.match(only(events, 'notice')[0]?.message ?? '', /countersign/);
    assert.equal(only(events, 'notice')[0]?.s, statements[0]?.id);
    assert.equal(only(events, 'end')[0]?.tag, 'DELETE 1');
  });

  test('can be read over the API by the person and by who may, and each look is a record', async () => {
    await run('engineer', 'select id from brief where id = 3');
    const { rows } = await world.gateway.storeSql.query(
      "select session from countersign.recording where person = 'engineer@example.com' order by started_at desc limit 1",
    );
    const session: string = rows[0].session;
    const ask = async (who: string): Promise<Response> =>
      fetch(`${world.gateway.running.api}/sessions/${session}/recording`, {
        headers: { authorization: `Bearer ${await world.gateway.token(who)}` },
      });
    const own = await ask('engineer');
    assert.equal(own.status, 200);
    const lines = (await own.text()).trim().split('\n');
    assert.ok(lines.some((line) => line.includes('"k":"row"') && line.includes('"3"')));
    assert.equal((await ask('security')).status, 200);
    assert.equal((await ask('stranger')).status, 404);
    const looks = await world.gateway.records('look');
    const people = looks.filter((look) => look.session === session).map(({ person }) => person);
    assert.ok(people.includes('security@example.com'));
    await world.gateway.verify();
  });
});
