import type { SqlSettings } from './analysis.ts';

const item = /\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)/gy;

/** The schemas of a path as `SHOW search_path` prints it, with `$user` as the role it stands for. */
export function schemasOf(settings: SqlSettings): readonly string[] {
  const found: string[] = [];
  for (const [, quoted, plain] of settings.searchPath.matchAll(item)) {
    const name = quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"');
    if (name !== '') found.push(name === '$user' ? settings.user : name);
  }
  return found;
}

/** Schemas in the form that the setting takes. */
export function pathText(schemas: readonly string[]): string {
  if (schemas.length === 0) return '""';
  return schemas.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ');
}
