import type { Sql } from '../../store/database.ts';
import { conditionOf, type Filter } from './filter.ts';
import { HOLD_LOCK } from './holds.ts';

/** What an erasure takes in: how many records, and SHA-256 over their ids, 16 bytes each, in rising order; in base64. */
export type Covers = { readonly records: number; readonly ids: string };

/** It cannot be done now; the message says why and what to do. */
export class ErasureRefused extends Error {
  override name = 'ErasureRefused';
}

/** Legal holds are in the way. */
export class HeldBack extends ErasureRefused {
  readonly holds: string;
  constructor(holds: string) {
    super(`a legal hold is in the way: ${holds}; countersign audit hold list says what it is for`);
    this.holds = holds;
  }
}

/** Rows `b` that can be erased at all. */
const OPEN = 'b.erased_by is null and not countersign.never_erased(b.kind)';
/** Nobody takes away what is being written. */
const SETTLED = `not exists (select from countersign.session s where s.id = b.session and s.ended_at is null)
  and not exists (select from countersign.request q where q.id = b.request and q.state in ('pending', 'approved', 'running'))
  and not exists (select from countersign.recording c where c.session = b.session and c.ended_at is null)`;
const UNHELD = 'and countersign.held_by(b.person, b.target, b.session, b.at) is null';

/**
 * A query for `id, at` of the records that an erasure takes in. A statement, what was decided about it and what became
 * of it go together. Parameters from `first` on.
 */
export function itemsOf(
  filter: Filter,
  first: number,
): { readonly text: string; readonly values: readonly unknown[] } {
  const condition = conditionOf(filter, first);
  if (!condition)
    throw new ErasureRefused(
      'this would take in everything: name a person, a record, a session, a target or a time',
    );
  const { limit } = filter;
  const { where, values } = condition;
  const unheld = filter.unheld ? UNHELD : '';
  return {
    text: `with hit as materialized (select b.id, b.at, b.statement from countersign.record_body b
        where ${OPEN} and ${SETTLED} and ${where} ${unheld} ${limit === undefined ? '' : `order by b.at limit ${limit}`})
      select id, at from hit union
      select b.id, b.at from countersign.record_body b
        where ${OPEN} and b.statement in (select statement from hit where statement is not null) ${unheld}`,
    values,
  };
}

/** Shared with other erasures; who places a hold waits. Until the transaction ends. */
export const shareHolds = (sql: Sql): Promise<unknown> =>
  sql.query(`select pg_advisory_xact_lock_shared(${HOLD_LOCK})`);

/** Throws HeldBack when a hold keeps one of the records that `items` gives as `id, at`. */
export async function demandNoHold(
  sql: Sql,
  items: string,
  values: readonly unknown[],
): Promise<void> {
  const { rows } = await sql.query<{ holds: string | null }>(
    `select string_agg(distinct holds, ', ') as holds from (
       select countersign.held_by(b.person, b.target, b.session, b.at) as holds
       from (${items}) i join countersign.record_body b using (id, at)
       where b.erased_by is null and exists (select from countersign.legal_hold where released_at is null)) held`,
    [...values],
  );
  const holds = rows[0]?.holds;
  if (holds) throw new HeldBack(holds);
}

/** Throws HeldBack when a hold is about the person, whether there are records or not. */
export async function demandNoHoldOn(sql: Sql, person: string): Promise<void> {
  const { rows } = await sql.query<{ holds: string | null }>(
    `select string_agg(name, ', ' order by name) as holds from countersign.legal_hold
     where released_at is null and person = $1`,
    [person],
  );
  const holds = rows[0]?.holds;
  if (holds) throw new HeldBack(holds);
}

/** Who still works is not erased under their hands. Throws ErasureRefused with all that stands against it. */
export async function demandGone(
  sql: Sql,
  person: string,
  configured: readonly string[],
): Promise<void> {
  const { rows } = await sql.query<Record<string, number>>(
    `select
       (select count(*) from countersign.session where lower(person) = $1 and ended_at is null)::int as "a session that goes on",
       (select count(*) from countersign.request where lower(person) = $1 and state in ('pending', 'approved', 'running'))::int
         as "an open request",
       (select count(*) from countersign.token t where lower(person) = $1 and countersign.token_live(t.*))::int as "a live token",
       (select count(*) from countersign.sign_in where lower(person) = $1 and ended_at is null and ends_at > clock_timestamp())::int
         as "a live sign-in",
       (select count(*) from countersign.access_grant where lower(person) = $1 and ended_at is null and revoked_at is null
         and coalesce(ends_at, use_by, 'infinity') > clock_timestamp())::int
         as "a live grant",
       (select count(*) from countersign.scim_user where lower(email) = $1 and active)::int as "an active user at a SCIM provider"`,
    [person],
  );
  const there = Object.entries(rows[0] ?? {}).flatMap(([what, count]) => (count > 0 ? [what] : []));
  if (configured.includes(person)) there.push('an entry in the configuration');
  if (there.length > 0)
    throw new ErasureRefused(
      `this person still has ${there.join(', ')}: take them out first (the console's page People ends all access)`,
    );
}

/** A session that goes on, or a request that somebody may still decide, is not erased. Throws ErasureRefused. */
export async function demandSettled(sql: Sql, { session, record }: Filter): Promise<void> {
  if (session === undefined && record === undefined) return;
  const { rowCount } = await sql.query(
    `select from countersign.record_body b
     where (b.session = $1::uuid or b.id = $2::uuid) and not (${SETTLED}) limit 1`,
    [session ?? null, record ?? null],
  );
  if (rowCount)
    throw new ErasureRefused('its session goes on, or a request of it is open: end that first');
}

/** Over rows `id`. */
export const COVERS = `count(*)::float8 as records,
  encode(sha256(coalesce(string_agg(uuid_send(id), ''::bytea order by id), '')), 'base64') as ids`;

export async function coversOf(
  sql: Sql,
  rows: string,
  values: readonly unknown[],
): Promise<Covers> {
  const found = await sql.query<Covers>(`select ${COVERS} from (${rows}) covered`, [...values]);
  return found.rows[0] ?? { records: 0, ids: '' };
}

/** Names of the holds that keep some of what the filter takes in. */
export async function holdsOn(sql: Sql, filter: Filter): Promise<readonly string[]> {
  const active = await sql.query(
    'select from countersign.legal_hold where released_at is null limit 1',
  );
  if (!active.rowCount) return [];
  const { text, values } = itemsOf({ ...filter, unheld: false }, 1);
  const { rows } = await sql.query<{ holds: string }>(
    `select distinct countersign.held_by(b.person, b.target, b.session, b.at) as holds
     from (${text}) i join countersign.record_body b using (id, at)
     where countersign.held_by(b.person, b.target, b.session, b.at) is not null`,
    [...values],
  );
  return [...new Set(rows.flatMap(({ holds }) => holds.split(', ')))].toSorted();
}
