import { randomUUID } from 'node:crypto';
import type { Sql } from '../../store/database.ts';
import { parseQuery } from './query.ts';
import { conditions, facetWhere, type Put, type Scope } from './where.ts';

/** What the owner of a view may find now; undefined once they are gone, and then nobody is told. */
export type ScopeOf = (owner: string) => Promise<Scope | undefined>;

type Watched = {
  readonly id: string;
  readonly owner: string;
  readonly query: string;
  readonly created_at: Date;
};

/** Notes which of these rows match views that somebody is told of; each row once, however often it is written. */
export async function matchViews(
  sql: Sql,
  records: readonly string[],
  scopeOf: ScopeOf,
  onError: (error: Error) => void,
): Promise<void> {
  if (records.length === 0) return;
  const { rows } = await sql.query<Watched>(
    'select id, owner, query, created_at from countersign.search_view where channel is not null',
  );
  for (const view of rows) {
    // oxlint-disable no-await-in-loop -- one connection
    const scope = await scopeOf(view.owner);
    if (!scope) continue;
    await sql.query('savepoint one_view');
    try {
      await matchView(sql, view, records, scope);
    } catch (cause) {
      // One view must not hold up the others, or what is searched.
      await sql.query('rollback to one_view');
      onError(new Error(`the view ${view.id} is not looked at: ${String(cause)}`, { cause }));
    }
    await sql.query('release one_view');
    // oxlint-enable no-await-in-loop
  }
}

async function matchView(
  sql: Sql,
  view: Watched,
  records: readonly string[],
  scope: Scope,
): Promise<void> {
  const parsed = parseQuery(view.query, Date.now());
  if (!parsed.ok) return;
  const { query } = parsed;
  const values: unknown[] = [view.id, records, view.created_at];
  const put: Put = (value) => `$${values.push(value)}`;
  const where = [...conditions(query, undefined, put), facetWhere(query, scope, put) ?? 'true'];
  await sql.query(
    `insert into countersign.search_match (view, record)
     select $1, s.id from countersign.search_record s join countersign.search_facet f on f.id = s.facet
     where s.id = any($2::uuid[]) and s.at >= $3 and ${where.join(' and ')} on conflict do nothing`,
    values,
  );
}

/** One message a view and minute, with the number of what matched since the last one. */
export async function tellMatches(sql: Sql): Promise<void> {
  const { rows } = await sql.query<{ id: string; channel: string; name: string }>(
    `select id, channel, name from countersign.search_view v where channel is not null
       and (told_at is null or told_at <= clock_timestamp() - interval '1 minute')
       and exists (select from countersign.search_match m where m.view = v.id and not m.told) for update`,
  );
  for (const { id, channel, name } of rows) {
    // oxlint-disable no-await-in-loop -- one connection
    const { rowCount } = await sql.query(
      'update countersign.search_match set told = true where view = $1 and not told',
      [id],
    );
    await sql.query(
      'insert into countersign.search_alert (id, view, channel, name, matches) values ($1, $2, $3, $4, $5)',
      [randomUUID(), id, channel, name, rowCount],
    );
    await sql.query(
      'update countersign.search_view set told_at = clock_timestamp() where id = $1',
      [id],
    );
    await sql.query(
      `delete from countersign.search_match where view = $1 and told and at < clock_timestamp() - interval '30 days'`,
      [id],
    );
    // oxlint-enable no-await-in-loop
  }
}
