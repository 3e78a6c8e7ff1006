import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openVault } from '#src/identity/vault.ts';
import { storeInFolder } from '#src/recording/chunk-store.ts';
import type { RecordingEvent } from '#src/recording/port.ts';
import { Reader } from '#src/recording/reader.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { eventually } from '../fakes/gateway.ts';
import { Q, RawClient } from '../fakes/raw-client.ts';
import { Killable } from './process.ts';

let child: Killable;
let folder: string;
let db: Database;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-recordings-'));
  child = await Killable.start({ config: { recordings: { folder } } });
  const { postgres } = child.gateway.config.store;
  assert.ok(postgres !== 'embedded');
  db = openDatabase(postgres.url, { max: 2, onError: () => undefined });
});
after(async () => {
  await db?.close();
  await child?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What is being written beside has another name. */
const sealed = async (session: string): Promise<string[]> => {
  const names = await readdir(join(folder, session)).catch(() => []);
  return names.filter((name) => name.endsWith('.chunk'));
};

test('killed in the middle of a session: what was sealed is read, and that the end is lost is said in the log', async () => {
  const client = await RawClient.connect(child.gateway);
  // More than a chunk, so that one is sealed while the session goes on.
  for (let i = 0; i < 3; i += 1)
    await client.ask(Q(`select n, repeat('plain ' || n, 100) as v from generate_series(1, 900) n`));
  const session = await eventually('a recording', async () => {
    const { rows } = await child.gateway.storeSql.query(
      'select session from countersign.recording',
    );
    return rows[0] && String(rows[0].session);
  });
  await eventually('a sealed chunk', async () => (await sealed(session)).length > 0);
  await child.kill();
  await child.start();
  const row = await eventually('the end of the recording', async () => {
    const { rows } = await child.gateway.storeSql.query(
      'select lost, ended_at from countersign.recording where session = $1',
      [session],
    );
    return rows[0]?.ended_at ? rows[0] : undefined;
  });
  assert.equal(row.lost, true);
  const records = await child.gateway.records('recording');
  const last = records.filter((record) => record.session === session).at(-1).json.body;
  assert.deepEqual([last.lost, last.chunks], [true, (await sealed(session)).length]);

  const vault = await openVault(child.gateway.config.dataDir);
  const events: RecordingEvent[] = [];
  for await (const event of new Reader({ db, chunks: storeInFolder(folder), vault }).read(session))
    events.push(event);
  assert.ok(events.filter(({ k }) => k === 'row').length > 900);
  const gaps = events.flatMap((event) => (event.k === 'gap' ? [event.reason] : []));
  assert.deepEqual(gaps, ['lost']);
  const [name = ''] = await sealed(session);
  assert.equal((await readFile(join(folder, session, name))).includes('plain'), false);
  await child.gateway.verify();
});
