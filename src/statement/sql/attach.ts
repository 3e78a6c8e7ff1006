import type {
  CreatePolicyStmt,
  CreateStatsStmt,
  CreateTrigStmt,
  AlterPolicyStmt,
  CreateFunctionStmt,
  IndexElem,
  IndexStmt,
  Node,
  RuleStmt,
  AlterFunctionStmt,
} from 'libpg-query';
import type { Access, Escape } from '../effect.ts';
import { addressOf, relationAddress } from './address.ts';
import { nameParts } from './constant.ts';
import { newNamed } from './create.ts';
import { access, type Deed } from './deed.ts';
import { expressionUses } from './expressions.ts';
import { lockWords } from './locks.ts';
import { targetOf } from './objects.ts';
import type { Statement } from './part.ts';

/** An index reads every row, and a unique one tells about values by refusing the second of them. */
export function createIndex(statement: Statement, body: IndexStmt): Deed {
  const table = relationAddress(statement, body.relation ?? {});
  const elements = (body.indexParams ?? []).flatMap((one): IndexElem[] =>
    'IndexElem' in one ? [one.IndexElem] : [],
  );
  const names = elements.flatMap(({ name }) => name ?? []);
  const uses = expressionUses(
    statement,
    table.relation,
    [elements.map(({ expr }) => expr), body.whereClause],
    body.unique === true ? names : [],
  );
  const what = `${body.unique === true ? 'unique ' : ''}index${body.idxname === undefined ? '' : ` ${body.idxname}`}`;
  const concurrently = body.concurrent === true;
  const lock = lockWords(concurrently ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE');
  const scans = concurrently ? 'scans the table twice' : 'scans the table';
  const on = names.length > 0 ? ` (${names.join(', ')})` : '';
  return {
    class: 'create-index',
    words: `creates the ${what} on ${table.name}${on}; ${lock} and ${scans}`,
    accesses: [...table.accesses, ...uses.accesses],
    columns: uses.columns,
    ...(uses.opaque && { opaque: true }),
    looksAtRows: true,
    defines: true,
    relations: oids(table),
  };
}

const oids = (...all: readonly { readonly relation?: { readonly oid: number } }[]): Set<number> =>
  new Set(all.flatMap(({ relation }) => relation?.oid ?? []));

export function createStatistics(statement: Statement, body: CreateStatsStmt): Deed {
  const tables = (body.relations ?? []).flatMap((one) =>
    'RangeVar' in one ? [relationAddress(statement, one.RangeVar)] : [],
  );
  const uses = expressionUses(statement, undefined, body.exprs ?? []);
  const asked = tables.flatMap(({ accesses }) => accesses);
  return {
    class: 'create-statistics',
    words: `gathers more statistics about ${tables.map(({ name }) => name).join(', ')}`,
    accesses:
      asked.length > 0 ? [...asked, ...uses.accesses] : access('define', [targetOf(statement)]),
    ...(uses.opaque && { opaque: true }),
    defines: true,
    relations: oids(...tables),
  };
}

// Bits of pg_trigger.tgtype.
const events: readonly (readonly [number, string])[] = [
  [4, 'insert'],
  [8, 'delete'],
  [16, 'update'],
  [32, 'truncate'],
];

/** A trigger runs its function for whoever changes the table. */
export function createTrigger(statement: Statement, body: CreateTrigStmt): Deed {
  const table = relationAddress(statement, body.relation ?? {});
  const other = body.constrrel ? [relationAddress(statement, body.constrrel)] : [];
  const when = events.filter(([bit]) => ((body.events ?? 0) & bit) !== 0).map(([, word]) => word);
  const name = nameParts(body.funcname ?? []).join('.');
  return {
    class: 'create-trigger',
    words: `makes ${table.name} call ${name} at each ${when.join(', ')}; ${lockWords('SHARE ROW EXCLUSIVE')}`,
    accesses: [table, ...other].flatMap(({ accesses }) => accesses),
    escapes: ['code'],
    defines: true,
    relations: oids(table, ...other),
  };
}

const commands: Readonly<Record<string, string>> = {
  CMD_SELECT: 'select',
  CMD_INSERT: 'insert',
  CMD_UPDATE: 'update',
  CMD_DELETE: 'delete',
};

/** A rule replaces what a statement does, for whoever sends it. */
export function createRule(statement: Statement, body: RuleStmt): Deed {
  const table = relationAddress(statement, body.relation ?? {});
  const instead = body.instead === true ? 'instead of' : 'along with';
  const others = body.actions?.length ?? 0;
  const does =
    others === 0 ? 'nothing' : `${others} other ${others === 1 ? 'statement' : 'statements'}`;
  return {
    class: 'create-rule',
    words: `makes ${table.name} do ${does} ${instead} each ${commands[body.event ?? ''] ?? 'statement'}; ${lockWords('ACCESS EXCLUSIVE')}`,
    accesses: table.accesses,
    escapes: ['code'],
    defines: true,
    relations: oids(table),
  };
}

export function createPolicy(statement: Statement, body: CreatePolicyStmt): Deed {
  return policy(statement, 'create', body.table, body);
}

export function alterPolicy(statement: Statement, body: AlterPolicyStmt): Deed {
  return policy(statement, 'alter', body.table, body);
}

/** Who sees which rows. Its conditions run in everybody's statements. */
function policy(
  statement: Statement,
  verb: 'create' | 'alter',
  named: CreatePolicyStmt['table'],
  body: { readonly policy_name?: string; readonly qual?: Node; readonly with_check?: Node },
): Deed {
  const table = relationAddress(statement, named ?? {});
  const uses = expressionUses(statement, table.relation, [body.qual, body.with_check]);
  const says = verb === 'create' ? 'adds a rule of' : 'changes';
  return {
    class: `${verb}-policy`,
    words: `${says} who sees which rows of ${table.name} (policy ${body.policy_name ?? ''}); ${lockWords('ACCESS EXCLUSIVE')}`,
    accesses: [...table.accesses, ...uses.accesses],
    columns: uses.columns,
    defines: true,
    relations: oids(table),
  };
}

export function createFunction(statement: Statement, body: CreateFunctionStmt): Deed {
  const made = newNamed(statement, body.funcname);
  const kind = body.is_procedure === true ? 'procedure' : 'function';
  const language = languageOf(body.options ?? []);
  const loads = language === 'c' || language === 'internal';
  const replaces = body.replace === true ? 'creates or replaces' : 'creates';
  const definer = has(body.options ?? [], 'security') ? ", which runs with its owner's rights" : '';
  return {
    class: `create-${kind}`,
    words: `${replaces} the ${kind} ${made.name} in ${language}${definer}`,
    accesses: made.accesses,
    escapes: loads ? (['code', 'extension'] satisfies Escape[]) : ['code'],
    defines: true,
  };
}

/** Undefined options count as SQL, the default of a body in SQL syntax. */
export function languageOf(options: readonly Node[]): string {
  const found = options.find((one) => 'DefElem' in one && one.DefElem.defname === 'language');
  const arg = found && 'DefElem' in found ? found.DefElem.arg : undefined;
  return arg && 'String' in arg ? (arg.String.sval ?? '').toLowerCase() : 'sql';
}

function has(options: readonly Node[], name: string): boolean {
  return options.some(
    (one) =>
      'DefElem' in one &&
      one.DefElem.defname === name &&
      JSON.stringify(one.DefElem.arg ?? {}).includes('true'),
  );
}

/** SECURITY DEFINER, SET and the like change what the function may do for whoever calls it. */
export function alterFunction(statement: Statement, body: AlterFunctionStmt): Deed {
  const object: Node | undefined = body.func && { ObjectWithArgs: body.func };
  const found = addressOf(statement, body.objtype, object);
  const asked: readonly Access[] = found.accesses;
  return {
    class: 'alter-function',
    words: `changes how ${found.name} runs`,
    accesses: asked,
    escapes: ['code'],
    defines: true,
  };
}
