import type { AlterTableCmd, AlterTableStmt, Constraint, Node, RangeVar } from 'libpg-query';
import type { Access, Resource } from '../effect.ts';
import { relationAddress } from './address.ts';
import type { Relation } from './catalog.ts';
import {
  columnDemands,
  constraintDemands,
  constraintWords,
  type Demands,
  together,
} from './constraints.ts';
import type { Deed } from './deed.ts';
import { expressionUses } from './expressions.ts';
import { classWords, kindWords } from './kinds.ts';
import { lockWords, strongest, termsOf } from './locks.ts';
import type { Statement } from './part.ts';
import { typeWords } from './type-words.ts';

/** ALTER TABLE, and ALTER VIEW, INDEX, SEQUENCE, TYPE, where they take the same commands. */
export function alterTable(statement: Statement, body: AlterTableStmt): Deed {
  const commands = (body.cmds ?? []).flatMap((one) =>
    'AlterTableCmd' in one ? [one.AlterTableCmd] : [],
  );
  const table = relationAddress(statement, body.relation ?? {});
  const others = commands
    .flatMap((one) => otherOf(one))
    .map((one) => relationAddress(statement, one));
  const demands = together(commands.map((one) => demandsOf(statement, table.relation, one)));
  const flows = commands.flatMap((one, index) =>
    flowsOf(statement, table.relation, one, others[index]?.relation),
  );
  const terms = strongest(commands.map((one) => termsOfCommand(one)));
  const says = commands.map((one) => commandWords(one)).join(', ');
  const asked: Access[] = [table, ...others].flatMap(({ accesses }) => accesses);
  return {
    class: classWords(`alter ${kindWords(body.objtype)}`),
    words: `changes ${table.name}: ${says}; ${lockWords(terms.lock)} and ${terms.work}`,
    accesses: [...asked, ...demands.accesses],
    columns: demands.columns,
    ...(flows.length > 0 && { flows: [...new Set(flows)] }),
    ...(demands.opaque && { opaque: true }),
    looksAtRows: true,
    defines: true,
    relations: new Set([table, ...others].flatMap(({ relation }) => relation?.oid ?? [])),
  };
}

/** The second table: a partition, a parent. (A foreign key's is among the demands.) */
function otherOf({ def }: AlterTableCmd): readonly RangeVar[] {
  if (!def) return [];
  if ('PartitionCmd' in def) return def.PartitionCmd.name ? [def.PartitionCmd.name] : [];
  return 'RangeVar' in def ? [def.RangeVar] : [];
}

function demandsOf(
  statement: Statement,
  relation: Relation | undefined,
  command: AlterTableCmd,
): Demands {
  const { subtype, def, name } = command;
  if (subtype === 'AT_AddColumn') return columnDemands(statement, relation, def);
  if (subtype === 'AT_AddConstraint') return constraintDemands(statement, relation, def);
  const narrows = subtype === 'AT_SetNotNull' || subtype === 'AT_ValidateConstraint';
  const plain = narrows && name !== undefined ? [name] : [];
  return expressionUses(statement, relation, expressionsOf(command), plain);
}

function expressionsOf({ subtype, def }: AlterTableCmd): readonly unknown[] {
  if (def && 'ColumnDef' in def) return [def.ColumnDef.raw_default];
  return subtype === 'AT_ColumnDefault' || subtype === 'AT_SetExpression' ? [def] : [];
}

/** What is known by another name afterwards, or computed from any column of the row, leaves the rules that speak of it. */
function flowsOf(
  statement: Statement,
  relation: Relation | undefined,
  { subtype, def }: AlterTableCmd,
  other: Relation | undefined,
): readonly Resource[] {
  const { catalog } = statement;
  const whole = (one: Relation): readonly Resource[] =>
    catalog.allColumns(catalog.family(one.oid, true).map(({ oid }) => oid));
  if (subtype === 'AT_DetachPartition') return other ? whole(other) : [];
  if (!relation) return [];
  if (subtype === 'AT_DropInherit') return whole(relation);
  const converts = def && 'ColumnDef' in def && def.ColumnDef.raw_default !== undefined;
  return subtype === 'AT_AlterColumnType' && converts ? whole(relation) : [];
}

function termsOfCommand(command: AlterTableCmd): ReturnType<typeof termsOf> {
  const { subtype, def } = command;
  const usual = termsOf(subtype);
  if (subtype === 'AT_AddColumn') return { ...usual, work: addedWork(def) };
  if (
    subtype === 'AT_DetachPartition' &&
    def &&
    'PartitionCmd' in def &&
    def.PartitionCmd.concurrent
  )
    return { ...usual, lock: 'SHARE UPDATE EXCLUSIVE' };
  if (subtype !== 'AT_AddConstraint' || !def || !('Constraint' in def)) return usual;
  const { contype, skip_validation: unchecked, indexname } = def.Constraint;
  const lock = contype === 'CONSTR_FOREIGN' ? 'SHARE ROW EXCLUSIVE' : usual.lock;
  return {
    lock,
    work: unchecked === true || indexname !== undefined ? 'touches no row' : 'scans the table',
  };
}

