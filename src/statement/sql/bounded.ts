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

/** The relation whose rows are changed: its number in the query, and other numbers under which the query reads it. */
type Changed = {
  readonly varno: number;
  readonly relid: number;
  readonly others: readonly number[];
};

/**
 * True when the condition of `query` really narrows the rows of the relation `varno`: one that is always true does not
 * count, nor does one that only finds the row itself again.
 */
export function isBounded(condition: Tree | undefined, varno: number, query?: TreeNode): boolean {
  const relid = query ? numberOr0(entryOf(query, varno), 'relid') : 0;
  const entries = query && relid > 0 ? children(query, 'rtable') : [];
  const others = entries.flatMap((entry, index) =>
    index + 1 !== varno && numberOr0(entry, 'relid') === relid ? [index + 1] : [],
  );
  return narrows(condition, { varno, relid, others });
}

function entryOf(query: TreeNode, varno: number): TreeNode {
  const entry = children(query, 'rtable')[varno - 1];
  if (!entry) throw new NotResolved(`the query has no relation ${varno}`);
  return entry;
}

function narrows(condition: Tree | undefined, changed: Changed): boolean {
  if (!isNode(condition)) return false;
  const kind = kinds[condition.tag];
  if (kind) return kind(condition, changed);
  return mentions(condition, changed.varno, 0) && !findsAgain(condition, changed);
}

type Kind = (condition: TreeNode, changed: Changed) => boolean;

const kinds: Readonly<Record<string, Kind>> = {
  BOOLEXPR: narrowsByLogic,
  CASEEXPR: narrowsByCase,
  OPEXPR: narrowsByOperator,
  DISTINCTEXPR: narrowsByOperator,
  CURRENTOFEXPR: () => true,
  COALESCEEXPR: (condition, changed) =>
    children(condition, 'args').every((part) => isNever(part) || narrows(part, changed)),
  // `is not null` (1) holds for every row of most columns.
  NULLTEST: (condition, { varno }) =>
    number(condition, 'nulltesttype') === 0 && mentions(condition, varno, 0),
  // 0 is true, 2 is false; all others hold for rows of which nothing is known.
  BOOLEANTEST: (condition, changed) =>
    [0, 2].includes(numberOr0(condition, 'booltesttype')) &&
    narrows(child(condition, 'arg'), changed),
  // `id = any (array[id])`
  SCALARARRAYOPEXPR: (condition, changed) => {
    const [value, list] = children(condition, 'args');
    const own = value && list?.tag === 'ARRAYEXPR' ? shape(value) : undefined;
    const itself =
      own !== undefined &&
      children(list ?? condition, 'elements').some((one) => shape(one) === own);
    return !itself && mentions(condition, changed.varno, 0) && !findsAgain(condition, changed);
  },
};

function narrowsByOperator(condition: TreeNode, changed: Changed): boolean {
  return (
    mentions(condition, changed.varno, 0) &&
    !isSelfComparison(condition) &&
    !isLikeAnything(condition) &&
    sameRowIn(condition, changed) === undefined &&
    !findsAgain(condition, changed)
  );
}

function narrowsByLogic(condition: TreeNode, changed: Changed): boolean {
  const args = children(condition, 'args');
  switch (string(condition, 'boolop')) {
    case 'and':
      return args.some((part) => narrows(part, changed)) || narrowsByJoin(args, changed);
    case 'or':
      return args.every((part) => narrows(part, changed)) && !hasOpposites(args);
    default:
      // `not (… is not null)` is a condition, `not (… is null)` is none.
      return args.every((part) =>
        part.tag === 'NULLTEST'
          ? number(part, 'nulltesttype') === 1 && mentions(part, changed.varno, 0)
          : narrows(part, changed),
      );
  }
}

/** The same table under another name, joined row by row: it narrows if that other one is narrowed. */
function narrowsByJoin(parts: readonly TreeNode[], changed: Changed): boolean {
  const { relid } = changed;
  return parts.some((part) => {
    const varno = sameRowIn(part, changed);
    return (
      varno !== undefined &&
      parts.some(
        (one) => narrows(one, { varno, relid, others: [] }) && !mentions(one, changed.varno, 0),
      )
    );
  });
}

function narrowsByCase(condition: TreeNode, changed: Changed): boolean {
  const otherwise = child(condition, 'defresult');
  if (otherwise && !isNever(otherwise) && !narrows(otherwise, changed)) return false;
  return children(condition, 'args').every((when) => {
    const result = child(when, 'result');
    if (isNever(result) || narrows(result, changed)) return true;
    return narrows(child(when, 'expr'), changed);
  });
}

