import type { Cannot, Closely, Counting, Tables } from './closely.ts';
import type { Judged, Statement, Unit } from './part.ts';
import { Words } from './inner.ts';
import { type Scope, command, entryAt } from './lineage.ts';
import { NotResolved, type TreeNode, child, children, number } from './nodetree.ts';
import { type Resolved, rendered, resolved, shapeOf, withoutConstants } from './shape.ts';
import type { QueryFacts } from './tree.ts';

const SEVERAL: Cannot = { why: 'it is not one plain query of which everything can be seen' };
const POLICIES: Cannot = { why: 'row-level security or a foreign server decides about its rows' };
const EFFECTS: Cannot = { why: 'it calls functions that leave a trace' };
const FORM: Cannot = { why: 'only a plain UPDATE, DELETE or SELECT is counted' };

/** For one analysed string. */
export function closelyOf(
  unit: Unit,
  judged: readonly Judged[],
  types: readonly number[],
): Closely {
  return {
    get relations() {
      return [...new Set(judged.flatMap(({ relations }) => [...relations]))];
    },
    withoutConstants: () => withoutConstants(unit),
    shape: (tables, values) => shapeOf(unit, judged, tables, types, values),
    estimating: (tables) => estimating(judged, tables),
    counting: (tables, sample) => counting(unit, judged, tables, sample),
    get harmless() {
      const effect = judged[0]?.part.effect;
      return (
        resolved(judged) !== undefined &&
        judged[0]?.routines.size === 0 &&
        effect?.class === 'select' &&
        effect.accesses.every(({ action }) => action === 'read')
      );
    },
    rows() {
      const scopes = resolved(judged)?.facts.scopes;
      return scopes?.[0] && scopes.length === 1 ? rowsOf(scopes[0]) : undefined;
    },
  };
}

/**
 * The statement behind EXPLAIN, where planning it runs nothing but built-in functions; the planner evaluates what is
 * immutable and estimates what is stable.
 */
function estimating(judged: readonly Judged[], tables: Tables): string | Cannot {
  const one = resolved(judged);
  if (!one) return SEVERAL;
  if (!isPlain(one.facts, tables)) return POLICIES;
  return one.judged.part.text;
}

/** Only tables whose rows everybody sees alike, and which are really here. */
function isPlain({ uses }: QueryFacts, tables: Tables): boolean {
  return [...uses.relations].every((oid) => {
    const table = tables.get(oid);
    return table !== undefined && !table.rowSecurity && table.kind !== 'f';
  });
}

/** The query that counts what the statement would touch; the caller has it analysed, and compares `rows`. */
function counting(
  unit: Unit,
  judged: readonly Judged[],
  tables: Tables,
  sample?: number,
): Counting | Cannot {
  const one = resolved(judged);
  const statement = unit.statements[0]?.statement;
  if (!one || !statement) return SEVERAL;
  if (!isPlain(one.facts, tables)) return POLICIES;
  if (one.facts.uses.routines.size > 0) return EFFECTS;
  const [scope, ...others] = one.facts.scopes;
  if (!scope || others.length > 0) return FORM;
  try {
    return one.judged.part.class === 'select'
      ? countRead(one, scope)
      : countWrite(one, statement, scope, tables, sample);
  } catch (error) {
    if (error instanceof NotResolved) return FORM;
    throw error;
  }
}

function countRead({ judged }: Resolved, { query }: Scope): Counting | Cannot {
  const writes = judged.part.effect.accesses.some(({ action }) => action !== 'read');
  if (writes || children(query, 'rowMarks').length > 0) return FORM;
  return { text: `select pg_catalog.count(*) from (${judged.part.text}\n) counted` };
}

/** Where in its tokens the parts of a plain UPDATE or DELETE stand. */
type Clauses = {
  readonly target: string;
  readonly from: string | undefined;
  readonly where: string | undefined;
};

