import { isBounded, isConflictBounded, isMergeBounded } from './bounded.ts';
import { isSystem } from './catalog.ts';
import { type Scope, command, entryAt, leaves, outputList, rteKind, viewOf } from './lineage.ts';
import {
  NotResolved,
  type Tree,
  type TreeNode,
  attributes,
  child,
  children,
  flag,
  isList,
  isNode,
  number,
  numberOr0,
} from './nodetree.ts';
import { type Uses, add } from './uses.ts';

// Every kind of node that an expression of PostgreSQL 15 to 18 is made of; any other is refused.
const known = new Set(
  `VAR CONST PARAM AGGREF GROUPINGFUNC WINDOWFUNC WINDOWFUNCRUNCONDITION MERGESUPPORTFUNC SUBSCRIPTINGREF FUNCEXPR
  NAMEDARGEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR BOOLEXPR SUBLINK FIELDSELECT FIELDSTORE RELABELTYPE
  COERCEVIAIO ARRAYCOERCEEXPR CONVERTROWTYPEEXPR COLLATEEXPR CASEEXPR CASEWHEN CASETESTEXPR ARRAYEXPR ROWEXPR
  ROWCOMPAREEXPR COALESCEEXPR MINMAXEXPR SQLVALUEFUNCTION XMLEXPR JSONFORMAT JSONRETURNING JSONVALUEEXPR
  JSONCONSTRUCTOREXPR JSONISPREDICATE JSONBEHAVIOR JSONEXPR JSONTABLEPATH JSONTABLEPATHSCAN JSONTABLESIBLINGJOIN
  NULLTEST BOOLEANTEST COERCETODOMAIN COERCETODOMAINVALUE SETTODEFAULT CURRENTOFEXPR NEXTVALUEEXPR INFERENCEELEM
  RETURNINGEXPR TARGETENTRY SORTGROUPCLAUSE RANGETBLFUNCTION TABLEFUNC TABLESAMPLECLAUSE WINDOWCLAUSE ONCONFLICTEXPR
  MERGEACTION ALIAS`.split(/\s+/),
);
// They call nothing; a statement can hold a hundred thousand of them.
const leafTags = new Set(['CONST', 'VAR', 'PARAM']);
const operatorKeys = ['eqop', 'sortop', 'opno'] as const;
const callKeys = ['funcid', 'opfuncid', 'aggfnoid', 'winfnoid', 'tsmhandler'] as const;

/** Collects what a query and everything inside it would do. */
export function walkQuery(uses: Uses, scope: Scope): void {
  const query = scope.query;
  if (child(query, 'utilityStmt')) throw new NotResolved('the tree is a utility statement');
  for (const cte of children(query, 'cteList')) walkCte(uses, cte, scope);
  children(query, 'rtable').forEach((entry, index) => walkEntry(uses, entry, index + 1, scope));
  const tree = child(query, 'jointree');
  if (tree) walkFrom(uses, tree, scope);
  walkOutputs(uses, scope);
  for (const key of ['havingQual', 'limitOffset', 'limitCount', 'mergeJoinCondition'])
    predicate(uses, query.fields.get(key), scope);
  for (const clause of ['sortClause', 'groupClause', 'distinctClause'])
    walk(uses, query.fields.get(clause), scope);
  for (const window of children(query, 'windowClause')) {
    walk(uses, window, scope);
    predicate(uses, window.fields.get('startOffset'), scope);
    predicate(uses, window.fields.get('endOffset'), scope);
  }
  walkSetOperations(uses, scope);
  walkWrite(uses, scope);
}

function walkCte(uses: Uses, cte: TreeNode, scope: Scope): void {
  const query = child(cte, 'ctequery');
  if (!query) throw new NotResolved('a common table expression is missing');
  const inner: Scope = { query, outer: scope };
  walkQuery(uses, inner);
  // SEARCH and CYCLE compare rows.
  if (child(cte, 'cycle_clause') || child(cte, 'search_clause'))
    add(uses.filter, uses.lineage.row(inner).sources);
}

