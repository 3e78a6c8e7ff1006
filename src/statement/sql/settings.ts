import type { Node, VariableSetStmt } from 'libpg-query';
import { constant } from './constant.ts';
import { type Plan, Refusal, type Statement, effect, simple } from './part.ts';

type Check = (value: string) => boolean;
const any: Check = () => true;
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value.toLowerCase());

// Settings that decide neither what a statement means nor what may be seen of it.
const neutral: readonly (readonly [RegExp, Check])[] = [
  [/^application_name$/, any],
  [/^(statement|lock|transaction|idle_session|idle_in_transaction_session)_timeout$/, any],
  [/^(default_)?transaction_(isolation|read_only|deferrable)$/, any],
  [
    /^(work_mem|maintenance_work_mem|temp_buffers|effective_cache_size|random_page_cost|seq_page_cost|cursor_tuple_fraction)$/,
    any,
  ],
  [
    /^(max_parallel_workers(_per_gather)?|synchronize_seqscans|plan_cache_mode|extra_float_digits)$/,
    any,
  ],
  [/^(enable_[a-z_]+|jit(_[a-z_]+)?|geqo(_[a-z_]+)?|(from|join)_collapse_limit)$/, any],
  [/^client_min_messages$/, oneOf('notice', 'warning', 'error')],
  [/^countersign\.[a-z_]+$/, any],
];
// These change how values or names are read, so nothing may follow them in the same string.
const meaningful: readonly (readonly [RegExp, Check])[] = [
  [/^(datestyle|intervalstyle|timezone|bytea_output|search_path)$/, any],
  [/^client_encoding$/, oneOf('utf8', 'utf-8', 'unicode')],
  [/^(standard_conforming_strings|row_security)$/, oneOf('on', 'true', 'yes', '1')],
];

export function planSetting(statement: Statement, node: Node): Plan | undefined {
  if ('VariableShowStmt' in node) return show(statement, node.VariableShowStmt.name ?? '');
  if ('ConstraintsSetStmt' in node)
    return {
      kind: 'judged',
      judged: simple(statement, effect('set', 'sets when constraints are checked')),
    };
  return 'VariableSetStmt' in node ? set(statement, node.VariableSetStmt) : undefined;
}

function show(statement: Statement, name: string): Plan {
  // The outputs stay open: the server names the column in its own spelling.
  return {
    kind: 'judged',
    judged: simple(statement, effect('show', `shows ${name}`), { returnsRows: true }),
  };
}

function set(statement: Statement, body: VariableSetStmt): Plan {
  const name = (body.name ?? '').toLowerCase();
  const local = body.is_local === true;
  if (body.kind === 'VAR_RESET_ALL') return setPart(statement, 'all', undefined, false, true);
  if (body.kind === 'VAR_SET_MULTI') {
    if (name !== 'transaction' && name !== 'session characteristics') throw refusedSetting(name);
    return setPart(statement, name, undefined, local, false);
  }
  const value = body.kind === 'VAR_SET_VALUE' ? valueOf(body.args ?? []) : undefined;
  const canon = name === 'time zone' ? 'timezone' : name;
  if (body.kind === 'VAR_SET_CURRENT') throw refusedSetting(name);
  if (allowed(neutral, canon, value)) return setPart(statement, canon, value, local, false);
  if (allowed(meaningful, canon, value)) return setPart(statement, canon, value, local, true);
  throw refusedSetting(name);
}

/** Whether a client may begin its session with this setting: the same list as for SET. `name` in lower case. */
export function maySet(name: string, value: string): boolean {
  return allowed(neutral, name, value) || allowed(meaningful, name, value);
}

function allowed(list: typeof neutral, name: string, value: string | undefined): boolean {
  return list.some(
    ([pattern, check]) => pattern.test(name) && (value === undefined || check(value)),
  );
}

function setPart(
  statement: Statement,
  name: string,
  value: string | undefined,
  local: boolean,
  changesSettings: boolean,
): Plan {
  const sets = { name, value, local };
  return {
    kind: 'judged',
    judged: simple(statement, effect('set', `sets ${name}`), { changesSettings, sets }),
  };
}

function refusedSetting(name: string): Refusal {
  return new Refusal(
    'setting',
    `${name || 'this setting'} cannot be set to this through the gateway`,
    'Leave it as it is.',
    '42501',
  );
}

/** The value as the setting will read it; a list is joined as PostgreSQL joins it. */
function valueOf(args: readonly Node[]): string {
  return args.map((arg) => ('A_Const' in arg ? constant(arg.A_Const) : unreadable())).join(', ');
}

function unreadable(): never {
  throw new Refusal(
    'setting',
    'this form of SET cannot be judged',
    'Give the value as a plain literal.',
  );
}
