import { classWords, kindWords } from './kinds.ts';

// Where the parser's name of a statement is not its command.
const commands: Readonly<Record<string, string>> = {
  CreateStmt: 'create-table',
  ViewStmt: 'create-view',
  IndexStmt: 'create-index',
  RuleStmt: 'create-rule',
  CreateTrigStmt: 'create-trigger',
  CreateSeqStmt: 'create-sequence',
  AlterSeqStmt: 'alter-sequence',
  CreateStatsStmt: 'create-statistics',
  AlterStatsStmt: 'alter-statistics',
  CompositeTypeStmt: 'create-type',
  CreateEnumStmt: 'create-type',
  CreateRangeStmt: 'create-type',
  AlterEnumStmt: 'alter-type',
  RefreshMatViewStmt: 'refresh-materialized-view',
  AlterObjectSchemaStmt: 'set-schema',
  AlterOwnerStmt: 'set-owner',
  AlterObjectDependsStmt: 'depends-on-extension',
  SecLabelStmt: 'security-label',
  CreatedbStmt: 'create-database',
  DropdbStmt: 'drop-database',
  AlterDatabaseSetStmt: 'alter-database',
  AlterDatabaseRefreshCollStmt: 'alter-database',
  AlterRoleSetStmt: 'alter-role',
  AlterExtensionContentsStmt: 'alter-extension',
  CreateTableSpaceStmt: 'create-tablespace',
  DropTableSpaceStmt: 'drop-tablespace',
  AlterTableSpaceOptionsStmt: 'alter-tablespace',
  AlterTableMoveAllStmt: 'alter-tablespace',
  CreateFdwStmt: 'create-foreign-data-wrapper',
  AlterFdwStmt: 'alter-foreign-data-wrapper',
  CreateForeignServerStmt: 'create-server',
  AlterForeignServerStmt: 'alter-server',
  CreatePLangStmt: 'create-language',
  CreateAmStmt: 'create-access-method',
  CreateOpClassStmt: 'create-operator-class',
  CreateOpFamilyStmt: 'create-operator-family',
  AlterOpFamilyStmt: 'alter-operator-family',
  CreateEventTrigStmt: 'create-event-trigger',
  AlterEventTrigStmt: 'alter-event-trigger',
  AlterTSDictionaryStmt: 'alter-text-search-dictionary',
  AlterTSConfigurationStmt: 'alter-text-search-configuration',
  CheckPointStmt: 'checkpoint',
  ConstraintsSetStmt: 'set',
  VariableSetStmt: 'set',
  VariableShowStmt: 'show',
  ClosePortalStmt: 'close',
};

type Body = Readonly<Record<string, unknown>>;

// Where one name stands for several commands.
const several: Readonly<Record<string, (body: Body) => string>> = {
  SelectStmt: (body) => (body['intoClause'] === undefined ? 'select' : 'select-into'),
  DropStmt: ({ removeType }) => classWords(`drop ${kindOf(removeType)}`),
  DefineStmt: ({ kind }) => classWords(`create ${kindOf(kind)}`),
  AlterTableStmt: ({ objtype }) => classWords(`alter ${kindOf(objtype)}`),
  CreateFunctionStmt: (body) =>
    body['is_procedure'] === true ? 'create-procedure' : 'create-function',
  CreateTableAsStmt: ({ objtype }) =>
    objtype === 'OBJECT_MATVIEW' ? 'create-materialized-view' : 'create-table-as',
  GrantStmt: (body) => (body['is_grant'] === true ? 'grant' : 'revoke'),
  GrantRoleStmt: (body) => (body['is_grant'] === true ? 'grant-role' : 'revoke-role'),
  VacuumStmt: (body) => (body['is_vacuumcmd'] === true ? 'vacuum' : 'analyze'),
};

const kindOf = (type: unknown): string => kindWords(typeof type === 'string' ? type : undefined);

/** The class of a statement by its parse tree alone: PostgreSQL's command in lower case with hyphens. */
export function classOf(node: object): string {
  const [[tag, body] = ['', {}]]: [string, Body][] = Object.entries(node);
  const own = several[tag];
  if (own) return own(body);
  return (
    commands[tag] ??
    tag
      .replace(/Stmt$/, '')
      .replace(/(?<=[a-z])(?=[A-Z])/g, '-')
      .toLowerCase()
  );
}
