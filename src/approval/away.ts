import { randomUUID } from 'node:crypto';
import type { AuditLog } from '../audit/log.ts';
import type { Directory, Person } from '../identity/person.ts';
import type { Database, Sql } from '../store/database.ts';
import { demandActive, Gone } from './active.ts';
import { sameKey } from './tally.ts';

/** Somebody is away, and a colleague decides in their place. Times are ISO 8601; people are keys. */
export type Absence = {
  readonly id: string;
  readonly person: string;
  readonly substitute: string;
  readonly from: string;
  readonly until: string;
};

/** Why somebody cannot be named, or an absence cannot be ended; the text is for the person who asked. */
export class NotAway extends Error {
  override name = 'NotAway';
  readonly code: 'not-valid' | 'not-found' | 'too-many';
  constructor(code: NotAway['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export type Absences = {
  /** Rejects with NotAway for who cannot stand in, and for times that cannot be. */
  add(
    person: Person,
    asked: { readonly substitute: string; readonly from?: string; readonly until: string },
  ): Promise<Absence>;
  /** Of this person, and those in which they stand in; what has ended is left out. By their start. */
  list(email: string): Promise<readonly Absence[]>;
  /** Ends it now, or before it begins. `also`: members of these groups may end that of others. */
  end(id: string, person: Person, also: readonly string[]): Promise<void>;
};

const MOST = 10;
const LONGEST_DAYS = 90;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const LIVE = 'ended_at is null and starts_at <= clock_timestamp() and ends_at > clock_timestamp()';
const ABSENCE = `select id, person, substitute, starts_at, ends_at from countersign.away`;

type Row = {
  readonly id: string;
  readonly person: string;
  readonly substitute: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
};

const absenceOf = ({ id, person, substitute, starts_at, ends_at }: Row): Absence => ({
  id,
  person,
  substitute,
  from: starts_at.toISOString(),
  until: ends_at.toISOString(),
});

/** Keys of those whom this person stands in for now. */
export async function standsInFor(sql: Sql, email: string): Promise<readonly string[]> {
  const { rows } = await sql.query<{ person: string }>(
    `select distinct person from countersign.away where substitute = $1 and ${LIVE}`,
    [sameKey(email)],
  );
  return rows.map(({ person }) => person);
}

/** In the transaction of a vote: each of these (substitute → absent person) still stands in. Throws Gone with who is back. */
export async function demandAway(sql: Sql, standing: ReadonlyMap<string, string>): Promise<void> {
  const back: string[] = [];
  for (const [substitute, person] of standing) {
    // oxlint-disable-next-line no-await-in-loop -- one connection, and hardly ever more than one
    const { rowCount } = await sql.query(
      `select from countersign.away where substitute = $1 and person = $2 and ${LIVE} for share`,
      [substitute, person],
    );
    if (!rowCount) back.push(person);
  }
  if (back.length > 0) throw new Gone(back);
}

/** A colleague: somebody who is in one group with the person, at least. */
export const isColleague = (a: Person, b: Person): boolean =>
  a.groups.some((group) => b.groups.includes(group));

export function openAbsences({
  db,
  audit,
  directory,
}: {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly directory: Directory;
}): Absences {
  return {
    async add(person, asked) {
      const key = sameKey(person.email);
      const substitute = await colleague(directory, person, asked.substitute);
      const { from, until } = timesOf(asked);
      const id = randomUUID();
      const body = { event: 'away', substitute, from: from ?? 'now', until };
      let made: Absence | undefined;
      await audit.append({ kind: 'person', person: key, body }, async (sql) => {
        await demandActive(sql, [key, substitute]);
        await sql.query(
          `select pg_advisory_xact_lock(hashtext('countersign away'), hashtext($1))`,
          [key],
        );
        const { rows } = await sql.query<Row & { open: string }>(
          `insert into countersign.away (id, person, substitute, starts_at, ends_at)
           select $1, $2, $3, greatest($4::timestamptz, clock_timestamp()), $5::timestamptz
           where (select count(*) from countersign.away where person = $2 and ended_at is null and ends_at > clock_timestamp()) < $6
           returning id, person, substitute, starts_at, ends_at`,
          [id, key, substitute, from ?? new Date(0).toISOString(), until, MOST],
        );
        const [row] = rows;
        if (!row)
          throw new NotAway(
            'too-many',
            `You have ${MOST} absences already. End one of them first.`,
          );
        made = absenceOf(row);
      });
      if (!made) throw new Error(`the absence ${id} is not in the store after it was written`);
      return made;
    },
    async list(email) {
      const { rows } = await db.pool.query<Row>(
        `${ABSENCE} where (person = $1 or substitute = $1) and ended_at is null and ends_at > clock_timestamp()
         order by starts_at, id`,
        [sameKey(email)],
      );
      return rows.map(absenceOf);
    },
    async end(id, person, also) {
      const by = sameKey(person.email);
      const { rows } = await db.pool.query<Row>(`${ABSENCE} where id = $1`, [
        UUID.test(id) ? id : null,
      ]);
      const [row] = rows;
      const administers = person.groups.some((group) => also.includes(group));
      const mine = row && [row.person, row.substitute].includes(by);
      if (!row || !(mine || administers)) throw notFound();
      const body = { event: 'back', substitute: row.substitute, ...(by !== row.person && { by }) };
      await audit.append({ kind: 'person', person: row.person, body }, async (sql) => {
        const { rowCount } = await sql.query(
          `update countersign.away set ended_at = clock_timestamp(), ended_by = $2
           where id = $1 and ended_at is null and ends_at > clock_timestamp()`,
          [id, by],
        );
        if (rowCount !== 1) throw notFound();
      });
    },
  };
}

const notFound = (): NotAway => new NotAway('not-found', 'There is no such absence that goes on.');

/** The key of whom they name; a machine decides nothing, and a stranger is no colleague. */
async function colleague(directory: Directory, person: Person, named: string): Promise<string> {
  if (person.machine) throw new NotAway('not-valid', 'A machine is never away.');
  const substitute = await directory.find(named);
  if (!substitute || substitute.machine || !isColleague(person, substitute))
    throw new NotAway(
      'not-valid',
      `${named} is in none of your groups: name a colleague who is in one of them.`,
    );
  if (sameKey(substitute.email) === sameKey(person.email))
    throw new NotAway('not-valid', 'Name somebody else than yourself.');
  return sameKey(substitute.email);
}

function timesOf({ from, until }: { readonly from?: string; readonly until: string }) {
  const now = Date.now();
  const start = from === undefined ? now : Date.parse(from);
  const end = Date.parse(until);
  if (!(end > now && start < end))
    throw new NotAway('not-valid', 'The end has to come after the start, and be still to come.');
  if (end - now > LONGEST_DAYS * 86_400_000)
    throw new NotAway('not-valid', `It ends within ${LONGEST_DAYS} days. Say it anew then.`);
  return {
    until: new Date(end).toISOString(),
    ...(from !== undefined && { from: new Date(start).toISOString() }),
  };
}
