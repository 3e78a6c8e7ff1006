import type { Client } from 'pg';
import { z } from 'zod';
import type { TargetConfig } from '#src/config/config.ts';
import type { OwnType } from '#src/mask/column.ts';
import { type Cascade, Catalog, type CatalogRows } from '#src/statement/sql/catalog.ts';
import { analyserClient } from './analyser/connection.ts';

const oidNumber = z.coerce.number().int();
const relationRow = z.object({
  oid: oidNumber,
  schema: z.string(),
  name: z.string(),
  kind: z.string(),
  version: z.string(),
  triggers: z.boolean(),
  columns: z.array(z.tuple([z.number(), z.string()])).nullable(),
  types: z.array(z.tuple([z.number(), z.number()])).nullable(),
});
const routineRow = z.object({
  oid: oidNumber,
  schema: z.string(),
  name: z.string(),
  volatility: z.string(),
  version: z.string(),
});
const cascadeRow = z.object({
  referenced: oidNumber,
  relation: oidNumber,
  on: z.enum(['update', 'delete']),
  does: z.enum(['write', 'delete']),
  key: z.array(z.number()),
});
const schemaRow = z.object({ name: z.string(), user: z.boolean(), analyser: z.boolean() });
const generatedRow = z.object({ relation: oidNumber, attribute: z.number(), base: z.number() });
const indexRow = z.object({
  schema: z.string(),
  name: z.string(),
  relation: oidNumber,
  primary: z.array(z.number()).nullable(),
});
const valueRow = z.object({
  oid: oidNumber,
  kind: z.string(),
  element: oidNumber,
  base: oidNumber,
  text: z.boolean(),
  labels: z.array(z.string()).nullable(),
});
const pairRow = z.object({ from: oidNumber, to: oidNumber });
const operatorRow = pairRow.extend({ name: z.string() });

// The version of a relation moves with its row, its columns, its rules and its triggers.
const relationsSql = `
  select c.oid, n.nspname as schema, c.relname as name, c.relkind as kind,
    c.xmin::text || '.' || coalesce(a.version, '') || '.' ||
      coalesce((select max(r.xmin::text::bigint)::text || '+' || count(*) from pg_rewrite r where r.ev_class = c.oid), '') || '.' ||
      coalesce((select max(t.xmin::text::bigint)::text || '+' || count(*) from pg_trigger t where t.tgrelid = c.oid), '') as version,
    exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal) as triggers,
    a.columns, a.types
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  left join lateral (
    select json_agg(json_build_array(attnum, attname) order by attnum) as columns,
      json_agg(json_build_array(attnum, atttypid::bigint)) as types, md5(string_agg(xmin::text, ',' order by attnum)) as version
    from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped
      and c.oid >= 16384 and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  ) a on true
  where c.relpersistence <> 't' and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 't', 'c')`;

const routinesSql = `
  select p.oid, n.nspname as schema, p.proname as name, p.provolatile as volatility,
    case when p.oid < 16384 then '' else p.xmin::text end as version
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace`;

const cascadesSql = `
  select confrelid as referenced, conrelid as relation, w.on, case when w.does = 'c' and w.on = 'delete' then 'delete' else 'write' end as does,
    to_json(confkey) as key
  from pg_constraint, lateral (values ('delete', confdeltype), ('update', confupdtype)) as w("on", does)
  where contype = 'f' and w.does in ('c', 'n', 'd')`;

// A role that does not exist (yet) sees everything as far as this is concerned.
const schemasSql = `
  select n.nspname as name, has_schema_privilege(n.oid, 'USAGE') as analyser,
    coalesce((select has_schema_privilege(r.oid, n.oid, 'USAGE') from pg_roles r where r.rolname = $1), true) as user
  from pg_namespace n`;

const generatedSql = `
  select a.attrelid as relation, a.attnum as attribute, d.refobjsubid as base
  from pg_attribute a join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
  join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
    and d.refobjid = a.attrelid and d.refobjsubid not in (0, a.attnum)
  where a.attgenerated <> ''`;

