import type { Config } from './config.ts';
import { pathText } from './node.ts';

/** What takes effect while the gateway runs; everything else waits for the next start. */
const LIVE = [
  /^people\b/,
  /^groups\b/,
  /^targets\b/,
  /^chat\.(channels|digests|reactions)\b/,
  /^retention\b/,
  /^owners\b/,
  /^oncall\b/,
];
/** Not keys of the file, but what was made of it. */
const DERIVED: ReadonlySet<string> = new Set(['source', 'notices']);

export type Changes = {
  /** Paths that take effect at once: `people["jane@example.com"].groups`. */
  readonly live: readonly string[];
  /** Paths that take effect at the next start. */
  readonly later: readonly string[];
};

/** Where two readings of a configuration differ, by path. Values are never named: they may be secrets. */
export function changesBetween(before: Config, after: Config): Changes {
  const paths = [
    ...new Set([...differences(before, after, [])].map((path) => pathText(path))),
  ].toSorted();
  return { live: paths.filter(isLive), later: paths.filter((path) => !isLive(path)) };
}

const isLive = (path: string): boolean => LIVE.some((pattern) => pattern.test(path));

/** True when sessions on this target would find another one. */
export function sameTarget(a: unknown, b: unknown): boolean {
  return differences(a, b, []).next().done === true;
}

function* differences(a: unknown, b: unknown, path: readonly string[]): Generator<string[]> {
  if (a === b) return;
  const [from, to] = [entriesOf(a), entriesOf(b)];
  if (!from || !to) {
    if (!sameLeaf(a, b)) yield named(path);
    return;
  }
  for (const key of new Set([...from.keys(), ...to.keys()]))
    if (path.length > 0 || !DERIVED.has(key))
      yield* differences(from.get(key), to.get(key), [...path, key]);
}

function sameLeaf(a: unknown, b: unknown): boolean {
  if (isSecret(a) && isSecret(b)) return a.reference !== undefined && a.reference === b.reference;
  return !isSecret(a) && !isSecret(b) && JSON.stringify([a]) === JSON.stringify([b]);
}

const isSecret = (value: unknown): value is { readonly reference?: string } =>
  typeof value === 'function';

/** Undefined for what is compared as a whole: texts, numbers, lists, secrets. */
function entriesOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (value instanceof Map) return new Map([...value].map(([key, child]) => [String(key), child]));
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  return plain ? new Map(Object.entries(value)) : undefined;
}

/** As the file calls it. */
function named(path: readonly string[]): string[] {
  const [first, second, ...rest] = path;
  if (first === 'listen' || first === 'queue') return path.slice(0, 2);
  if (first === 'chat' && second?.startsWith('slack'))
    return ['chat', 'slack', ...rest.slice(0, 1)];
  if (first === 'store') return ['store', 'postgres'];
  return [...path];
}
