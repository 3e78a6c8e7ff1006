import { migrateStore, openStore, type OpenStore } from '#gateway/parts.ts';
import type { AuditLog } from '#src/audit/log.ts';
import { ED25519, hexId, noteKey } from '#src/audit/tree/note.ts';
import { openKeys } from '#src/audit/tree/keys.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { writerKey } from '#src/config/audit.ts';
import type { Config } from '#src/config/config.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { openLease } from '#src/store/lease.ts';
import { Failure } from './failure.ts';
import { runningStore } from './running-store.ts';

/** Opens the store the configuration names and closes it afterwards. Rejects with `Failure` when it does not answer. */
export async function withStore<T>(config: Config, work: (db: Database) => Promise<T>): Promise<T> {
  // As the owner: a store that this version has not been started on yet knows no other role.
  return withDatabase(config, ({ url, ownerUrl = url }) => ownerUrl, work);
}

async function withDatabase<T>(
  config: Config,
  as: (store: OpenStore) => string,
  work: (db: Database, store: OpenStore) => Promise<T>,
): Promise<T> {
  await using store = await reachStore(config);
  const db = openDatabase(as(store), { max: 2, onError: () => undefined });
  try {
    await db.pool.query('select 1').catch((cause: unknown) => {
      throw unreachable(cause);
    });
    return await work(db, store);
  } finally {
    await db.close();
  }
}

/** An embedded store is the gateway's while that runs; otherwise it is started for this command only. */
async function reachStore(config: Config): Promise<OpenStore & AsyncDisposable> {
  const running = await runningStore(config);
  const store = running
    ? { ...running, stop: () => Promise.resolve() }
    : await openStore(config, () => undefined);
  return { ...store, [Symbol.asyncDispose]: () => store.stop() };
}

function unreachable(cause: unknown): Failure {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return new Failure(`the store does not answer${code && ` (${code})`}`, {
    hint: 'is it running? The demo’s store runs as long as npm start does; countersign doctor tells more',
    cause,
  });
}

const runnerUrl = ({ url }: OpenStore): string => url;

/** As withStore, with the log open for the command line's own writer, so that what it does is recorded too. */
export async function withLog<T>(
  config: Config,
  work: (db: Database, audit: AuditLog, store: OpenStore) => Promise<T>,
): Promise<T> {
  return withDatabase(config, runnerUrl, async (db, store) => {
    await migrateStore(store, db);
    await using keys = await commandKeys(config);
    // A chain has one writer at a time: a second command waits here until the first has finished.
    const lease = await openLease(db, {
      name: keys.writer,
      signal: AbortSignal.timeout(20_000),
      onLost: () => undefined,
    });
    try {
      const log = await openAuditLog({
        db,
        writer: lease.gateway,
        epoch: lease.epoch,
        held: () => lease.held(),
        onError: () => undefined,
        signing: { keys },
      });
      try {
        return await work(db, log, store);
      } finally {
        await log.close();
      }
    } finally {
      await lease.release();
    }
  });
}

/** Who has another key, on another machine perhaps, writes a chain of their own. */
async function commandKeys(config: Config) {
  const keys = await openKeys(writerKey(config), () => undefined);
  const name = `${config.name}/command`;
  const writer = `${name}/${hexId(noteKey(name, ED25519, keys.current.key).id)}`;
  return { ...keys, writer, [Symbol.asyncDispose]: () => keys.close() };
}
