import type { Database } from './database.ts';

/** Rejects, naming what to change, when a committed record could be lost in a crash of this store. */
export async function checkDurability(db: Database): Promise<void> {
  const { rows } = await db.pool.query<Record<string, string>>(
    `select current_setting('server_version_num') as version, current_setting('fsync') as fsync,
       current_setting('full_page_writes') as full_page_writes, set_config('synchronous_commit', 'on', false) as synchronous_commit,
       pg_is_in_recovery()::text as standby, current_setting('server_encoding') as encoding`,
  );
  const store = rows[0] ?? {};
  if (Number(store['version']) < 150_000)
    fail('it is older than PostgreSQL 15', 'use PostgreSQL 15 or later');
  if (store['standby'] === 'true') fail('it is a standby', 'give the URL of the primary');
  if (store['encoding'] !== 'UTF8')
    fail(`its encoding is ${store['encoding']}`, 'create the database with UTF8');
  for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit'])
    if (store[setting] !== 'on')
      fail(
        `${setting} is ${store[setting]}, so records could be lost in a crash`,
        `set ${setting} = on`,
      );
}

function fail(what: string, next: string): never {
  throw new Error(`the store cannot be used: ${what}; ${next}`);
}
