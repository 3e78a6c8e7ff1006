import type { CopyStmt, Node } from 'libpg-query';
import type { ColumnUse, Effect, Output, Resource } from '../effect.ts';
import { nameParts } from './constant.ts';
import { expressionUses } from './expressions.ts';
import { holdsOthersValues } from './functions.ts';
import { type Relation, isSystem } from './catalog.ts';
import { isTemp, relationOf } from './objects.ts';
import {
  type Judged,
  type PartExtra,
  type Plan,
  Refusal,
  type Statement,
  effect,
  makePart,
} from './part.ts';
import { administered, copiesToFile, copyOut, leaving } from './wrappers.ts';

/** COPY of a table, in either direction; COPY of a query is a wrapper. */
export function planCopy(statement: Statement, node: Node): Plan | undefined {
  if (!('CopyStmt' in node) || !node.CopyStmt.relation) return undefined;
  const body = node.CopyStmt;
  const named = body.relation;
  if (!named || isTemp(named))
    throw new Refusal('not-resolved', 'the table cannot be resolved', 'Name its schema.');
  const relation = relationOf(statement, named);
  const columns = columnsOf(relation, nameParts(body.attlist ?? []));
  const judged = body.is_from
    ? copyIn(statement, body, relation, columns)
    : copyTable(statement, body, relation, columns);
  return { kind: 'judged', judged };
}

function columnsOf(relation: Relation, names: readonly string[]): readonly [number, string][] {
  const all = [...relation.columns];
  if (names.length === 0) return all;
  return names.map((name) => {
    const found = all.find(([, column]) => column === name);
    if (!found)
      throw new Refusal(
        'not-resolved',
        `column "${name}" does not exist`,
        'Check the column list.',
        '42703',
      );
    return found;
  });
}

function copyTable(
  statement: Statement,
  body: CopyStmt,
  relation: Relation,
  columns: readonly [number, string][],
): Judged {
  const { catalog } = statement;
  const outputs = columns.map(([attribute, name]): Output => {
    const sources = catalog.sources(relation.oid, attribute, false);
    return { name, sources, verbatim: true, origin: [relation.oid, attribute] };
  });
  const base = effect('copy', `reads ${catalog.table(relation).path.join('.')}`, { outputs });
  const family = isSystem(relation) ? [] : catalog.family(relation.oid, false);
  const accesses = family.map(
    (member) => ({ action: 'read', resource: catalog.table(member) }) as const,
  );
  const hidden = holdsOthersValues(relation.schema, relation.name);
  const what: Effect = { ...base, accesses };
  const whole = leaving(body, copiesToFile(body) || hidden ? administered(statement, what) : what);
  return judgedTable(
    statement,
    relation,
    whole,
    outputs.flatMap(({ sources }) => sources),
    copyOut(
      body,
      columns.map(([attribute]) => relation.types.get(attribute) ?? 0),
    ),
  );
}

function copyIn(
  statement: Statement,
  body: CopyStmt,
  relation: Relation,
  columns: readonly [number, string][],
): Judged {
  const { catalog } = statement;
  const family = isSystem(relation) ? [] : catalog.family(relation.oid, true);
  const accesses = family.map(
    (member) => ({ action: 'write', resource: catalog.table(member) }) as const,
  );
  const assigned = columns.flatMap(([attribute]) => catalog.sources(relation.oid, attribute, true));
  const uses = assigned.map((column): ColumnUse => ({ action: 'assign', column }));
  // WHERE picks among the rows that come, and may call what it likes.
  const where = expressionUses(statement, relation, [body.whereClause]);
  const base = effect('copy', `copies rows into ${catalog.table(relation).path.join('.')}`, {
    accesses: [...accesses, ...where.accesses],
    columns: [...uses, ...where.columns],
    ...(where.opaque && { opaque: true }),
  });
  const what = leaving(
    body,
    copiesToFile(body) || isSystem(relation) ? administered(statement, base) : base,
  );
  const extra = copiesToFile(body) ? {} : ({ copy: 'in' } as const);
  return judgedTable(statement, relation, what, catalog.allColumns([relation.oid]), extra);
}

function judgedTable(
  statement: Statement,
  relation: Relation,
  what: Effect,
  columns: readonly Resource[],
  extra: PartExtra,
): Judged {
  const { catalog } = statement;
  const part = makePart(
    statement,
    what,
    { ...extra, returnsRows: false },
    (isRuled) =>
      columns.some(isRuled) ||
      ((relation.triggers || what.opaque === true) && catalog.hasRuled(isRuled)),
  );
  const relations = new Set(catalog.family(relation.oid, true).map(({ oid }) => oid));
  return { part, relations, routines: new Set() };
}
