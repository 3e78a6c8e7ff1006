import type { ObjectType } from 'libpg-query';

const words: Readonly<Record<string, string>> = {
  OBJECT_MATVIEW: 'materialized view',
  OBJECT_TABCONSTRAINT: 'constraint',
  OBJECT_DOMCONSTRAINT: 'domain constraint',
  OBJECT_STATISTIC_EXT: 'statistics',
  OBJECT_FDW: 'foreign data wrapper',
  OBJECT_FOREIGN_SERVER: 'server',
  OBJECT_OPCLASS: 'operator class',
  OBJECT_OPFAMILY: 'operator family',
  OBJECT_TSPARSER: 'text search parser',
  OBJECT_TSDICTIONARY: 'text search dictionary',
  OBJECT_TSTEMPLATE: 'text search template',
  OBJECT_TSCONFIGURATION: 'text search configuration',
  OBJECT_LARGEOBJECT: 'large object',
  OBJECT_PARAMETER_ACL: 'parameter',
};

/** A kind of object as SQL spells it, in lower case: `materialized view`. */
export function kindWords(type: ObjectType | (string & {}) | undefined): string {
  if (type === undefined) return 'object';
  return words[type] ?? type.slice('OBJECT_'.length).toLowerCase().replaceAll('_', ' ');
}

/** A command as a class of rules: `create materialized view` → `create-materialized-view`. */
export const classWords = (command: string): string => command.replaceAll(' ', '-');