function walkEntry(uses: Uses, entry: TreeNode, varno: number, scope: Scope): void {
  switch (number(entry, 'rtekind')) {
    case rteKind.relation:
      return walkRelation(uses, entry, varno, scope);
    case rteKind.subquery:
      return walkSubquery(uses, entry, scope);
    case rteKind.function:
    case rteKind.tableFunction:
      // The number of rows depends on the arguments, so they are a predicate.
      predicate(uses, entry.fields.get('functions'), scope);
      return predicate(uses, entry.fields.get('tablefunc'), scope);
    case rteKind.values:
      for (const row of items(entry.fields.get('values_lists')))
        for (const value of items(row)) uses.computes(value, scope);
      return walk(uses, entry.fields.get('values_lists'), scope);
    case rteKind.join:
    case rteKind.group:
      // Since PostgreSQL 18 what is grouped by stands here, and the outputs only point to it.
      walk(uses, entry.fields.get('joinaliasvars'), scope);
      return walk(uses, entry.fields.get('groupexprs'), scope);
    case rteKind.cte:
    case rteKind.result:
      return;
    default:
      throw new NotResolved('a range table entry is of an unknown kind');
  }
}

function walkRelation(uses: Uses, entry: TreeNode, varno: number, scope: Scope): void {
  const oid = number(entry, 'relid');
  const sample = child(entry, 'tablesample');
  if (sample) predicate(uses, sample, scope);
  const info = permission(scope.query, entry);
  for (const attribute of attributes(info, 'selectedCols'))
    add(uses.reads, uses.catalog.sources(oid, attribute, true));
  const conflict = child(scope.query, 'onConflict');
  if (conflict && numberOr0(conflict, 'exclRelIndex') === varno) return;
  // In a write, the target and the views it was written through say by their required rights what is asked of them.
  const view = uses.catalog.relation(oid).kind === 'v';
  const isTarget = numberOr0(scope.query, 'resultRelation') === varno;
  if (number(scope.query, 'commandType') === command.select || (!isTarget && !view))
    return uses.read(oid, flag(entry, 'inh') || uses.catalog.relation(oid).kind === 'p');
  if (view && isTarget) uses.views.add(oid);
  walkTarget(uses, info, oid, view);
}

const rights = { insert: 1, select: 2, update: 4, delete: 8 } as const;

function walkTarget(uses: Uses, info: TreeNode, oid: number, view: boolean): void {
  const asked = numberOr0(info, 'requiredPerms');
  if ((asked & rights.select) !== 0) uses.read(oid, true);
  if (view && (asked & (rights.insert | rights.update)) !== 0) uses.write(oid, 'write', false);
  if (view && (asked & rights.delete) !== 0) uses.write(oid, 'delete', false);
  for (const key of ['insertedCols', 'updatedCols'])
    for (const attribute of attributes(info, key)) {
      if (key === 'updatedCols') uses.updates = true;
      add(uses.assign, uses.catalog.sources(oid, attribute, true));
    }
}

/** Since PostgreSQL 16 the rights of an entry stand in a list of their own. */
function permission(query: TreeNode, entry: TreeNode): TreeNode {
  const index = numberOr0(entry, 'perminfoindex');
  if (index === 0) return entry;
  const info = children(query, 'rteperminfos')[index - 1];
  if (!info) throw new NotResolved('the rights of a relation are missing');
  return info;
}

function walkSubquery(uses: Uses, entry: TreeNode, scope: Scope): void {
  const query = child(entry, 'subquery');
  if (!query) throw new NotResolved('a sub-query is missing');
  const view = viewOf(entry);
  if (view !== undefined) uses.read(view, false);
  // PostgreSQL's own views are judged by their name; what they are made of is not the statement's doing.
  if (view !== undefined && isSystem(uses.catalog.relation(view))) return;
  if (view !== undefined) uses.insideViews += 1;
  walkQuery(uses, { query, outer: scope });
  if (view !== undefined) uses.insideViews -= 1;
}

function walkFrom(uses: Uses, node: TreeNode, scope: Scope): void {
  switch (node.tag) {
    case 'FROMEXPR':
      for (const item of children(node, 'fromlist')) walkFrom(uses, item, scope);
      return predicate(uses, node.fields.get('quals'), scope);
    case 'JOINEXPR':
      for (const side of [child(node, 'larg'), child(node, 'rarg')])
        if (side) walkFrom(uses, side, scope);
      walk(uses, node.fields.get('quals'), scope);
      return uses.joins(node.fields.get('quals'), scope);
    case 'RANGETBLREF':
      return;
    default:
      throw new NotResolved(`a join of the unknown kind ${node.tag}`);
  }
}

