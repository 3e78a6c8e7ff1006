import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { ChunkStore } from '#src/recording/port.ts';
import { all, aSession, eventually, noise, startWorld, type World } from './world.ts';

describe('a store that does not take chunks', () => {
  let world: World | undefined;
  after(() => world?.close());

  test('stops no session and takes no more than 4 MiB of it; what was dropped is told', async () => {
    const gate = Promise.withResolvers<void>();
    let down = true;
    const slow = (chunks: ChunkStore): ChunkStore => ({
      ...chunks,
      async put(session, chunk, sealed) {
        if (down) {
          down = false;
          throw new Error('the disk is full');
        }
        await gate.promise;
        await chunks.put(session, chunk, sealed);
      },
    });
    world = await startWorld('postgres', slow);
    const session = aSession();
    const recording = world.recordings.open(session);
    const row = [noise(100_000)];
    for (let i = 0; i < 100; i += 1) recording.row(session.id, row);
    gate.resolve();
    await eventually(
      'a chunk',
      async () => ((await world?.chunks.list(session.id)) ?? []).length >= 3,
    );
    recording.row(session.id, ['after']);
    await recording.close();
    const events = await all(world.recordings.readRecording(session.id));
    const rows = events.filter(({ k }) => k === 'row').length;
    const dropped = events.flatMap((event) => (event.k === 'gap' ? [event.count ?? 0] : []));
    assert.equal(rows + dropped.reduce((sum, count) => sum + count, 0), 101);
    assert.ok(rows <= 43 && rows >= 38, `${rows} rows`);
    assert.equal(
      events.some((event) => event.k === 'row' && event.cells[0] === 'after'),
      true,
    );
  });

  test('is waited for by `close` only so long', async () => {
    const dead = await startWorld('postgres', (chunks) => ({
      ...chunks,
      put: () => Promise.reject(new Error('the disk is full')),
    }));
    after(() => dead.close());
    const session = aSession();
    dead.recordings.open(session).row(session.id, ['a']);
    await dead.recordings.close();
    const { rows } = await dead.store.db.pool.query(
      `select body::jsonb->'body' as body from countersign.record_body where session = $1`,
      [session.id],
    );
    assert.deepEqual(rows.at(-1)?.body, { chunks: 1, dropped: 1, ended: true });
  });
});

describe('a live view', () => {
  test('shows what is stored, what waits and what comes, cleaned, and ends with the session', async () => {
    const world = await startWorld();
    after(() => world.close());
    const session = aSession();
    const recording = world.recordings.open(session);
    for (let i = 0; i < 150; i += 1) recording.row(session.id, [`${i} ${noise(10_000)}`]);
    await eventually('a chunk', async () => (await world.chunks.list(session.id)).length > 0);
    const seen: string[] = [];
    const stop = new AbortController();
    const following = (async () => {
      for await (const event of world.recordings.follow(session.id, stop.signal))
        seen.push(event.k === 'row' ? (event.cells[0]?.slice(0, 20) ?? '') : event.k);
    })();
    await eventually('what there is', () => seen.length >= 150);
    recording.row(session.id, ['mail ann@example.org']);
    await eventually('what comes', () => seen.length >= 151);
    assert.equal(seen.at(-1), 'mail [email]');
    assert.deepEqual(
      seen.slice(0, 150).map((text) => Number(text.split(' ')[0])),
      Array.from({ length: 150 }, (_, i) => i),
    );
    await recording.close();
    await following;
  });
});
