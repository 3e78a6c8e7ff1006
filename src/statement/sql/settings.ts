import type { Node, VariableSetStmt } from 'libpg-query';
import { constant } from './constant.ts';
import { administering, doing } from './deed.ts';
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
    /^(max_parallel_workers(_per_gather)?|max_parallel_maintenance_workers|constraint_exclusion|default_statistics_target|synchronize_seqscans|plan_cache_mode|extra_float_digits)$/,
    any,
  ],
  [/^(enable_[a-z_]+|jit(_[a-z_]+)?|geqo(_[a-z_]+)?|(from|join)_collapse_limit)$/, any],
  [
    /^(effective_io_concurrency|maintenance_io_concurrency|hash_mem_multiplier|parallel_(setup|tuple)_cost|parallel_leader_participation|min_parallel_(table|index)_scan_size|cpu_[a-z_]+_cost)$/,
    any,
  ],
  [/^(quote_all_identifiers|escape_string_warning|check_function_bodies|default_tablespace)$/, any],
  [/^client_min_messages$/, oneOf('notice', 'warning', 'error')],
  [/^countersign\.[a-z_]+$/, any],
];
// These change how values or names are read, so nothing may follow them in the same string.
const meaningful: readonly (readonly [RegExp, Check])[] = [
  [/^(datestyle|intervalstyle|timezone|bytea_output|search_path)$/, any],
  [
    /^(default_text_search_config|timezone_abbreviations|gin_fuzzy_search_limit|xmlbinary|xmloption|lc_(monetary|numeric|time))$/,
    any,
  ],
  [/^client_encoding$/, oneOf('utf8', 'utf-8', 'unicode')],
  [/^(standard_conforming_strings|row_security)$/, oneOf('on', 'true', 'yes', '1')],
];
// They decide what is logged, kept or checked, or what an application's own row-level security goes by.
const powerful: typeof neutral = [
  [
    /^(session_replication_role|event_triggers|row_security|allow_system_table_mods|restrict_nonsystem_relation_kind|max_stack_depth)$/,
    any,
  ],
  [/^(synchronous_commit|commit_(delay|siblings)|wal_[a-z_]+|zero_damaged_pages)$/, any],
  [/^(log_[a-z_]+|track_[a-z_]+|compute_query_id|stats_fetch_consistency)$/, any],
  [/^(password_encryption|createrole_self_grant|lo_compat_privileges)$/, any],
  [/^(temp_tablespaces|default_table_access_method|default_toast_compression)$/, any],
  [/^(vacuum_[a-z_]+|deadlock_timeout|tcp_[a-z_]+|ignore_checksum_failure)$/, any],
  // A name with a dot is an extension's or an application's.
  [/^(?!countersign\.)[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)+$/, any],
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
    return setPart(statement, name, '', local, false);
  }
  if (body.kind === 'VAR_SET_CURRENT') throw refusedSetting(name);
  const value = body.kind === 'VAR_SET_VALUE' ? valueOf(body.args ?? []) : undefined;
  return setOne(statement, name === 'time zone' ? 'timezone' : name, value, local);
}

function setOne(
  statement: Statement,
  name: string,
  value: string | undefined,
  local: boolean,
): Plan {
  if (allowed(neutral, name, value)) return setPart(statement, name, value, local, false);
  if (allowed(meaningful, name, value)) return setPart(statement, name, value, local, true);
  if (allowed(powerful, name, value)) return powerfulPart(statement, name, value, local);
  throw refusedSetting(name);
}

function powerfulPart(
  statement: Statement,
  name: string,
  value: string | undefined,
  local: boolean,
): Plan {
  return doing(statement, {
    class: 'set',
    words: `${verbOf(value)} ${name}, which decides more than how results look`,
    accesses: administering(statement),
    escapes: ['settings'],
    extra: { changesSettings: true, sets: { name, value, local } },
  });
}

const verbOf = (value: string | undefined): string => (value === undefined ? 'resets' : 'sets');

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
  // What changes how values are read is said whole; other values are anybody's text.
  const to = changesSettings && value !== undefined ? ` to ${value}` : '';
  const what = effect('set', `${verbOf(value)} ${name}${to}`);
  return { kind: 'judged', judged: simple(statement, what, { changesSettings, sets }) };
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
