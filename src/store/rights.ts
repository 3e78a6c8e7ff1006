import type { Database, Sql } from './database.ts';

/** Rows that are written once: nobody who only runs the gateway can change or remove them, whatever the program does. */
const WRITTEN_ONCE = [
  'record',
  'record_body',
  'record_shared',
  'record_signature',
  'tree_entry',
  'tree_anchor',
];
/** Of these, what may change; erasure takes salt and body away, cosignatures are added to a checkpoint. */
const CHANGEABLE: Readonly<Record<string, string>> = {
  record_body: 'salt, body',
  tree_checkpoint: 'note, witnessed_at',
};

/**
 * Gives the role that the gateway runs as what it needs, and no more: as `db` the owner of the tables is connected. It
 * may append to the log and never change it; it may not change definitions. Safe to repeat.
 */
export async function grantRights(db: Database, role: string): Promise<void> {
  await db.transaction(async (sql) => {
    await sql.query("select pg_advisory_xact_lock(hashtext('countersign migrate'))");
    const { rows } = await sql.query<{ role: string; database: string; tables: string[] }>(
      `select quote_ident($1) as role, quote_ident(current_database()) as database,
         array(select quote_ident(tablename) from pg_tables where schemaname = 'countersign') as tables`,
      [role],
    );
    const [names] = rows;
    if (!names) throw new Error('the store does not say its names');
    await sql.query(`grant usage on schema countersign to ${names.role}`);
    // The queue keeps its jobs in a schema of its own, which it makes by itself.
    await sql.query(`grant create on database ${names.database} to ${names.role}`);
    await leaveQueue(sql, role);
    for (const table of names.tables)
      // oxlint-disable-next-line no-await-in-loop -- one connection
      await grantTable(sql, table, names.role);
  });
}

async function grantTable(sql: Sql, table: string, role: string): Promise<void> {
  const name = `countersign.${table}`;
  await sql.query(`revoke all on ${name} from ${role}`);
  const columns = CHANGEABLE[table];
  const once = columns !== undefined || WRITTEN_ONCE.includes(table);
  const rights =
    table === 'migration' ? 'select' : once ? 'select, insert' : 'select, insert, update, delete';
  await sql.query(`grant ${rights} on ${name} to ${role}`);
  if (columns !== undefined) await sql.query(`grant update (${columns}) on ${name} to ${role}`);
}

/** A queue that the owner has made belongs to the owner. Its jobs are hints, and what is lost with them is found again. */
async function leaveQueue(sql: Sql, role: string): Promise<void> {
  const { rowCount } = await sql.query(
    `select from pg_namespace where nspname = 'bullmq' and nspowner = current_user::regrole
     and current_user <> $1`,
    [role],
  );
  if (rowCount) await sql.query('drop schema bullmq cascade');
}

/** What the role that the gateway runs as could do to the log beyond its work; empty when that is nothing. */
export async function excessRights(db: Pick<Database, 'pool'>): Promise<readonly string[]> {
  const { rows } = await db.pool.query<{ superuser: boolean; owner: boolean; changes: string[] }>(
    `select rolsuper as superuser,
       exists (select from pg_class c where c.relnamespace = 'countersign'::regnamespace and c.relname = any($1)
         and pg_has_role(current_user, c.relowner, 'USAGE')) as owner,
       array(select t || ' (' || p || ')' from unnest($1::text[]) t, unnest(array['UPDATE', 'DELETE', 'TRUNCATE']) p
         where has_table_privilege('countersign.' || t, p)) as changes
     from pg_roles where rolname = current_user`,
    [WRITTEN_ONCE],
  );
  const [row] = rows;
  if (row?.superuser) return ['it is a superuser'];
  if (row?.owner) return ['it owns the tables of the log'];
  return row?.changes ?? [];
}
