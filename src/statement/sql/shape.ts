import type { Shape, Table, Tables, UniqueKey, Values } from './closely.ts';
import { fromBytes, type SqlToken } from './lexer.ts';
import { type Scope, command, entryAt } from './lineage.ts';
import {
  type Tree,
  type TreeNode,
  child,
  children,
  isList,
  isNode,
  number,
  numberOr0,
  string,
} from './nodetree.ts';
import type { Judged, Unit } from './part.ts';
import type { QueryFacts } from './tree.ts';
import { named } from './words.ts';

/** A statement whose whole doing the target's tree shows: one plain query over tables without code of their own. */
export type Resolved = {
  readonly judged: Judged;
  readonly facts: QueryFacts;
  readonly start: number;
};

/** Undefined for a string of several statements, and for whatever does something that no tree shows. */
export function resolved(judged: readonly Judged[]): Resolved | undefined {
  const [one, ...others] = judged;
  if (!one?.facts || one.factsStart === undefined || others.length > 0) return undefined;
  const { part, facts, factsStart, named: byName, secret } = one;
  if (part.effect.opaque === true || part.fixedAtBind !== true) return undefined;
  if (byName === true || secret === true) return undefined;
  return { judged: one, facts, start: factsStart };
}

/**
 * The shape of a statement: all of it, the target's own analysed tree included, but for the constants that stand for one
 * row. Those are what every column of a unique key of the written table is compared with by the equality of that key,
 * at the top of the WHERE, so that whatever they are at most one row is written. Undefined when it cannot be told what
 * the statement does, or what a parameter is.
 */
export function shapeOf(
  unit: Unit,
  judged: readonly Judged[],
  tables: Tables,
  types: readonly number[],
  values: Values = [],
): Shape | undefined {
  const one = resolved(judged);
  if (!one || values.some((value) => value === undefined)) return undefined;
  const { uses, scopes } = one.facts;
  for (const oid of uses.relations) if (tables.get(oid)?.rowSecurity !== false) return undefined;
  for (const oid of uses.written) if (uses.catalog.relation(oid).triggers) return undefined;
  const free = freedom(one, unit, tables);
  return {
    parts: [
      ...tokenParts(unit, free),
      'tree',
      ...scopes.map(({ query }) => rendered(query, free.constants)),
      'parameters',
      ...values.map((value, i) => (free.params.has(i + 1) ? 'any' : given(value))),
      types.join(' '),
      'key',
      free.key === undefined ? undefined : `${free.key.relation} ${free.key.index}`,
    ],
    words: free.words,
  };
}

const given = (value: string | null | undefined): string =>
  value === null || value === undefined ? 'null' : `=${value}`;

type Free = {
  /** By the byte of the whole string where they start. */
  readonly tokens: ReadonlySet<number>;
  readonly constants: ReadonlySet<TreeNode>;
  readonly params: ReadonlySet<number>;
  readonly key?: { readonly relation: number; readonly index: number };
  readonly words: string;
};

const NOTHING: Free = {
  tokens: new Set(),
  constants: new Set(),
  params: new Set(),
  words: 'exactly this statement',
};

/** What may differ from one run to the next. */
function freedom(one: Resolved, unit: Unit, tables: Tables): Free {
  const [scope, ...others] = one.facts.scopes;
  if (!scope || others.length > 0) return NOTHING;
  const kind = number(scope.query, 'commandType');
  if (kind !== command.update && kind !== command.delete) return NOTHING;
  const varno = number(scope.query, 'resultRelation');
  const relation = number(entryAt(scope.query, varno), 'relid');
  const table = tables.get(relation);
  if (!table || !isWhole(table) || writesElsewhere(one.facts, relation)) return NOTHING;
  const equalities = equalitiesOf(scope, varno);
  for (const key of table.keys) {
    const values = key.columns.flatMap((column) => equalTo(column, equalities) ?? []);
    const bound = values.length === key.columns.length;
    const free = bound ? freeBy(one, unit, scope, values) : undefined;
    if (free)
      return { ...free, key: { relation, index: key.index }, words: anyRow(one, relation, key) };
  }
  return NOTHING;
}

/** Its indexes span all of its rows. */
const isWhole = ({ kind, children: inherited }: Table): boolean =>
  kind === 'p' || (kind === 'r' && !inherited);

/** A foreign key that cascades may touch many rows for one value, and none for another. */
function writesElsewhere({ uses }: QueryFacts, relation: number): boolean {
  const own = new Set(uses.catalog.family(relation, true).map(({ oid }) => oid));
  return [...uses.written].some((oid) => !own.has(oid)) || uses.views.size > 0;
}

function anyRow({ facts }: Resolved, oid: number, key: UniqueKey): string {
  const { catalog } = facts.uses;
  const relation = catalog.relation(oid);
  const names = key.columns.map(({ attribute }) => relation.columns.get(attribute) ?? '?');
  return `any one row of ${named(catalog.table(relation))} by ${names.join(', ')}; nothing else may differ`;
}

/** `column = value` at the top of the WHERE: every one of them must hold. */
type Equality = {
  readonly attribute: number;
  readonly operator: number;
  readonly collation: number;
  readonly value: TreeNode;
};

