import type { OwnType } from '../../mask/column.ts';
import { resourceId, type Resource, type ResourceType } from '../effect.ts';
import { NotResolved } from './nodetree.ts';

/** A relation of the target, as its catalog tells. */
export type Relation = {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind. */
  readonly kind: string;
  /** Changes whenever the definition does. */
  readonly version: string;
  /** Column names by attribute number; empty for relations of the system. */
  readonly columns: ReadonlyMap<number, string>;
  /** Their types (OIDs) by the same numbers. */
  readonly types: ReadonlyMap<number, number>;
  /** Has triggers of its owner, which run code that no tree shows. */
  readonly triggers: boolean;
};

export type Routine = {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_proc.provolatile. */
  readonly volatility: string;
  readonly version: string;
};

/** What one foreign key does to its own table when the referenced one changes. */
export type Cascade = {
  readonly relation: number;
  readonly on: 'update' | 'delete';
  readonly does: 'write' | 'delete';
  /** Attribute numbers of the referenced key. */
  readonly key: readonly number[];
};

export type Schema = {
  readonly name: string;
  /** Whether the target role, and the analyser's, may look inside: PostgreSQL skips other schemas of a path. */
  readonly user: boolean;
  readonly analyser: boolean;
};

/** The columns that a stored column was made from; `verbatim` as for an Output. */
export type Origin = { readonly sources: readonly Resource[]; readonly verbatim: boolean };

export type CatalogRows = {
  readonly target: string;
  /** The role that `Schema.user` speaks of. */
  readonly role: string;
  readonly schemas: readonly Schema[];
  readonly relations: readonly Relation[];
  readonly routines: readonly Routine[];
  readonly inherits: readonly (readonly [child: number, parent: number])[];
  /** Generated columns: relation → attribute → the attributes it is computed from. */
  readonly generated: ReadonlyMap<number, ReadonlyMap<number, readonly number[]>>;
  /** Attributes that some unique index or exclusion constraint compares, by relation. */
  readonly unique: ReadonlyMap<number, readonly number[]>;
  /** By referenced relation. */
  readonly cascades: ReadonlyMap<number, readonly Cascade[]>;
  /** Operators that an owner made: operator → routine. */
  readonly operators: ReadonlyMap<number, number>;
  /** Their signs. */
  readonly operatorNames: ReadonlySet<string>;
  /** Types that an owner made → the routines behind their text form and their checks. */
  readonly types: ReadonlyMap<number, readonly number[]>;
  /** Of the same types: what masks must know of their values. */
  readonly values: ReadonlyMap<number, OwnType>;
  /** Indexes with their tables. */
  readonly indexes: readonly {
    readonly schema: string;
    readonly name: string;
    readonly relation: number;
    /** Attribute numbers; undefined when it is not the primary key. */
    readonly primary: readonly number[] | undefined;
  }[];
};

/** Entity ids, with the target's name. */
export type CatalogNames = {
  readonly schemas: readonly string[];
  readonly tables: readonly string[];
  readonly columns: readonly string[];
  readonly functions: readonly string[];
};

/** Objects below this number were made by initdb. */
export const firstUserOid = 16_384;
const systemSchemas = new Set(['pg_catalog', 'information_schema', 'pg_toast']);

/** The name is not in this snapshot: load a newer one and look again. */
export class NotInCatalog extends NotResolved {}

/** One consistent view of a target's definitions. Resources are interned, so sets of them can be compared by identity. */
export class Catalog {
  readonly target: string;
  readonly #relations = new Map<number, Relation>();
  readonly #routines = new Map<number, Routine>();
  readonly #byName = new Map<string, Relation>();
  readonly #indexes = new Map<string, number>();
  readonly #primary = new Map<number, readonly number[]>();
  readonly #routinesByName = new Map<string, Routine[]>();
  readonly #parents = new Map<number, number[]>();
  readonly #children = new Map<number, number[]>();
  readonly #columns = new Map<string, Resource>();
  readonly #rows: CatalogRows;
  /** What is behind the columns of views that are met as tables are, by relation and attribute number; filled by the analyser. */
  readonly materialized = new Map<number, ReadonlyMap<number, Origin>>();
  /** The schemas that roles of people may look into; filled by the analyser. */
  readonly roles = new Map<string, ReadonlySet<string>>();

