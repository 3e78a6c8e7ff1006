/** What a rule can be asked about a statement as a whole. */
export type AccessAction =
  | 'connect'
  | 'read'
  | 'write'
  | 'delete'
  | 'define'
  | 'administer'
  | 'execute';
/** What a rule can be asked about a column. */
export type ColumnAction = 'reveal' | 'filter' | 'join' | 'assign';
/** What a rule can be asked about a role, which a Grant gives: to ask for it, or to take it at once. */
export type GrantAction = 'request' | 'break-glass';
export type Action = AccessAction | ColumnAction | GrantAction;

export type ResourceType = 'Target' | 'Schema' | 'Table' | 'Function' | 'Column' | 'Role';

/** A thing rules speak about. `path` is raw names from the target down: `['shop', 'public', 'customers', 'ssn']`. */
export type Resource = { readonly type: ResourceType; readonly path: readonly string[] };

export type Access = { readonly action: AccessAction; readonly resource: Resource };
export type ColumnUse = { readonly action: ColumnAction; readonly column: Resource };

/** One column of a result: the base columns its value comes from. */
export type Output = {
  readonly name: string;
  readonly sources: readonly Resource[];
  /** True when the value is a source's own value, unchanged; only then may a mask keep part of it. */
  readonly verbatim: boolean;
  /** Where RowDescription must say it comes from (relation OID, attribute number); `[0, 0]` for an expression. */
  readonly origin: readonly [number, number];
};

/**
 * `server-file`: reads or writes files of the server. `program`: runs one there. `network`: connects to other servers.
 * `extension`: loads code. `code`: runs or stores code. `role`: acts as another role, or changes what roles may do.
 * `large-object`: values outside of tables. `settings`: settings that outlast the session, or decide who sees what.
 */
export const escapeKinds = [
  'server-file',
  'program',
  'network',
  'extension',
  'code',
  'role',
  'large-object',
  'settings',
] as const;
export type Escape = (typeof escapeKinds)[number];

/** What one statement of a unit would do. */
export type Effect = {
  /** Class in rules' words: `select`, `insert`, `update`, `delete`, `merge`, `copy`, `explain`, `set`, `transaction`, … */
  readonly class: string;
  readonly accesses: readonly Access[];
  readonly columns: readonly ColumnUse[];
  /** Columns of the result in order; undefined when the statement returns no rows. */
  readonly outputs?: readonly Output[];
  /** Every write has a predicate (vacuously true for reads). */
  readonly bounded: boolean;
  /** For people: `updates shop.public.orders, bounded by id = 42`. Holds literals only where they may be shown. */
  readonly words: string;
  readonly estimatedRows?: number;
  /** Base columns whose values flow into what the statement writes, sends or sets: INSERT … SELECT, CTAS, NOTIFY, a setting. */
  readonly flows?: readonly Resource[];
  /** Base columns that some expression computes with: it can tell their values by failing, or by the time it takes. */
  readonly computed?: readonly Resource[];
  /** It runs code whose effect cannot be seen: a function that is not allow-listed, DO, dynamic SQL. */
  readonly opaque?: boolean;
  /** Ways out of the tables that rules speak of; each asks for `administer` on the target, whatever else is permitted. */
  readonly escapes?: readonly Escape[];
  /** Some part of it may change a row that is there already, whatever its class: every `assign` is judged like an update's. */
  readonly upsert?: boolean;
};

const escapes: Record<string, string> = { '%': '%25', '/': '%2F', '"': '%22' };

/** The entity id of a resource: its path joined with `/`, with `/`, `%` and `"` inside a name percent-encoded. */
export function resourceId(resource: Resource): string {
  return resource.path.map((part) => part.replace(/[%/"]/g, (c) => escapes[c] ?? c)).join('/');
}
