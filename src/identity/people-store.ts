import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { IdentityConfig } from '../config/identity.ts';
import type { Database, Sql } from '../store/database.ts';
import { PERSON, type OpenDirectory } from './directory.ts';
import { endEverything } from './end.ts';
import { personKey } from './people.ts';
import { NotWelcome, type Assertion, type People, type PersonState } from './sign-in.ts';
import { LIVE } from './tokens.ts';
import { checkAssertion, refusalOf, type PersonRow } from './welcome.ts';

type Parts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly directory: OpenDirectory;
  readonly identity: IdentityConfig;
};

const TRIES = 5;
const COLUMNS =
  'email, provider, subject, name, groups, state, scim, valid_until > clock_timestamp() as valid';

/** Somebody else changed the same person between our look and our write. */
class Moved extends Error {}

export function openPeople(parts: Parts): People {
  const { db, audit, directory, identity } = parts;

  async function rowOf(email: string): Promise<PersonRow | undefined> {
    const { rows } = await db.pool.query<PersonRow>(
      `select ${COLUMNS} from countersign.person where email = $1`,
      [personKey(email)],
    );
    return rows[0];
  }

  /** Writes with its record when something changes, else without; other gateways need to hear only of a change. */
  async function write(
    email: string,
    { record, tell }: { readonly record: JsonObject | undefined; readonly tell: boolean },
    work: (sql: Sql) => Promise<{ rowCount: number | null }>,
  ): Promise<void> {
    const change = async (sql: Sql): Promise<void> => {
      const { rowCount } = await work(sql).catch(conflict);
      if (!rowCount) throw new Moved();
      if (tell) await sql.query('select pg_notify($1, $2)', [PERSON, email]);
    };
    if (record) await audit.append({ kind: 'person', person: email, body: record }, change);
    else await db.transaction(change);
    directory.forget(email);
  }

  async function takeUp(said: Assertion): Promise<void> {
    const { provider, subject, email, name, groups } = said;
    const { rows } = await db.pool.query<PersonRow>(
      `select ${COLUMNS} from countersign.person where email = $1 or (provider = $2 and subject = $3)`,
      [email, provider, subject],
    );
    const row = rows.find((each) => each.email === email);
    const other = rows.find((each) => each.email !== email);
    const refusal = refusalOf(said, row, other, identity);
    if (refusal !== undefined) throw new NotWelcome(refusal);
    const bound = row?.subject === subject;
    const changed = !bound || row.state !== 'active' || differs(row, said);
    const record = { action: bound ? 'change' : 'bind', provider, subject, name, groups };
    const told = { record: changed ? record : undefined, tell: changed || !row.valid };
    await write(email, told, (sql) =>
      sql.query(UPSERT, [email, provider, subject, name, [...groups], validMs(said, identity)]),
    );
  }

  const ended = (email: string): void => directory.forget(email);

  return {
    async signedIn(assertion) {
      const provider = identity.providers.get(assertion.provider);
      try {
        const said = checkAssertion(assertion, provider);
        await again(() => takeUp(said));
        const person = await directory.find(said.email);
        if (!person) throw new NotWelcome('Your access ended while you signed in. Try again.');
        return person;
      } catch (error) {
        if (error instanceof NotWelcome) await audit.append(refused(assertion, error.message));
        throw error;
      }
    },

    async refreshed(email, now) {
      const key = personKey(email);
      if (!now) {
        const why = 'the provider says that this person may not sign in any more';
        await endEverything(parts, { email: key, why, action: 'gone' }, async (sql) => {
          await sql.query(
            `update countersign.person set state = 'gone' where email = $1 and state = 'active'`,
            [key],
          );
        });
        return ended(key);
      }
      await again(async () => {
        const row = await rowOf(key);
        if (row?.state !== 'active') return;
        const groups = [...new Set(now.groups)];
        const { name } = now;
        const record = { action: 'change', provider: row.provider, name, groups };
        const changed = differs(row, now);
        const told = { record: changed ? record : undefined, tell: changed || !row.valid };
        await write(key, told, (sql) =>
          sql.query(CONFIRM, [key, name, groups, identity.recheckMs]),
        );
      });
    },

    async set(email, state, by) {
      const key = personKey(email);
      if (state === 'deactivated') {
        const why = 'this person was deactivated';
        const end = { email: key, why, action: 'deactivate', by: personKey(by) };
        await endEverything(parts, end, async (sql) => {
          await sql.query(DEACTIVATE, [key]);
        });
        return ended(key);
      }
      if (!(await rowOf(key))) return;
      if (state === 'released') {
        const why = 'this address was released';
        const end = { email: key, why, action: state, by: personKey(by) };
        await endEverything(parts, end, async (sql) => {
          await sql.query(RELEASE, [key]);
        });
        return ended(key);
      }
      const record = { action: 'activate', by: personKey(by) };
      await again(() =>
        write(key, { record, tell: true }, (sql) =>
          sql.query(`update countersign.person set state = 'active' where email = $1`, [key]),
        ),
      );
    },

    async state(email): Promise<PersonState | undefined> {
      const row = await rowOf(email);
      if (!row) return undefined;
      const { provider, state, scim } = row;
      return { state, scim, ...(provider !== null && { provider }) };
    },

    async list(part) {
      const { rows } = await db.pool.query<{ email: string }>(
        `select email from (select email from countersign.person
           union select person from countersign.token where ${LIVE}
           union select person from countersign.sign_in where ended_at is null and ends_at > clock_timestamp()
           union select unnest($1::text[])) known (email)
         where strpos(email, $2) > 0 order by email limit 200`,
        [directory.configured(), personKey(part)],
      );
      return rows.map(({ email }) => email);
    },

    async end(email, why, by) {
      const key = personKey(email);
      const end = {
        email: key,
        why,
        action: 'end',
        ...(by !== undefined && { by: personKey(by) }),
      };
      await endEverything(parts, end);
      ended(key);
    },
  };
}

