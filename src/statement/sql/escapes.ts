import type { Access, Escape } from '../effect.ts';

// Functions that leave the tables, by their names: extensions may be in any schema.
const kinds: readonly (readonly [RegExp, Escape])[] = [
  [/^dblink/, 'network'],
  [/^(lo_import|lo_export)$/, 'server-file'],
  [/^(pg_read_|pg_ls_|pg_stat_file$|pg_file_|pg_log_file|adminpack)/, 'server-file'],
  [/^lo_|^lo(create|creat|open|close|read|write|unlink|get|put)$/, 'large-object'],
  [/^set_config$/, 'settings'],
];

/** The escapes that lie in calling these functions. */
export function escapesOf(accesses: readonly Access[]): { readonly escapes?: readonly Escape[] } {
  const called = accesses.filter(({ action }) => action === 'execute');
  if (called.length === 0) return {};
  const names = called.map(({ resource }) => resource.path[2] ?? '');
  const escapes = kinds.flatMap(([pattern, kind]) =>
    names.some((name) => pattern.test(name)) ? [kind] : [],
  );
  return escapes.length > 0 ? { escapes: [...new Set(escapes)] } : {};
}
