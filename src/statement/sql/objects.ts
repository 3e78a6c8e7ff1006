import type { RangeVar } from 'libpg-query';
import type { Resource } from '../effect.ts';
import type { Relation } from './catalog.ts';
import { Refusal, type Statement } from './part.ts';
import { schemasOf } from './search-path.ts';

/** Objects of a session alone would shadow tables without any rule seeing it. */
export function isTemp(name: RangeVar): boolean {
  return name.relpersistence === 't' || isTempSchema(name.schemaname);
}

function isTempSchema(name: string | undefined): boolean {
  return /^pg_temp/i.test(name ?? '');
}

export function refuseTemp(name: RangeVar | undefined): void {
  if (name && isTemp(name))
    throw new Refusal(
      'temp-objects',
      'temporary objects cannot be made through the gateway: they would hide the tables that rules speak of',
      'Use a common table expression (WITH …) instead.',
    );
}

export function findRelation(statement: Statement, name: RangeVar): Relation | undefined {
  return statement.catalog.find(name.schemaname, name.relname ?? '', statement.path);
}

/** The relation a statement names. Throws a Refusal when there is none. */
export function relationOf(statement: Statement, name: RangeVar): Relation {
  const found = findRelation(statement, name);
  if (found) return found;
  const full = [name.schemaname, name.relname].filter((part) => part !== undefined).join('.');
  throw new Refusal(
    'not-resolved',
    `relation "${full}" does not exist`,
    'Check the name and the search_path.',
    '42P01',
  );
}

export function targetOf(statement: Statement): Resource {
  return { type: 'Target', path: [statement.catalog.target] };
}

/** With pg_temp first on the search_path, PostgreSQL makes everything new a temporary object. */
function refuseTempFirst({ settings, path }: Statement): void {
  const first = schemasOf(settings).find((name) => isTempSchema(name) || path.includes(name));
  if (isTempSchema(first)) refuseTemp({ relpersistence: 't' });
}

/** The schema in which something new is made. */
export function schemaOf(statement: Statement, named: string | undefined): Resource {
  if (isTempSchema(named)) refuseTemp({ relpersistence: 't' });
  if (named === undefined) refuseTempFirst(statement);
  const schema = named ?? statement.catalog.creationSchema(statement.path);
  if (schema === undefined)
    throw new Refusal(
      'not-resolved',
      'no schema has been selected to create in',
      'Name the schema.',
      '3F000',
    );
  return { type: 'Schema', path: [statement.catalog.target, schema] };
}