function countWrite(
  one: Resolved,
  statement: Statement,
  scope: Scope,
  tables: Tables,
  sample: number | undefined,
): Counting | Cannot {
  const { query } = scope;
  const kind = number(query, 'commandType');
  if (!isPlainWrite(query, kind)) return FORM;
  const entry = entryAt(query, number(query, 'resultRelation'));
  const relation = number(entry, 'relid');
  const row = quoted(nameOf(child(entry, 'eref')?.fields.get('aliasname')));
  if (!'rp'.includes(tables.get(relation)?.kind ?? 'v')) return FORM;
  const { from, rest } = fromWhere(clausesOf(new Words(statement), kind === command.update));
  // A row that joins with several others is changed once.
  const what = from === undefined ? '*' : `distinct (${row}.tableoid, ${row}.ctid)`;
  const keys =
    sample === undefined || from !== undefined
      ? undefined
      : sampled({ facts: one.facts, relation, tables }, row, rest, sample);
  return {
    text: `select pg_catalog.count(${what}) ${rest}`,
    rows: rowsOf(scope),
    ...(keys && { sample: keys }),
  };
}

const isPlainWrite = (query: TreeNode, kind: number): boolean =>
  children(query, 'cteList').length === 0 && (kind === command.update || kind === command.delete);

function fromWhere({ target, from, where }: Clauses) {
  const all = from === undefined ? target : `${target}, ${from}`;
  return { from, rest: `from ${all}${where === undefined ? '' : ` where ${where}\n`}` };
}

function sampled(
  of: { readonly facts: QueryFacts; readonly relation: number; readonly tables: Tables },
  row: string,
  rest: string,
  most: number,
): Counting['sample'] {
  const { catalog } = of.facts.uses;
  const relation = catalog.relation(of.relation);
  const key = of.tables.get(of.relation)?.keys.find(({ primary }) => primary);
  const columns = (key?.columns ?? []).map(({ attribute }) => {
    const name = relation.columns.get(attribute) ?? '';
    return { name, column: catalog.column(relation, name) };
  });
  if (columns.length === 0) return undefined;
  const list = columns.map(({ name }) => `${row}.${quoted(name)}::pg_catalog.text`);
  return { text: `select ${list.join(', ')} ${rest} limit ${most}`, columns };
}

/** Throws NotResolved when it is written in any other way. */
function clausesOf(words: Words, update: boolean): Clauses {
  const verb = update ? ['update'] : ['delete', 'from'];
  if (verb.some((word, at) => words.at(at) !== word)) throw new NotResolved('it begins otherwise');
  const start = verb.length;
  const body = update ? words.find('set', start) : start;
  const end = place(words, 'returning', body);
  const where = Math.min(place(words, 'where', body), end);
  const joined = Math.min(update ? fromOf(words, body) : place(words, 'using', body), where);
  const between = (from: number, to: number): string | undefined =>
    from < to ? words.slice(from + 1, to).text : undefined;
  return {
    target: words.slice(start, update ? body : joined).text,
    from: between(joined, where),
    where: between(where, end),
  };
}

/** `is distinct from` is no clause. */
function fromOf(words: Words, at: number): number {
  let found = place(words, 'from', at);
  while (found < words.length && words.at(found - 1) === 'distinct')
    found = place(words, 'from', found + 1);
  return found;
}

/** The end where there is no such word. */
function place(words: Words, word: string, from: number): number {
  try {
    return words.find(word, from);
  } catch (error) {
    if (error instanceof NotResolved) return words.length;
    throw error;
  }
}

/**
 * Which rows a plain query is about: its tables in their order, and its condition. What says who may, or how a table is
 * locked, is left out.
 */
function rowsOf({ query }: Scope): string {
  const tree = child(query, 'jointree');
  const tables = children(query, 'rtable').map((entry) =>
    ['rtekind', 'relid', 'relkind', 'inh', 'jointype', 'lateral', 'eref', 'joinaliasvars']
      .concat([
        'subquery',
        'functions',
        'values_lists',
        'tablesample',
        'tablefunc',
        'funcordinality',
      ])
      .map((key) => `${key}=${rendered(entry.fields.get(key))}`)
      .join(' '),
  );
  return [...tables, rendered(tree)].join('\n');
}

const nameOf = (value: unknown): string => {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new NotResolved('the table has no name');
};

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
