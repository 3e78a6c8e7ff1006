import type { Resource } from '../effect.ts';
import { type Catalog, isSystem } from './catalog.ts';
import {
  NotResolved,
  type Tree,
  type TreeNode,
  child,
  children,
  flag,
  isList,
  isNode,
  number,
  numberOr0,
  string,
} from './nodetree.ts';

/** A query and the queries around it; a Var's `varlevelsup` counts outwards. */
export type Scope = { readonly query: TreeNode; readonly outer?: Scope };

/** Where a value comes from. `verbatim`: it is a source's own value, unchanged. */
export type Flow = { readonly sources: ReadonlySet<Resource>; readonly verbatim: boolean };

const stepLimit = 500_000;
const nothing: ReadonlySet<Resource> = new Set();
/** The neutral element: a value that comes from no column. Compared by identity: see `recursion`. */
const constant: Flow = { sources: nothing, verbatim: true };
/** A recursive reference: it brings no column of its own, but what is computed from it is not verbatim any more. */
const recursion: Flow = { sources: nothing, verbatim: true };

export const command = {
  select: 1,
  update: 2,
  insert: 3,
  delete: 4,
  merge: 5,
  utility: 6,
} as const;
export const rteKind = {
  relation: 0,
  subquery: 1,
  join: 2,
  function: 3,
  tableFunction: 4,
  values: 5,
  cte: 6,
  result: 8,
  group: 9,
} as const;

/** The system view or the owner's view that a sub-query stands for; undefined for a sub-query the statement wrote. */
export function viewOf(entry: TreeNode): number | undefined {
  const own = numberOr0(entry, 'relid');
  if (own !== 0) return own;
  const sub = child(entry, 'subquery');
  const first = sub ? children(sub, 'rtable')[0] : undefined;
  if (!first || numberOr0(first, 'rtekind') !== rteKind.relation) return undefined;
  // PostgreSQL 15 keeps the view only as the placeholder OLD of its rule.
  const alias = child(first, 'alias');
  const placeholder =
    string(first, 'relkind') === 'v' &&
    alias !== undefined &&
    string(alias, 'aliasname') === 'old' &&
    !flag(first, 'inFromCl');
  return placeholder ? number(first, 'relid') : undefined;
}

export function entryAt(query: TreeNode, varno: number): TreeNode {
  const entry = children(query, 'rtable')[varno - 1];
  if (!entry) throw new NotResolved(`the range table has no entry ${varno}`);
  return entry;
}

const lists = new WeakMap<TreeNode, readonly TreeNode[]>();

/** The list that a query gives its outputs by: the select list, or RETURNING. */
export function outputList(query: TreeNode): readonly TreeNode[] {
  const known = lists.get(query);
  if (known) return known;
  const key = number(query, 'commandType') === command.select ? 'targetList' : 'returningList';
  const list = children(query, key).filter((entry) => !flag(entry, 'resjunk'));
  lists.set(query, list);
  return list;
}

function outputAt(query: TreeNode, resno: number): TreeNode | undefined {
  const list = outputList(query);
  // They stand in their order, unless junk was among them.
  const there = list[resno - 1];
  if (there && number(there, 'resno') === resno) return there;
  return list.find((item) => number(item, 'resno') === resno);
}

export function up(scope: Scope, levels: number): Scope {
  let found: Scope | undefined = scope;
  for (let level = 0; level < levels; level += 1) found = found?.outer;
  if (!found) throw new NotResolved('a variable points outside of its query');
  return found;
}

/** Follows values through sub-queries, CTEs, joins, set operations and whole rows down to the base columns. */
export class Lineage {
  readonly #catalog: Catalog;
  readonly #open = new Map<TreeNode, Set<number>>();
  readonly #known = new Map<TreeNode, Map<number, Flow>>();
  /** Of relations, by their entry in the range table. */
  readonly #columns = new Map<TreeNode, Map<number, Flow>>();
  #cuts = 0;
  #steps = 0;
  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Any expression, node list or nothing. A sub-query counts by its outputs. */
  of(value: Tree | undefined, scope: Scope): Flow {
    this.#steps += 1;
    if (this.#steps > stepLimit) throw new NotResolved('the statement is too complex to follow');
    if (isList(value)) return this.#all(value, scope);
    if (!isNode(value)) return constant;
    switch (value.tag) {
      case 'VAR':
        return this.#variable(value, scope);
      case 'CONST':
        return constant;
      case 'RELABELTYPE':
        return this.of(value.fields.get('arg'), scope);
      case 'FIELDSELECT':
        return this.#field(value, scope);
      case 'RETURNINGEXPR':
        return this.of(value.fields.get('retexpr'), scope);
      case 'SUBLINK':
        return this.#sublink(value, scope);
      case 'QUERY':
        return this.row({ query: value, outer: scope });
      default:
        return this.#all(value.fields.values(), scope);
    }
  }

  /** Computed from several; most parts of a large statement are constants. */
  #all(values: Iterable<Tree>, scope: Scope): Flow {
    const flows: Flow[] = [];
    for (const value of values) {
      if (typeof value !== 'object' || value === null) continue;
      const flow = this.of(value, scope);
      if (flow !== constant && flow !== flows.at(-1)) flows.push(flow);
    }
    return merge(flows, false);
  }

