import { randomUUID } from 'node:crypto';
import type { Sql } from '../../store/database.ts';
import { endEverything } from '../end.ts';
import { bad, ScimError } from './error.ts';
import {
  BY_EXTERNAL_ID,
  BY_ID,
  byName,
  MOST_LOOKED_AT,
  narrowed,
  pageOf,
  type Page,
  type Query,
} from './list.ts';
import { applyPatch } from './patch.ts';
import { keyOf, nameOf, textOf, type ScimProvider } from './person.ts';
import { readAttributes } from './read.ts';
import { USER, type Attributes } from './schema.ts';
import { dropPerson, syncPeople } from './sync.ts';
import { again, one, record, refusing, type ScimParts } from './write.ts';

type Row = {
  readonly id: string;
  readonly email: string;
  readonly active: boolean;
  readonly attributes: Attributes;
  readonly version: string;
  readonly created_at: Date;
  readonly modified_at: Date;
};

const COLUMNS = 'id, email, active, attributes, version::text, created_at, modified_at';
const INDEXED = new Map([
  ['userName', byName('user_name')],
  ['externalId', BY_EXTERNAL_ID],
  ['id', BY_ID],
  [
    'emails.value',
    {
      sql: `exists (select from jsonb_array_elements(attributes -> 'emails') e where lower(e ->> 'value') = lower($2))`,
    },
  ],
]);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

/** The users that one provider tells of; each method throws ScimError. `at` is the address of the collection. */
export class Users {
  readonly #parts: ScimParts;
  readonly #provider: ScimProvider;
  readonly #at: string;

  constructor(parts: ScimParts, provider: ScimProvider, at: string) {
    this.#parts = parts;
    this.#provider = provider;
    this.#at = at;
  }

  async get(id: string): Promise<Attributes> {
    return this.#resource(await this.#load(id));
  }