function equalitiesOf({ query }: Scope, varno: number): readonly Equality[] {
  const quals = child(query, 'jointree')?.fields.get('quals');
  if (!isNode(quals)) return [];
  const all =
    quals.tag === 'BOOLEXPR' && string(quals, 'boolop') === 'and'
      ? children(quals, 'args')
      : [quals];
  return all.flatMap((one) => equality(one, varno) ?? []);
}

function equality(node: TreeNode, varno: number): Equality | undefined {
  const args = children(node, 'args').map(bare);
  const [left, right] = args;
  if (node.tag !== 'OPEXPR' || args.length !== 2 || !left || !right) return undefined;
  const column = [left, right].find((side) => isColumn(side, varno));
  const value = [left, right].find((side) => isValue(side));
  if (!column || !value) return undefined;
  return {
    attribute: number(column, 'varattno'),
    operator: number(node, 'opno'),
    collation: numberOr0(node, 'inputcollid'),
    value,
  };
}

/** The same bytes under another name of their type. */
function bare(node: TreeNode): TreeNode {
  const inner = node.tag === 'RELABELTYPE' ? child(node, 'arg') : undefined;
  return inner ? bare(inner) : node;
}

function isColumn(node: TreeNode, varno: number): boolean {
  return (
    node.tag === 'VAR' && number(node, 'varno') === varno && numberOr0(node, 'varlevelsup') === 0
  );
}

function isValue(node: TreeNode): boolean {
  if (node.tag === 'CONST') return isList(node.fields.get('constvalue'));
  return node.tag === 'PARAM' && numberOr0(node, 'paramkind') === 0;
}

function equalTo(
  column: UniqueKey['columns'][number],
  equalities: readonly Equality[],
): TreeNode | undefined {
  return equalities.find(
    ({ attribute, operator, collation }) =>
      attribute === column.attribute &&
      column.operators.includes(operator) &&
      // Unique under one collation is not unique under a looser one.
      collation === column.collation,
  )?.value;
}

/** Undefined when a value cannot be told apart from the rest of the statement. */
function freeBy(
  one: Resolved,
  unit: Unit,
  scope: Scope,
  values: readonly TreeNode[],
): Pick<Free, 'tokens' | 'constants' | 'params'> | undefined {
  const constants = values.filter((value) => value.tag === 'CONST');
  const params = new Set(
    values.filter((value) => value.tag === 'PARAM').map((value) => number(value, 'paramid')),
  );
  const uses = countParams(scope.query);
  for (const id of params) if (uses.get(id) !== 1) return undefined;
  const tokens = new Set<number>();
  for (const constant of constants) {
    const at = numberOr0(constant, 'location') + one.start;
    const token = unit.tokens.find(({ start }) => start === at);
    if (token?.kind !== 'string' && token?.kind !== 'number') return undefined;
    tokens.add(at);
  }
  if (tokens.size < constants.length) return undefined;
  return { tokens, constants: new Set(constants), params };
}

/** How often each parameter stands in the tree. */
function countParams(
  value: Tree | undefined,
  found = new Map<number, number>(),
): Map<number, number> {
  if (isList(value)) for (const item of value) countParams(item, found);
  else if (isNode(value)) {
    if (value.tag === 'PARAM') {
      const id = number(value, 'paramid');
      found.set(id, (found.get(id) ?? 0) + 1);
    }
    for (const field of value.fields.values()) countParams(field, found);
  }
  return found;
}

function tokenParts({ bytes, tokens }: Unit, free: Free): string[] {
  return tokens
    .filter(({ kind }) => kind !== 'comment')
    .map((token) =>
      free.tokens.has(token.start) ? `any ${token.kind}` : `${token.kind} ${raw(bytes, token)}`,
    );
}

const raw = (bytes: string, { start, end }: SqlToken): string => fromBytes(bytes.slice(start, end));

/** Where something stood in the text; it moves with the length of a constant. */
const PLACES = new Set([
  'location',
  'stmt_location',
  'stmt_len',
  'list_start',
  'list_end',
  'rexpr_list_start',
  'rexpr_list_end',
]);

/** A tree as text without the places where it was written, and without the values of some constants. */
export function rendered(
  value: Tree | undefined,
  without: ReadonlySet<TreeNode> = new Set<TreeNode>(),
): string {
  if (isList(value)) return `(${value.map((item) => rendered(item, without)).join(' ')})`;
  if (!isNode(value)) return JSON.stringify(value ?? null);
  const any = without.has(value);
  const fields = [...value.fields]
    .filter(([key]) => !PLACES.has(key) && !(any && key === 'constvalue'))
    .map(([key, field]) => `${key}=${rendered(field, without)}`);
  return `{${value.tag}${any ? ' any' : ''} ${fields.join(' ')}}`;
}

/**
 * The text with every constant and parameter left out, words in lower case and without comments: two statements that
 * differ only in these are asked about as one. It decides nothing.
 */
export function withoutConstants({ bytes, tokens }: Unit): string {
  return tokens
    .filter(({ kind }) => kind !== 'comment')
    .map((token) => {
      if (['string', 'number', 'parameter'].includes(token.kind)) return '?';
      const text = raw(bytes, token);
      return token.kind === 'word' ? text.toLowerCase() : text;
    })
    .join(' ');
}
