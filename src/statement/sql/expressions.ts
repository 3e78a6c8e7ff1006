import type { Access, ColumnUse, Resource } from '../effect.ts';
import type { Relation, Routine } from './catalog.ts';
import { functionKind } from './functions.ts';
import { targetOf } from './objects.ts';
import type { Statement } from './part.ts';

/** What expressions of a definition do: a check, an index, a default. The target does not hand out their tree. */
export type ExpressionUses = {
  readonly accesses: readonly Access[];
  readonly columns: readonly ColumnUse[];
  readonly opaque: boolean;
};

type Found = {
  readonly columns: Set<string>;
  readonly functions: (readonly string[])[];
  readonly operators: Set<string>;
  types: boolean;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/**
 * What is named in the parse trees of expressions, over the columns of `relation`. A name that could be a column counts
 * as one, and a function counts with all its namesakes.
 */
export function expressionUses(
  statement: Statement,
  relation: Relation | undefined,
  expressions: readonly unknown[],
  plain: readonly string[] = [],
): ExpressionUses {
  const found: Found = {
    columns: new Set(plain),
    functions: [],
    operators: new Set(),
    types: false,
  };
  for (const expression of expressions) collect(expression, found);
  const { catalog, path } = statement;
  const called = found.functions.flatMap((names) =>
    catalog.findRoutines(names.at(-2), names.at(-1) ?? '', path),
  );
  const columns = relation ? columnsOf(statement, relation, found.columns) : [];
  return {
    accesses: called.flatMap((routine) => asked(statement, routine)),
    columns: columns.map((column): ColumnUse => ({ action: 'filter', column })),
    opaque:
      called.some((routine) => functionKind(routine) === 'execute') ||
      found.types ||
      [...found.operators].some((sign) => catalog.isOwnOperator(sign)),
  };
}

function asked(statement: Statement, routine: Routine): readonly Access[] {
  const kind = functionKind(routine);
  if (kind === 'administer') return [{ action: 'administer', resource: targetOf(statement) }];
  if (kind !== 'execute') return [];
  const path = [statement.catalog.target, routine.schema, routine.name];
  return [{ action: 'execute', resource: { type: 'Function', path } }];
}

function columnsOf(
  { catalog }: Statement,
  relation: Relation,
  names: ReadonlySet<string>,
): readonly Resource[] {
  // The table's own name stands for the whole row.
  const whole = names.has('*') || names.has(relation.name);
  const attributes = [...relation.columns].filter(([, name]) => whole || names.has(name));
  return [
    ...new Set(attributes.flatMap(([number]) => catalog.sources(relation.oid, number, true))),
  ];
}

const json =
  'json json_scalar json_serialize json_exists json_query json_value json_object json_array json_objectagg json_arrayagg'.split(
    ' ',
  );

const types = new Set(
  `text uuid json jsonb date bytea inet cidr macaddr money xml name oid regclass regtype tsvector tsquery point line box
  path polygon circle lseg int4range int8range numrange tsrange tstzrange daterange`.split(/\s+/),
);

/** Whether PostgreSQL itself brings the type; keywords such as `int` are qualified by the parser. */
function isBuiltIn(type: unknown): boolean {
  const names = isObject(type) ? texts(type['names']) : [];
  return names[0] === 'pg_catalog' || (names.length === 1 && types.has(names[0] ?? ''));
}

function collect(value: unknown, found: Found): void {
  if (Array.isArray(value)) for (const item of value) collect(item, found);
  if (!isObject(value) || Array.isArray(value)) return;
  for (const [tag, inner] of Object.entries(value)) {
    if (isObject(inner)) note(tag, inner, found);
    collect(inner, found);
  }
}

function note(tag: string, node: Readonly<Record<string, unknown>>, found: Found): void {
  if (tag === 'ColumnRef') for (const name of texts(node['fields'])) found.columns.add(name);
  if (tag === 'FuncCall') noteCall(texts(node['funcname']), found);
  // A conversion to an owner's type calls the owner's function.
  if (tag === 'TypeCast' && !isBuiltIn(node['typeName'])) found.types = true;
  // What newer versions have as syntax is an owner's function to an older server.
  if (/^Json.*(Expr|Constructor|Agg)$/.test(tag))
    for (const name of json) found.functions.push([name]);
  // Operators stand in A_Expr, and as text beside sub-queries and sort orders.
  const signs = [tag === 'A_Expr' ? node['name'] : undefined, node['operName'], node['useOp']];
  for (const sign of signs) if (sign !== undefined) found.operators.add(texts(sign).at(-1) ?? '');
}

function noteCall(names: readonly string[], found: Found): void {
  found.functions.push(names);
  // Before PostgreSQL 16 it is a column's name.
  if (names.at(-1) === 'system_user') found.columns.add('system_user');
}

function texts(list: unknown): readonly string[] {
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown) =>
    isObject(item) && 'A_Star' in item ? '*' : (nameOf(item) ?? ''),
  );
}

function nameOf(item: unknown): string | undefined {
  const inner = isObject(item) ? item['String'] : undefined;
  const text = isObject(inner) ? inner['sval'] : undefined;
  return typeof text === 'string' ? text : undefined;
}
