import type { CallStmt, Node, RangeVar, TransactionStmt, TruncateStmt } from 'libpg-query';
import type { Access, Effect } from '../effect.ts';
import type { Control } from './analysis.ts';
import { isLiteral, nameParts } from './constant.ts';
import { relationOf, targetOf } from './objects.ts';
import { type Plan, Refusal, type Statement, effect, makePart, simple } from './part.ts';
import { Uses } from './uses.ts';
import { Lineage } from './lineage.ts';

const controls: Readonly<Record<string, Control>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'release',
  TRANS_STMT_ROLLBACK_TO: 'rollback-to',
};

export function planUtility(statement: Statement, node: Node): Plan | undefined {
  if ('TransactionStmt' in node) return transaction(statement, node.TransactionStmt);
  if ('TruncateStmt' in node) return truncate(statement, node.TruncateStmt);
  if ('CallStmt' in node) return call(statement, node.CallStmt);
  if ('DiscardStmt' in node) return discard(statement, node.DiscardStmt.target === 'DISCARD_ALL');
  if ('DoStmt' in node) return administer(statement, 'do', { opaque: true });
  const tag = Object.keys(node)[0] ?? '';
  return administrative.has(tag) ? administer(statement, className(tag), {}) : undefined;
}

function transaction(statement: Statement, body: TransactionStmt): Plan {
  const control = controls[body.kind ?? ''];
  // Two-phase commit outlives the session.
  if (control === undefined) return administer(statement, 'transaction', {});
  const chained = body.chain === true && (control === 'commit' || control === 'rollback');
  const what = effect('transaction', `transaction control: ${control.replace('-', ' ')}`);
  return judged(simple(statement, what, { control: chained ? `${control}-and-chain` : control }));
}

function truncate(statement: Statement, body: TruncateStmt): Plan {
  const uses = new Uses(statement.catalog, new Lineage(statement.catalog));
  const named: readonly RangeVar[] = (body.relations ?? []).flatMap((one) =>
    'RangeVar' in one ? [one.RangeVar] : [],
  );
  for (const name of named) uses.write(relationOf(statement, name).oid, 'delete', true);
  // CASCADE empties whatever points here.
  if (body.behavior === 'DROP_CASCADE') uses.administer();
  const names = named.map(({ relname }) => relname).join(', ');
  const what = effect('truncate', `empties ${names}`, { accesses: uses.accesses, bounded: false });
  const { catalog } = statement;
  return judged({
    part: makePart(statement, what, {}, (isRuled) =>
      catalog.allColumns(uses.relations).some(isRuled),
    ),
    relations: uses.relations,
    routines: uses.routines,
  });
}

function call(statement: Statement, body: CallStmt): Plan {
  const names = nameParts(body.funccall?.funcname ?? []);
  const name = names.at(-1) ?? '';
  if (!(body.funccall?.args ?? []).every((argument) => isLiteral(argument)))
    throw new Refusal(
      'not-judged',
      'CALL takes only literals here',
      'Give the arguments as plain values.',
    );
  const found = statement.catalog.findRoutines(names.at(-2), name, statement.path);
  if (found.length === 0)
    throw new Refusal(
      'not-resolved',
      `procedure ${names.join('.')} does not exist`,
      'Check the name.',
      '42883',
    );
  const accesses = found.map((routine): Access => {
    const path = [statement.catalog.target, routine.schema, routine.name];
    return { action: 'execute', resource: { type: 'Function', path } };
  });
  const what = effect('call', `calls ${names.join('.')}`, {
    accesses,
    opaque: true,
    bounded: false,
  });
  const one = simple(statement, what, { returnsRows: true });
  return judged({ ...one, routines: new Set(found.map(({ oid }) => oid)) });
}

function discard(statement: Statement, all: boolean): Plan {
  const what = effect('discard', 'forgets the state of the session');
  if (!all) return judged(simple(statement, what));
  const sets = { name: 'all', value: undefined, local: false };
  return judged(
    simple(statement, what, { changesSettings: true, sets, deallocates: '*', closes: '*' }),
  );
}

// What only administrators do. Their literals may be passwords or addresses.
const administrative = new Set(
  `GrantStmt GrantRoleStmt CreateRoleStmt AlterRoleStmt AlterRoleSetStmt DropRoleStmt ReassignOwnedStmt DropOwnedStmt
  AlterSystemStmt CreateExtensionStmt AlterExtensionStmt AlterExtensionContentsStmt CheckPointStmt LoadStmt VacuumStmt
  ReindexStmt ClusterStmt LockStmt SecLabelStmt NotifyStmt ListenStmt UnlistenStmt CreatedbStmt DropdbStmt
  AlterDatabaseStmt AlterDatabaseSetStmt AlterDatabaseRefreshCollStmt CreateTableSpaceStmt DropTableSpaceStmt
  AlterTableSpaceOptionsStmt AlterTableMoveAllStmt CreateSubscriptionStmt AlterSubscriptionStmt DropSubscriptionStmt
  CreatePublicationStmt AlterPublicationStmt CreateFdwStmt AlterFdwStmt CreateForeignServerStmt AlterForeignServerStmt
  CreateUserMappingStmt AlterUserMappingStmt DropUserMappingStmt ImportForeignSchemaStmt CreatePLangStmt CreateCastStmt
  CreateTransformStmt CreateEventTrigStmt AlterEventTrigStmt AlterDefaultPrivilegesStmt CreateAmStmt
  CreateConversionStmt AlterCollationStmt CreateOpClassStmt CreateOpFamilyStmt AlterOpFamilyStmt ReplicaIdentityStmt`.split(
    /\s+/,
  ),
);

function className(tag: string): string {
  return tag
    .replace(/Stmt$/, '')
    .replace(/(?<=[a-z])(?=[A-Z])/g, '-')
    .toLowerCase();
}

export function administer(statement: Statement, kind: string, more: Partial<Effect>): Plan {
  const accesses: readonly Access[] = [{ action: 'administer', resource: targetOf(statement) }];
  const what = effect(
    kind,
    `administers ${statement.catalog.target}: ${kind.replaceAll('-', ' ')}`,
    { ...more, accesses },
  );
  return judged({ ...simple(statement, what), secret: true });
}

function judged(one: Extract<Plan, { kind: 'judged' }>['judged']): Plan {
  return { kind: 'judged', judged: one };
}
