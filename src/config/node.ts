/** What is wrong with one key, named by its path: `targets.shop.hold.inTransaction`. */
export type ConfigProblem = { readonly path: string; readonly message: string };

export type Path = readonly (string | number)[];

/** `people["ann@example.com"].groups[0]` */
export function pathText(path: Path): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[\w-]+$/.test(key)) return `[${JSON.stringify(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** What stands at a path of the file as it was written; undefined when nothing does. */
export function at(raw: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((node, key) => (isObject(node) ? node[key] : undefined), raw);
}

export const keysOf = (node: unknown): string[] => (isObject(node) ? Object.keys(node) : []);
