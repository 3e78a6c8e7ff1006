import type { Node, RangeVar, ViewCheckOption } from 'libpg-query';
import type { Access, Resource } from '../effect.ts';
import { nameParts } from './constant.ts';
import { Words } from './inner.ts';
import { NotResolved } from './nodetree.ts';
import { findRelation, refuseTemp, schemaOf, targetOf } from './objects.ts';
import {
  type Judged,
  type Plan,
  type Question,
  Refusal,
  type Statement,
  effect,
  makePart,
  simple,
} from './part.ts';
import { judgedQuery, queryClasses, queryEffect } from './query.ts';

/** Schema changes: what they define, found through the catalog. */
export function planDefinition(
  statement: Statement,
  node: Node,
  types: readonly number[],
): Plan | undefined {
  const tag = Object.keys(node)[0] ?? '';
  if ('CreateTableAsStmt' in node) {
    const { into, query } = node.CreateTableAsStmt;
    return createAs(statement, into?.rel, query, types);
  }
  if ('SelectStmt' in node && node.SelectStmt.intoClause)
    return selectInto(statement, node.SelectStmt.intoClause.rel, types);
  if ('ViewStmt' in node) return createView(statement, node, node.ViewStmt.withCheckOption, types);
  const objects =
    newObject(statement, node) ?? existing(statement, node) ?? dropped(statement, node);
  if (objects) return define(statement, tag, objects, convertsRows(statement, node));
  return whole.has(tag) ? define(statement, tag, [targetOf(statement)]) : undefined;
}

const looksAtRows = new Set([
  'AlterTableStmt',
  'IndexStmt',
  'RefreshMatViewStmt',
  'AlterDomainStmt',
]);

// Their object is named in ways that are not told apart here: the whole target is asked for.
const whole = new Set(
  `CreateSchemaStmt CommentStmt AlterFunctionStmt AlterEnumStmt AlterDomainStmt AlterTypeStmt AlterObjectSchemaStmt
  AlterOwnerStmt AlterObjectDependsStmt AlterOperatorStmt AlterTSDictionaryStmt AlterTSConfigurationStmt
  CreateStatsStmt AlterStatsStmt DropStmt RenameStmt AlterTableStmt`.split(/\s+/),
);

/** `alter column … type … using (…)` computes new values from any column of the row: all of them flow into it. */
function convertsRows(statement: Statement, node: Node): readonly Resource[] {
  if (!('AlterTableStmt' in node)) return [];
  const { cmds = [], relation } = node.AlterTableStmt;
  const converts = cmds.some((one) => {
    const def = 'AlterTableCmd' in one ? one.AlterTableCmd.def : undefined;
    return (
      'AlterTableCmd' in one &&
      one.AlterTableCmd.subtype === 'AT_AlterColumnType' &&
      def !== undefined &&
      'ColumnDef' in def &&
      def.ColumnDef.raw_default !== undefined
    );
  });
  const found = converts && relation ? findRelation(statement, relation) : undefined;
  if (!found) return [];
  const { catalog } = statement;
  return catalog.allColumns(catalog.family(found.oid, true).map(({ oid }) => oid));
}

function define(
  statement: Statement,
  tag: string,
  objects: readonly Resource[],
  flows: readonly Resource[] = [],
): Plan {
  const accesses = objects.map((resource): Access => ({ action: 'define', resource }));
  const kind = tag
    .replace(/Stmt$/, '')
    .replace(/(?<=[a-z])(?=[A-Z])/g, '-')
    .toLowerCase();
  const names = objects.map(({ path }) => path.join('.')).join(', ');
  const what = effect(kind, `defines (${kind.replaceAll('-', ' ')}) in ${names}`, {
    accesses,
    ...(flows.length > 0 && { flows }),
  });
  const { catalog } = statement;
  const one = simple(statement, what, { defines: true });
  // What looks at rows can fail on a value, and say so.
  const part = makePart(
    statement,
    what,
    { defines: true },
    (isRuled) => looksAtRows.has(tag) && catalog.hasRuled(isRuled),
  );
  return { kind: 'judged', judged: { ...one, part, secret: true } };
}

/** Something new: asked for at its schema, and at the table of that name if there is one already. */
function newObject(statement: Statement, node: Node): readonly Resource[] | undefined {
  const named = newRelation(node);
  if (named) {
    refuseTemp(named);
    const old = findRelation(statement, named);
    const schema = schemaOf(statement, named.schemaname);
    return old ? [schema, statement.catalog.table(old)] : [schema];
  }
  const parts = newName(node);
  if (!parts) return undefined;
  const names = nameParts(parts);
  return [schemaOf(statement, names.length > 1 ? names.at(-2) : undefined)];
}