  /** One output of a query, by its number. Kept, because references to references would otherwise multiply. */
  output(scope: Scope, resno: number): Flow {
    const known = this.#known.get(scope.query)?.get(resno);
    if (known) return known;
    const cuts = this.#cuts;
    const flow = this.#output(scope, resno);
    if (cuts !== this.#cuts && this.#open.size > 0) return flow;
    const row = this.#known.get(scope.query) ?? new Map<number, Flow>();
    this.#known.set(scope.query, row.set(resno, flow));
    return flow;
  }

  #output(scope: Scope, resno: number): Flow {
    const operations = child(scope.query, 'setOperations');
    if (operations) {
      const flows = leaves(operations).map((leaf) => this.entry(scope, leaf, resno));
      return merge(flows, true);
    }
    const entry = outputAt(scope.query, resno);
    if (!entry) throw new NotResolved(`the query has no output ${resno}`);
    return this.of(entry.fields.get('expr'), scope);
  }

  /** All outputs of a query taken together. */
  row(scope: Scope): Flow {
    const flows = outputList(scope.query).map((item) => this.output(scope, number(item, 'resno')));
    return flows.length === 1 && flows[0] ? flows[0] : merge(flows, false);
  }

  /** A column of a range table entry; attribute 0 is its whole row. */
  entry(scope: Scope, varno: number, attribute: number): Flow {
    const entry = entryAt(scope.query, varno);
    switch (number(entry, 'rtekind')) {
      case rteKind.relation:
        return this.#relation(scope, varno, attribute);
      case rteKind.subquery:
        return this.#subquery(entry, scope, attribute);
      case rteKind.join:
        return this.#listed(entry, 'joinaliasvars', scope, attribute);
      case rteKind.function:
        return derived(this.of(entry.fields.get('functions'), scope));
      case rteKind.tableFunction:
        return derived(this.of(entry.fields.get('tablefunc'), scope));
      case rteKind.values:
        return this.#values(entry, scope, attribute);
      case rteKind.cte:
        return this.#cte(entry, scope, attribute);
      case rteKind.result:
        return constant;
      case rteKind.group:
        return this.#listed(entry, 'groupexprs', scope, attribute);
      default:
        throw new NotResolved(`a range table entry is of an unknown kind`);
    }
  }

