import type { Sql } from '../../store/database.ts';
import { PART, term, valuesOf, type Asked, type Searched } from './part.ts';

/** When people usually work; days are 1 (Monday) to 7. */
export type WorkingHours = {
  /** `07:00`, and until before `19:00`. */
  readonly from: string;
  readonly to: string;
  readonly days: readonly number[];
  readonly timeZone: string;
};

/** Something that this person has not done before, or not at this time, or not so much of. */
export type Unusual = {
  readonly kind: 'first-use' | 'off-hours' | 'statements' | 'rows';
  readonly person: string;
  readonly target?: string;
  readonly table?: string;
  /** Of what the kind says: statements, or rows. */
  readonly count: number;
  /** Of `statements` and `rows`: what this person had in as long a time on average, over the 14 days before. */
  readonly usual?: number;
  /** When it was first seen here. ISO 8601. */
  readonly at: string;
  readonly query: string;
};

const TOP = 20;
const BEFORE_DAYS = 14;
/** How many times as much as usual, and how much at least. */
const TIMES = 3;
const LEAST = { statements: 100, rows: 10_000 } as const;

/** In the order: first use of a table, outside working hours (where these are configured), volume. */
export async function unusualOf(
  sql: Sql,
  asked: Asked,
  searched: Searched,
  hours: WorkingHours | undefined,
): Promise<readonly Unusual[]> {
  return [
    ...(await firstUses(sql, asked, searched)),
    ...(hours ? await offHours(sql, asked, searched, hours) : []),
    ...(await volumes(sql, asked, searched)),
  ];
}

type Row = { person: string; target: string; table: string; n: string; at: Date };

/** Tables that somebody reached for the first time, of those who have been seen before at all. */
async function firstUses(sql: Sql, asked: Asked, searched: Searched): Promise<readonly Unusual[]> {
  const { rows } = await sql.query<Row>(
    `with part as materialized (${PART}),
       used as (select person, target, t as table, count(*) as n, min(at) as at from part, unnest(tables) t
         where person is not null and verdicts && '{allow,approved}' group by 1, 2, 3)
     select u.* from used u
     where exists (select from search_facet f join search_record r on r.facet = f.id
         where f.person = u.person and f.kind = 'statement' and r.at < to_timestamp($1 / 1000.0))
       and not exists (select from search_facet f join search_record r on r.facet = f.id
         where f.person = u.person and f.target is not distinct from u.target and u.table = any (f.tables)
           and f.verdicts && '{allow,approved}' and r.at < to_timestamp($1 / 1000.0))
     order by u.at, 1, 2, 3 limit ${TOP}`,
    [...valuesOf(asked)],
  );
  return rows.map(({ person, target, table, n, at }) => ({
    kind: 'first-use',
    person,
    target,
    table,
    count: Number(n),
    at: at.toISOString(),
    query: searched(term('person', person), term('target', target), term('table', table)),
  }));
}

async function offHours(
  sql: Sql,
  asked: Asked,
  searched: Searched,
  { from, to, days, timeZone }: WorkingHours,
): Promise<readonly Unusual[]> {
  const { rows } = await sql.query<Row>(
    `select person, target, count(*) as n, min(at) as at from (
       select person, target, at, at at time zone $5 as here from (${PART}) p where person is not null) p
     where not (extract(isodow from here)::int = any ($6::int[]) and here::time >= $7::time and here::time < $8::time)
     group by 1, 2 order by n desc, 1, 2 limit ${TOP}`,
    [...valuesOf(asked), timeZone, [...days], from, to],
  );
  return rows.map(({ person, target, n, at }) => ({
    kind: 'off-hours',
    person,
    ...(target !== null && { target }),
    count: Number(n),
    at: at.toISOString(),
    query: searched(term('person', person), term('target', target)),
  }));
}

type Volume = {
  person: string;
  at: Date;
  statements: string;
  rows: string;
  usual_statements: number;
  usual_rows: number;
};

/** Against the person's own 14 days before; who was not seen in them has no usual, and is not told of here. */
async function volumes(sql: Sql, asked: Asked, searched: Searched): Promise<readonly Unusual[]> {
  const before = { ...asked, from: asked.from - BEFORE_DAYS * 86_400_000, to: asked.from };
  const share = (asked.to - asked.from) / (BEFORE_DAYS * 86_400_000);
  const { rows } = await sql.query<Volume>(
    `with now as (select person, min(at) as at, count(*) as statements, coalesce(sum(rows), 0) as rows from (${PART}) p
         where person is not null group by 1 having count(*) >= $7 or sum(rows) >= $8),
       before as (select person, count(*) * $6::float8 as statements, coalesce(sum(rows), 0) * $6::float8 as rows
         from (${PART.replace('$1', '$5').replace('$2', '$1')}) p
         where $2::float8 is not null and person in (select person from now) group by 1)
     select n.person, n.at, n.statements, n.rows, b.statements as usual_statements, b.rows::float8 as usual_rows
     from now n join before b using (person) order by n.person`,
    [...valuesOf(asked), before.from, share, LEAST.statements, LEAST.rows],
  );
  const found = rows.flatMap((row) =>
    (['statements', 'rows'] as const).flatMap((kind): readonly Unusual[] => {
      const [count, usual] = [Number(row[kind]), row[`usual_${kind}`]];
      if (count < LEAST[kind] || count < TIMES * usual) return [];
      const { person, at } = row;
      const query = searched(term('person', person));
      return [{ kind, person, count, usual: Math.round(usual), at: at.toISOString(), query }];
    }),
  );
  return found.toSorted((a, b) => b.count - a.count).slice(0, TOP);
}