const indexesSql = `
  select n.nspname as schema, c.relname as name, i.indrelid as relation,
    case when i.indisprimary then (select json_agg(k) from unnest(i.indkey::int2[]) k) end as primary
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
  where c.oid >= 16384 and c.relpersistence <> 't' and n.nspname <> 'pg_toast'`;

// The columns of an index stand in its key, or are what its expressions and its condition depend on.
const uniqueSql = `
  select i.indrelid as "from", k::int as "to" from pg_index i, unnest(i.indkey::int2[]) k
  where k > 0 and i.indrelid >= 16384 and (i.indisunique or i.indisexclusion)
  union
  select i.indrelid, d.refobjsubid from pg_index i
  join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refclassid = 'pg_class'::regclass
    and d.refobjid = i.indrelid and d.refobjsubid > 0
  where i.indrelid >= 16384 and (i.indisunique or i.indisexclusion)`;

const operatorsSql = `select oid as "from", oprcode::oid as "to", oprname as name from pg_operator where oid >= 16384`;

// Types that an owner made: what reads and prints their text, and the functions that a domain's checks call.
const typesSql = `
  select t.oid as "from", f.oid as "to" from pg_type t, lateral (values (t.typinput::oid), (t.typoutput::oid)) as f(oid)
  where t.oid >= 16384 and f.oid >= 16384
  union all
  select c.contypid, d.refobjid from pg_constraint c
  join pg_depend d on d.classid = 'pg_constraint'::regclass and d.objid = c.oid and d.refclassid = 'pg_proc'::regclass
  where c.contypid <> 0 and d.refobjid >= 16384`;

// A type is text where PostgreSQL's own text functions read and print it, as for citext.
const valuesSql = `
  select t.oid, t.typtype as kind, case when t.typcategory = 'A' and t.typdelim = ',' then t.typelem else 0 end as element,
    t.typbasetype as base, i.prosrc = 'textin' and o.prosrc = 'textout' and i.prolang = 12 as text,
    (select json_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = t.oid) as labels
  from pg_type t join pg_proc i on i.oid = t.typinput join pg_proc o on o.oid = t.typoutput
  where t.oid >= 16384 and t.typtype in ('b', 'd', 'e')`;

// Temporary tables of others come and go all the time, and mean nothing here.
const fingerprintSql = [
  count('pg_class', `oid >= 16384 and relpersistence <> 't'`),
  count(
    'pg_attribute',
    `attrelid >= 16384 and exists (select from pg_class c where c.oid = attrelid and c.relpersistence <> 't')`,
  ),
  count('pg_type', `oid >= 16384 and typtype <> 'c' and typcategory <> 'A'`),
  count('pg_constraint', `contype = 'f' or contypid <> 0`),
  ...['pg_proc', 'pg_rewrite', 'pg_trigger', 'pg_operator'].map((name) =>
    count(name, 'oid >= 16384'),
  ),
  count('pg_inherits', 'inhrelid >= 16384'),
  // The schema public is older than the first user's object; who may look into it changes too.
  count('pg_namespace', `nspname !~ '^pg_(toast_)?temp_'`),
  count('pg_auth_members', 'true'),
].join(' union all ');

function count(name: string, which: string): string {
  return `select '${name}', count(*), max(xmin::text::bigint), sum(hashint8(xmin::text::bigint)::bigint) from pg_catalog.${name} where ${which}`;
}

/** Loads a target's definitions, and tells cheaply whether they have changed. */
export class CatalogReader {
  readonly #target: TargetConfig;
  readonly #database: string;
  #client: Promise<Client> | undefined;
  constructor(target: TargetConfig, database: string) {
    this.#target = target;
    this.#database = database;
  }

  /** Counts and transaction ids of everything an owner made; any DDL changes it. */
  async fingerprint(): Promise<string> {
    const client = await this.connect();
    const result = await client.query<unknown[]>({ text: fingerprintSql, rowMode: 'array' });
    return result.rows.map((row) => row.join(':')).join(' ');
  }

