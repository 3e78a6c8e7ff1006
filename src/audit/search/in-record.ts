import type { JsonObject } from '../log.ts';

const NAMED =
  /^-?(?:(?:person|agent|target|kind|verdict|decision|decided-by|effect|table|masked|error|client|session|request|statement|record):(?:[\p{L}*][\w.@+*,-]{0,127}|[0-9a-f-]{36})|(?:rows|duration|waited):[<>=]{0,2}\d{1,6}[a-z]{0,2}|(?:after|before):[\dTZ:.+a-z-]{1,30})$/u;

/** A search as its record keeps it: the filters, and how many free words; a free word may be a secret value itself. */
export function searchInRecord(q: string): JsonObject {
  const terms = q.split(/\s+/u).filter((term) => term !== '');
  const filters = terms.filter((term) => NAMED.test(term));
  return { looked: 'search', filters, freeWords: terms.length - filters.length };
}