function newRelation(node: Node): RangeVar | undefined {
  if ('CreateStmt' in node) return node.CreateStmt.relation;
  if ('ViewStmt' in node) return node.ViewStmt.view;
  if ('CreateSeqStmt' in node) return node.CreateSeqStmt.sequence;
  if ('CompositeTypeStmt' in node) return node.CompositeTypeStmt.typevar;
  return 'CreateForeignTableStmt' in node ? node.CreateForeignTableStmt.base?.relation : undefined;
}

function newName(node: Node): readonly Node[] | undefined {
  if ('CreateFunctionStmt' in node) return node.CreateFunctionStmt.funcname;
  if ('DefineStmt' in node) return node.DefineStmt.defnames;
  if ('CreateEnumStmt' in node) return node.CreateEnumStmt.typeName;
  if ('CreateRangeStmt' in node) return node.CreateRangeStmt.typeName;
  return 'CreateDomainStmt' in node ? node.CreateDomainStmt.domainname : undefined;
}

/** A change of something that is there. */
function existing(statement: Statement, node: Node): readonly Resource[] | undefined {
  const named = changedRelation(node);
  if (!named) return undefined;
  refuseTemp(named);
  const found = findRelation(statement, named);
  // What an IF EXISTS or a name of another kind means is left to the whole target.
  return [found ? statement.catalog.table(found) : targetOf(statement)];
}

function changedRelation(node: Node): RangeVar | undefined {
  if ('AlterTableStmt' in node) return node.AlterTableStmt.relation;
  if ('IndexStmt' in node) return node.IndexStmt.relation;
  if ('RenameStmt' in node) return node.RenameStmt.relation;
  if ('AlterSeqStmt' in node) return node.AlterSeqStmt.sequence;
  if ('RefreshMatViewStmt' in node) return node.RefreshMatViewStmt.relation;
  if ('AlterObjectSchemaStmt' in node) return node.AlterObjectSchemaStmt.relation;
  return attachedTo(node);
}

function attachedTo(node: Node): RangeVar | undefined {
  if ('CreateTrigStmt' in node) return node.CreateTrigStmt.relation;
  if ('CreatePolicyStmt' in node) return node.CreatePolicyStmt.table;
  if ('AlterPolicyStmt' in node) return node.AlterPolicyStmt.table;
  return 'RuleStmt' in node ? node.RuleStmt.relation : undefined;
}

const tables = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_FOREIGN_TABLE',
  'OBJECT_INDEX',
]);

function dropped(statement: Statement, node: Node): readonly Resource[] | undefined {
  if (!('DropStmt' in node)) return undefined;
  const { removeType, objects = [], behavior } = node.DropStmt;
  const more = behavior === 'DROP_CASCADE' ? [targetOf(statement)] : [];
  if (removeType === 'OBJECT_SCHEMA')
    return [
      ...objects.flatMap((one) => nameParts([one])).map((name) => schemaOf(statement, name)),
      ...more,
    ];
  if (!tables.has(removeType ?? '')) return undefined;
  const found = objects.map((one) => {
    const names = 'List' in one ? nameParts(one.List.items ?? []) : [];
    const schemaname = names.at(-2);
    const relation = findRelation(statement, {
      relname: names.at(-1) ?? '',
      ...(schemaname !== undefined && { schemaname }),
    });
    // An index is not in the catalog here; neither is what does not exist.
    return relation ? statement.catalog.table(relation) : targetOf(statement);
  });
  return [...found, ...more];
}

/** CREATE TABLE AS, CREATE MATERIALIZED VIEW: a definition into which the query's values flow. */
function createAs(
  statement: Statement,
  named: RangeVar | undefined,
  query: Node | undefined,
  types: readonly number[],
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
  return flowing(statement, named, { ...inner, types }, kind, 'create-table-as');
}

/**
 * Nothing is read yet, but later nobody asks what a view computes: that was its maker's. So its maker needs the right to
 * search what it compares and computes with.
 */
function createView(
  statement: Statement,
  node: Node,
  check: ViewCheckOption | undefined,
  types: readonly number[],
): Plan {
  const objects = newObject(statement, node) ?? [targetOf(statement)];
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
      const names = objects.map(({ path }) => path.join('.')).join(', ');
      const what = effect('view', `defines (view) in ${names} a query that ${query.words}`, {
        accesses: objects.map((resource): Access => ({ action: 'define', resource })),
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
  const objects = [schemaOf(statement, named.schemaname)];
  return {
    kind: 'ask',
    ask: inner,
    build: (facts): Judged => {
      const { outputs = [], ...query } = queryEffect(facts, kind);
      const sources = outputs.flatMap((output) => output.sources);
      const what = {
        ...query,
        class: name,
        words: `makes ${objects[0]?.path.join('.')}.${named.relname ?? ''} from a query that ${query.words}`,
        accesses: [
          ...query.accesses,
          ...objects.map((resource): Access => ({ action: 'define', resource })),
        ],
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
