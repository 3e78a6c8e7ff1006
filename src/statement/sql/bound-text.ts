import { type SqlToken, fromBytes } from './lexer.ts';
import { Words } from './inner.ts';
import { NotResolved } from './nodetree.ts';
import type { Statement } from './part.ts';

export const hidden = '•••';
/** Whether the literal token that starts at this byte of the string may be shown. */
export type MayShow = (start: number, raw: string, isText: boolean) => boolean;

/** The condition that bounds an UPDATE or DELETE, as it was written but on one line; undefined without one. */
export function boundText(
  statement: Statement,
  kind: string,
  mayShow: MayShow,
): string | undefined {
  if (kind !== 'update' && kind !== 'delete') return undefined;
  const words = new Words(statement);
  const where = find(words, 'where', 0);
  if (where === undefined) return undefined;
  const end = find(words, 'returning', where) ?? words.length;
  const list = statement.tokens.slice(where + 1, end);
  let text = '';
  let at = list[0]?.start ?? 0;
  for (const token of list) {
    text += (token.start > at ? ' ' : '') + shown(statement, token, mayShow);
    at = token.end;
  }
  return text.replace(/\s+/g, ' ');
}

function shown(statement: Statement, token: SqlToken, mayShow: MayShow): string {
  const raw = fromBytes(statement.bytes.slice(token.start, token.end));
  const isText = token.kind === 'string';
  if (!isText && token.kind !== 'number') return raw;
  if (mayShow(token.start, raw, isText)) return raw;
  return isText ? `'${hidden}'` : hidden;
}

function find(words: Words, word: string, from: number): number | undefined {
  try {
    return words.find(word, from);
  } catch (error) {
    if (error instanceof NotResolved) return undefined;
    throw error;
  }
}
