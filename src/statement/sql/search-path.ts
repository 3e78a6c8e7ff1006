import type { SqlSettings } from './analysis.ts';
import { NotResolved } from './nodetree.ts';

// PostgreSQL's SplitIdentifierString: a plain name may hold anything but a comma and white space, quotes too.
const item =
  /[ \t\n\r\f\v]*(?:"((?:[^"]|"")*)"|([^", \t\n\r\f\v][^, \t\n\r\f\v]*))[ \t\n\r\f\v]*(,|$)/y;
// NAMEDATALEN - 1
const longestName = 63;

/** The schemas of a path as `SHOW search_path` prints it, with `$user` as the role it stands for. Throws NotResolved. */
export function schemasOf(settings: SqlSettings): readonly string[] {
  const path = settings.searchPath;
  if (/^[ \t\n\r\f\v]*$/.test(path)) return [];
  const found: string[] = [];
  item.lastIndex = 0;
  for (let more = true; more;) {
    const [, quoted, plain = '', separator] = item.exec(path) ?? unreadable();
    const name = clipped(quoted === undefined ? folded(plain) : quoted.replaceAll('""', '"'));
    if (name !== '') found.push(name === '$user' ? settings.user : name);
    more = separator === ',';
  }
  return found;
}

/** Names without quotes are read in lower case; a startup message gives them as somebody wrote them. */
function folded(name: string): string {
  // In some encodings PostgreSQL folds other letters too, by the server's locale.
  if (/[^\0-\x7f]/.test(name)) return unreadable();
  return name.toLowerCase();
}

function clipped(name: string): string {
  const bytes = Buffer.from(name);
  if (bytes.length <= longestName) return name;
  let end = longestName;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

function unreadable(): never {
  throw new NotResolved('the search_path cannot be read; set it again, with its names in quotes');
}

/** Schemas in the form that the setting takes. */
export function pathText(schemas: readonly string[]): string {
  if (schemas.length === 0) return '""';
  return schemas.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ');
}
