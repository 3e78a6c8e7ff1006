import type { Node, RangeVar, RefreshMatViewStmt, ViewStmt } from 'libpg-query';
import type { Effect } from '../effect.ts';
import { relationAddress } from './address.ts';
import { newRelation } from './create.ts';
import { access, doing } from './deed.ts';
import { Words } from './inner.ts';
import { lockWords } from './locks.ts';
import { NotResolved } from './nodetree.ts';
import { refuseTemp, schemaOf } from './objects.ts';
import { type Judged, type Plan, type Question, Refusal, type Statement, effect } from './part.ts';
import { judgedQuery, queryClasses, queryEffect } from './query.ts';

/** Definitions that carry a query. */
export function planDefinition(
  statement: Statement,
  node: Node,
  types: readonly number[],
): Plan | undefined {
  if ('CreateTableAsStmt' in node) {
    const { into, query, objtype } = node.CreateTableAsStmt;
    const kind =
      objtype === 'OBJECT_MATVIEW' ? 'create-materialized-view' : ('create-table-as' as const);
    return createAs(statement, into?.rel, query, types, kind);
  }
  if ('SelectStmt' in node && node.SelectStmt.intoClause)
    return selectInto(statement, node.SelectStmt.intoClause.rel, types);
  if ('ViewStmt' in node) return createView(statement, node.ViewStmt, types);
  return 'RefreshMatViewStmt' in node ? refresh(statement, node.RefreshMatViewStmt) : undefined;
}

/** CREATE TABLE AS, CREATE MATERIALIZED VIEW: a definition into which the query's values flow. */
function createAs(
  statement: Statement,
  named: RangeVar | undefined,
  query: Node | undefined,
  types: readonly number[],
  name: 'create-table-as' | 'create-materialized-view',
): Plan {
  refuseTemp(named);
  const kind = query && queryClasses[Object.keys(query)[0] ?? ''];
  if (kind === undefined || !named)
    throw new Refusal('not-judged', 'CREATE TABLE AS takes only a query here', 'Use a SELECT.');
  const words = new Words(statement);
  let end = words.length;
  if (words.at(end - 1) === 'data' && words.at(end - 2) === 'with') end -= 2;
  else if (
    words.at(end - 1) === 'data' &&
    words.at(end - 2) === 'no' &&
    words.at(end - 3) === 'with'
  )
    end -= 3;
  const inner = words.slice(words.find('as', 1) + 1, end);
  return flowing(statement, named, { ...inner, types }, kind, name);
}

/**
 * Nothing is read yet, but later nobody asks what a view computes: that was its maker's. So its maker needs the right to
 * search what it compares and computes with.
 */
function createView(
  statement: Statement,
  { view, withCheckOption: check }: ViewStmt,
  types: readonly number[],
): Plan {
  const made = newRelation(statement, view);
  const words = new Words(statement);
  let end = words.length;
  if (check !== undefined && check !== 'NO_CHECK_OPTION') {
    // with [local | cascaded] check option
    end -= 3;
    if (words.at(end) !== 'with') end -= 1;
  }
  const start = words.find('as', 1);
  const inner = words.slice(start + 1, end);
  return {
    kind: 'ask',
    ask: { ...inner, types },
    build: (facts): Judged => {
      const query = queryEffect(facts, 'select');
      const what = effect('create-view', `makes ${made.name} a view that ${query.words}`, {
        accesses: made.accesses,
        columns: query.columns.filter(({ action }) => action === 'filter' || action === 'join'),
        ...(query.computed && { computed: query.computed }),
      });
      const silent = { ...facts, outputs: undefined };
      return judgedQuery(statement, silent, inner.start, what, { defines: true });
    },
  };
}

/** SELECT INTO: the clause is blanked, so that the target analyses the query alone. */
function selectInto(
  statement: Statement,
  named: RangeVar | undefined,
  types: readonly number[],
): Plan {
  refuseTemp(named);
  if (!named) throw new Refusal('not-judged', 'the new table is not named', 'Name it.');
  const words = new Words(statement);
  // The parser's own place of the name: a column may be called "into" as well.
  const name = words.startingAt(named.location ?? 0);
  let into = name - 1;
  while (['unlogged', 'table'].includes(words.at(into))) into -= 1;
  if (words.at(into) !== 'into') throw new NotResolved('the new table is not found');
  let end = name + 1;
  while (words.at(end) === '.') end += 2;
  const query = { ...words.without(into, end), types };
  return flowing(statement, named, query, 'select', 'select-into');
}

function flowing(
  statement: Statement,
  named: RangeVar,
  inner: Question,
  kind: string,
  name: string,
): Plan {
  const schema = schemaOf(statement, named.schemaname);
  return {
    kind: 'ask',
    ask: inner,
    build: (facts): Judged => {
      const { outputs = [], ...query } = queryEffect(facts, kind);
      const sources = outputs.flatMap((output) => output.sources);
      const what = {
        ...query,
        class: name,
        words: `makes ${[...schema.path, named.relname ?? ''].join('.')} from a query that ${query.words}`,
        accesses: [...query.accesses, ...access('define', [schema])],
        columns: [
          ...query.columns,
          ...sources.map((column) => ({ action: 'reveal', column }) as const),
        ],
        flows: [...(query.flows ?? []), ...sources],
      };
      return judgedQuery(statement, facts, inner.start, what, { defines: true });
    },
  };
}

/** REFRESH runs the view's own query again, as its owner; it is judged as if it had been sent. */
function refresh(statement: Statement, body: RefreshMatViewStmt): Plan {
  const { relation, concurrent, skipData } = body;
  const view = relationAddress(statement, relation ?? {});
  const name = 'refresh-materialized-view';
  const lock = lockWords(concurrent === true ? 'EXCLUSIVE' : 'ACCESS EXCLUSIVE');
  if (!view.relation || skipData === true)
    return doing(statement, {
      class: name,
      words: `empties ${view.name}; ${lock}`,
      accesses: view.accesses,
      defines: true,
    });
  const { oid } = view.relation;
  return {
    kind: 'view',
    view: oid,
    build: (facts): Judged => {
      const { outputs: _, ...query } = queryEffect(facts, 'select');
      const what: Effect = {
        ...query,
        class: name,
        words: `fills ${view.name} anew by a query that ${query.words}; ${lock} and rewrites it`,
        accesses: [...view.accesses, ...query.accesses],
        // Its conditions were judged when it was made; its copies stay as hidden as what they are made from.
        columns: [],
      };
      const silent = { ...facts, outputs: undefined };
      const judged = judgedQuery(statement, silent, undefined, what, { defines: true });
      return { ...judged, relations: new Set([...judged.relations, oid]) };
    },
  };
}
