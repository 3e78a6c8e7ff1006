import type { z } from 'zod';
import { nearest } from '../policy/nearest.ts';
import { pathText, type ConfigProblem } from './node.ts';
import { rows } from './reference.ts';

type Path = readonly (string | number)[];

/** What the schema complains about, as its author can put it right. Values are not shown: they may be secrets. */
export function explain(issue: z.core.$ZodIssue): ConfigProblem[] {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: pathText([...path, key]),
      message: unknown(path, key),
    }));
  const nested = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
  return [{ path: pathText(path), message: nested ?? typeOf(issue) ?? issue.message }];
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list: [one, two]',
  object: 'keys of its own: { key: value }',
  record: 'keys of its own: { name: … }',
  null: 'empty',
};

/** Undefined for what is no question of types. */
function typeOf(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  const received = /received (\w+)/.exec(issue.message)?.[1];
  if (received === undefined) return undefined;
  if (received === 'undefined') return 'is missing';
  const is = WORDS[received]?.split(':')[0] ?? received;
  const quote = issue.expected === 'string' && /number|boolean/.test(received);
  const what = quote ? 'a text: put it in quotes' : (WORDS[issue.expected] ?? issue.expected);
  return `is ${is}: write ${what}`;
}

function unknown(path: Path, key: string): string {
  const known = keysBelow(path);
  const near = nearest(key, known);
  const rest = near ? `did you mean ${near}?` : `there is: ${known.join(', ')}`;
  return `there is no such key; ${rest}`;
}

/** The keys that may stand at a path. */
function keysBelow(path: Path): string[] {
  const below = rows().filter(
    (row) =>
      row.path.length === path.length + 1 &&
      path.every((key, i) => row.path[i] === key || row.path[i]?.startsWith('<')),
  );
  return [...new Set(below.map((row) => row.path.at(-1) ?? ''))].toSorted();
}