function walkOutputs(uses: Uses, scope: Scope): void {
  for (const key of ['targetList', 'returningList']) {
    for (const entry of children(scope.query, key)) {
      walk(uses, entry.fields.get('expr'), scope);
      uses.computes(entry.fields.get('expr'), scope);
      // ORDER BY, GROUP BY, DISTINCT and windows name their columns by this number.
      if (numberOr0(entry, 'ressortgroupref') !== 0) walkSorted(uses, entry, scope);
    }
  }
}

/** ORDER BY over a set operation compares the values of all its arms; the expression points to the first alone. */
function walkSorted(uses: Uses, entry: TreeNode, scope: Scope): void {
  if (child(scope.query, 'setOperations'))
    return add(uses.filter, uses.lineage.output(scope, number(entry, 'resno')).sources);
  uses.filters(entry.fields.get('expr'), scope);
}

function walkSetOperations(uses: Uses, scope: Scope): void {
  const operations = child(scope.query, 'setOperations');
  if (!operations || !compares(operations)) return;
  for (const leaf of leaves(operations))
    add(uses.filter, uses.lineage.entry(scope, leaf, 0).sources);
}

/** Everything but UNION ALL compares rows with each other. */
function compares(node: TreeNode): boolean {
  if (node.tag === 'RANGETBLREF') return false;
  if (number(node, 'op') !== 1 || !flag(node, 'all')) return true;
  return [child(node, 'larg'), child(node, 'rarg')].some(
    (side) => side !== undefined && compares(side),
  );
}

export const writes = ({ query }: Scope): boolean =>
  number(query, 'commandType') !== command.select;

function walkWrite(uses: Uses, scope: Scope): void {
  const query = scope.query;
  const kind = number(query, 'commandType');
  if (!writes(scope)) return;
  uses.writes += 1;
  const varno = number(query, 'resultRelation');
  const oid = number(entryAt(query, varno), 'relid');
  if (kind === command.merge) return walkMerge(uses, scope, oid);
  for (const entry of children(query, 'targetList')) {
    const value = child(entry, 'expr');
    // `set (a, b) = (select …)` keeps its sub-query in an entry of its own, marked as junk.
    if (!flag(entry, 'resjunk') || value?.tag === 'SUBLINK') uses.flow(value, scope);
  }
  change(uses, oid, kind, children(query, 'targetList'));
  const conflict = child(query, 'onConflict');
  if (conflict) walkConflict(uses, conflict, scope, oid);
  if (!isConflictBounded(query)) uses.bounded = false;
  if (
    kind !== command.insert &&
    !isBounded(child(query, 'jointree')?.fields.get('quals'), varno, query)
  )
    uses.bounded = false;
}

function change(uses: Uses, oid: number, kind: number, assigned: readonly TreeNode[]): void {
  uses.write(oid, kind === command.delete ? 'delete' : 'write', true);
  if (kind === command.delete) uses.cascade(oid, 'delete');
  if (kind === command.update) uses.cascade(oid, 'update', attributesOf(assigned));
}

function walkConflict(uses: Uses, conflict: TreeNode, scope: Scope, oid: number): void {
  walk(uses, conflict.fields.get('onConflictSet'), scope);
  // Whether a row is there already is looked up by these columns, and the number of rows tells it.
  for (const key of ['arbiterElems', 'arbiterWhere', 'onConflictWhere'])
    predicate(uses, conflict.fields.get(key), scope);
  if (children(conflict, 'arbiterElems').length === 0)
    for (const attribute of uses.catalog.uniqueColumns(oid))
      add(uses.filter, uses.catalog.sources(oid, attribute, true));
  for (const entry of children(conflict, 'onConflictSet'))
    uses.flow(entry.fields.get('expr'), scope);
  const assigned = children(conflict, 'onConflictSet');
  if (number(conflict, 'action') === 2) uses.cascade(oid, 'update', attributesOf(assigned));
}

