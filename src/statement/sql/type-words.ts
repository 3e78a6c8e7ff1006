import type { TypeName } from 'libpg-query';
import { nameParts } from './constant.ts';

const spelt: Readonly<Record<string, string>> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  bool: 'boolean',
  float4: 'real',
  float8: 'double precision',
  bpchar: 'character',
  varchar: 'character varying',
  timestamptz: 'timestamp with time zone',
  timetz: 'time with time zone',
};

/** A type as people write it, without its length: `integer`, `app.mood[]`. */
export function typeWords(type: TypeName | undefined): string {
  const names = nameParts(type?.names ?? []);
  const own = names[0] === 'pg_catalog' ? names.slice(1) : names;
  const name = own.join('.');
  return (spelt[name] ?? name) + '[]'.repeat(type?.arrayBounds?.length ?? 0);
}
