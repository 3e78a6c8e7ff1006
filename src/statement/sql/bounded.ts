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

/** True when a WHERE really narrows the rows of the relation `varno`: a condition that is always true does not count. */
export function isBounded(condition: Tree | undefined, varno: number): boolean {
  if (!isNode(condition)) return false;
  switch (condition.tag) {
    case 'BOOLEXPR':
      return isBoundedByLogic(condition, varno);
    case 'NULLTEST':
      // `is not null` (1) holds for every row of most columns.
      return number(condition, 'nulltesttype') === 0 && mentions(condition, varno, 0);
    case 'CURRENTOFEXPR':
      return true;
    case 'OPEXPR':
    case 'DISTINCTEXPR':
      return (
        mentions(condition, varno, 0) && !isSelfComparison(condition) && !isLikeAnything(condition)
      );
    default:
      return mentions(condition, varno, 0);
  }
}

function isBoundedByLogic(condition: TreeNode, varno: number): boolean {
  const args = children(condition, 'args');
  const all = (parts: readonly TreeNode[]): boolean =>
    parts.every((part) => isBounded(part, varno));
  switch (string(condition, 'boolop')) {
    case 'and':
      return args.some((part) => isBounded(part, varno));
    case 'or':
      return all(args) && !hasOpposites(args);
    default:
      return args.every(
        (part) => isBounded(part, varno) || (part.tag === 'NULLTEST' && mentions(part, varno, 0)),
      );
  }
}

/** `a or not a`. */
function hasOpposites(args: readonly TreeNode[]): boolean {
  const shapes = new Set(args.map((part) => shape(part)));
  return args.some((part) => {
    if (part.tag !== 'BOOLEXPR' || string(part, 'boolop') !== 'not') return false;
    return children(part, 'args').some((inner) => shapes.has(shape(inner)));
  });
}

/** `id = id`, `id <= id`. */
function isSelfComparison(node: TreeNode): boolean {
  const [left, right] = children(node, 'args');
  return left !== undefined && right !== undefined && shape(left) === shape(right);
}

/** `name like '%'`: a constant text of nothing but percent signs, four bytes of length first. */
function isLikeAnything(node: TreeNode): boolean {
  const right = children(node, 'args')[1];
  const bytes =
    right?.tag === 'CONST' && numberOr0(right, 'consttype') === 25
      ? right.fields.get('constvalue')
      : undefined;
  return isList(bytes) && bytes.length > 4 && bytes.slice(4).every((byte) => byte === 37);
}

/** The node as text without the places where it was written. */
function shape(value: Tree): string {
  if (isList(value)) return `(${value.map((item) => shape(item)).join(' ')})`;
  if (!isNode(value)) return String(value);
  const fields = [...value.fields].filter(([key]) => key !== 'location' && !key.endsWith('syn'));
  return `{${value.tag} ${fields.map(([key, field]) => `${key}=${shape(field)}`).join(' ')}}`;
}

/** Whether an expression depends on a column of the relation `varno` of the query `level` levels out. */
function mentions(value: Tree | undefined, varno: number, level: number): boolean {
  if (isList(value)) return value.some((item) => mentions(item, varno, level));
  if (!isNode(value)) return false;
  if (value.tag === 'VAR')
    return numberOr0(value, 'varlevelsup') === level && number(value, 'varno') === varno;
  const inner = value.tag === 'QUERY' ? level + 1 : level;
  for (const field of value.fields.values()) if (mentions(field, varno, inner)) return true;
  return false;
}

/** MERGE: its join condition bounds the matched rows; WHEN NOT MATCHED BY SOURCE needs a condition of its own. */
export function isMergeBounded(query: TreeNode): boolean {
  const varno = number(query, 'resultRelation');
  const joined = mergeCondition(query).some((condition) => isBounded(condition, varno));
  return children(query, 'mergeActionList').every((action) => {
    const kind = number(action, 'commandType');
    if (kind !== 2 && kind !== 4) return true;
    const bySource = action.fields.has('matchKind') && number(action, 'matchKind') === 1;
    if (isBounded(action.fields.get('qual'), varno)) return true;
    return joined && !bySource;
  });
}

/** PostgreSQL 15 and 16 keep the condition in the join tree, 17 and later in a field. */
function mergeCondition(query: TreeNode): readonly Tree[] {
  const own = query.fields.get('mergeJoinCondition');
  if (own) return [own];
  const tree = child(query, 'jointree');
  const joins = tree ? children(tree, 'fromlist').filter((item) => item.tag === 'JOINEXPR') : [];
  return [
    tree?.fields.get('quals') ?? null,
    ...joins.map((item) => item.fields.get('quals') ?? null),
  ];
}
