import type { Config } from '#src/config/config.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { checkDurability } from '#src/store/durability.ts';
import { schemaState } from '#src/store/migrate.ts';
import { excessRights } from '#src/store/rights.ts';
import { runningStore } from '../running-store.ts';
import { checkChatStore } from './chat.ts';
import { failed, type Check } from './check.ts';
import { clock } from './clock.ts';
import { search } from './search.ts';
import { writers } from './writers.ts';

/** A card that chat has not taken for so long tells of a bot that does not work. */
const LATE = '10 minutes';

/** Reachable, durable, of this version, and with a clock that agrees with ours. */
export async function checkStore(config: Config): Promise<readonly Check[]> {
  const { postgres } = config.store;
  const url = (postgres === 'embedded' ? await runningStore(config) : postgres)?.url;
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
    const asked = Date.now();
    const { rows } = await db.pool.query<{ version: string; now: Date; checksums: string }>(
      `select current_setting('server_version') as version, clock_timestamp() as now,
         current_setting('data_checksums') as checksums`,
    );
    const store = rows[0];
    if (!store) throw new Error('it gives no answer');
    const checks = [
      { what: 'store', state: 'ok' as const, found: `PostgreSQL ${store.version}` },
      clock('store', store.now.getTime(), asked, Date.now()),
      await durability(db),
      checksums(store.checksums),
    ];
    const schema = await migrations(db);
    const there =
      schema.state === 'ok'
        ? [
            await tokens(db, config),
            await cards(db),
            await tree(db),
            await search(db),
            await writers(db),
            await rights(db),
            ...(await checkChatStore(db, config.chat)),
          ]
        : [];
    return [...checks, schema, ...there];
  } catch (error) {
    return [failed('store', error, 'start it, or correct store.postgres; nothing runs without it')];
  } finally {
    await db.close();
  }
}

async function durability(db: Database): Promise<Check> {
  try {
    await checkDurability(db);
    return {
      what: 'store durability',
      state: 'ok',
      found: 'fsync, full_page_writes and synchronous_commit are on',
    };
  } catch (error) {
    return failed('store durability', error, 'the gateway refuses to start on this store');
  }
}

function checksums(setting: string): Check {
  const on = setting === 'on';
  return {
    what: 'store checksums',
    state: on ? 'ok' : 'warn',
    found: on ? 'a damaged page is noticed' : 'off, so a damaged page is noticed late',
    ...(!on && { next: 'stop that PostgreSQL and run pg_checksums --enable on it' }),
  };
}

async function migrations(db: Database): Promise<Check> {
  const what = 'store schema';
  try {
    const { applied, pending } = await schemaState(db);
    const last = applied.at(-1);
    if (pending.length === 0) return { what, state: 'ok', found: last ?? 'no migration' };
    return {
      what,
      state: 'warn',
      found: last === undefined ? 'empty' : `${last}; ${pending.length} to come`,
      next: 'countersign serve brings it up to date at its start; back up the store before',
    };
  } catch (error) {
    return failed(what, error, 'docs/operations.md says how versions follow each other');
  }
}

/** Only hashes of tokens are kept, and the people they belong to are still known. */
async function tokens(db: Database, config: Config): Promise<Check> {
  const what = 'tokens';
  const { rows } = await db.pool.query<{ person: string; bad: boolean }>(
    `select person, octet_length(sha256) <> 32 or octet_length(stored_key) <> 32 or octet_length(server_key) <> 32 as bad
       from countersign.token where revoked_at is null and expires_at > clock_timestamp()`,
  );
  if (rows.some(({ bad }) => bad))
    return {
      what,
      state: 'fail',
      found: 'a row of countersign.token does not hold hashes',
      next: 'somebody wrote to the store by hand: revoke that token, and run countersign audit verify',
    };
  const known = new Set([...config.people.keys()].map((email) => email.toLowerCase()));
  const strangers = new Set(rows.map(({ person }) => person).filter((email) => !known.has(email)));
  return {
    what,
    state: strangers.size > 0 ? 'warn' : 'ok',
    found: `${rows.length} live, as hashes${strangers.size > 0 ? `; of people who are not known: ${[...strangers].join(', ')}` : ''}`,
    ...(strangers.size > 0 && {
      next: 'revoke them: countersign token list, countersign token revoke',
    }),
  };
}

/** Is what was written signed, and watched by others? */
async function tree(db: Database): Promise<Check> {
  const what = 'the log';
  const { rows } = await db.pool.query<{ size: number; signed: number; broken: boolean }>(
    `select size::float8, coalesce((select max(size) from countersign.tree_checkpoint), 0)::float8 as signed,
       exists (select from countersign.tree_writer where problem is not null) as broken from countersign.tree_head`,
  );
  const { size = 0, signed = 0, broken = false } = rows[0] ?? {};
  if (broken)
    return {
      what,
      state: 'fail',
      found: 'a record is not as its writer wrote it, and no more of that writer is placed',
      next: 'countersign audit verify names it; docs/audit.md says what to do',
    };
  return {
    what,
    state: signed < size ? 'warn' : 'ok',
    found: `${size} records in the tree, ${signed} of them signed`,
    ...(signed < size && {
      next: 'does countersign serve run, and what does its log say of the signer? docs/audit.md',
    }),
  };
}

/** The role that appends to the log should not be able to change it. */
async function rights(db: Database): Promise<Check> {
  const what = 'rights on the log';
  const excess = await excessRights(db);
  if (excess.length === 0)
    return { what, state: 'ok', found: 'the gateway’s role can append to it, and never change it' };
  return {
    what,
    state: 'warn',
    found: `the gateway’s role could change it: ${excess.join(', ')}`,
    next: 'give the tables to another role: store.owner in the configuration, docs/audit.md',
  };
}

async function cards(db: Database): Promise<Check> {
  const { rows } = await db.pool.query<{ late: number }>(
    `select count(*)::int as late from countersign.outbox
       where done_at is null and next_at < clock_timestamp() - interval '${LATE}'`,
  );
  const late = rows[0]?.late ?? 0;
  return {
    what: 'cards',
    state: late > 0 ? 'warn' : 'ok',
    found: late > 0 ? `${late} wait for longer than ${LATE}` : 'none waits for chat',
    ...(late > 0 && { next: 'does countersign serve run, and what does its log say of chat?' }),
  };
}
