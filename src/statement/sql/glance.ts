import { SqlError, parseSync } from 'libpg-query';
import { maskDetected } from '#src/mask/detect.ts';
import { classOf } from './class-names.ts';
import { hidden } from './bound-text.ts';
import { fromBytes, toBytes, tokens } from './lexer.ts';
import { fitsInline } from './parse.ts';

/** What the parser alone sees of a string: enough for a record, never for a verdict. */
export type Glance = {
  /** One a statement, in rules' words; `unparsed` where the parser does not know the text. */
  readonly classes: readonly string[];
  /** As `classes`, with the tables that are named. */
  readonly words: readonly string[];
  /** The text as others may read it. */
  readonly text: string;
  /** What it does to the session's prepared statements, statement by statement. */
  readonly names: readonly (NameChange | undefined)[];
  /** Something other than queries and settings: definitions may be others afterwards. */
  readonly defines: boolean;
};
/** `forgets` is a name, or `*`: every name. */
export type NameChange = { readonly prepares: string } | { readonly forgets: string };

type Tree = Readonly<Record<string, unknown>>;
type Seen = Omit<Glance, 'text'>;

/** A literal of any other statement may be a secret whatever it is: ALTER ROLE … PASSWORD and the like. */
const PLAIN = new Set(
  'select insert update delete merge explain transaction show close declare fetch execute deallocate discard prepare listen notify unlisten lock checkpoint'.split(
    ' ',
  ),
);
const UNPARSED: Seen = { classes: ['unparsed'], words: ['unparsed'], names: [], defines: true };
const NOTHING: Seen = { classes: [], words: [], names: [], defines: false };
/** Characters of a text that is kept whole in a record. */
const LONGEST = 1_048_576;
const ENDS = LONGEST / 4;

/** Looks at a string as its author sent it. `hide`: no literal of it may be shown. */
export function glance(text: string, hide: boolean): Glance {
  const seen = look(text);
  const plain = seen.classes.every((name) => PLAIN.has(name));
  return { ...seen, text: shown(text, hide || !plain) };
}

/** The values of `$1`, `$2` … as a line of their own; undefined is one that cannot be shown. */
export function withParams(
  text: string,
  params: readonly (string | null | undefined)[],
  hide: boolean,
): string {
  if (params.length === 0) return text;
  const list = params.map((value, index) => {
    const name = `$${index + 1}`;
    if (value === null) return `${name} = null`;
    if (hide || value === undefined || value.length > ENDS) return `${name} = '${hidden}'`;
    return `${name} = '${maskDetected(value).replaceAll("'", "''")}'`;
  });
  return `${text}\n-- ${list.join(', ')}`;
}

function look(text: string): Seen {
  if (text.trim() === '') return NOTHING;
  if (!fitsInline(text)) return UNPARSED;
  try {
    const statements = (parseSync(text).stmts ?? []).flatMap(({ stmt }) => (stmt ? [stmt] : []));
    const seen = statements.map((stmt) => statementOf(stmt));
    return {
      classes: seen.map((one) => one.name),
      words: seen.map((one) => maskDetected(one.words)),
      names: seen.map((one) => one.change),
      defines: seen.some(({ name }) => !PLAIN.has(name) && name !== 'set' && name !== 'copy'),
    };
  } catch (error) {
    // Another dialect, or a replication command. Anything but a syntax error is the parser's own failure.
    if (!(error instanceof SqlError)) throw error;
    return UNPARSED;
  }
}

type StatementSeen = {
  readonly name: string;
  readonly words: string;
  readonly change: NameChange | undefined;
};

function statementOf(stmt: object): StatementSeen {
  const [[tag, body] = ['', {}]] = Object.entries(stmt);
  const name = tag === 'DeclareCursorStmt' ? 'declare' : classOf(stmt);
  const tables = new Set<string>();
  relations(stmt, tables);
  const words = tables.size === 0 ? name : `${name}: ${[...tables].join(', ')}`;
  return { name, words, change: isTree(body) ? changeOf(tag, body) : undefined };
}

function changeOf(tag: string, body: Tree): NameChange | undefined {
  const { name } = body;
  const named = typeof name === 'string' ? name : '*';
  if (tag === 'PrepareStmt') return { prepares: named };
  if (tag === 'DeallocateStmt') return { forgets: named };
  if (tag === 'DiscardStmt' && body['target'] === 'DISCARD_ALL') return { forgets: '*' };
  return undefined;
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

function relations(node: unknown, found: Set<string>): void {
  if (!isTree(node)) return;
  const { relname, schemaname } = node;
  if (typeof relname === 'string')
    found.add(typeof schemaname === 'string' ? `${schemaname}.${relname}` : relname);
  for (const child of Object.values(node)) relations(child, found);
}

/** Without comments, which can carry anything and mean nothing. Of a very long text only both ends are shown. */
function shown(text: string, hide: boolean): string {
  if (text.length > LONGEST) {
    const left = text.length - 2 * ENDS;
    const [head, tail] = [text.slice(0, ENDS), text.slice(-ENDS)];
    return `${shown(head, true)} … (${left} characters) … ${shown(tail, true)}`;
  }
  const bytes = toBytes(text);
  let out = '';
  let at = 0;
  for (const { kind, start, end } of tokens(bytes)) {
    out += bytes.slice(at, start);
    at = end;
    if (kind === 'comment') out += ' ';
    else if (hide && kind === 'string') out += `'${MARK}'`;
    else if (hide && kind === 'number') out += MARK;
    else out += bytes.slice(start, end);
  }
  return maskDetected(fromBytes(out + bytes.slice(at)).trim());
}
const MARK = toBytes(hidden);