/** A constant default is kept in the catalog; anything that may differ from row to row is written into each. */
function addedWork(
  def: Node | undefined,
): 'rewrites the table' | 'scans the table' | 'touches no row' {
  const constraints = def && 'ColumnDef' in def ? (def.ColumnDef.constraints ?? []) : [];
  const bodies = constraints.flatMap((one) => ('Constraint' in one ? [one.Constraint] : []));
  if (bodies.some(rewrites)) return 'rewrites the table';
  const checked = ['CONSTR_CHECK', 'CONSTR_UNIQUE', 'CONSTR_PRIMARY', 'CONSTR_FOREIGN'];
  return bodies.some(({ contype }) => checked.includes(contype ?? ''))
    ? 'scans the table'
    : 'touches no row';
}

function rewrites(body: Constraint): boolean {
  if (body.contype === 'CONSTR_IDENTITY') return true;
  if (body.contype === 'CONSTR_GENERATED') return body.generated_kind !== 'v';
  return body.contype === 'CONSTR_DEFAULT' && calls(body.raw_expr);
}

/** Whether a default could differ from row to row: it is volatile only if it calls something. */
function calls(node: Node | undefined): boolean {
  return JSON.stringify(node ?? {}).includes('"FuncCall"');
}

const says: Readonly<Record<string, string>> = {
  AT_ColumnDefault: 'changes the default of',
  AT_DropNotNull: 'allows NULL in',
  AT_SetNotNull: 'forbids NULL in',
  AT_SetExpression: 'changes the expression of the generated column',
  AT_DropExpression: 'makes an ordinary column of',
  AT_SetStatistics: 'changes how statistics are gathered of',
  AT_SetOptions: 'changes options of',
  AT_ResetOptions: 'resets options of',
  AT_SetStorage: 'changes the storage of',
  AT_SetCompression: 'changes the compression of',
  AT_DropColumn: 'drops, with all its values, the column',
  AT_ValidateConstraint: 'validates the constraint',
  AT_DropConstraint: 'drops the constraint',
  AT_AlterConstraint: 'changes a constraint',
  AT_ClusterOn: 'marks for CLUSTER the index',
  AT_ChangeOwner: 'changes the owner',
  AT_SetLogged: 'makes it logged',
  AT_SetUnLogged: 'makes it unlogged, so that a crash empties it',
  AT_SetAccessMethod: 'changes the access method to',
  AT_SetTableSpace: 'moves it to the tablespace',
  AT_EnableTrig: 'enables the trigger',
  AT_EnableAlwaysTrig: 'enables, for replication too, the trigger',
  AT_EnableReplicaTrig: 'enables, for replication only, the trigger',
  AT_DisableTrig: 'disables the trigger',
  AT_EnableTrigAll: 'enables all triggers',
  AT_DisableTrigAll: 'disables all triggers, foreign keys too',
  AT_EnableTrigUser: 'enables all triggers but those of foreign keys',
  AT_DisableTrigUser: 'disables all triggers but those of foreign keys',
  AT_EnableRule: 'enables the rule',
  AT_DisableRule: 'disables the rule',
  AT_AddInherit: 'makes it inherit from another table',
  AT_DropInherit: 'ends its inheritance',
  AT_ReplicaIdentity: 'changes its replica identity',
  AT_EnableRowSecurity: 'turns row-level security on',
  AT_DisableRowSecurity: 'turns row-level security off',
  AT_ForceRowSecurity: 'turns row-level security on for its owner too',
  AT_NoForceRowSecurity: 'turns row-level security off for its owner',
  AT_DetachPartitionFinalize: 'finishes detaching a partition',
  AT_AddIdentity: 'makes an identity column of',
  AT_SetIdentity: 'changes the identity column',
  AT_DropIdentity: 'makes an ordinary column of',
  AT_SetRelOptions: 'changes its options',
  AT_ResetRelOptions: 'resets its options',
  AT_GenericOptions: 'changes its foreign options',
  AT_AlterColumnGenericOptions: 'changes foreign options of',
  AT_AddOf: 'binds it to a type',
  AT_DropOf: 'frees it from its type',
};

function commandWords(command: AlterTableCmd): string {
  const { subtype = '', name = '', def } = command;
  const own = def && ownWords(command, def);
  if (own !== undefined) return own;
  const known =
    says[subtype] ??
    subtype
      .slice('AT_'.length)
      .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
      .toLowerCase();
  return `${known} ${name}`.trim();
}

/** Of a command that carries a column, a constraint or a partition. */
function ownWords(command: AlterTableCmd, def: Node): string | undefined {
  const { subtype, name = '' } = command;
  if ('ColumnDef' in def) {
    const { typeName, colname = name } = def.ColumnDef;
    return columnWords(command, typeWords(typeName), colname);
  }
  if ('Constraint' in def && subtype === 'AT_AddConstraint')
    return `adds ${constraintWords(def.Constraint)}`;
  if (!('PartitionCmd' in def)) return undefined;
  const verb = subtype === 'AT_AttachPartition' ? 'attaches' : 'detaches';
  return `${verb} the partition ${def.PartitionCmd.name?.relname ?? ''}`.trim();
}

function columnWords({ subtype }: AlterTableCmd, type: string, name: string): string {
  if (subtype === 'AT_AddColumn') return `adds the column ${name} (${type})`;
  return subtype === 'AT_AlterColumnType'
    ? `changes the type of ${name} to ${type}`
    : `${says[subtype ?? ''] ?? 'changes'} ${name}`;
}
