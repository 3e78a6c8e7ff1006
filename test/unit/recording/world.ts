import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { openVault } from '#src/identity/vault.ts';
import { storeInFolder, storeInPostgres } from '#src/recording/chunk-store.ts';
import type {
  ChunkStore,
  RecordedSession,
  RecordingEvent,
  Recordings,
} from '#src/recording/port.ts';
import { openRecordings } from '#src/recording/recordings.ts';
import { startStore, type TestStore } from '../store/store.ts';

export type World = {
  readonly store: TestStore;
  readonly audit: OpenAuditLog;
  readonly recordings: Recordings;
  readonly chunks: ChunkStore;
  readonly folder: string;
  readonly errors: unknown[];
  /** Another process of this gateway's name, or of another's. */
  reopen(
    as: { readonly gateway: string; readonly epoch: number },
    vault?: string,
  ): Promise<Recordings>;
  close(): Promise<void>;
};

/** Recordings over a real store, with a log of their own. */
export async function startWorld(
  kind: 'postgres' | 'folder' = 'postgres',
  wrap: (chunks: ChunkStore) => ChunkStore = (chunks) => chunks,
): Promise<World> {
  const store = await startStore();
  const folder = await mkdtemp(join(tmpdir(), 'countersign-recordings-'));
  const errors: unknown[] = [];
  const audit = await openAuditLog({
    db: store.db,
    writer: 'one',
    epoch: 1,
    held: () => true,
    onError: (error) => errors.push(error),
  });
  await store.db.pool.query(
    `insert into countersign.gateway (name, epoch, lease_until) values ('one', 1, clock_timestamp() + interval '1 hour')`,
  );
  const chunks = wrap(
    kind === 'folder' ? storeInFolder(join(folder, 'chunks')) : storeInPostgres(store.db),
  );
  const opened: Recordings[] = [];
  const reopen: World['reopen'] = async (as, vault = folder) => {
    const recordings = openRecordings({
      db: store.db,
      audit,
      chunks,
      vault: await openVault(vault),
      ...as,
      onError: (error) => errors.push(error),
    });
    opened.push(recordings);
    return recordings;
  };
  const recordings = await reopen({ gateway: 'one', epoch: 1 });
  return {
    store,
    audit,
    recordings,
    chunks,
    folder,
    errors,
    reopen,
    async close() {
      await Promise.all(opened.map((one) => one.close()));
      await audit.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const aSession = (protocol = 'postgres'): RecordedSession => ({
  id: randomUUID(),
  person: 'ada@example.com',
  target: 'shop',
  database: 'shop',
  protocol,
  startedAt: new Date('2026-11-21T12:00:00Z'),
});

export async function all(events: AsyncIterable<RecordingEvent>): Promise<RecordingEvent[]> {
  const found: RecordingEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

/** Text that does not compress and that no detector knows. */
export const noise = (bytes: number): string =>
  randomBytes(bytes)
    .toString('latin1')
    .replaceAll(/[^a-z ]/g, 'q');

/** Asks until there is something, 10 s at most. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  for (let tries = 0; tries < 500; tries += 1) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come`);
}
