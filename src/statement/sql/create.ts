import type {
  CreateForeignTableStmt,
  CreateSeqStmt,
  CreateStmt,
  AlterSeqStmt,
  CreateSchemaStmt,
  DefineStmt,
  Node,
  RangeVar,
} from 'libpg-query';
import type { Resource } from '../effect.ts';
import { type Address, relationAddress } from './address.ts';
import { nameParts } from './constant.ts';
import { columnDemands, constraintDemands, together } from './constraints.ts';
import { access, type Deed } from './deed.ts';
import { expressionUses } from './expressions.ts';
import { classWords, kindWords } from './kinds.ts';
import { findRelation, refuseTemp, schemaOf, targetOf } from './objects.ts';
import { Refusal, type Statement } from './part.ts';

/** Something new with a table's kind of name: asked for at its schema, and at what has that name already. */
export function newRelation(statement: Statement, named: RangeVar | undefined): Address {
  refuseTemp(named);
  const schema = schemaOf(statement, named?.schemaname);
  const old = named ? findRelation(statement, named) : undefined;
  const resources: Resource[] = old ? [schema, statement.catalog.table(old)] : [schema];
  return {
    accesses: access('define', resources),
    name: [...schema.path, named?.relname ?? ''].join('.'),
    ...(old && { relation: old }),
  };
}

/** Something new that is named by a list: a function, a type. */
export function newNamed(statement: Statement, parts: readonly Node[] | undefined): Address {
  const names = nameParts(parts ?? []);
  const schema = schemaOf(statement, names.length > 1 ? names.at(-2) : undefined);
  return { accesses: access('define', [schema]), name: [...schema.path, names.at(-1)].join('.') };
}

export function createTable(statement: Statement, body: CreateStmt): Deed {
  const made = newRelation(statement, body.relation);
  const parents = (body.inhRelations ?? []).flatMap((one) =>
    'RangeVar' in one ? [relationAddress(statement, one.RangeVar)] : [],
  );
  const elements = [...(body.tableElts ?? []), ...(body.constraints ?? [])];
  const demands = together([
    ...elements.map((one) => columnDemands(statement, undefined, one)),
    ...elements.map((one) => constraintDemands(statement, undefined, one)),
    expressionUses(statement, undefined, [body.partspec, body.partbound]),
  ]);
  const columns = elements.filter((one) => 'ColumnDef' in one).length;
  const kind = body.partbound ? 'a partition of' : 'inheriting from';
  const under = parents.length > 0 ? `, ${kind} ${parents.map(({ name }) => name).join(', ')}` : '';
  return {
    class: 'create-table',
    words: `creates the table ${made.name}${columns > 0 ? ` with ${columns} ${columns === 1 ? 'column' : 'columns'}` : ''}${under}`,
    accesses: [made, ...parents].flatMap(({ accesses }) => accesses).concat(demands.accesses),
    columns: demands.columns,
    ...(demands.opaque && { opaque: true }),
    defines: true,
    relations: new Set(parents.flatMap(({ relation }) => relation?.oid ?? [])),
  };
}

/** Its rows are somewhere else: whoever reads it later makes the server connect there. */
export function createForeignTable(statement: Statement, body: CreateForeignTableStmt): Deed {
  const deed = createTable(statement, body.base ?? {});
  return {
    ...deed,
    class: 'create-foreign-table',
    words: `${deed.words.replace('the table', 'the foreign table')}, on the server ${body.servername ?? ''}`,
    escapes: ['network'],
  };
}

export function createSequence(statement: Statement, body: CreateSeqStmt): Deed {
  return sequence(statement, 'create', newRelation(statement, body.sequence), body.options);
}

export function alterSequence(statement: Statement, body: AlterSeqStmt): Deed {
  return sequence(
    statement,
    'alter',
    relationAddress(statement, body.sequence ?? {}),
    body.options,
  );
}

function sequence(
  statement: Statement,
  verb: 'create' | 'alter',
  made: Address,
  options: readonly Node[] = [],
): Deed {
  const owner = options.flatMap((one) => ownerOf(statement, one));
  const says = verb === 'create' ? 'creates' : 'changes';
  return {
    class: `${verb}-sequence`,
    words: `${says} the sequence ${made.name}`,
    accesses: [made, ...owner].flatMap(({ accesses }) => accesses),
    defines: true,
    relations: new Set([made, ...owner].flatMap(({ relation }) => relation?.oid ?? [])),
  };
}

/** OWNED BY table.column: the sequence goes when the column does. */
function ownerOf(statement: Statement, option: Node): readonly Address[] {
  if (!('DefElem' in option) || option.DefElem.defname !== 'owned_by') return [];
  const { arg } = option.DefElem;
  const names = arg && 'List' in arg ? nameParts(arg.List.items ?? []) : [];
  const [relname, schemaname] = [names.at(-2), names.at(-3)];
  if (relname === undefined) return [];
  return [relationAddress(statement, { relname, ...(schemaname !== undefined && { schemaname }) })];
}

export function createSchema(statement: Statement, body: CreateSchemaStmt): Deed {
  if ((body.schemaElts ?? []).length > 0)
    throw new Refusal(
      'not-judged',
      'CREATE SCHEMA with what shall be in it cannot be judged',
      'Create the schema first, then what shall be in it.',
    );
  return {
    class: 'create-schema',
    words: `creates the schema ${body.schemaname ?? body.authrole?.rolename ?? ''}`,
    accesses: access('define', [targetOf(statement)]),
    defines: true,
  };
}

/** CREATE AGGREGATE, OPERATOR, TYPE, COLLATION, TEXT SEARCH …. */
export function createDefined(statement: Statement, body: DefineStmt): Deed {
  const made = newNamed(statement, body.defnames);
  const kind = kindWords(body.kind);
  return {
    class: classWords(`create ${kind}`),
    words: `creates the ${kind} ${made.name}`,
    accesses: made.accesses,
    defines: true,
  };
}
