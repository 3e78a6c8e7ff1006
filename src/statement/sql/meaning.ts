import type { Meaning, Meant } from './analysis.ts';
import { type Judged, Refusal } from './part.ts';

const mostPaths = 100;
export const nothingMeant: Meaning = { path: '', objects: '' };

export function meaningOf(
  path: readonly string[],
  all: readonly Pick<Judged, 'relations' | 'routines'>[],
): Meaning {
  const numbers = (key: 'relations' | 'routines'): string =>
    [...new Set(all.flatMap((one) => [...one[key]]))].toSorted((a, b) => a - b).join();
  return {
    path: JSON.stringify(searched(path)),
    objects: `${numbers('relations')}/${numbers('routines')}`,
  };
}

/** As PostgreSQL compares paths: each schema once, and its own first unless the path says when. */
function searched(path: readonly string[]): readonly string[] {
  return [...new Set(path.includes('pg_catalog') ? path : ['pg_catalog', ...path])];
}

export function meantBy({ path, objects }: Meaning): Meant {
  return new Map([[path, objects]]);
}

/** False when the names of a prepared statement meant other objects under this path before, and still do for the server. */
export function stillMeans(meant: Meant, { path, objects }: Meaning): boolean {
  const before = meant.get(path);
  if (before !== undefined) return before === objects;
  // Under a path that is new to it, the server reads the names again.
  meant.set(path, objects);
  return meant.size <= mostPaths;
}

export const meansOther = new Refusal(
  'prepared-before',
  'since this statement was prepared, its names have come to mean other objects, and the target would still run it on the old ones',
  'Prepare it again.',
);
