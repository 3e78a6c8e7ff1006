import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../../audit/log.ts';
import type { Sql } from '../../store/database.ts';
import { EVERYBODY } from '../directory.ts';
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
import { mentions } from './matches.ts';
import { applyPatch } from './patch.ts';
import { roleOf, textOf, type ScimProvider } from './person.ts';
import { readAttributes } from './read.ts';
import { GROUP, type Attributes, type Complex } from './schema.ts';
import { MANY, syncPeople } from './sync.ts';
import { again, one, record, type ScimParts } from './write.ts';

type Row = {
  readonly id: string;
  readonly role: string | null;
  /** Without members. */
  readonly attributes: Attributes;
  readonly version: string;
  readonly created_at: Date;
  readonly modified_at: Date;
};
type Member = { readonly id: string; readonly email: string; readonly user_name: string };

const COLUMNS = 'id, role, attributes, version::text, created_at, modified_at';
const INDEXED = new Map([
  ['displayName', byName('display_name')],
  ['externalId', BY_EXTERNAL_ID],
  ['id', BY_ID],
]);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

/** The groups that one provider tells of; each method throws ScimError. `at` is the address of the collection. */
export class Groups {
  readonly #parts: ScimParts;
  readonly #provider: ScimProvider;
  readonly #at: string;

  constructor(parts: ScimParts, provider: ScimProvider, at: string) {
    this.#parts = parts;
    this.#provider = provider;
    this.#at = at;
  }

  async get(id: string): Promise<Attributes> {
    const row = await this.#load(id);
    const members = await this.#membersOf([id]);
    return this.#resource(row, members.get(id));
  }

  async list(query: Query): Promise<Page> {
    const { filter } = query;
    // Members are many: they are read only to decide by them or to show them.
    const decides = filter !== undefined && mentions(filter, 'members');
    const { total, resources } = filter
      ? await this.#found(query, decides)
      : await this.#all(query);
    if (decides || query.hidden('members')) return { total, resources };
    const members = await this.#membersOf(resources.map(({ id }) => textOf(id)));
    return {
      total,
      resources: resources.map((each) => withMembers(each, members.get(textOf(each['id'])))),
    };
  }

  async #found(query: Query, decides: boolean): Promise<Page> {
    const { condition, value } = narrowed(query.filter, INDEXED);
    const { rows } = await this.#parts.db.pool.query<Row>(
      `select ${COLUMNS} from countersign.scim_group where provider = $1 and ${condition}
       order by created_at, id limit ${MOST_LOOKED_AT + 1}`,
      [this.#provider.name, value],
    );
    const members = decides ? await this.#membersOf(rows.map(({ id }) => id)) : new Map();
    return pageOf(
      rows.map((row) => this.#resource(row, members.get(row.id))),
      query,
    );
  }

