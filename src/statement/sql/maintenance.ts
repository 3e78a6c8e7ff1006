import type {
  ClusterStmt,
  DefElem,
  LockStmt,
  Node,
  RangeVar,
  ReindexStmt,
  TruncateStmt,
  VacuumStmt,
} from 'libpg-query';
import type { Access, AccessAction } from '../effect.ts';
import { type Address, relationAddress, schemaAddress } from './address.ts';
import { isSystem } from './catalog.ts';
import { administering, access, type Deed } from './deed.ts';
import { Lineage } from './lineage.ts';
import { lockModes, lockWords, type LockMode } from './locks.ts';
import { relationOf } from './objects.ts';
import type { Statement } from './part.ts';
import { Uses } from './uses.ts';

/** True when an option in brackets is on: `(full)`, `(full true)`. */
function isOn(options: readonly Node[] | undefined, name: string): boolean {
  return (options ?? []).some(
    (one) => 'DefElem' in one && one.DefElem.defname === name && isTrue(one.DefElem),
  );
}

function isTrue({ arg }: DefElem): boolean {
  if (!arg) return true;
  if ('String' in arg)
    return !['off', 'false', 'no', '0'].includes((arg.String.sval ?? '').toLowerCase());
  return !('Integer' in arg && (arg.Integer.ival ?? 0) === 0);
}

const rangesOf = (nodes: readonly Node[] = []): readonly RangeVar[] =>
  nodes.flatMap((one) => ('RangeVar' in one ? [one.RangeVar] : []));

/** What is asked for work on tables; for PostgreSQL's own tables, or for all there are, that is an administrator's. */
function maintained(statement: Statement, tables: readonly Address[]): readonly Access[] {
  if (tables.length === 0) return administering(statement);
  return tables.flatMap(({ accesses, relation }) =>
    relation && isSystem(relation) ? administering(statement) : accesses,
  );
}

const namesOf = (tables: readonly Address[], all: string): string =>
  tables.length === 0 ? all : tables.map(({ name }) => name).join(', ');

const oids = (tables: readonly Address[]): ReadonlySet<number> =>
  new Set(tables.flatMap(({ relation }) => relation?.oid ?? []));

export function vacuum(statement: Statement, body: VacuumStmt): Deed {
  const tables = (body.rels ?? []).flatMap((one) =>
    'VacuumRelation' in one && one.VacuumRelation.relation
      ? [relationAddress(statement, one.VacuumRelation.relation)]
      : [],
  );
  const isVacuum = body.is_vacuumcmd === true;
  const full = isVacuum && isOn(body.options, 'full');
  const verb = isVacuum ? (full ? 'writes anew' : 'cleans up') : 'gathers statistics about';
  const also = isVacuum && isOn(body.options, 'analyze') ? ' and gathers statistics' : '';
  const held = lockWords(full ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE');
  const work = full ? 'rewrites the table' : isVacuum ? 'scans the table' : 'reads a sample';
  return {
    class: isVacuum ? 'vacuum' : 'analyze',
    words: `${verb} ${namesOf(tables, 'every table')}${also}; ${held} and ${work}`,
    accesses: maintained(statement, tables),
    looksAtRows: true,
    relations: oids(tables),
  };
}

export function cluster(statement: Statement, body: ClusterStmt): Deed {
  const tables = body.relation ? [relationAddress(statement, body.relation)] : [];
  return {
    class: 'cluster',
    words: `writes ${namesOf(tables, 'every clustered table')} anew in the order of an index; ${lockWords('ACCESS EXCLUSIVE')} and rewrites the table`,
    accesses: maintained(statement, tables),
    looksAtRows: true,
    relations: oids(tables),
  };
}

export function reindex(statement: Statement, body: ReindexStmt): Deed {
  const tables = body.relation ? [relationAddress(statement, body.relation)] : [];
  const schemas =
    body.kind === 'REINDEX_OBJECT_SCHEMA' ? [schemaAddress(statement, body.name ?? '')] : [];
  const concurrently = isOn(body.params, 'concurrently');
  const held = lockWords(concurrently ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE');
  const all = [...tables, ...schemas];
  return {
    class: 'reindex',
    words: `builds anew ${tables.length > 0 && body.kind === 'REINDEX_OBJECT_INDEX' ? '' : 'the indexes of '}${namesOf(all, 'the whole database')}; ${held} and scans the table`,
    accesses: maintained(statement, all),
    looksAtRows: true,
    relations: oids(tables),
  };
}

/** What another's statement would have to be allowed to wait for it: reading, changing, or defining the table. */
function actionOf(mode: LockMode): AccessAction {
  if (mode === 'ACCESS SHARE' || mode === 'ROW SHARE') return 'read';
  return mode === 'ACCESS EXCLUSIVE' ? 'define' : 'write';
}

export function lock(statement: Statement, body: LockStmt): Deed {
  const { catalog } = statement;
  const mode = lockModes[(body.mode ?? 8) - 1] ?? 'ACCESS EXCLUSIVE';
  const relations = rangesOf(body.relations).map((one) => relationOf(statement, one));
  const accesses = relations.flatMap((relation): readonly Access[] => {
    const members = catalog.family(relation.oid, true).map((one) => catalog.table(one));
    // Of a view, the tables behind it are locked too, as its owner may.
    const more = isSystem(relation) || relation.kind === 'v' ? administering(statement) : [];
    return [...access(actionOf(mode), members), ...more];
  });
  const names = relations.map((one) => catalog.table(one).path.join('.')).join(', ');
  return {
    class: 'lock',
    words: `locks ${names}; ${lockWords(mode)}, until the transaction ends`,
    accesses,
    relations: new Set(relations.map(({ oid }) => oid)),
  };
}

export function truncate(statement: Statement, body: TruncateStmt): Deed {
  const uses = new Uses(statement.catalog, new Lineage(statement.catalog));
  const relations = rangesOf(body.relations).map((one) => relationOf(statement, one));
  for (const { oid } of relations) uses.write(oid, 'delete', true);
  const cascades = body.behavior === 'DROP_CASCADE';
  // CASCADE empties whatever points here.
  if (cascades) uses.administer();
  const names = relations.map((one) => statement.catalog.table(one).path.join('.')).join(', ');
  const more = cascades ? ' and every table that refers to it' : '';
  const restart = body.restart_seqs === true ? ', restarts their sequences' : '';
  return {
    class: 'truncate',
    words: `empties ${names}${more}${restart}; ${lockWords('ACCESS EXCLUSIVE')}`,
    accesses: uses.accesses,
    bounded: false,
    // Triggers run code, which may look anywhere.
    looksAtRows: relations.some(({ triggers }) => triggers) || uses.relations,
    relations: uses.relations,
    routines: uses.routines,
  };
}