// Only over the row that was looked at: a second subject that came at the same moment finds nothing to write.
const UPSERT = `insert into countersign.person as p (email, provider, subject, name, groups, valid_until)
  values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 ms')
  on conflict (email) do update set provider = excluded.provider, subject = excluded.subject, state = 'active',
    name = case when p.scim then p.name else excluded.name end,
    groups = case when p.scim then p.groups else excluded.groups end,
    checked_at = clock_timestamp(),
    valid_until = case when p.scim then p.valid_until else excluded.valid_until end
  where p.state <> 'deactivated' and (p.provider is null or p.provider = excluded.provider)
    and (p.subject is null or p.subject = excluded.subject)`;
const CONFIRM = `update countersign.person set checked_at = clock_timestamp(),
    name = case when scim then name else $2 end, groups = case when scim then groups else $3 end,
    valid_until = case when scim then valid_until else clock_timestamp() + $4 * interval '1 ms' end
  where email = $1 and state = 'active'`;
// The address may be another person's now: nothing of who had it goes on, but for what SCIM says of the address.
const RELEASE = `update countersign.person set subject = null, provider = case when scim then provider end,
    groups = case when scim then groups else '{}' end,
    valid_until = case when scim then valid_until else clock_timestamp() end
  where email = $1`;
const DEACTIVATE = `insert into countersign.person (email, name, state, valid_until)
  values ($1, $1, 'deactivated', clock_timestamp())
  on conflict (email) do update set state = 'deactivated'`;

/** With a refresh token the provider is asked again while they work; without, what was said counts for one session. */
const validMs = ({ refreshToken }: Assertion, { recheckMs, sessions }: IdentityConfig): number =>
  refreshToken === undefined ? sessions.longestMs : recheckMs;

const sorted = (groups: readonly string[]): string => JSON.stringify(groups.toSorted());

function differs(row: PersonRow, now: Pick<Assertion, 'name' | 'groups'>): boolean {
  return !row.scim && (row.name !== now.name || sorted(row.groups) !== sorted(now.groups));
}

async function again(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1)
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after the other
      return await work();
    } catch (error) {
      if (!(error instanceof Moved) || attempt === TRIES) throw error;
    }
}

/** The subject was bound to another address in the same moment. */
function conflict(error: unknown): never {
  throw error instanceof Error && 'code' in error && error.code === '23505' ? new Moved() : error;
}

/** As a record can hold it, whatever the provider said. */
const plain = (text: string): string => text.slice(0, 254).replaceAll('\0', '');

function refused({ provider, email, subject }: Assertion, why: string) {
  const person = plain(personKey(email));
  const body = { via: 'console', provider: plain(provider), subject: plain(subject), why };
  return { kind: 'sign-in', person, verdict: 'deny', body } as const;
}
