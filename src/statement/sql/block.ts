import { type Node, SqlError, parsePlPgSQLSync, parseSync } from 'libpg-query';
import { fromBytes, toBytes } from './lexer.ts';

/** A statement inside a block of PL/pgSQL, its variables replaced by `$1`, `$2` … of these types. */
export type BlockStatement = { readonly text: string; readonly types: readonly string[] };

/** What a DO block holds, as far as its parser shows it. */
export type Block = {
  readonly statements: readonly BlockStatement[];
  /** It puts statements together while it runs. */
  readonly dynamic: boolean;
  /** Something in it could not be read as a statement with typed parameters. */
  readonly unread: boolean;
  /** It ends transactions. */
  readonly transactions: boolean;
};

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** Anything else, such as a stack that ran out, means that the parser's memory cannot be trusted any more. */
const isSyntaxError = (error: unknown): boolean =>
  error instanceof SqlError || (error instanceof Error && error.name === 'Error');

// What is more is not read.
const mostStatements = 50;

/** Reads the body of a DO in PL/pgSQL; undefined for any other language, and for what cannot be parsed. */
export function blockOf(text: string): Block | undefined {
  let parsed: unknown;
  try {
    parsed = parsePlPgSQLSync(text);
  } catch (error) {
    if (!isSyntaxError(error)) throw error;
    return undefined;
  }
  const variables = new Map<string, string>();
  const found = { queries: [] as Query[], dynamic: false, transactions: false };
  collect(parsed, variables, found);
  // With it, a name may mean a column where a variable has the same.
  const conflicts = /#\s*variable_conflict/i.test(text);
  const read = found.queries.slice(0, mostStatements).map((query) => statementOf(query, variables));
  const statements = conflicts ? [] : read.filter((one) => one !== undefined);
  const { dynamic, transactions } = found;
  return { statements, dynamic, transactions, unread: statements.length < found.queries.length };
}

/** Modes of PostgreSQL's RawParseMode: 0 a statement, 2 an expression, 3 and more an assignment. */
type Query = { readonly text: string; readonly mode: number };
type Found = { readonly queries: Query[]; dynamic: boolean; transactions: boolean };

function collect(value: unknown, variables: Map<string, string>, found: Found): void {
  if (Array.isArray(value)) for (const item of value) collect(item, variables, found);
  if (!isObject(value) || Array.isArray(value)) return;
  for (const [tag, inner] of Object.entries(value)) {
    if (/^PLpgSQL_stmt_dyn|^dynquery$/.test(tag)) found.dynamic = true;
    if (tag === 'PLpgSQL_stmt_commit' || tag === 'PLpgSQL_stmt_rollback') found.transactions = true;
    if (isObject(inner)) note(tag, inner, variables, found);
    collect(inner, variables, found);
  }
}

function note(tag: string, node: Json, variables: Map<string, string>, found: Found): void {
  const { query, parseMode, refname, datatype } = node;
  if (tag === 'PLpgSQL_expr' && typeof query === 'string')
    found.queries.push({ text: query, mode: typeof parseMode === 'number' ? parseMode : 0 });
  // A record has no type to ask with: what uses it is not read.
  const kind = isObject(datatype) ? datatype['PLpgSQL_type'] : undefined;
  const type = isObject(kind) ? kind['typname'] : undefined;
  if (/^PLpgSQL_(var|rec|row)$/.test(tag) && typeof refname === 'string')
    variables.set(refname, typeof type === 'string' ? type : 'record');
}

function statementOf(
  query: Query,
  variables: ReadonlyMap<string, string>,
): BlockStatement | undefined {
  const text = asStatement(query);
  if (text === undefined) return undefined;
  const parsed = parsedOrNothing(text);
  const nodes = parsed?.stmts?.map(({ stmt }) => stmt);
  if (nodes?.length !== 1) return undefined;
  const places = referencesIn(nodes[0], variables);
  return places && withParameters(text, places, variables);
}

function asStatement({ text, mode }: Query): string | undefined {
  if (mode === 0) return text;
  if (mode === 2) return `select ${text}`;
  const at = text.search(/:?=/);
  return at < 0 ? undefined : `select ${text.slice(at).replace(/^:?=/, '')}`;
}

function parsedOrNothing(text: string): ReturnType<typeof parseSync> | undefined {
  try {
    return parseSync(text);
  } catch (error) {
    if (!isSyntaxError(error)) throw error;
    return undefined;
  }
}

type Place = { readonly at: number; readonly name: string };

/** Where variables stand; undefined where one is used that has no type to ask with. */
function referencesIn(
  node: Node | undefined,
  variables: ReadonlyMap<string, string>,
): readonly Place[] | undefined {
  const places: (Place | undefined)[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    if (!isObject(value) || Array.isArray(value)) return;
    places.push(...placesAt(value['ColumnRef'], variables));
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(node);
  const found = places.filter((place) => place !== undefined);
  return found.length === places.length ? found : undefined;
}

function placesAt(
  reference: unknown,
  variables: ReadonlyMap<string, string>,
): readonly (Place | undefined)[] {
  if (!isObject(reference) || !Array.isArray(reference['fields'])) return [];
  const [name = '', ...more] = reference['fields'].map((field: unknown) => nameOf(field));
  const type = variables.get(name);
  if (type === undefined) return [];
  const plain = more.length === 0 && type !== 'record';
  return [plain ? { at: numberOf(reference['location']), name } : undefined];
}

function nameOf(item: unknown): string {
  const inner = isObject(item) ? item['String'] : undefined;
  const text = isObject(inner) ? inner['sval'] : undefined;
  return typeof text === 'string' ? text : '';
}

const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** Bytes, because that is what the parser counts. */
function withParameters(
  text: string,
  places: readonly Place[],
  variables: ReadonlyMap<string, string>,
): BlockStatement | undefined {
  const bytes = toBytes(text);
  const names = [...new Set(places.map(({ name }) => name))];
  let out = '';
  let from = 0;
  for (const { at, name } of places.toSorted((a, b) => a.at - b.at)) {
    const written = /^(?:"(?:[^"]|"")*"|[^\s,;()[\]+*/<>=~!@#%^&|`?'-]+)/.exec(
      bytes.slice(at),
    )?.[0];
    if (written === undefined) return undefined;
    out += `${bytes.slice(from, at)}$${names.indexOf(name) + 1}`;
    from = at + written.length;
    // `name::type`: the colons are not part of the name.
    const colon = written.indexOf(':');
    if (colon > 0) from = at + colon;
  }
  const types = names.map((name) => variables.get(name) ?? 'text');
  return { text: fromBytes(out + bytes.slice(from)), types };
}
