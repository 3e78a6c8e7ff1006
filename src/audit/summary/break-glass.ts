import type { Sql } from '../../store/database.ts';
import { term, valuesOf, type Asked } from './part.ts';

/** Somebody took a role at once; `count` is of the statements that they sent to the target while they had it. */
export type BrokenGlass = {
  readonly person: string;
  readonly target: string;
  readonly role: string;
  /** ISO 8601. */
  readonly at: string;
  readonly until: string;
  readonly count: number;
  /** Who read afterwards what was done; absent while nobody has. */
  readonly reviewedBy?: string;
  readonly query: string;
};

type Row = {
  readonly person: string;
  readonly target: string;
  readonly role: string;
  readonly at: Date;
  readonly until: Date;
  readonly n: string;
  readonly reviewed_by: string | null;
};

const MOST = 20;

/** Of those that began in the time asked for. */
export async function brokenGlass(sql: Sql, asked: Asked): Promise<readonly BrokenGlass[]> {
  const { rows } = await sql.query<Row>(
    `select g.person, g.target, g.role, g.starts_at as at, coalesce(g.ended_at, g.ends_at) as until, g.reviewed_by,
       (select count(*) from search_record r join search_facet f on f.id = r.facet
          where f.kind = 'statement' and lower(f.person) = g.person and f.target = g.target
            and r.at >= g.starts_at and r.at < coalesce(g.ended_at, g.ends_at)) as n
     from access_grant g
     where g.kind = 'break-glass' and g.starts_at >= to_timestamp($1 / 1000.0) and g.starts_at < to_timestamp($2 / 1000.0)
       and ($3::text is null or g.target like $3) and ($4::text is null or g.person = lower($4))
     order by g.starts_at desc, g.id limit ${MOST}`,
    [...valuesOf(asked)],
  );
  return rows.map(({ person, target, role, at, until, n, reviewed_by }) => ({
    person,
    target,
    role,
    at: at.toISOString(),
    until: until.toISOString(),
    count: Number(n),
    ...(reviewed_by !== null && { reviewedBy: reviewed_by }),
    query: [
      'kind:statement',
      term('person', person),
      term('target', target),
      `after:${at.toISOString()}`,
      `before:${until.toISOString()}`,
    ].join(' '),
  }));
}
