import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RecordingEvent } from '#src/recording/port.ts';
import { all, aSession, eventually, noise, startWorld, type World } from './world.ts';

const kinds = (events: readonly RecordingEvent[]): string[] => events.map(({ k }) => k);
const gaps = (events: readonly RecordingEvent[]) =>
  events.flatMap((event) => (event.k === 'gap' ? [event] : []));

for (const kind of ['postgres', 'folder'] as const)
  describe(`recordings in ${kind}`, () => {
    let world: World;
    before(async () => {
      world = await startWorld(kind);
    });
    after(() => world.close());

    const record = async (rows: number, text = 'ann') => {
      const session = aSession();
      const recording = world.recordings.open(session);
      const id = session.id;
      recording.statement({ id, text: 'select name from people', verdict: 'allow' });
      recording.columns(id, ['name']);
      for (let i = 0; i < rows; i += 1) recording.row(id, [text, null]);
      recording.end(id, { tag: `SELECT ${rows}`, rows, durationMs: 1 });
      await recording.close();
      return session;
    };

    test('what was recorded is read again in order', async () => {
      const session = await record(2);
      const events = await all(world.recordings.readRecording(session.id));
      assert.deepEqual(kinds(events), ['statement', 'columns', 'row', 'row', 'end']);
      assert.deepEqual(events[2], { ...events[2], k: 'row', s: session.id, cells: ['ann', null] });
      assert.deepEqual(await world.recordings.readChunk(session.id, 0), events);
      const info = await world.recordings.info(session.id);
      assert.equal(info?.state, 'closed');
      assert.equal(info?.events, 5);
      assert.deepEqual(info?.startedAt, session.startedAt);
    });

    test('a large recording has several chunks, each with its digest in the log', async () => {
      const session = await record(300, noise(10_000));
      const numbers = await world.chunks.list(session.id);
      assert.ok(numbers.length >= 3, `${numbers.length} chunks`);
      const { rows } = await world.store.db.pool.query(
        `select (body::jsonb->'body'->>'chunk')::int as chunk, body::jsonb->'body' as body
         from countersign.record_body where session = $1 and kind = 'recording' order by at`,
        [session.id],
      );
      assert.deepEqual(
        rows.slice(0, -1).map(({ chunk }) => chunk),
        numbers,
      );
      assert.deepEqual(rows.at(-1).body, { chunks: numbers.length, ended: true });
      assert.equal((await all(world.recordings.readRecording(session.id))).length, 303);
    });

    test('a chunk that was removed, changed or moved is a gap, and the others are read', async () => {
      const session = await record(300, noise(10_000));
      const [one, two] = [
        await world.chunks.get(session.id, 0),
        await world.chunks.get(session.id, 1),
      ];
      assert.ok(one && two);
      await world.chunks.put(session.id, 1, one);
      const moved = await all(world.recordings.readRecording(session.id));
      assert.deepEqual(
        gaps(moved).map(({ reason, chunk }) => [reason, chunk]),
        [['changed', 1]],
      );
      assert.ok(moved.length > 100);
      const flipped = Buffer.from(two);
      flipped[50] = (flipped[50] ?? 0) ^ 4;
      await world.chunks.put(session.id, 1, flipped);
      assert.equal(
        gaps(await all(world.recordings.readRecording(session.id)))[0]?.reason,
        'changed',
      );
      await world.chunks.remove(session.id);
      const gone = gaps(await all(world.recordings.readRecording(session.id)));
      assert.ok(gone.length >= 3 && gone.every(({ reason }) => reason === 'missing'));
    });

    test('once the key is destroyed nothing can be read, and the log still says what there was', async () => {
      const session = await record(3);
      const sealed = await world.chunks.get(session.id, 0);
      await world.recordings.erase(session.id);
      assert.deepEqual(await world.chunks.list(session.id), []);
      // Somebody has kept a copy of the chunk.
      assert.ok(sealed);
      await world.chunks.put(session.id, 0, sealed);
      assert.deepEqual(await all(world.recordings.readRecording(session.id)), [
        { t: 0, k: 'gap', reason: 'erased' },
      ]);
      assert.equal((await world.recordings.info(session.id))?.state, 'erased');
    });

    test('what detectors find does not come into a chunk', async () => {
      const session = aSession();
      const recording = world.recordings.open(session);
      recording.columns(session.id, ['card', 'password', 'n']);
      recording.row(session.id, ['4111 1111 1111 1111', 'hunter22', '7']);
      recording.error(session.id, {
        severity: 'ERROR',
        code: 'P0001',
        message: 'not ann@example.org',
      });
      await recording.close();
      const text = JSON.stringify(await all(world.recordings.readRecording(session.id)));
      for (const secret of ['4111', 'hunter22', 'ann@'])
        assert.equal(text.includes(secret), false, secret);
      assert.ok(text.includes('[card]') && text.includes('[password]') && text.includes('"7"'));
    });
  });

describe('a recording whose process died', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.close());

  test('loses at most what was not sealed, and says so', async () => {
    const session = aSession();
    const recording = world.recordings.open(session);
    for (let i = 0; i < 150; i += 1) recording.row(session.id, [noise(10_000)]);
    await eventually('a chunk', async () => (await world.chunks.list(session.id)).length > 0);
    // It was stored, and the process died before its record was written.
    await world.chunks.put(
      session.id,
      1,
      (await world.chunks.get(session.id, 0)) ?? Buffer.alloc(0),
    );
    await world.store.db.pool.query(
      "update countersign.gateway set epoch = 2, recovered = 1 where name = 'one'",
    );
    await world.reopen({ gateway: 'one', epoch: 2 });
    const info = await eventually('recovery', async () => {
      const found = await world.recordings.info(session.id);
      return found?.state === 'lost' ? found : undefined;
    });
    assert.ok(info.endedAt);
    const events = await all(world.recordings.readRecording(session.id));
    assert.ok(events.filter(({ k }) => k === 'row').length >= 100);
    assert.deepEqual(events.at(-1), { ...events.at(-1), k: 'gap', reason: 'lost' });
    const { rows } = await world.store.db.pool.query(
      `select body::jsonb->'body' as body from countersign.record_body where session = $1 order by at`,
      [session.id],
    );
    assert.equal(rows.at(-1).body.lost, true);
    assert.equal(rows.at(-2).body.late, true);
  });

  test('a gateway with another key cannot read it, and does not say that it is erased', async () => {
    const session = aSession();
    const recording = world.recordings.open(session);
    recording.row(session.id, ['x']);
    await recording.close();
    const other = await world.reopen({ gateway: 'two', epoch: 1 }, `${world.folder}/other`);
    assert.deepEqual(await all(other.readRecording(session.id)), [
      { t: 0, k: 'gap', reason: 'locked' },
    ]);
  });
});
