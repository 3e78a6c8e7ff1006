import type { IntoClause, Node, ParseResult, SelectStmt } from 'libpg-query';
import type { Block } from './block.ts';

/** One statement of a string: its parse tree with the bodies of queries left out, and the bytes where it stands. */
export type Outline = {
  readonly node: Node;
  readonly start: number;
  readonly end: number;
  /** What a DO holds. */
  readonly block?: Block;
};

/** What is needed of a parse; small, so that a worker can hand it over. `size` is the text's length in bytes. */
export function outlines(result: ParseResult, size: number): readonly Outline[] {
  return (result.stmts ?? []).map(({ stmt, stmt_location: start = 0, stmt_len: length = 0 }) => {
    if (!stmt) throw new Error('the parser gave an empty statement');
    return { node: trimmed(stmt), start, end: length === 0 ? size : start + length };
  });
}

/** Bodies of queries are judged by the target's own tree, never by the parser's. */
function trimmed(node: Node): Node {
  if ('SelectStmt' in node) {
    const into = intoOf(node.SelectStmt);
    return { SelectStmt: into ? { intoClause: into } : {} };
  }
  if ('InsertStmt' in node) return { InsertStmt: {} };
  if ('UpdateStmt' in node) return { UpdateStmt: {} };
  if ('DeleteStmt' in node) return { DeleteStmt: {} };
  if ('MergeStmt' in node) return { MergeStmt: {} };
  return trimmedWrapper(node);
}

function trimmedWrapper(node: Node): Node {
  if ('ExplainStmt' in node)
    return { ExplainStmt: { ...node.ExplainStmt, ...inner(node.ExplainStmt.query) } };
  if ('PrepareStmt' in node)
    return { PrepareStmt: { ...node.PrepareStmt, ...inner(node.PrepareStmt.query) } };
  if ('DeclareCursorStmt' in node)
    return {
      DeclareCursorStmt: { ...node.DeclareCursorStmt, ...inner(node.DeclareCursorStmt.query) },
    };
  if ('CreateTableAsStmt' in node)
    return {
      CreateTableAsStmt: { ...node.CreateTableAsStmt, ...inner(node.CreateTableAsStmt.query) },
    };
  if ('CopyStmt' in node) return { CopyStmt: { ...node.CopyStmt, ...inner(node.CopyStmt.query) } };
  return node;
}

function inner(query: Node | undefined): { readonly query?: Node } {
  return query ? { query: trimmed(query) } : {};
}

/** SELECT INTO: the clause stands in the leftmost query of a set operation. */
function intoOf(select: SelectStmt): IntoClause | undefined {
  let at: SelectStmt | undefined = select;
  while (at) {
    if (at.intoClause) return at.intoClause;
    at = at.larg;
  }
  return undefined;
}
