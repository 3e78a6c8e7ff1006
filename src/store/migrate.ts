import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, Sql } from './database.ts';

type Migration = { readonly name: string; readonly sql: string; readonly sha256: string };

const FOLDER = join(import.meta.dirname, 'migrations');

/**
 * Brings the store to this program's schema, in one transaction; does nothing when it is there already.
 * Concurrent starts wait for each other. Rejects when the store is newer than the program, or was made from other files.
 */
export async function migrate(db: Database, folder = FOLDER): Promise<void> {
  const files = await readMigrations(folder);
  await db.transaction(async (sql) => {
    await sql.query("select pg_advisory_xact_lock(hashtext('countersign migrate'))");
    await sql.query('create schema if not exists countersign');
    await sql.query(`create table if not exists countersign.migration (
      name text primary key, sha256 text not null, at timestamptz not null default clock_timestamp())`);
    for (const file of await pending(sql, files)) {
      await sql.query(file.sql);
      // A migration sets its own search_path; the next statement must not inherit it.
      await sql.query('set local search_path = pg_catalog, pg_temp');
      await sql.query('insert into countersign.migration (name, sha256) values ($1, $2)', [
        file.name,
        file.sha256,
      ]);
    }
  });
}

/** What is applied and what is still to come, by name. Changes nothing; rejects as `migrate` would. */
export async function schemaState(
  db: Database,
  folder = FOLDER,
): Promise<{ readonly applied: readonly string[]; readonly pending: readonly string[] }> {
  const files = await readMigrations(folder);
  const { rows } = await db.pool.query<{ there: boolean }>(
    "select to_regclass('countersign.migration') is not null as there",
  );
  const left = rows[0]?.there ? await pending(db.pool, files) : files;
  const names = left.map(({ name }) => name);
  const applied = files.map(({ name }) => name).filter((name) => !names.includes(name));
  return { applied, pending: names };
}

async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name), 'utf8');
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function pending(sql: Sql, files: readonly Migration[]): Promise<readonly Migration[]> {
  const { rows } = await sql.query<{ name: string; sha256: string }>(
    'select name, sha256 from countersign.migration order by name',
  );
  const applied = new Map(rows.map((row) => [row.name, row.sha256]));
  const known = new Set(files.map((file) => file.name));
  const newer = rows.find((row) => !known.has(row.name));
  if (newer)
    throw new Error(
      `the store is newer than this program: it has ${newer.name}; start the version of Countersign that made it, or a later one`,
    );
  const differs = files.find((file) => (applied.get(file.name) ?? file.sha256) !== file.sha256);
  if (differs)
    throw new Error(
      `the store was made from another ${differs.name}; use a store of this version, or begin anew with an empty database`,
    );
  const last = rows.at(-1)?.name ?? '';
  const late = files.find((file) => !applied.has(file.name) && file.name < last);
  if (late)
    throw new Error(`${late.name} comes before ${last}, which the store has; name it after that`);
  return files.filter((file) => !applied.has(file.name));
}
