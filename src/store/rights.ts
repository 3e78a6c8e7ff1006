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
/** Of tables whose rows are never removed, the columns that may change: cosignatures, what is sealed, the end of a hold. */
const CHANGEABLE: Readonly<Record<string, string>> = {
  tree_checkpoint: 'note, witnessed_at',
  // Its key is destroyed by an erasure, which the gateway's role cannot do.
  recording: 'ended_at, lost, chunks, events, bytes',
  recording_chunk: 'sealed',
  legal_hold: 'released_at, released_by',
};
/** What erasures leave; they run as the owner. */
const READ_ONLY = ['migration', 'erasure', 'erasure_item'];

/**
 * Gives the role that the gateway runs as what it needs, and no more: as `db` the owner of the tables is connected. It
 * may append to the log and never change it; it may not change definitions. Safe to repeat.
 */
export async function grantRights(db: Database, role: string): Promise<void> {
  await db.transaction(async (sql) => {
    await sql.query("select pg_advisory_xact_lock(hashtext('countersign migrate'))");
    const { rows } = await sql.query<{ role: string; database: string; tables: string[] }>(
      `select quote_ident($1) as role, quote_ident(current_database()) as database,
         array(select quote_ident(relname) from pg_class where relnamespace = 'countersign'::regnamespace
           and relkind in ('r', 'p') and not relispartition) as tables`,
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
    await closePartitions(sql, names.role);
    await sql.query(`grant execute on function countersign.make_months() to ${names.role}`);
  });
}

async function grantTable(sql: Sql, table: string, role: string): Promise<void> {
  const name = `countersign.${table}`;
  await sql.query(`revoke all on ${name} from ${role}`);
  const columns = CHANGEABLE[table];
  const once = columns !== undefined || WRITTEN_ONCE.includes(table);
  const rights = READ_ONLY.includes(table)
    ? 'select'
    : once
      ? 'select, insert'
      : 'select, insert, update, delete';
  await sql.query(`grant ${rights} on ${name} to ${role}`);
  if (columns !== undefined) await sql.query(`grant update (${columns}) on ${name} to ${role}`);
}

/** A month is reached through its table alone. */
async function closePartitions(sql: Sql, role: string): Promise<void> {
  const { rows } = await sql.query<{ part: string }>(
    `select quote_ident(relname) as part from pg_class
     where relnamespace = 'countersign'::regnamespace and relispartition and relkind = 'r' and relacl is not null`,
  );
  // oxlint-disable-next-line no-await-in-loop -- one connection
  for (const { part } of rows) await sql.query(`revoke all on countersign.${part} from ${role}`);
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
    `with kept as (
       select c.oid, c.relname, c.relowner, c.relispartition, coalesce(p.relname, c.relname) as root
       from pg_class c left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent
       where c.relnamespace = 'countersign'::regnamespace and c.relkind in ('r', 'p') and coalesce(p.relname, c.relname) = any($1))
     select rolsuper as superuser,
       exists (select from kept where pg_has_role(current_user, relowner, 'USAGE')) as owner,
       array(select relname || ' (' || p || ')' from kept, unnest(array['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p
         where has_table_privilege(oid, p)
           or (p = 'UPDATE' and relname = any($2) and has_any_column_privilege(oid, 'UPDATE'))
 order by 1) as changes
     from pg_roles where rolname = current_user`,
    [
      [...new Set([...WRITTEN_ONCE, ...READ_ONLY, ...Object.keys(CHANGEABLE)])],
      [...WRITTEN_ONCE, ...READ_ONLY],
    ],
  );
  const [row] = rows;
  if (row?.superuser) return ['it is a superuser'];
  if (row?.owner) return ['it owns the tables of the log'];
  return row?.changes ?? [];
}
