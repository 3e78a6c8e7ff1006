import type { Node } from 'libpg-query';
import {
  administration,
  defaultPrivileges,
  grant,
  grantRole,
  importForeign,
  publication,
} from './administration.ts';
import { comment, dependsOn, drop, label, rename, setOwner, setSchema } from './alter.ts';
import { alterTable } from './alter-table.ts';
import {
  alterFunction,
  alterPolicy,
  createFunction,
  createIndex,
  createPolicy,
  createRule,
  createStatistics,
  createTrigger,
} from './attach.ts';
import { listen, notify, unlisten } from './channels.ts';
import {
  alterSequence,
  createDefined,
  createForeignTable,
  createSchema,
  createSequence,
  createTable,
} from './create.ts';
import { cluster, lock, reindex, truncate, vacuum } from './maintenance.ts';
import {
  alterDomain,
  alterEnum,
  alterNamed,
  createComposite,
  createDomain,
  createType,
} from './types.ts';
import { type Deed, doing } from './deed.ts';
import type { Plan, Statement } from './part.ts';

type Planner = (statement: Statement, node: Node) => Deed | undefined;

/** Statements that carry no query, by PostgreSQL's name of their node. */
const deeds: Readonly<Record<string, Planner>> = {
  TruncateStmt: (statement, node) =>
    'TruncateStmt' in node ? truncate(statement, node.TruncateStmt) : undefined,
  VacuumStmt: (statement, node) =>
    'VacuumStmt' in node ? vacuum(statement, node.VacuumStmt) : undefined,
  ClusterStmt: (statement, node) =>
    'ClusterStmt' in node ? cluster(statement, node.ClusterStmt) : undefined,
  ReindexStmt: (statement, node) =>
    'ReindexStmt' in node ? reindex(statement, node.ReindexStmt) : undefined,
  LockStmt: (statement, node) => ('LockStmt' in node ? lock(statement, node.LockStmt) : undefined),
  NotifyStmt: (statement, node) =>
    'NotifyStmt' in node ? notify(statement, node.NotifyStmt) : undefined,
  ListenStmt: (statement, node) =>
    'ListenStmt' in node ? listen(statement, node.ListenStmt) : undefined,
  UnlistenStmt: (statement, node) =>
    'UnlistenStmt' in node ? unlisten(statement, node.UnlistenStmt) : undefined,
  GrantStmt: (statement, node) =>
    'GrantStmt' in node ? grant(statement, node.GrantStmt) : undefined,
  GrantRoleStmt: (statement, node) =>
    'GrantRoleStmt' in node ? grantRole(statement, node.GrantRoleStmt) : undefined,
  AlterDefaultPrivilegesStmt: (statement, node) =>
    'AlterDefaultPrivilegesStmt' in node
      ? defaultPrivileges(statement, node.AlterDefaultPrivilegesStmt)
      : undefined,
  ImportForeignSchemaStmt: (statement, node) =>
    'ImportForeignSchemaStmt' in node
      ? importForeign(statement, node.ImportForeignSchemaStmt)
      : undefined,
  AlterTableStmt: (statement, node) =>
    'AlterTableStmt' in node ? alterTable(statement, node.AlterTableStmt) : undefined,
  RenameStmt: (statement, node) =>
    'RenameStmt' in node ? rename(statement, node.RenameStmt) : undefined,
  AlterObjectSchemaStmt: (statement, node) =>
    'AlterObjectSchemaStmt' in node ? setSchema(statement, node.AlterObjectSchemaStmt) : undefined,
  AlterOwnerStmt: (statement, node) =>
    'AlterOwnerStmt' in node ? setOwner(statement, node.AlterOwnerStmt) : undefined,
  CommentStmt: (statement, node) =>
    'CommentStmt' in node ? comment(statement, node.CommentStmt) : undefined,
  SecLabelStmt: (statement, node) =>
    'SecLabelStmt' in node ? label(statement, node.SecLabelStmt) : undefined,
  DropStmt: (statement, node) => ('DropStmt' in node ? drop(statement, node.DropStmt) : undefined),
  CreateStmt: (statement, node) =>
    'CreateStmt' in node ? createTable(statement, node.CreateStmt) : undefined,
  CreateForeignTableStmt: (statement, node) =>
    'CreateForeignTableStmt' in node
      ? createForeignTable(statement, node.CreateForeignTableStmt)
      : undefined,
  CreateSeqStmt: (statement, node) =>
    'CreateSeqStmt' in node ? createSequence(statement, node.CreateSeqStmt) : undefined,
  AlterSeqStmt: (statement, node) =>
    'AlterSeqStmt' in node ? alterSequence(statement, node.AlterSeqStmt) : undefined,
  CreateSchemaStmt: (statement, node) =>
    'CreateSchemaStmt' in node ? createSchema(statement, node.CreateSchemaStmt) : undefined,
  DefineStmt: (statement, node) =>
    'DefineStmt' in node ? createDefined(statement, node.DefineStmt) : undefined,
  CreateFunctionStmt: (statement, node) =>
    'CreateFunctionStmt' in node ? createFunction(statement, node.CreateFunctionStmt) : undefined,
  AlterFunctionStmt: (statement, node) =>
    'AlterFunctionStmt' in node ? alterFunction(statement, node.AlterFunctionStmt) : undefined,
  IndexStmt: (statement, node) =>
    'IndexStmt' in node ? createIndex(statement, node.IndexStmt) : undefined,
  CreateStatsStmt: (statement, node) =>
    'CreateStatsStmt' in node ? createStatistics(statement, node.CreateStatsStmt) : undefined,
  CreateTrigStmt: (statement, node) =>
    'CreateTrigStmt' in node ? createTrigger(statement, node.CreateTrigStmt) : undefined,
  RuleStmt: (statement, node) =>
    'RuleStmt' in node ? createRule(statement, node.RuleStmt) : undefined,
  CreatePolicyStmt: (statement, node) =>
    'CreatePolicyStmt' in node ? createPolicy(statement, node.CreatePolicyStmt) : undefined,
  AlterPolicyStmt: (statement, node) =>
    'AlterPolicyStmt' in node ? alterPolicy(statement, node.AlterPolicyStmt) : undefined,
  CompositeTypeStmt: (statement, node) =>
    'CompositeTypeStmt' in node ? createComposite(statement, node.CompositeTypeStmt) : undefined,
  CreateDomainStmt: (statement, node) =>
    'CreateDomainStmt' in node ? createDomain(statement, node.CreateDomainStmt) : undefined,
  AlterDomainStmt: (statement, node) =>
    'AlterDomainStmt' in node ? alterDomain(statement, node.AlterDomainStmt) : undefined,
  AlterEnumStmt: (statement, node) =>
    'AlterEnumStmt' in node ? alterEnum(statement, node.AlterEnumStmt) : undefined,
  CreatePublicationStmt: (statement, node) =>
    'CreatePublicationStmt' in node
      ? publication(statement, node.CreatePublicationStmt, 'create')
      : undefined,
  AlterPublicationStmt: (statement, node) =>
    'AlterPublicationStmt' in node
      ? publication(statement, node.AlterPublicationStmt, 'alter')
      : undefined,
  AlterObjectDependsStmt: (statement, node) =>
    'AlterObjectDependsStmt' in node
      ? dependsOn(statement, node.AlterObjectDependsStmt)
      : undefined,
  CreateEnumStmt: (statement, node) =>
    'CreateEnumStmt' in node ? createType(statement, node.CreateEnumStmt.typeName) : undefined,
  CreateRangeStmt: (statement, node) =>
    'CreateRangeStmt' in node ? createType(statement, node.CreateRangeStmt.typeName) : undefined,
  AlterTypeStmt: (statement, node) =>
    'AlterTypeStmt' in node
      ? alterNamed(statement, 'OBJECT_TYPE', node.AlterTypeStmt.typeName)
      : undefined,
  AlterCollationStmt: (statement, node) =>
    'AlterCollationStmt' in node
      ? alterNamed(statement, 'OBJECT_COLLATION', node.AlterCollationStmt.collname)
      : undefined,
  AlterStatsStmt: (statement, node) =>
    'AlterStatsStmt' in node
      ? alterNamed(statement, 'OBJECT_STATISTIC_EXT', node.AlterStatsStmt.defnames)
      : undefined,
  AlterTSDictionaryStmt: (statement, node) =>
    'AlterTSDictionaryStmt' in node
      ? alterNamed(statement, 'OBJECT_TSDICTIONARY', node.AlterTSDictionaryStmt.dictname)
      : undefined,
  AlterTSConfigurationStmt: (statement, node) =>
    'AlterTSConfigurationStmt' in node
      ? alterNamed(statement, 'OBJECT_TSCONFIGURATION', node.AlterTSConfigurationStmt.cfgname)
      : undefined,
  AlterOperatorStmt: (statement, node) =>
    'AlterOperatorStmt' in node
      ? alterNamed(statement, 'OBJECT_OPERATOR', node.AlterOperatorStmt.opername?.objname)
      : undefined,
};

export function planDeed(statement: Statement, node: Node): Plan | undefined {
  const tag = Object.keys(node)[0] ?? '';
  const deed = deeds[tag]?.(statement, node) ?? administration(statement, node);
  return deed && doing(statement, deed);
}
