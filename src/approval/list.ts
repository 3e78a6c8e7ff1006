import type { Person } from '../identity/person.ts';
import type { Sql } from '../store/database.ts';
import type { Request, RequestState } from './request.ts';
import { readRow, SELECT } from './rows.ts';

/** `groups` are all that they may decide for. */
export type RequestReader = Pick<Person, 'email' | 'groups'>;
type Reader = RequestReader;

/** Every field narrows the list; one that is absent does not. */
export type RequestFilter = {
  readonly states?: readonly RequestState[];
  /** What this person asked for, or one of their groups can release. */
  readonly visibleTo?: Reader;
  /** What waits, and this person could decide: of another person, for one of their groups, without their vote yet. */
  readonly decidableBy?: Reader;
  /** E-mail address of a person who voted on it. */
  readonly decidedBy?: string;
  readonly target?: string;
  /** Part of the e-mail address or the name of who asked. */
  readonly person?: string;
  /** ISO 8601: asked at this time or later, and before that one. */
  readonly from?: string;
  readonly to?: string;
  /** Id of a request: only those that come after it in the list. */
  readonly before?: string;
  /** Default 100. */
  readonly limit?: number;
};

/** Newest first. */
export async function listRequests(
  sql: Sql,
  filter: RequestFilter = {},
): Promise<readonly Request[]> {
  const values: unknown[] = [filter.limit ?? 100];
  const where = conditions(filter, (value) => `$${values.push(value)}`).join(' and ');
  const { rows } = await sql.query(
    `${SELECT} ${where && `where ${where}`} order by r.created_at desc, r.id desc limit $1`,
    values,
  );
  return rows.map((row) => readRow(row).request);
}

const TURN = ` and coalesce((g->>'stage')::int, 1) <= r.stage`;

/** `put` takes a value and returns its place in the query. */
function conditions(filter: RequestFilter, put: (value: unknown) => string): readonly string[] {
  const { states, visibleTo, decidableBy, decidedBy, target, person, from, to, before } = filter;
  const released = (groups: readonly string[], turn = ''): string => {
    const any = `any(${put(groups)})`;
    return `(exists (select from jsonb_array_elements(r.requirement->'groups') g
          where (g->>'group' = ${any} or g->'hours'->>'outside' = ${any})${turn})
        or exists (select from jsonb_array_elements(r.escalated) e where e->>'group' = ${any}))`;
  };
  const voted = (email: string): string =>
    `exists (select from countersign.decision d where d.request = r.id and d.person = lower(${put(email)}))`;
  return [
    states && `r.state = any(${put(states)})`,
    visibleTo && `(r.person = ${put(visibleTo.email)} or ${released(visibleTo.groups)})`,
    decidableBy &&
      `r.state = 'pending' and lower(r.person) <> lower(${put(decidableBy.email)})
        and ${released(decidableBy.groups, TURN)} and not ${voted(decidableBy.email)}`,
    decidedBy && voted(decidedBy),
    target && `r.card->>'target' = ${put(target)}`,
    person &&
      `strpos(lower(r.person || ' ' || (r.card->'person'->>'name')), lower(${put(person)})) > 0`,
    from && `r.created_at >= ${put(from)}::timestamptz`,
    to && `r.created_at < ${put(to)}::timestamptz`,
    // The row itself knows its exact time, which milliseconds in a link would lose.
    before &&
      `(r.created_at, r.id) < (select created_at, id from countersign.request where id = ${put(before)})`,
  ].filter((condition) => condition !== undefined);
}
