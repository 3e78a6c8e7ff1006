import type { Node, ObjectType, RangeVar } from 'libpg-query';
import type { Access, Resource } from '../effect.ts';
import type { Relation } from './catalog.ts';
import { nameParts } from './constant.ts';
import { access, administering, unique } from './deed.ts';
import { kindWords } from './kinds.ts';
import { findRelation, refuseTemp, schemaOf, targetOf } from './objects.ts';
import type { Statement } from './part.ts';

/** An object that a statement changes: what is asked about it, and how it is called. */
export type Address = {
  readonly accesses: readonly Access[];
  /** `shop.public.orders`; as it was written where it was not found. */
  readonly name: string;
  /** The table it is or belongs to, where it was found. */
  readonly relation?: Relation;
};

// They belong to the database or the server, not to a schema.
const wide = new Set<ObjectType | undefined>([
  'OBJECT_ACCESS_METHOD',
  'OBJECT_CAST',
  'OBJECT_DATABASE',
  'OBJECT_DEFACL',
  'OBJECT_EVENT_TRIGGER',
  'OBJECT_EXTENSION',
  'OBJECT_FDW',
  'OBJECT_FOREIGN_SERVER',
  'OBJECT_LANGUAGE',
  'OBJECT_LARGEOBJECT',
  'OBJECT_PARAMETER_ACL',
  'OBJECT_PUBLICATION',
  'OBJECT_PUBLICATION_NAMESPACE',
  'OBJECT_PUBLICATION_REL',
  'OBJECT_ROLE',
  'OBJECT_SUBSCRIPTION',
  'OBJECT_TABLESPACE',
  'OBJECT_TRANSFORM',
  'OBJECT_USER_MAPPING',
]);
const relations = new Set<ObjectType | undefined>([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_FOREIGN_TABLE',
  'OBJECT_INDEX',
]);
// Named by their table's name and their own.
const parts = new Set<ObjectType | undefined>([
  'OBJECT_COLUMN',
  'OBJECT_TABCONSTRAINT',
  'OBJECT_TRIGGER',
  'OBJECT_POLICY',
  'OBJECT_RULE',
]);
const routines = new Set<ObjectType | undefined>([
  'OBJECT_FUNCTION',
  'OBJECT_PROCEDURE',
  'OBJECT_ROUTINE',
  'OBJECT_AGGREGATE',
]);

/** The object of COMMENT, DROP, RENAME, ALTER … OWNER and the like. */
export function addressOf(
  statement: Statement,
  type: ObjectType | undefined,
  object: Node | undefined,
  relation?: RangeVar,
): Address {
  if (relation) return relationAddress(statement, relation);
  const names = object ? namesOf(object) : [];
  if (wide.has(type))
    return {
      accesses: administering(statement),
      name: [kindWords(type), names.join('.')].join(' ').trim(),
    };
  if (type === 'OBJECT_SCHEMA') return schemaAddress(statement, names.at(-1) ?? '');
  if (relations.has(type)) return relationAddress(statement, rangeOf(names));
  if (parts.has(type)) {
    const table = relationAddress(statement, rangeOf(names.slice(0, -1)));
    return { ...table, name: `${kindWords(type)} ${names.at(-1)} of ${table.name}` };
  }
  if (routines.has(type)) return routineAddress(statement, names);
  return other(statement, type, type === 'OBJECT_DOMCONSTRAINT' ? names.slice(0, -1) : names);
}

/** The names an object is called by, outermost first. */
export function namesOf(node: Node): readonly string[] {
  if ('List' in node) return (node.List.items ?? []).flatMap((item) => namesOf(item));
  if ('TypeName' in node) return nameParts(node.TypeName.names ?? []);
  if ('ObjectWithArgs' in node) return nameParts(node.ObjectWithArgs.objname ?? []);
  if ('RangeVar' in node) {
    const { schemaname, relname = '' } = node.RangeVar;
    return schemaname === undefined ? [relname] : [schemaname, relname];
  }
  return nameParts([node]).filter((name) => name !== '');
}

function rangeOf(names: readonly string[]): RangeVar {
  const schemaname = names.at(-2);
  return { relname: names.at(-1) ?? '', ...(schemaname !== undefined && { schemaname }) };
}

/** A table, view, sequence or index; what is not found is asked for at the whole target. */
export function relationAddress(statement: Statement, named: RangeVar): Address {
  refuseTemp(named);
  const { catalog, path } = statement;
  const found =
    findRelation(statement, named) ??
    catalog.tableOfIndex(named.schemaname, named.relname ?? '', path);
  const resource = found ? catalog.table(found) : targetOf(statement);
  const written = [named.schemaname, named.relname].filter((one) => one !== undefined).join('.');
  const isIndex = found !== undefined && found.name !== named.relname;
  const table = found ? resource.path.join('.') : written;
  return {
    accesses: access('define', [resource]),
    name: isIndex ? `index ${written} of ${table}` : table,
    ...(found && { relation: found }),
  };
}

/** A schema with all that is in it: whatever happens to it happens to its tables. */
export function schemaAddress(statement: Statement, name: string): Address {
  const schema = schemaOf(statement, name);
  const inside = statement.catalog.tablesOf(name).map((one) => statement.catalog.table(one));
  return {
    accesses: access('define', [schema, ...inside]),
    name: `schema ${schema.path.join('.')}`,
  };
}

function routineAddress(statement: Statement, names: readonly string[]): Address {
  const { catalog } = statement;
  const found = catalog.findRoutines(names.at(-2), names.at(-1) ?? '', statement.path);
  const schemas = found.map((one): Resource => ({
    type: 'Schema',
    path: [catalog.target, one.schema],
  }));
  const resources = found.length > 0 ? unique(schemas) : [targetOf(statement)];
  return { accesses: access('define', resources), name: names.join('.') };
}

/** A type, operator, collation and the like: with its schema, or else asked for at the whole target. */
function other(
  statement: Statement,
  type: ObjectType | undefined,
  names: readonly string[],
): Address {
  // An operator class is named by its access method first.
  const own = type === 'OBJECT_OPCLASS' || type === 'OBJECT_OPFAMILY' ? names.slice(1) : names;
  const schema = own.at(-2);
  const resource = schema === undefined ? targetOf(statement) : schemaOf(statement, schema);
  return {
    accesses: access('define', [resource]),
    name: `${kindWords(type)} ${own.join('.')}`.trim(),
  };
}
