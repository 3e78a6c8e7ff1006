import { randomUUID } from 'node:crypto';
import type { Database } from '../../store/database.ts';
import type { AuditLog, Entry, JsonObject } from '../log.ts';
import type { Person } from '../../identity/person.ts';
import { searchInRecord } from './in-record.ts';

/** A search that somebody keeps, and shares with groups. Whoever opens it finds what they may see, not what its owner may. */
export type View = {
  readonly id: string;
  readonly name: string;
  /** E-mail address. */
  readonly owner: string;
  readonly query: string;
  readonly groups: readonly string[];
  /** Name of the channel that hears of what matches. */
  readonly channel?: string;
};
export type NewView = Omit<View, 'id' | 'owner'>;

/** Thrown where the owner has one of this name. */
export class NameTaken extends Error {
  override name = 'NameTaken';
}

export interface Views {
  /** Their own, and those that are shared with one of their groups. */
  list(person: Person): Promise<readonly View[]>;
  /** Undefined also for one that the person may not see. */
  get(person: Person, id: string): Promise<View | undefined>;
  /** Each change is a record before it is one; throws NameTaken, NotRecorded. */
  add(person: Person, view: NewView, via: string): Promise<View>;
  change(person: Person, view: View, to: NewView, via: string): Promise<View>;
  remove(person: Person, view: View, via: string): Promise<void>;
}

type Row = {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly query: string;
  readonly groups: string[];
  readonly channel: string | null;
};
const COLUMNS = 'id, name, owner, query, groups, channel';
const SEEN = '(owner = $1 or groups && $2::text[])';

export function openViews(db: Database, audit: Pick<AuditLog, 'append'>): Views {
  return {
    async list(person) {
      const { rows } = await db.pool.query<Row>(
        `select ${COLUMNS} from countersign.search_view where ${SEEN} order by lower(name), id`,
        [person.email, person.groups],
      );
      return rows.map(viewOf);
    },
    async get(person, id) {
      const { rows } = await db.pool.query<Row>(
        `select ${COLUMNS} from countersign.search_view where ${SEEN} and id = $3`,
        [person.email, person.groups, id],
      );
      return rows[0] && viewOf(rows[0]);
    },
    async add(person, made, via) {
      const view: View = { ...made, id: randomUUID(), owner: person.email };
      await audit
        .append(record(person, view, 'keep', via), async (sql) => {
          await sql.query(
            `insert into countersign.search_view (${COLUMNS}) values ($1, $2, $3, $4, $5, $6)`,
            [view.id, view.name, view.owner, view.query, view.groups, view.channel ?? null],
          );
        })
        .catch(taken);
      return view;
    },
    async change(person, view, to, via) {
      const { id, owner } = view;
      const changed: View = { ...to, id, owner };
      await audit
        .append(record(person, changed, 'change', via), async (sql) => {
          // What matched the old query is told no more.
          await sql.query('delete from countersign.search_match where view = $1', [id]);
          await sql.query(
            `update countersign.search_view set name = $2, query = $3, groups = $4, channel = $5, created_at = clock_timestamp()
             where id = $1`,
            [id, changed.name, changed.query, changed.groups, changed.channel ?? null],
          );
        })
        .catch(taken);
      return changed;
    },
    async remove(person, view, via) {
      await audit.append(record(person, view, 'forget', via), async (sql) => {
        await sql.query('delete from countersign.search_view where id = $1', [view.id]);
      });
    },
  };
}

const record = (person: Person, view: View, action: string, via: string): Entry => ({
  kind: 'look',
  person: person.email,
  body: bodyOf(view, action, via),
});

/** As a search is recorded: without words that might be secret values themselves, and so without its name. */
function bodyOf({ id, query, groups, channel }: View, action: string, via: string): JsonObject {
  return {
    ...searchInRecord(query),
    looked: 'view',
    action,
    view: id,
    groups,
    via,
    ...(channel !== undefined && { channel }),
  };
}

function taken(error: unknown): never {
  if (error instanceof Error && 'code' in error && error.code === '23505')
    throw new NameTaken('there is a view of this name already', { cause: error });
  throw error;
}

const viewOf = ({ channel, ...row }: Row): View => ({
  ...row,
  ...(channel !== null && { channel }),
});
