import { isMap, isScalar, parseDocument, LineCounter, visit, type Node } from 'yaml';
import { pathText, type ConfigProblem } from './node.ts';

export type Parsed = { readonly raw: unknown; readonly problems: readonly ConfigProblem[] };

/** YAML text as plain values. A key that is there twice is named by its path; of what is not YAML at all, the line. */
export function parseYaml(text: string): Parsed {
  const lines = new LineCounter();
  // Our own look at duplicates names both places.
  const document = parseDocument(text, {
    prettyErrors: true,
    uniqueKeys: false,
    lineCounter: lines,
  });
  const problems = [...document.errors, ...document.warnings].map((error) => ({
    path: `line ${error.linePos?.[0].line ?? 1}`,
    message: error.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? 'not YAML',
  }));
  if (problems.length > 0) return { raw: undefined, problems };
  try {
    return { raw: document.toJS() ?? {}, problems: duplicates(document.contents, lines) };
  } catch (error) {
    // Aliases that refer to themselves, or unfold to more than any configuration needs.
    const message = error instanceof Error ? error.message : 'cannot be read as YAML';
    return { raw: undefined, problems: [{ path: '', message: `${message}: write it out` }] };
  }
}

function duplicates(contents: Node | null, lines: LineCounter): ConfigProblem[] {
  const found: ConfigProblem[] = [];
  if (!contents) return found;
  visit(contents, {
    Map(_, map, above) {
      const seen = new Map<string, number>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        const line = lines.linePos(key.range?.[0] ?? 0).line;
        const first = seen.get(name);
        if (first === undefined) seen.set(name, line);
        else
          found.push({
            path: pathText([...keysAbove([...above, map]), name]),
            message: `is there twice, in lines ${first} and ${line}: keep one`,
          });
      }
    },
  });
  return found;
}

/** The keys on the way from the top to the last of these nodes. */
function keysAbove(nodes: readonly unknown[]): (string | number)[] {
  return nodes.flatMap((node, index): (string | number)[] => {
    const parent = nodes[index - 1];
    if (typeof node !== 'object' || node === null) return [];
    if ('key' in node && isMap(parent)) return isScalar(node.key) ? [String(node.key.value)] : [];
    const items: unknown[] | undefined =
      parent && typeof parent === 'object' && 'items' in parent && Array.isArray(parent.items)
        ? parent.items
        : undefined;
    return items && !isMap(parent) ? [items.indexOf(node)] : [];
  });
}