  async #all({ startIndex, count }: Query): Promise<Page> {
    const { pool } = this.#parts.db;
    const { rows } = await pool.query<Row>(
      `select ${COLUMNS} from countersign.scim_group where provider = $1
       order by created_at, id limit $2 offset $3`,
      [this.#provider.name, count, startIndex - 1],
    );
    const all = await pool.query<{ total: string }>(
      'select count(*)::text as total from countersign.scim_group where provider = $1',
      [this.#provider.name],
    );
    return {
      total: Number(all.rows[0]?.total ?? 0),
      resources: rows.map((row) => this.#resource(row, undefined)),
    };
  }

  async create(body: unknown): Promise<Attributes> {
    const { members, ...attributes } = checked(readAttributes(GROUP, body));
    const added = await this.#users(idsOf(members));
    const id = randomUUID();
    const role = roleOf(attributes, this.#provider);
    await record(
      this.#parts,
      { kind: 'group', body: this.#told('create', id, { attributes, role, added }) },
      async (sql) => {
        await sql.query(
          `insert into countersign.scim_group (id, provider, display_name, external_id, role, attributes)
           values ($1, $2, $3, $4, $5, $6)`,
          [id, this.#provider.name, ...columnsOf(attributes, role)],
        );
        await this.#add(sql, id, added);
        await syncPeople(sql, ids(added), this.#parts.providers);
      },
      added.length,
    );
    this.#forget(added);
    return this.get(id);
  }

  replace(id: string, body: unknown): Promise<void> {
    const given = readAttributes(GROUP, body);
    return this.#change(id, () => given);
  }

  patch(id: string, body: unknown): Promise<void> {
    return this.#change(id, (before) => applyPatch(GROUP, before, body));
  }

  remove(id: string): Promise<void> {
    return again(async () => {
      const row = await this.#load(id);
      const removed = (await this.#membersOf([id])).get(id) ?? [];
      const { attributes, role } = row;
      await record(
        this.#parts,
        { kind: 'group', body: this.#told('delete', id, { attributes, role, removed }) },
        async (sql) => {
          one(
            await sql.query('delete from countersign.scim_group where id = $1 and version = $2', [
              id,
              row.version,
            ]),
          );
          await syncPeople(sql, ids(removed), this.#parts.providers);
        },
        removed.length,
      );
      this.#forget(removed);
    });
  }

  /** Gives each group the name that the configuration has for it now; at the start. */
  async remap(): Promise<void> {
    const { rows } = await this.#parts.db.pool.query<{
      id: string;
      role: string | null;
      attributes: Attributes;
    }>('select id, role, attributes from countersign.scim_group where provider = $1', [
      this.#provider.name,
    ]);
    for (const { id, role, attributes } of rows)
      if (roleOf(attributes, this.#provider) !== role)
        // oxlint-disable-next-line no-await-in-loop -- few, and one after the other
        await this.#change(id, (before) => before);
  }

  #change(id: string, changed: (before: Attributes) => Attributes): Promise<void> {
    return again(async () => {
      const row = await this.#load(id);
      const before = (await this.#membersOf([id])).get(id) ?? [];
      const after = checked(changed(withMembers(row.attributes, before)));
      const { members, ...attributes } = after;
      const wanted = new Set(idsOf(members));
      const had = new Set(before.map((member) => member.id));
      const removed = before.filter((member) => !wanted.has(member.id));
      const added = await this.#users([...wanted].filter((member) => !had.has(member)));
      const role = roleOf(attributes, this.#provider);
      // What is called otherwise is another group for everybody in it.
      const touched = role === row.role ? [...added, ...removed] : [...before, ...added];
      await record(
        this.#parts,
        { kind: 'group', body: this.#told('update', id, { attributes, role, added, removed }) },
        async (sql) => {
          one(
            await sql.query(
              `update countersign.scim_group set display_name = $3, external_id = $4, role = $5, attributes = $6,
                 version = version + 1, modified_at = clock_timestamp() where id = $1 and version = $2`,
              [id, row.version, ...columnsOf(attributes, role)],
            ),
          );
          await sql.query(
            'delete from countersign.scim_member where "group" = $1 and "user" = any ($2)',
            [id, ids(removed)],
          );
          await this.#add(sql, id, added);
          await syncPeople(sql, ids(touched), this.#parts.providers);
        },
        touched.length,
      );
      this.#forget(touched);
    });
  }

  /** Other gateways hear of it by the notices. */
  #forget(members: readonly Member[]): void {
    const { directory } = this.#parts;
    if (members.length > MANY) directory.forget(EVERYBODY);
    else for (const { email } of members) directory.forget(email);
  }

  async #add(sql: Sql, group: string, added: readonly Member[]): Promise<void> {
    const { rowCount } = await sql.query(
      `insert into countersign.scim_member ("group", "user")
       select $1, id from countersign.scim_user where id = any ($2) and provider = $3`,
      [group, ids(added), this.#provider.name],
    );
    if (rowCount !== added.length)
      throw bad('invalidValue', 'A member has just been taken out. Try again.');
  }

  /** Only users of this provider can be members. */
  async #users(wanted: readonly string[]): Promise<readonly Member[]> {
    const known = wanted.filter((id) => UUID.test(id));
    const { rows } = await this.#parts.db.pool.query<Member>(
      'select id, email, user_name from countersign.scim_user where id = any ($1) and provider = $2',
      [known, this.#provider.name],
    );
    const found = new Set(rows.map(({ id }) => id));
    const missing = wanted.filter((id) => !found.has(id));
    if (missing.length > 0)
      throw bad(
        'invalidValue',
        `There is no user ${missing.slice(0, 3).join(', ')} of this provider; a member is the id of one.`,
      );
    return rows;
  }

  async #membersOf(groups: readonly string[]): Promise<ReadonlyMap<string, readonly Member[]>> {
    const { rows } = await this.#parts.db.pool.query<Member & { group: string }>(
      `select m."group"::text, u.id::text, u.email, u.user_name from countersign.scim_member m
       join countersign.scim_user u on u.id = m."user" where m."group" = any ($1) order by u.created_at, u.id`,
      [groups],
    );
    return Map.groupBy(rows, ({ group }) => group);
  }

  #told(
    what: string,
    group: string,
    {
      attributes,
      role,
      added = [],
      removed = [],
    }: {
      attributes: Attributes;
      role: string | null;
      added?: readonly Member[];
      removed?: readonly Member[];
    },
  ): JsonObject {
    return {
      action: `scim-${what}`,
      provider: this.#provider.name,
      group,
      name: textOf(attributes['displayName']),
      role,
      added: added.map(({ email }) => email),
      removed: removed.map(({ email }) => email),
    };
  }

  async #load(id: string): Promise<Row> {
    const { rows } = UUID.test(id)
      ? await this.#parts.db.pool.query<Row>(
          `select ${COLUMNS} from countersign.scim_group where id = $1 and provider = $2`,
          [id, this.#provider.name],
        )
      : { rows: [] };
    if (!rows[0]) throw new ScimError(404, 'There is no such group.');
    return rows[0];
  }

  #resource(row: Row, members: readonly Member[] | undefined): Attributes {
    const { id, attributes, created_at, modified_at } = row;
    const meta = {
      resourceType: 'Group',
      created: created_at.toISOString(),
      lastModified: modified_at.toISOString(),
      location: `${this.#at}/${id}`,
    };
    return withMembers({ ...attributes, id, meta }, members);
  }
}

const ids = (members: readonly Member[]): string[] => members.map(({ id }) => id);

function withMembers(attributes: Attributes, members: readonly Member[] | undefined): Attributes {
  if (!members || members.length === 0) return attributes;
  const shown = members.map(({ id, user_name }) => ({
    value: id,
    display: user_name,
    type: 'User',
  }));
  return { ...attributes, members: shown };
}

function checked(attributes: Attributes): Attributes {
  if (attributes['displayName'] === undefined) throw bad('invalidValue', 'displayName is missing.');
  return attributes;
}

function idsOf(members: Attributes[string] | undefined): string[] {
  const list: readonly Complex[] = Array.isArray(members) ? members : [];
  if (list.some(({ type }) => textOf(type).toLowerCase() === 'group'))
    throw bad('invalidValue', 'Groups within groups are not taken: send the users.');
  return [...new Set(list.map(({ value }) => textOf(value)))];
}

function columnsOf(attributes: Attributes, role: string | null): unknown[] {
  const name = textOf(attributes['displayName']);
  return [name.toLowerCase(), attributes['externalId'] ?? null, role, JSON.stringify(attributes)];
}
