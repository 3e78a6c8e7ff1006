import type { Sql } from '../../store/database.ts';
import { EVERYBODY, PERSON } from '../directory.ts';
import { ScimError } from './error.ts';

/** What SCIM tells counts until SCIM tells otherwise. */
/** Each that is told of alone looks through all sessions. */
export const MANY = 100;
const FOR_EVER = '9999-12-31';

/** What becomes of somebody's state; nobody but who deactivated a person lets them come again. */
type Becomes = 'new' | 'active' | 'deactivated' | 'as-before';

/**
 * Writes what SCIM now says of these users into the directory's table, and tells every gateway. Throws ScimError when an
 * address is another provider's: `others` are the names of the providers of the configuration. A person who comes back
 * may have another account at the provider, so who was gone is bound to none.
 */
export async function syncPeople(
  sql: Sql,
  users: readonly string[],
  others: readonly string[],
  becomes: Becomes = 'as-before',
): Promise<void> {
  // So that a deactivation and a change of a group, on two gateways, come one after the other.
  const { rows } = await sql.query<{ id: string }>(
    'select id from countersign.scim_user where id = any ($1) order by id for no key update',
    [users],
  );
  const there = rows.map(({ id }) => id);
  const { rowCount } = await sql.query(
    `insert into countersign.person as p (email, provider, name, groups, state, scim, valid_until)
     select u.email, u.provider, u.name,
       array(select distinct g.role from countersign.scim_member m join countersign.scim_group g on g.id = m."group"
             where m."user" = u.id and g.role is not null order by 1),
       case when u.active then 'active' else 'deactivated' end, true, $2
     from countersign.scim_user u where u.id = any ($1)
     on conflict (email) do update set
       subject = case when p.provider = excluded.provider and p.state <> 'gone' then p.subject end,
       state = case $4 when 'as-before' then p.state
         when 'new' then case when p.state = 'deactivated' then p.state else excluded.state end
         else excluded.state end,
       provider = excluded.provider, name = excluded.name, groups = excluded.groups,
       scim = true, checked_at = clock_timestamp(), valid_until = excluded.valid_until
     where p.provider is null or p.provider = excluded.provider or not p.provider = any ($3)`,
    [there, FOR_EVER, others, becomes],
  );
  if (rowCount !== there.length) throw taken();
  await sql.query(
    `select pg_notify($2, case when $3 then $4 else email end) from countersign.scim_user where id = any ($1)`,
    [there, PERSON, there.length > MANY, EVERYBODY],
  );
}

/**
 * Lets the person be nobody, even one of the configuration, until SCIM tells of them again. Whom the operator has
 * deactivated stays so: `ours` says that SCIM did.
 */
export async function dropPerson(sql: Sql, email: string, ours: boolean): Promise<void> {
  await sql.query(
    `update countersign.person set groups = '{}', subject = null, scim = false, checked_at = clock_timestamp(),
       state = case when state = 'deactivated' and not $2 then state else 'gone' end
     where email = $1`,
    [email, ours],
  );
}

export const taken = (): ScimError =>
  new ScimError(
    409,
    'There is such a resource already, or the address is known through another provider.',
    'uniqueness',
  );