  async list(query: Query): Promise<Page> {
    const { filter, startIndex, count } = query;
    const { pool } = this.#parts.db;
    const { name } = this.#provider;
    if (filter) {
      const { condition, value } = narrowed(filter, INDEXED);
      const { rows } = await pool.query<Row>(
        `select ${COLUMNS} from countersign.scim_user where provider = $1 and ${condition}
         order by created_at, id limit ${MOST_LOOKED_AT + 1}`,
        [name, value],
      );
      return pageOf(
        rows.map((row) => this.#resource(row)),
        query,
      );
    }
    const { rows } = await pool.query<Row>(
      `select ${COLUMNS} from countersign.scim_user where provider = $1
       order by created_at, id limit $2 offset $3`,
      [name, count, startIndex - 1],
    );
    const all = await pool.query<{ total: string }>(
      'select count(*)::text as total from countersign.scim_user where provider = $1',
      [name],
    );
    return {
      total: Number(all.rows[0]?.total ?? 0),
      resources: rows.map((row) => this.#resource(row)),
    };
  }

  async create(body: unknown): Promise<Attributes> {
    const attributes = checked({ active: true, ...readAttributes(USER, body) });
    const email = this.#keyOf(attributes);
    const id = randomUUID();
    const insert = async (sql: Sql): Promise<void> => {
      await sql.query(
        `insert into countersign.scim_user (id, provider, user_name, external_id, email, name, active, attributes)
         values ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [id, this.#provider.name, ...columnsOf(attributes, email)],
      );
      await syncPeople(sql, [id], this.#parts.providers, 'new');
    };
    if (attributes['active'] === true)
      await record(
        this.#parts,
        {
          kind: 'person',
          person: email,
          body: { ...this.#told('create', id), ...said(attributes) },
        },
        insert,
      );
    else await this.#end(email, id, 'create', 'was told of as not active', insert);
    this.#parts.directory.forget(email);
    return this.get(id);
  }

  replace(id: string, body: unknown): Promise<Attributes> {
    const given = readAttributes(USER, body);
    // A PUT without it leaves it: nobody is let in again by what somebody forgot to say.
    return this.#change(id, (before) => ({ active: before['active'] ?? false, ...given }));
  }

  patch(id: string, body: unknown): Promise<Attributes> {
    return this.#change(id, (before) => applyPatch(USER, before, body));
  }

  remove(id: string): Promise<void> {
    return again(async () => {
      const row = await this.#load(id);
      await this.#end(row.email, id, 'delete', 'was taken out', async (sql) => {
        one(
          await sql.query('delete from countersign.scim_user where id = $1 and version = $2', [
            id,
            row.version,
          ]),
        );
        await dropPerson(sql, row.email, !row.active);
      });
      this.#parts.directory.forget(row.email);
    });
  }

  #change(id: string, changed: (before: Attributes) => Attributes): Promise<Attributes> {
    return again(async () => {
      const row = await this.#load(id);
      const attributes = checked(changed(row.attributes));
      const email = this.#keyOf(attributes);
      const update = async (sql: Sql): Promise<void> => {
        one(
          await sql.query(
            `update countersign.scim_user set user_name = $3, external_id = $4, email = $5, name = $6, active = $7,
               attributes = $8, version = version + 1, modified_at = clock_timestamp() where id = $1 and version = $2`,
            [id, row.version, ...columnsOf(attributes, email)],
          ),
        );
        if (email !== row.email) await dropPerson(sql, row.email, !row.active);
        await syncPeople(sql, [id], this.#parts.providers, becomes(row, attributes, email));
      };
      await this.#apply({ row, attributes, email }, update);
      for (const each of new Set([row.email, email])) this.#parts.directory.forget(each);
      return this.get(id);
    });
  }

  /** Ends the person who must not go on: one who is not active any more, or the address that was theirs before. */
  async #apply(
    { row, attributes, email }: { row: Row; attributes: Attributes; email: string },
    update: (sql: Sql) => Promise<void>,
  ): Promise<void> {
    const active = attributes['active'] === true;
    const same = JSON.stringify(sorted(attributes)) === JSON.stringify(sorted(row.attributes));
    if (email !== row.email)
      return this.#end(row.email, row.id, 'rename', `is ${email} now`, update, { to: email });
    // Also when it was so before: a provider that asks again must be able to rely on the answer.
    if (!active) return this.#end(email, row.id, 'deactivate', 'is not active any more', update);
    if (same) return;
    await record(
      this.#parts,
      {
        kind: 'person',
        person: email,
        body: {
          ...this.#told(row.active ? 'update' : 'activate', row.id),
          ...said(attributes),
        },
      },
      update,
    );
  }

  #end(
    email: string,
    user: string,
    what: string,
    why: string,
    within: (sql: Sql) => Promise<void>,
    more: object = {},
  ): Promise<void> {
    const { action, ...told } = this.#told(what, user);
    const reason = `${email} ${why}, says ${this.#provider.name}`;
    return refusing(() =>
      endEverything(this.#parts, { email, why: reason, action, ...told, ...more }, within),
    );
  }

  #told(what: string, user: string) {
    return { action: `scim-${what}`, provider: this.#provider.name, user };
  }

  #keyOf(attributes: Attributes): string {
    const email = keyOf(attributes, this.#provider);
    if (this.#parts.machines.has(email))
      throw new ScimError(409, 'This address is a machine of countersign.yaml.', 'uniqueness');
    return email;
  }

  async #load(id: string): Promise<Row> {
    const { rows } = UUID.test(id)
      ? await this.#parts.db.pool.query<Row>(
          `select ${COLUMNS} from countersign.scim_user where id = $1 and provider = $2`,
          [id, this.#provider.name],
        )
      : { rows: [] };
    if (!rows[0]) throw new ScimError(404, 'There is no such user.');
    return rows[0];
  }

  #resource({ id, attributes, created_at, modified_at }: Row): Attributes {
    return {
      ...attributes,
      id,
      meta: {
        resourceType: 'User',
        created: created_at.toISOString(),
        lastModified: modified_at.toISOString(),
        location: `${this.#at}/${id}`,
      },
    };
  }
}

function becomes(before: Row, after: Attributes, email: string) {
  if (email !== before.email) return 'new';
  if (after['active'] !== true) return 'deactivated';
  return before.active ? 'as-before' : 'active';
}

function checked(attributes: Attributes): Attributes {
  if (attributes['userName'] === undefined) throw bad('invalidValue', 'userName is missing.');
  return attributes;
}

function columnsOf(attributes: Attributes, email: string): unknown[] {
  const { userName, externalId, active } = attributes;
  return [
    textOf(userName).toLowerCase(),
    externalId ?? null,
    email,
    nameOf(attributes),
    active,
    JSON.stringify(attributes),
  ];
}

/** For the record. */
const said = (attributes: Attributes) => ({
  userName: textOf(attributes['userName']),
  name: nameOf(attributes),
  active: attributes['active'] === true,
});

/** PostgreSQL keeps members in an order of its own. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