  #variable(node: TreeNode, scope: Scope): Flow {
    return this.entry(
      up(scope, numberOr0(node, 'varlevelsup')),
      number(node, 'varno'),
      number(node, 'varattno'),
    );
  }

  #relation(scope: Scope, varno: number, attribute: number): Flow {
    const conflict = child(scope.query, 'onConflict');
    // EXCLUDED is the row the statement itself brought, not what the table holds.
    if (conflict && numberOr0(conflict, 'exclRelIndex') === varno)
      return this.#excluded(scope, attribute);
    const entry = entryAt(scope.query, varno);
    const columns = this.#columns.get(entry) ?? new Map<number, Flow>();
    this.#columns.set(entry, columns);
    const known = columns.get(attribute);
    if (known) return known;
    const oid = number(entry, 'relid');
    const below = flag(entry, 'inh') || this.#catalog.relation(oid).kind === 'p';
    const flow = {
      sources: new Set(this.#catalog.sources(oid, attribute, below)),
      verbatim: !this.#catalog.isDerived(oid, attribute),
    };
    columns.set(attribute, flow);
    return flow;
  }

  #excluded(scope: Scope, attribute: number): Flow {
    const brought = children(scope.query, 'targetList').filter(
      (item) => attribute === 0 || number(item, 'resno') === attribute,
    );
    return derived(
      merge(
        brought.map((item) => this.of(item.fields.get('expr'), scope)),
        false,
      ),
    );
  }

  #subquery(entry: TreeNode, scope: Scope, attribute: number): Flow {
    const query = child(entry, 'subquery');
    if (!query) throw new NotResolved('a sub-query is missing');
    const view = viewOf(entry);
    if (view !== undefined && isSystem(this.#catalog.relation(view))) return constant;
    const inner: Scope = { query, outer: scope };
    const flow = attribute === 0 ? derived(this.row(inner)) : this.output(inner, attribute);
    if (view === undefined) return flow;
    const named = this.#catalog.sources(view, attribute, false);
    return { sources: new Set([...flow.sources, ...named]), verbatim: flow.verbatim };
  }

  #listed(entry: TreeNode, key: string, scope: Scope, attribute: number): Flow {
    const list = entry.fields.get(key);
    if (!isList(list)) throw new NotResolved(`${key} is missing`);
    if (attribute === 0) return derived(this.of(list, scope));
    if (attribute > list.length) throw new NotResolved(`${key} has no entry ${attribute}`);
    return this.of(list[attribute - 1], scope);
  }

  #values(entry: TreeNode, scope: Scope, attribute: number): Flow {
    const rows = entry.fields.get('values_lists');
    if (!isList(rows)) throw new NotResolved('values_lists is missing');
    const flows = rows.map((row) =>
      this.of(attribute === 0 || !isList(row) ? row : row[attribute - 1], scope),
    );
    return merge(flows, attribute !== 0);
  }

  #cte(entry: TreeNode, scope: Scope, attribute: number): Flow {
    const home = up(scope, number(entry, 'ctelevelsup'));
    const name = string(entry, 'ctename');
    const cte = children(home.query, 'cteList').find((item) => string(item, 'ctename') === name);
    const query = cte && child(cte, 'ctequery');
    if (!query) throw new NotResolved(`the common table expression ${name} is missing`);
    const open = this.#open.get(query) ?? new Set<number>();
    // A recursive reference adds no column that the other branch does not.
    if (open.has(attribute)) {
      this.#cuts += 1;
      return recursion;
    }
    this.#open.set(query, open.add(attribute));
    try {
      const inner: Scope = { query, outer: home };
      return attribute === 0 ? derived(this.row(inner)) : this.#cteColumn(inner, attribute);
    } finally {
      open.delete(attribute);
      if (open.size === 0) this.#open.delete(query);
    }
  }

  #cteColumn(inner: Scope, attribute: number): Flow {
    const known = outputAt(inner.query, attribute) !== undefined;
    // SEARCH and CYCLE append columns that the query itself does not have; they are made of all others.
    return known ? this.output(inner, attribute) : derived(this.row(inner));
  }

  /** `(row).field`: the field alone where the row is a relation's or a query's. */
  #field(node: TreeNode, scope: Scope): Flow {
    const row = child(node, 'arg');
    if (row?.tag !== 'VAR' || number(row, 'varattno') !== 0) return derived(this.of(row, scope));
    const at = up(scope, numberOr0(row, 'varlevelsup'));
    const varno = number(row, 'varno');
    const kind = number(entryAt(at.query, varno), 'rtekind');
    if (kind === rteKind.relation || kind === rteKind.subquery)
      return this.entry(at, varno, number(node, 'fieldnum'));
    return derived(this.of(row, scope));
  }

  #sublink(node: TreeNode, scope: Scope): Flow {
    const inner = this.of(node.fields.get('subselect'), scope);
    const test = this.of(node.fields.get('testexpr'), scope);
    const scalar = number(node, 'subLinkType') === 4;
    return scalar ? inner : derived(merge([inner, test], false));
  }
}

/** Range table indexes of the queries a set operation combines. */
export function leaves(node: TreeNode): readonly number[] {
  if (node.tag === 'RANGETBLREF') return [number(node, 'rtindex')];
  const sides = [child(node, 'larg'), child(node, 'rarg')];
  return sides.flatMap((side) => (side ? leaves(side) : []));
}

function derived(flow: Flow): Flow {
  return flow === constant ? flow : { sources: flow.sources, verbatim: false };
}

function merge(flows: readonly Flow[], keeps: boolean): Flow {
  const filled = flows.filter((flow) => flow !== constant);
  const [first, ...others] = filled;
  if (!first) return constant;
  const verbatim = keeps && filled.every((flow) => flow.verbatim);
  if (others.length === 0) return { sources: first.sources, verbatim };
  const sources = new Set(first.sources);
  for (const flow of others) for (const source of flow.sources) sources.add(source);
  return { sources, verbatim };
}
