import type { Resource } from '../effect.ts';
import { type Scope, command, entryAt, rteKind, viewOf } from './lineage.ts';
import {
  type Tree,
  type TreeNode,
  child,
  children,
  isList,
  isNode,
  number,
  numberOr0,
} from './nodetree.ts';
import type { Uses } from './uses.ts';

/** The columns a literal is directly compared with or assigned to; undefined when it stands anywhere else. */
export type LiteralContext = readonly Resource[] | undefined;

export type LiteralContexts = {
  /** By the byte where the literal starts in the text that was analysed. */
  readonly at: ReadonlyMap<number, LiteralContext>;
  /** By parameter number. */
  readonly params: ReadonlyMap<number, LiteralContext>;
};

/** Finds for every literal of the statement itself (not of the views it uses) what it is compared with or assigned to. */
export function literalContexts(uses: Uses, scopes: readonly Scope[]): LiteralContexts {
  const finder = new Finder(uses);
  for (const scope of scopes) finder.query(scope);
  return finder;
}

/** Nobody looks at so many one by one; those that are left out count as standing anywhere. */
const mostLiterals = 20_000;

class Finder implements LiteralContexts {
  readonly at = new Map<number, LiteralContext>();
  readonly params = new Map<number, LiteralContext>();
  readonly #uses: Uses;
  constructor(uses: Uses) {
    this.#uses = uses;
  }

  query(scope: Scope): void {
    const { query } = scope;
    const target = numberOr0(query, 'resultRelation');
    const rows = new Map<string, LiteralContext>();
    if (target !== 0) this.#assignments(scope, query, target, rows);
    for (const action of children(query, 'mergeActionList')) {
      this.#assignments(scope, action, target, rows);
      this.#visit(action.fields.get('qual'), scope, undefined);
    }
    const conflict = child(query, 'onConflict');
    if (conflict) {
      this.#set(scope, children(conflict, 'onConflictSet'), target, rows);
      this.#visit(conflict.fields.get('onConflictWhere'), scope, undefined);
    }
    children(query, 'rtable').forEach((entry, index) => this.#entry(scope, entry, index + 1, rows));
    for (const key of ['limitCount', 'limitOffset']) this.#visit(query.fields.get(key), scope, []);
    const rest = target === 0 ? ['targetList', 'havingQual'] : ['havingQual'];
    for (const key of [
      ...rest,
      'cteList',
      'jointree',
      'returningList',
      'mergeJoinCondition',
      'windowClause',
    ])
      this.#visit(query.fields.get(key), scope, undefined);
  }

  #assignments(
    scope: Scope,
    holder: TreeNode,
    target: number,
    rows: Map<string, LiteralContext>,
  ): void {
    this.#set(scope, children(holder, 'targetList'), target, rows);
  }

  #set(
    scope: Scope,
    entries: readonly TreeNode[],
    target: number,
    rows: Map<string, LiteralContext>,
  ): void {
    const kind = number(scope.query, 'commandType');
    if (kind === command.delete) return this.#visit(entries, scope, undefined);
    const oid = number(entryAt(scope.query, target), 'relid');
    for (const entry of entries) {
      const junk = entry.fields.get('resjunk') === 'true';
      const columns = junk
        ? undefined
        : this.#uses.catalog.sources(oid, number(entry, 'resno'), true);
      const value = child(entry, 'expr');
      // INSERT … VALUES with several rows: the literals stand in a list of their own.
      if (value?.tag === 'VAR')
        rows.set(`${number(value, 'varno')}:${number(value, 'varattno')}`, columns);
      this.#visit(value, scope, columns);
    }
  }

  #entry(
    scope: Scope,
    entry: TreeNode,
    varno: number,
    rows: ReadonlyMap<string, LiteralContext>,
  ): void {
    const kind = number(entry, 'rtekind');
    if (kind === rteKind.subquery) {
      if (viewOf(entry) === undefined) this.#visit(entry.fields.get('subquery'), scope, undefined);
      return;
    }
    if (kind === rteKind.values) {
      const lists = entry.fields.get('values_lists');
      for (const row of isList(lists) ? lists : [])
        (isList(row) ? row : []).forEach((value, index) =>
          this.#visit(value, scope, rows.get(`${varno}:${index + 1}`)),
        );
      return;
    }
    for (const key of ['functions', 'tablefunc', 'tablesample'])
      this.#visit(entry.fields.get(key), scope, undefined);
  }

  #visit(value: Tree | undefined, scope: Scope, context: LiteralContext): void {
    if (isList(value)) {
      for (const item of value) this.#visit(item, scope, context);
      return;
    }
    if (!isNode(value)) return;
    switch (value.tag) {
      case 'QUERY':
        return this.query({ query: value, outer: scope });
      case 'CONST':
        return note(this.at, numberOr0(value, 'location'), context);
      case 'PARAM':
        return note(this.params, number(value, 'paramid'), context);
      case 'OPEXPR':
      case 'SCALARARRAYOPEXPR':
      case 'DISTINCTEXPR':
        return this.#comparison(value, scope);
      default:
        for (const field of value.fields.values())
          this.#visit(field, scope, passes(value) ? context : undefined);
    }
  }

  #comparison(node: TreeNode, scope: Scope): void {
    const args = children(node, 'args');
    args.forEach((side, index) => {
      const other = args.length === 2 ? args[1 - index] : undefined;
      this.#visit(side, scope, other && this.#column(other, scope));
    });
  }

  /** The base columns behind a bare column reference. */
  #column(node: TreeNode, scope: Scope): LiteralContext {
    const flow =
      node.tag === 'VAR' || passes(node) ? this.#uses.lineage.of(node, scope) : undefined;
    return flow && flow.sources.size > 0 && leadsToVar(node) ? [...flow.sources] : undefined;
  }
}

/** Nodes that hand a value on as it is, for this purpose: casts and the array of an IN list. */
function passes(node: TreeNode): boolean {
  if (node.tag === 'FUNCEXPR') return [1, 2].includes(number(node, 'funcformat'));
  return [
    'RELABELTYPE',
    'COERCEVIAIO',
    'COERCETODOMAIN',
    'ARRAYEXPR',
    'ARRAYCOERCEEXPR',
    'COLLATEEXPR',
  ].includes(node.tag);
}

function leadsToVar(node: TreeNode): boolean {
  if (node.tag === 'VAR') return true;
  const inner = child(node, 'arg') ?? children(node, 'args')[0];
  return passes(node) && inner !== undefined && leadsToVar(inner);
}

/** A literal that stands in several places is shown only if each of them may be. */
function note<K>(map: Map<K, LiteralContext>, key: K, context: LiteralContext): void {
  if (!map.has(key)) {
    if (map.size < mostLiterals) map.set(key, context);
    return;
  }
  const known = map.get(key);
  map.set(key, known && context ? [...known, ...context] : undefined);
}
