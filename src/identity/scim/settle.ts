import type { Sql } from '../../store/database.ts';
import { EVERYBODY, PERSON } from '../directory.ts';
import { syncPeople } from './sync.ts';
import { record, type ScimParts } from './write.ts';

/**
 * At the start: what SCIM told for a provider that has no SCIM (any more) counts for nothing, and what it told for one that
 * has it (again) counts. `speaking` are the names of the providers with SCIM.
 */
export async function settle(
  { db, audit, providers, directory }: ScimParts,
  speaking: readonly string[],
): Promise<void> {
  const { rows: silent } = await db.pool.query<{ email: string }>(
    'select email from countersign.person where scim and not provider = any ($1) order by email',
    [speaking],
  );
  const { rows: back } = await db.pool.query<{ id: string; email: string }>(
    `select u.id, u.email from countersign.scim_user u left join countersign.person p on p.email = u.email
     where u.provider = any ($1) and p.scim is not true order by u.email`,
    [speaking],
  );
  const ended = silent.map(({ email }) => email);
  const begun = back.map(({ email }) => email);
  if (ended.length + begun.length === 0) return;
  const body = { action: 'scim-settle', providers: speaking, ended, begun };
  const change = async (sql: Sql): Promise<void> => {
    await sql.query(
      `update countersign.person set scim = false, valid_until = clock_timestamp() where email = any ($1)`,
      [ended],
    );
    await syncPeople(
      sql,
      back.map(({ id }) => id),
      providers,
    );
    await sql.query('select pg_notify($1, $2)', [PERSON, EVERYBODY]);
  };
  await record({ audit, db }, { kind: 'group', body }, change, ended.length + begun.length);
  directory.forget(EVERYBODY);
}
