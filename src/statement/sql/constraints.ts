import type { Constraint, Node } from 'libpg-query';
import type { Access, ColumnUse } from '../effect.ts';
import { relationAddress } from './address.ts';
import type { Relation } from './catalog.ts';
import { nameParts } from './constant.ts';
import { expressionUses } from './expressions.ts';
import type { Statement } from './part.ts';

/** What a constraint or a column asks for beside the change of its table. */
export type Demands = {
  readonly accesses: readonly Access[];
  readonly columns: readonly ColumnUse[];
  readonly opaque: boolean;
};

export function together(all: readonly Demands[]): Demands {
  return {
    accesses: all.flatMap(({ accesses }) => accesses),
    columns: all.flatMap(({ columns }) => columns),
    opaque: all.some(({ opaque }) => opaque),
  };
}

/** A column of CREATE TABLE or ADD COLUMN: its default, its checks, its references. */
export function columnDemands(
  statement: Statement,
  relation: Relation | undefined,
  node: Node | undefined,
): Demands {
  if (!node || !('ColumnDef' in node)) return together([]);
  const { constraints = [], colname } = node.ColumnDef;
  return together(constraints.map((one) => constraintDemands(statement, relation, one, colname)));
}

/**
 * A constraint tells about values by failing, now and at each later write: so it asks for `filter` on what it compares.
 * A foreign key changes the other table too, which may no longer be changed freely.
 */
export function constraintDemands(
  statement: Statement,
  relation: Relation | undefined,
  node: Node | undefined,
  column?: string,
): Demands {
  if (!node || !('Constraint' in node)) return together([]);
  const body = node.Constraint;
  const own = [...keysOf(body), ...(column !== undefined && isKey(body) ? [column] : [])];
  const uses = expressionUses(
    statement,
    relation,
    [body.raw_expr, body.where_clause, body.exclusions],
    own,
  );
  return body.pktable ? together([uses, referenced(statement, body)]) : uses;
}

const isKey = (body: Constraint): boolean =>
  ['CONSTR_UNIQUE', 'CONSTR_PRIMARY', 'CONSTR_FOREIGN'].includes(body.contype ?? '');

function keysOf(body: Constraint): readonly string[] {
  const excluded = (body.exclusions ?? []).flatMap((one) =>
    'List' in one ? (one.List.items ?? []) : [],
  );
  const elements = excluded.flatMap((one) =>
    'IndexElem' in one && one.IndexElem.name !== undefined ? [one.IndexElem.name] : [],
  );
  return [...nameParts(body.keys ?? []), ...nameParts(body.fk_attrs ?? []), ...elements];
}

function referenced(statement: Statement, body: Constraint): Demands {
  const { catalog } = statement;
  const { accesses, relation } = relationAddress(statement, body.pktable ?? {});
  if (!relation) return { accesses, columns: [], opaque: false };
  const names = nameParts(body.pk_attrs ?? []);
  const keys =
    names.length > 0
      ? [...relation.columns].flatMap(([number, name]) => (names.includes(name) ? [number] : []))
      : catalog.primaryKey(relation.oid);
  const sources = new Set(keys.flatMap((number) => catalog.sources(relation.oid, number, true)));
  const columns = [...sources].map((column): ColumnUse => ({ action: 'filter', column }));
  return { accesses, columns, opaque: false };
}

/** The constraint in words: `foreign key to other.t`. */
export function constraintWords(body: Constraint): string {
  const named = body.conname === undefined ? '' : ` ${body.conname}`;
  const kinds: Partial<Record<NonNullable<Constraint['contype']>, string>> = {
    CONSTR_CHECK: 'check',
    CONSTR_PRIMARY: 'primary key',
    CONSTR_UNIQUE: 'unique constraint',
    CONSTR_EXCLUSION: 'exclusion constraint',
    CONSTR_FOREIGN: 'foreign key',
    CONSTR_NOTNULL: 'not-null constraint',
  };
  const kind = (body.contype !== undefined && kinds[body.contype]) || 'constraint';
  const to = [body.pktable?.schemaname, body.pktable?.relname].filter((one) => one !== undefined);
  return `the ${kind}${named}${to.length > 0 ? ` to ${to.join('.')}` : ''}`;
}
