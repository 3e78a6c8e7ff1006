import type {
  AlterDomainStmt,
  AlterEnumStmt,
  CompositeTypeStmt,
  CreateDomainStmt,
  Node,
  ObjectType,
} from 'libpg-query';
import { addressOf } from './address.ts';
import { constraintDemands, together } from './constraints.ts';
import { newNamed, newRelation } from './create.ts';
import type { Deed } from './deed.ts';
import { expressionUses } from './expressions.ts';
import { kindWords } from './kinds.ts';
import type { Statement } from './part.ts';
import { typeWords } from './type-words.ts';

/** CREATE TYPE … AS ENUM, AS RANGE. */
export function createType(statement: Statement, names: readonly Node[] | undefined): Deed {
  const made = newNamed(statement, names);
  return {
    class: 'create-type',
    words: `creates the type ${made.name}`,
    accesses: made.accesses,
    defines: true,
  };
}

export function createComposite(statement: Statement, body: CompositeTypeStmt): Deed {
  const made = newRelation(statement, body.typevar);
  return {
    class: 'create-type',
    words: `creates the type ${made.name}`,
    accesses: made.accesses,
    defines: true,
  };
}

export function createDomain(statement: Statement, body: CreateDomainStmt): Deed {
  const made = newNamed(statement, body.domainname);
  const demands = together(
    (body.constraints ?? []).map((one) => constraintDemands(statement, undefined, one)),
  );
  return {
    class: 'create-domain',
    words: `creates the domain ${made.name} over ${typeWords(body.typeName)}`,
    accesses: [...made.accesses, ...demands.accesses],
    ...(demands.opaque && { opaque: true }),
    defines: true,
  };
}

/** A new check of a domain is tried on every value of it, in all tables. */
export function alterDomain(statement: Statement, body: AlterDomainStmt): Deed {
  const found = namedObject(statement, 'OBJECT_DOMAIN', body.typeName);
  const uses = expressionUses(statement, undefined, [body.def]);
  return {
    class: 'alter-domain',
    words: `changes the ${found.name}, and may scan every table that uses it`,
    accesses: [...found.accesses, ...uses.accesses],
    ...(uses.opaque && { opaque: true }),
    looksAtRows: true,
    defines: true,
  };
}

export function alterEnum(statement: Statement, body: AlterEnumStmt): Deed {
  const found = namedObject(statement, 'OBJECT_TYPE', body.typeName);
  const verb = body.oldVal === undefined ? 'adds a value to' : 'renames a value of';
  return {
    class: 'alter-type',
    words: `${verb} the ${found.name}`,
    accesses: found.accesses,
    defines: true,
  };
}

/** ALTER TYPE, OPERATOR, COLLATION, STATISTICS, TEXT SEARCH … that only change what their object is. */
export function alterNamed(
  statement: Statement,
  type: ObjectType,
  names: readonly Node[] | undefined,
): Deed {
  const found = namedObject(statement, type, names);
  return {
    class: `alter-${kindWords(type).replaceAll(' ', '-')}`,
    words: `changes the ${found.name}`,
    accesses: found.accesses,
    defines: true,
  };
}

function namedObject(
  statement: Statement,
  type: ObjectType,
  names: readonly Node[] = [],
): ReturnType<typeof addressOf> {
  return addressOf(statement, type, { List: { items: [...names] } });
}
