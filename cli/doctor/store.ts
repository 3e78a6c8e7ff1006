import type { Config } from '#src/config/config.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { checkDurability } from '#src/store/durability.ts';
import { runningStore } from '../running-store.ts';
import { failed, type Check } from './check.ts';

/** More than this and expiries, which the store's clock decides, look wrong to people. */
const CLOCK_MS = 2_000;

/** Reachable, durable, of this version, and with a clock that agrees with ours. */
export async function checkStore(config: Config): Promise<readonly Check[]> {
  const { postgres } = config.store;
  const url = postgres === 'embedded' ? await runningStore(config) : postgres.url;
  if (url === undefined)
    return [
      {
        what: 'store',
        state: 'warn',
        found: 'embedded, and not running',
        next: 'it starts with countersign serve; run the doctor again then',
      },
    ];
  const db = openDatabase(url, { max: 2, onError: () => undefined });
  try {
    const { rows } = await db.pool.query<{ version: string; now: Date }>(
      `select current_setting('server_version') as version, clock_timestamp() as now`,
    );
    const store = rows[0];
    return [
      { what: 'store', state: 'ok', found: `PostgreSQL ${store?.version ?? '?'}` },
      await durability(db),
      await migrations(db),
      clock(store?.now.getTime() ?? 0, Date.now()),
    ];
  } catch (error) {
    return [failed('store', error, 'start it, or correct store.postgres; nothing runs without it')];
  } finally {
    await db.close();
  }
}

async function durability(db: Database): Promise<Check> {
  try {
    await checkDurability(db);
    return { what: 'store durability', state: 'ok', found: 'a committed record survives a crash' };
  } catch (error) {
    return failed('store durability', error, 'the gateway refuses to start on this store');
  }
}

async function migrations(db: Database): Promise<Check> {
  const what = 'store schema';
  const found = await db.pool.query<{ there: boolean }>(
    `select to_regclass('countersign.migration') is not null as there`,
  );
  if (!found.rows[0]?.there)
    return {
      what,
      state: 'warn',
      found: 'empty',
      next: 'countersign serve makes it at its first start',
    };
  const { rows } = await db.pool.query<{ name: string }>(
    'select name from countersign.migration order by name desc limit 1',
  );
  return { what, state: 'ok', found: rows[0]?.name ?? 'no migration' };
}

export function clock(store: number, here: number): Check {
  const seconds = Math.abs(store - here) / 1000;
  const well = seconds * 1000 <= CLOCK_MS;
  return {
    what: 'clocks',
    state: well ? 'ok' : 'warn',
    found: `the store's differs by ${seconds.toFixed(1)} s`,
    ...(!well && { next: 'synchronise both machines with NTP' }),
  };
}