  constructor(rows: CatalogRows) {
    this.#rows = rows;
    this.target = rows.target;
    for (const relation of rows.relations) {
      this.#relations.set(relation.oid, relation);
      this.#byName.set(key(relation.schema, relation.name), relation);
    }
    for (const { schema, name, relation, primary } of rows.indexes) {
      this.#indexes.set(key(schema, name), relation);
      if (primary) this.#primary.set(relation, primary);
    }
    for (const routine of rows.routines) {
      this.#routines.set(routine.oid, routine);
      push(this.#routinesByName, key(routine.schema, routine.name), routine);
    }
    for (const [below, above] of rows.inherits) {
      push(this.#parents, below, above);
      push(this.#children, above, below);
    }
  }

  relation(oid: number): Relation {
    const found = this.#relations.get(oid);
    if (!found) throw new NotInCatalog(`the relation ${oid} is not in the catalog`);
    return found;
  }

  /** Every column that rules can speak of: those of relations which are not PostgreSQL's own. */
  ruleable(): Resource[] {
    return this.#rows.relations
      .filter(({ schema }) => !systemSchemas.has(schema))
      .flatMap(({ schema, name, columns }) =>
        [...columns.values()].map((column): Resource => ({
          type: 'Column',
          path: [this.target, schema, name, column],
        })),
      );
  }

  /** Entity ids of everything that rules can name; of PostgreSQL's own tables without their columns. */
  names(): CatalogNames {
    const { schemas, relations, routines } = this.#rows;
    const id = (type: ResourceType, ...path: string[]): string =>
      resourceId({ type, path: [this.target, ...path] });
    return {
      schemas: schemas.map(({ name }) => id('Schema', name)),
      tables: relations.map(({ schema, name }) => id('Table', schema, name)),
      columns: this.ruleable().map(resourceId),
      functions: [...new Set(routines.map(({ schema, name }) => id('Function', schema, name)))],
    };
  }

  routine(oid: number): Routine {
    const found = this.#routines.get(oid);
    if (!found) throw new NotInCatalog(`the function ${oid} is not in the catalog`);
    return found;
  }

  /** The routine behind an operator that an owner made, or undefined for PostgreSQL's own. */
  operatorRoutine(oid: number): number | undefined {
    if (oid < firstUserOid) return undefined;
    const found = this.#rows.operators.get(oid);
    if (found === undefined) throw new NotInCatalog(`the operator ${oid} is not in the catalog`);
    return found;
  }

  typeRoutines(oid: number): readonly number[] {
    return this.#rows.types.get(oid) ?? [];
  }

  readonly ownType = (oid: number): OwnType | undefined => this.#rows.values.get(oid);

  uniqueColumns(oid: number): readonly number[] {
    return this.#rows.unique.get(oid) ?? [];
  }

  cascades(oid: number): readonly Cascade[] {
    return this.#rows.cascades.get(oid) ?? [];
  }

  /** A relation as a statement names it: with its schema, or through the path. */
  find(schema: string | undefined, name: string, path: readonly string[]): Relation | undefined {
    for (const candidate of searched(schema, path)) {
      const found = this.#byName.get(key(candidate, name));
      if (found) return found;
    }
    return undefined;
  }

  /** The table of an index, as a statement names the index. */
  tableOfIndex(
    schema: string | undefined,
    name: string,
    path: readonly string[],
  ): Relation | undefined {
    for (const candidate of searched(schema, path)) {
      const found = this.#indexes.get(key(candidate, name));
      if (found !== undefined) return this.relation(found);
    }
    return undefined;
  }

  /** Attribute numbers of a table's primary key. */
  primaryKey(oid: number): readonly number[] {
    return this.#primary.get(oid) ?? [];
  }

  /** Every table, view and sequence of a schema. */
  tablesOf(schema: string): readonly Relation[] {
    return this.#rows.relations.filter((relation) => relation.schema === schema);
  }

  /** Whether an owner made an operator of this sign: then what it calls cannot be told by the sign. */
  isOwnOperator(sign: string): boolean {
    return this.#rows.operatorNames.has(sign);
  }

  findRoutines(
    schema: string | undefined,
    name: string,
    path: readonly string[],
  ): readonly Routine[] {
    return searched(schema, path).flatMap(
      (candidate) => this.#routinesByName.get(key(candidate, name)) ?? [],
    );
  }

  /** The schema in which a new object without a schema would be made: the first of the path that exists. */
  creationSchema(path: readonly string[]): string | undefined {
    return path.find((name) => this.#rows.schemas.some((schema) => schema.name === name));
  }

  /** Whether it is known into which schemas this role may look. */
  knows(role: string): boolean {
    return role === this.#rows.role || this.roles.has(role);
  }

  /** The schemas of a path that this role really looks into; throws when the analyser could not look there too. */
  usable(path: readonly string[], role: string): readonly string[] {
    if (!this.knows(role)) throw new NotInCatalog(`the role ${role} is not in the catalog`);
    const own = this.roles.get(role);
    const found = path.flatMap((name) =>
      this.#rows.schemas.filter(
        (schema) => schema.name === name && (own ? own.has(name) : schema.user),
      ),
    );
    for (const { name, analyser } of found)
      if (!analyser)
        throw new NotResolved(
          `the analyser role has no USAGE on the schema ${name} of the search_path`,
        );
    return found.map(({ name }) => name);
  }

  table(relation: Relation): Resource {
    return { type: 'Table', path: [this.target, relation.schema, relation.name] };
  }

  /** The relation, what it inherits from, and with `below` also what inherits from it: a rule on any of them counts. */
  family(oid: number, below: boolean): readonly Relation[] {
    const seen = new Set<number>([oid]);
    spread(seen, oid, this.#parents);
    if (below) spread(seen, oid, this.#children);
    return [...seen].map((member) => this.relation(member));
  }

  /** The columns a value of this attribute may come from; attribute 0 is the whole row. */
  sources(oid: number, attribute: number, below: boolean): readonly Resource[] {
    const relation = this.relation(oid);
    if (attribute < 0 || isSystem(relation)) return [];
    const wanted = attribute === 0 ? [...relation.columns.keys()] : [attribute];
    const found: Resource[] = [];
    for (const number of wanted) {
      const name = relation.columns.get(number);
      if (name === undefined)
        throw new NotInCatalog(`${relation.schema}.${relation.name} has no column ${number}`);
      for (const member of this.family(oid, below)) {
        if (member === relation || hasColumn(member, name)) found.push(this.column(member, name));
      }
      found.push(...this.#behind(oid, number));
      for (const base of this.#generated(oid, number))
        found.push(...this.sources(oid, base, below));
    }
    return found;
  }

  #behind(oid: number, attribute: number): readonly Resource[] {
    return this.materialized.get(oid)?.get(attribute)?.sources ?? [];
  }

  #generated(oid: number, attribute: number): readonly number[] {
    return this.#rows.generated.get(oid)?.get(attribute) ?? [];
  }

  /** True when the attribute is stored or computed as something else than a single value that was put there. */
  isDerived(oid: number, attribute: number): boolean {
    if (attribute === 0 || this.#generated(oid, attribute).length > 0) return true;
    const copy = this.materialized.get(oid)?.get(attribute);
    return copy !== undefined && copy.sources.length > 0 && !copy.verbatim;
  }

  column(relation: Relation, name: string): Resource {
    const id = key(String(relation.oid), name);
    const known = this.#columns.get(id);
    if (known) return known;
    const made: Resource = { type: 'Column', path: [...this.table(relation).path, name] };
    this.#columns.set(id, made);
    return made;
  }

  /** True when any column of the target is ruled: for code that cannot be seen. */
  hasRuled(isRuled: (column: Resource) => boolean): boolean {
    for (const relation of this.#relations.values()) {
      for (const name of relation.columns.values())
        if (isRuled(this.column(relation, name))) return true;
    }
    return false;
  }

  /** Every column of the relations, for the question whether any of them is ruled. */
  allColumns(oids: Iterable<number>): readonly Resource[] {
    const all: Resource[] = [];
    for (const oid of oids) {
      const relation = this.relation(oid);
      for (const name of relation.columns.values()) all.push(this.column(relation, name));
      for (const { sources } of this.materialized.get(oid)?.values() ?? []) all.push(...sources);
    }
    return all;
  }
}

/** True for PostgreSQL's own tables and views. */
export function isSystem(relation: Relation): boolean {
  return relation.oid < firstUserOid || systemSchemas.has(relation.schema);
}

/** PostgreSQL looks into its own schema first, unless the path says when. */
function searched(schema: string | undefined, path: readonly string[]): readonly string[] {
  if (schema !== undefined) return [schema];
  return path.includes('pg_catalog') ? path : ['pg_catalog', ...path];
}

function hasColumn(relation: Relation, name: string): boolean {
  for (const column of relation.columns.values()) if (column === name) return true;
  return false;
}

function spread(
  seen: Set<number>,
  from: number,
  edges: ReadonlyMap<number, readonly number[]>,
): void {
  const queue = [from];
  for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
    for (const next of edges.get(oid) ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push(next);
    }
  }
}

function key(schema: string, name: string): string {
  return `${schema.length}:${schema}${name}`;
}

function push<K, V>(map: Map<K, V[]>, at: K, value: V): void {
  const list = map.get(at);
  if (list) list.push(value);
  else map.set(at, [value]);
}