/** The constants false and NULL. */
function isNever(node: TreeNode | undefined): boolean {
  if (node?.tag !== 'CONST') return false;
  if (flag(node, 'constisnull')) return true;
  const bytes = node.fields.get('constvalue');
  return numberOr0(node, 'consttype') === 16 && isList(bytes) && bytes[0] === 0;
}

/** `a or not a`, `a = 1 or a <> 1`, `a like 'x' or a not like 'x'`: the same operands under different operators. */
function hasOpposites(args: readonly TreeNode[]): boolean {
  const shapes = new Set(args.map((part) => shape(part)));
  const operators = new Map<string, Set<string>>();
  for (const part of args)
    if (part.tag === 'OPEXPR') {
      const operands = shape(part.fields.get('args') ?? null);
      const known = operators.get(operands) ?? new Set<string>();
      operators.set(operands, known.add(String(numberOr0(part, 'opno'))));
    }
  if ([...operators.values()].some((known) => known.size > 1)) return true;
  return args.some((part) => {
    if (part.tag !== 'BOOLEXPR' || string(part, 'boolop') !== 'not') return false;
    return children(part, 'args').some((inner) => shapes.has(shape(inner)));
  });
}

/** The other number of the changed relation, when a condition compares a column of it with the same column of the other. */
function sameRowIn(condition: TreeNode, changed: Changed): number | undefined {
  if (condition.tag !== 'OPEXPR') return undefined;
  const [left, right] = children(condition, 'args').map((arg) => plainColumn(arg));
  if (!left || !right || numberOr0(left, 'varattno') !== numberOr0(right, 'varattno'))
    return undefined;
  const numbers = [number(left, 'varno'), number(right, 'varno')];
  return numbers.includes(changed.varno)
    ? numbers.find((one) => changed.others.includes(one))
    : undefined;
}

function plainColumn(node: TreeNode | undefined): TreeNode | undefined {
  const found = column(node);
  return found && numberOr0(found, 'varlevelsup') === 0 ? found : undefined;
}

/** Whether a sub-query anywhere in the condition reads the changed relation as a whole: every row finds itself there. */
function findsAgain(value: Tree | undefined, changed: Changed): boolean {
  if (changed.relid === 0) return false;
  if (isList(value)) return value.some((item) => findsAgain(item, changed));
  if (!isNode(value)) return false;
  if (value.tag === 'QUERY') return isWhole(value, changed.relid);
  for (const field of value.fields.values()) if (findsAgain(field, changed)) return true;
  return false;
}

function isWhole(query: TreeNode, relid: number): boolean {
  if (child(query, 'limitCount') || flag(query, 'hasAggs')) return false;
  const parts = andParts(child(query, 'jointree')?.fields.get('quals'));
  return children(query, 'rtable').some((entry, index) => {
    const inner = innerQuery(query, entry);
    const reads = numberOr0(entry, 'relid') === relid || (inner && isWhole(inner, relid));
    const one = { varno: index + 1, relid: 0, others: [] };
    return reads === true && !parts.some((part) => !isCorrelation(part) && narrows(part, one));
  });
}

/** The query behind a sub-select or a common table expression. */
function innerQuery(query: TreeNode, entry: TreeNode): TreeNode | undefined {
  const own = child(entry, 'subquery');
  const name = entry.fields.get('ctename');
  if (own || typeof name !== 'string') return own;
  const cte = children(query, 'cteList').find((one) => one.fields.get('ctename') === name);
  return cte && child(cte, 'ctequery');
}

const andParts = (value: Tree | undefined): readonly TreeNode[] => {
  if (!isNode(value)) return [];
  const isAnd = value.tag === 'BOOLEXPR' && string(value, 'boolop') === 'and';
  return isAnd ? children(value, 'args').flatMap((part) => andParts(part)) : [value];
};

// pg_operator: <, > and <> of numbers, texts, times, uuid and tid.
const strict = new Set([
  95, 97, 402, 411, 412, 413, 518, 519, 520, 521, 531, 621, 622, 623, 664, 666, 671, 672, 674, 1057,
  1058, 1060, 1094, 1095, 1097, 1109, 1110, 1112, 1321, 1322, 1324, 1753, 1754, 1756, 2061, 2062,
  2064, 2799, 2800, 2973, 2974, 2975,
]);

