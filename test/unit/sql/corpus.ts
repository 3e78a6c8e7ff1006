import { readFileSync } from 'node:fs';

/** A statement, what is asked (as in effects.txt; `^` escapes, `~` flows), what approvers read. */
export type Case = { readonly sql: string; readonly expected: readonly string[] };
export type Group = { readonly node: string; readonly cases: readonly Case[] };

/** `classes.txt`, by PostgreSQL's name of the statement's node. */
export const corpus: readonly Group[] = readFileSync(
  new URL('classes.txt', import.meta.url),
  'utf8',
)
  .split(/^## /m)
  .filter((group) => group !== '')
  .map((group) => {
    const [node = '', ...lines] = group.trimEnd().split('\n');
    const cases: { sql: string; expected: string[] }[] = [];
    for (const line of lines)
      if (line.startsWith('  ')) cases.at(-1)?.expected.push(line.replace(/^ {2}(=> )?/, ''));
      else cases.push({ sql: line, expected: [] });
    return { node, cases };
  });