function attributesOf(assigned: readonly TreeNode[]): ReadonlySet<number> {
  return new Set(assigned.map((entry) => number(entry, 'resno')));
}

function walkMerge(uses: Uses, scope: Scope, oid: number): void {
  for (const action of children(scope.query, 'mergeActionList')) {
    predicate(uses, action.fields.get('qual'), scope);
    walk(uses, action.fields.get('targetList'), scope);
    for (const entry of children(action, 'targetList')) uses.flow(entry.fields.get('expr'), scope);
    const kind = number(action, 'commandType');
    // WHEN … THEN DO NOTHING is a command of its own kind.
    if (kind >= command.update && kind <= command.delete)
      change(uses, oid, kind, children(action, 'targetList'));
  }
  if (!isMergeBounded(scope.query)) uses.bounded = false;
}

const items = (value: Tree | undefined): readonly Tree[] => (isList(value) ? value : []);

function predicate(uses: Uses, value: Tree | undefined, scope: Scope): void {
  walk(uses, value, scope);
  uses.filters(value, scope);
}

/** Walks an expression: functions it calls, sub-queries inside it, predicates that hide in it. */
function walk(uses: Uses, value: Tree | undefined, scope: Scope): void {
  if (isList(value)) {
    for (const item of value) walk(uses, item, scope);
    return;
  }
  if (!isNode(value) || leafTags.has(value.tag)) return;
  if (value.tag === 'QUERY') return walkQuery(uses, { query: value, outer: scope });
  if (!known.has(value.tag)) throw new NotResolved(`the tree has an unknown node ${value.tag}`);
  for (const key of callKeys) {
    const oid = value.fields.get(key);
    if (typeof oid === 'number') uses.call(oid, value.fields.get('args'), scope);
  }
  walkOperators(uses, value, scope);
  walkTypes(uses, value, scope);
  walkHiddenPredicates(uses, value, scope);
  for (const field of value.fields.values()) walk(uses, field, scope);
}

function walkOperators(uses: Uses, node: TreeNode, scope: Scope): void {
  for (const key of operatorKeys) walkOperator(uses, node.fields.get(key), node, scope);
  for (const oid of items(node.fields.get('opnos'))) walkOperator(uses, oid, node, scope);
}

function walkOperator(uses: Uses, oid: Tree | undefined, node: TreeNode, scope: Scope): void {
  const routine = typeof oid === 'number' ? uses.catalog.operatorRoutine(oid) : undefined;
  if (routine !== undefined) uses.call(routine, node.fields.get('args'), scope);
}

function walkTypes(uses: Uses, node: TreeNode, scope: Scope): void {
  if (node.tag !== 'COERCEVIAIO' && node.tag !== 'COERCETODOMAIN' && node.tag !== 'ARRAYCOERCEEXPR')
    return;
  const given = child(node, 'arg');
  for (const holder of [node, given]) {
    for (const key of ['resulttype', 'vartype', 'consttype', 'funcresulttype']) {
      const type = holder ? numberOr0(holder, key) : 0;
      for (const routine of uses.catalog.typeRoutines(type)) uses.call(routine, given, scope);
    }
  }
}

/** FILTER and ORDER BY inside an aggregate, and functions whose rows are counted, compare values too. */
function walkHiddenPredicates(uses: Uses, node: TreeNode, scope: Scope): void {
  uses.filters(node.fields.get('aggfilter'), scope);
  const counted = flag(node, 'funcretset') || flag(node, 'opretset');
  const ordered =
    items(node.fields.get('aggorder')).length + items(node.fields.get('aggdistinct')).length > 0;
  if (counted || ordered) {
    uses.filters(node.fields.get('args'), scope);
    uses.filters(node.fields.get('aggdirectargs'), scope);
  }
}

/** The base columns of each output of the statement, in order; undefined when it returns no rows. */
export function outputsOf(
  uses: Uses,
  scope: Scope,
): readonly { readonly name: string; readonly flow: ReturnType<Uses['lineage']['output']> }[] {
  return outputList(scope.query).map((entry) => {
    const name = entry.fields.get('resname');
    return {
      name: typeof name === 'string' || typeof name === 'number' ? String(name) : '',
      flow: uses.lineage.output(scope, number(entry, 'resno')),
    };
  });
}
