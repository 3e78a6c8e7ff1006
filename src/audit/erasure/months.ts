import type { Sql } from '../../store/database.ts';

/** A partition of `record_body` that a month, or all before the first one, is kept in. */
export type Month = {
  /** Name of its table. */
  readonly table: string;
  /** ISO 8601. */
  readonly from: string;
  readonly to: string;
};

/** Before anything was recorded. */
const BEGINNING = '0001-01-01T00:00:00.000Z';
const NAME = /^record_body_(?:first|\d{4}_\d{2})$/;
const BOUNDS = /^FOR VALUES FROM \((MINVALUE|'([^']+)')\) TO \('([^']+)'\)$/u;

/** The months whose time is over by `before`, oldest first; the default partition is none. */
export async function monthsBefore(sql: Sql, before: Date): Promise<readonly Month[]> {
  const { rows } = await sql.query<{ name: string; bounds: string }>(
    `select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bounds from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'countersign.record_body'::regclass order by c.relname`,
  );
  const months = rows.flatMap(({ name, bounds }) => {
    const found = BOUNDS.exec(bounds);
    if (!found?.[3] || !NAME.test(name)) return [];
    const from = found[2] === undefined ? BEGINNING : isoOf(found[2]);
    return [{ table: name, from, to: isoOf(found[3]) }];
  });
  return months
    .filter(({ to }) => Date.parse(to) <= before.getTime())
    .toSorted((a, b) => (a.from < b.from ? -1 : 1));
}

/** PostgreSQL writes `2026-11-01 00:00:00+00`. */
function isoOf(text: string): string {
  const time = text.replace(' ', 'T').replace(/([+-]\d{2})$/u, '$1:00');
  return new Date(time).toISOString();
}

/** Records of a month that are never erased; they stay, in the default partition. */
export const STAYS = 'countersign.never_erased(kind)';

/** Takes the month away, but for the records that are never erased. Milliseconds: no row is touched that goes. */
export async function dropMonth(sql: Sql, { table }: Pick<Month, 'table'>): Promise<void> {
  if (!NAME.test(table)) throw new Error(`${table} is not a month`);
  await sql.query("set local lock_timeout = '5s'");
  await sql.query(`alter table countersign.record_body detach partition countersign.${table}`);
  await sql.query(
    `insert into countersign.record_body select * from countersign.${table} where ${STAYS}`,
  );
  await sql.query(`drop table countersign.${table}`);
}

export async function monthExists(sql: Sql, { table }: Pick<Month, 'table'>): Promise<boolean> {
  const { rows } = await sql.query<{ there: boolean }>(
    'select to_regclass($1) is not null as there',
    [`countersign.${table}`],
  );
  return rows[0]?.there ?? false;
}