  async load(): Promise<Catalog> {
    return new Catalog(await this.#rows());
  }

  /** The query behind a view, with every name qualified. */
  async viewDefinition(oid: number): Promise<string> {
    const client = await this.connect();
    const result = await client.query('select pg_get_viewdef($1::oid) as text', [oid]);
    const { text } = z.object({ text: z.string() }).parse(result.rows[0]);
    return text.trim().replace(/;$/, '');
  }

  async #rows(): Promise<CatalogRows> {
    const client = await this.connect();
    const all = async <T>(sql: string, shape: z.ZodType<T>, values: string[] = []): Promise<T[]> =>
      z.array(shape).parse((await client.query(sql, values)).rows);
    const relations = await all(relationsSql, relationRow);
    const routines = await all(routinesSql, routineRow);
    const inherits = await all(
      `select inhrelid as "from", inhparent as "to" from pg_inherits`,
      pairRow,
    );
    const cascades = await all(cascadesSql, cascadeRow);
    const operators = await all(operatorsSql, operatorRow);
    const types = await all(typesSql, pairRow);
    const values = await all(valuesSql, valueRow);
    const indexes = await all(indexesSql, indexRow);
    const unique = await all(uniqueSql, pairRow);
    const schemas = await all(schemasSql, schemaRow, [this.#target.user]);
    const generated = await all(generatedSql, generatedRow);
    return {
      target: this.#target.name,
      role: this.#target.user,
      schemas,
      generated: generatedBy(generated),
      unique: pairs(unique),
      relations: relations.map((row) => ({
        ...row,
        columns: new Map(row.columns),
        types: new Map(row.types),
      })),
      routines,
      inherits: inherits.map(({ from, to }) => [from, to] as const),
      cascades: grouped(cascades),
      operators: new Map(operators.map(({ from, to }) => [from, to])),
      operatorNames: new Set(operators.map(({ name }) => name)),
      types: pairs(types),
      values: new Map(values.flatMap((row) => ownType(row) ?? [])),
      indexes: indexes.map((index) => ({ ...index, primary: index.primary ?? undefined })),
    };
  }

  /** The one session of the analyser's role that everything here is asked in. */
  connect(): Promise<Client> {
    if (this.#client) return this.#client;
    const client = analyserClient(this.#target, this.#database, {
      search_path: 'pg_catalog',
      statement_timeout: '30s',
    });
    const forget = (): void => {
      if (this.#client === client) this.#client = undefined;
    };
    client.then((open) => open.once('end', forget), forget);
    this.#client = client;
    return client;
  }

  async close(): Promise<void> {
    const open = await this.#client?.catch(() => undefined);
    await open?.end().catch(() => undefined);
  }
}

function ownType(row: z.infer<typeof valueRow>): [readonly [number, OwnType]] | undefined {
  const { oid, kind, element, base, text, labels } = row;
  if (kind === 'd') return [[oid, { kind: 'domain', base }]];
  if (kind === 'e') return [[oid, { kind: 'enum', labels: labels ?? [] }]];
  if (element !== 0) return [[oid, { kind: 'array', element }]];
  return text ? [[oid, { kind: 'text' }]] : undefined;
}

function grouped(
  rows: readonly z.infer<typeof cascadeRow>[],
): ReadonlyMap<number, readonly Cascade[]> {
  const map = new Map<number, Cascade[]>();
  for (const { referenced, ...cascade } of rows)
    map.set(referenced, [...(map.get(referenced) ?? []), cascade]);
  return map;
}

function generatedBy(
  rows: readonly z.infer<typeof generatedRow>[],
): ReadonlyMap<number, ReadonlyMap<number, readonly number[]>> {
  const map = new Map<number, Map<number, number[]>>();
  for (const { relation, attribute, base } of rows) {
    const columns = map.get(relation) ?? new Map<number, number[]>();
    columns.set(attribute, [...(columns.get(attribute) ?? []), base]);
    map.set(relation, columns);
  }
  return map;
}

function pairs(rows: readonly z.infer<typeof pairRow>[]): ReadonlyMap<number, readonly number[]> {
  const map = new Map<number, number[]>();
  for (const { from, to } of rows) map.set(from, [...(map.get(from) ?? []), to]);
  return map;
}
