import type { Sql } from '../../store/database.ts';
import type { Facet, SearchRow } from './row.ts';

/** Inserts rows, or brings those that are there up to date; what was added from recordings stays. Resolves with their ids. */
export async function writeRows(sql: Sql, rows: readonly SearchRow[]): Promise<readonly string[]> {
  if (rows.length === 0) return [];
  const months = new Set(
    rows.map(({ at }) => new Date(at).toISOString().slice(0, 7).replace('-', '')),
  );
  for (const month of await missing(sql, [...months]))
    // oxlint-disable-next-line no-await-in-loop -- one connection
    await sql.query('select countersign.search_month($1)', [month]);
  const facets = await facetIds(sql, rows);
  await sql.query({
    name: 'search-rows',
    text: `insert into countersign.search_record as s (at, id, index, facet, session, statement, request, decided_at, rows, duration_ms,
        waited_ms, code, client, text)
      select to_timestamp(at / 1000.0), id, index, facet, session, statement, request, to_timestamp(decided_at / 1000.0), rows,
        duration_ms, waited_ms, code, client, text
      from json_to_recordset($1) as x(at float8, id uuid, index bigint, facet integer, session uuid, statement uuid, request uuid,
        decided_at float8, rows bigint, duration_ms float8, waited_ms float8, code text, client text, text text)
      on conflict (id, at) do update set index = excluded.index, facet = excluded.facet, request = excluded.request,
        decided_at = excluded.decided_at, rows = excluded.rows, duration_ms = excluded.duration_ms, waited_ms = excluded.waited_ms,
        code = excluded.code, text = excluded.text`,
    values: [JSON.stringify(rows.map((row) => ({ ...row, facet: facets.get(row.facet.key) })))],
  });
  return rows.map(({ id }) => id);
}

async function missing(sql: Sql, months: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql.query<{ month: string }>(
    `select month from unnest($1::text[]) as month where to_regclass('countersign.search_record_' || month) is null`,
    [months],
  );
  return rows.map(({ month }) => month);
}

async function facetIds(
  sql: Sql,
  rows: readonly SearchRow[],
): Promise<ReadonlyMap<string, number>> {
  const facets = new Map<string, Facet>(rows.map(({ facet }) => [facet.key, facet]));
  const find = async (): Promise<Map<string, number>> => {
    const { rows: found } = await sql.query<{ key: string; id: number }>({
      name: 'search-facets',
      text: 'select key, id from countersign.search_facet where key = any($1::text[])',
      values: [[...facets.keys()]],
    });
    return new Map(found.map(({ key, id }) => [key, id]));
  };
  const known = await find();
  const fresh = [...facets.values()].filter(({ key }) => !known.has(key));
  if (fresh.length === 0) return known;
  await sql.query({
    name: 'search-new-facets',
    text: `insert into countersign.search_facet (key, kind, person, agent, target, verdicts, decision, effects, tables, masked, decided_by)
      select key, kind, person, agent, target, verdicts, decision, effects, tables, masked, decided_by
      from jsonb_populate_recordset(null::countersign.search_facet, $1) on conflict do nothing`,
    values: [JSON.stringify(fresh)],
  });
  return find();
}