/**
 * `inner.id = outer.id`: the same column on both sides, one of them of the query around, so that a row finds itself.
 * With `<` or `<>` it finds others only.
 */
function isCorrelation(part: TreeNode): boolean {
  if (part.tag !== 'OPEXPR' || strict.has(numberOr0(part, 'opno'))) return false;
  const [left, right] = children(part, 'args').map((arg) => column(arg));
  if (!left || !right) return false;
  const outer = numberOr0(left, 'varlevelsup') > 0 || numberOr0(right, 'varlevelsup') > 0;
  return outer && numberOr0(left, 'varattno') === numberOr0(right, 'varattno');
}

function column(node: TreeNode | undefined): TreeNode | undefined {
  if (node?.tag === 'RELABELTYPE') return column(child(node, 'arg'));
  return node?.tag === 'VAR' ? node : undefined;
}

/** `id = id`, `id <= id`. */
function isSelfComparison(node: TreeNode): boolean {
  const [left, right] = children(node, 'args');
  return left !== undefined && right !== undefined && shape(left) === shape(right);
}

// pg_operator: ~ and ~* of text.
const regularExpression = new Set([641, 1228]);
const matchesAll = new Set(['', '^', '$', '.*', '^.*', '.*$', '^.*$', '.?', '(.*)']);

/** `name like '%'`, `name ~ '.*'`: a constant pattern that any text has; four bytes of length first. */
function isLikeAnything(node: TreeNode): boolean {
  const right = children(node, 'args')[1];
  const bytes =
    right?.tag === 'CONST' && numberOr0(right, 'consttype') === 25
      ? right.fields.get('constvalue')
      : undefined;
  if (!isList(bytes) || bytes.length < 4) return false;
  const text = String.fromCharCode(...bytes.slice(4).map((byte) => Number(byte) & 255));
  if (regularExpression.has(numberOr0(node, 'opno'))) return matchesAll.has(text);
  return /^%+$/.test(text);
}

/** The node as text without the places where it was written. */
function shape(value: Tree): string {
  if (isList(value)) return `(${value.map((item) => shape(item)).join(' ')})`;
  if (!isNode(value)) return String(value);
  const fields = [...value.fields].filter(([key]) => key !== 'location' && !key.endsWith('syn'));
  return `{${value.tag} ${fields.map(([key, field]) => `${key}=${shape(field)}`).join(' ')}}`;
}

// The attribute number of `tableoid`, which is the same in every row.
const tableOid = -6;

/** Whether an expression depends on a column of the relation `varno` of the query `level` levels out. */
function mentions(value: Tree | undefined, varno: number, level: number): boolean {
  if (isList(value)) return value.some((item) => mentions(item, varno, level));
  if (!isNode(value)) return false;
  if (value.tag === 'VAR')
    return (
      numberOr0(value, 'varlevelsup') === level &&
      number(value, 'varno') === varno &&
      numberOr0(value, 'varattno') !== tableOid
    );
  const inner = value.tag === 'QUERY' ? level + 1 : level;
  for (const field of value.fields.values()) if (mentions(field, varno, inner)) return true;
  return false;
}

/** MERGE: its join condition bounds the matched rows; WHEN NOT MATCHED BY SOURCE needs a condition of its own. */
export function isMergeBounded(query: TreeNode): boolean {
  const varno = number(query, 'resultRelation');
  const joined = mergeCondition(query).some((condition) => isBounded(condition, varno, query));
  return children(query, 'mergeActionList').every((action) => {
    const kind = number(action, 'commandType');
    if (kind !== 2 && kind !== 4) return true;
    const bySource = action.fields.has('matchKind') && number(action, 'matchKind') === 1;
    if (isBounded(action.fields.get('qual'), varno, query)) return true;
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

/** INSERT … ON CONFLICT DO UPDATE: what is inserted bounds it, unless that is read from all of the table itself. */
export function isConflictBounded(query: TreeNode): boolean {
  const conflict = child(query, 'onConflict');
  // 2 is DO UPDATE.
  if (!conflict || number(conflict, 'action') !== 2) return true;
  const varno = number(query, 'resultRelation');
  if (isBounded(conflict.fields.get('onConflictWhere'), varno)) return true;
  const changed = { varno, relid: numberOr0(entryOf(query, varno), 'relid'), others: [] };
  return !children(query, 'rtable').some((entry) =>
    findsAgain(entry.fields.get('subquery'), changed),
  );
}
