import type { Client } from 'pg';
import { z } from 'zod';
import type { Tables } from '#src/statement/sql/closely.ts';

const oid = z.coerce.number().int();
const tableRow = z.object({
  oid,
  kind: z.string(),
  rowSecurity: z.boolean(),
  children: z.boolean(),
  keys: z.array(
    z.object({
      index: oid,
      primary: z.boolean(),
      columns: z.array(
        z.object({ attribute: z.number(), collation: oid, operators: z.array(oid).nullable() }),
      ),
    }),
  ),
});

// A key counts if it holds at every moment and for every row: not while it is built, not deferred to the end of a
// transaction, not for some rows or values of an expression only. Strategy 3 of a B-tree is its equality.
const tablesSql = `
  select c.oid, c.relkind as kind, c.relrowsecurity as "rowSecurity",
    exists (select from pg_inherits i where i.inhparent = c.oid) as children,
    coalesce((
      select json_agg(json_build_object('index', i.indexrelid::bigint, 'primary', i.indisprimary, 'columns', k.columns)
        order by i.indisprimary desc, i.indexrelid)
      from pg_index i, lateral (
        select json_agg(json_build_object('attribute', i.indkey[n], 'collation', i.indcollation[n]::bigint, 'operators', (
          select json_agg(o.amopopr::bigint) from pg_opclass p join pg_amop o on o.amopfamily = p.opcfamily
          where p.oid = i.indclass[n] and o.amopmethod = 403 and o.amopstrategy = 3 and o.amoppurpose = 's')) order by n) as columns
        from generate_series(0, i.indnkeyatts - 1) n) k
      where i.indrelid = c.oid and i.indisunique and not i.indisexclusion and i.indimmediate and i.indisvalid and i.indisready
        and i.indislive and i.indpred is null and i.indexprs is null), '[]') as keys
  from pg_class c where c.oid = any($1)`;

/** What the rows of these relations are kept by, as the catalog tells at this moment. */
export async function readTables(client: Client, oids: readonly number[]): Promise<Tables> {
  const { rows } = await client.query(tablesSql, [oids]);
  return new Map(
    z
      .array(tableRow)
      .parse(rows)
      .map(({ oid: relation, keys, ...table }) => [
        relation,
        {
          ...table,
          keys: keys.map(({ columns, ...key }) => ({
            ...key,
            columns: columns.map((column) => ({ ...column, operators: column.operators ?? [] })),
          })),
        },
      ]),
  );
}
