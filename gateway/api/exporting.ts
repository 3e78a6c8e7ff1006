import { z } from 'zod';
import { searchInRecord } from '#src/audit/search/in-record.ts';
import { csvHead, csvLine } from '#src/audit/search/csv.ts';
import { readCursor, type Found } from '#src/audit/search/search.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './problem.ts';
import { recordLook, type Reader } from './reading.ts';
import { answered, readQuery, scopeOf, searchOf } from './searching.ts';

const PAGE = 500;
/** Proofs are made one by one. */
const MOST = { plain: 100_000, proofs: 10_000 };

export const exportQuery = z.strictObject({
  q: z.string().max(1_000).default(''),
  format: z.enum(['csv', 'ndjson']).default('ndjson'),
  proofs: z.stringbool().default(false),
  limit: z.coerce.number().int().min(1).max(MOST.plain).default(10_000),
});
export type Export = z.output<typeof exportQuery>;

/** Records the export, then gives its lines. Throws the 422 of what cannot be exported so. */
export async function exportRecords(
  deps: HttpDeps,
  reader: Reader,
  asked: Export,
): Promise<AsyncGenerator<string>> {
  const { q, format, proofs, limit } = asked;
  const query = readQuery(q);
  const search = searchOf(deps);
  if (proofs && format === 'csv')
    throw new Problem(422, 'no-proofs', 'Proofs do not go into CSV. Ask for format=ndjson.');
  if (proofs && limit > MOST.proofs)
    throw new Problem(
      422,
      'too-many',
      `With proofs, an export has at most ${MOST.proofs} records. Ask for a smaller limit, or a shorter time.`,
    );
  await recordLook(deps, reader, { ...searchInRecord(q), looked: 'export', format, proofs, limit });
  const scope = scopeOf(reader.person);

  async function* pages(): AsyncGenerator<Found> {
    let cursor: string | undefined;
    for (let left = limit; left > 0; left -= PAGE) {
      const place = cursor === undefined ? undefined : readCursor(cursor);
      const options = { scope, limit: Math.min(PAGE, left), ...(place && { cursor: place }) };
      // oxlint-disable-next-line no-await-in-loop -- the next page when this one has been taken
      const page = await answered(() => search.searchRecords(query, options));
      yield* page.found;
      cursor = page.older;
      if (cursor === undefined) return;
    }
    more = true;
  }
  let more = false;

  async function* lines(): AsyncGenerator<string> {
    let records = 0;
    if (format === 'csv') yield csvHead();
    for await (const found of pages()) {
      records += 1;
      yield format === 'csv' ? csvLine(found) : await jsonLine(deps, found, proofs);
    }
    // Whoever does not find this line has not got all of it.
    if (format === 'ndjson') yield `${JSON.stringify({ end: { records, more } })}\n`;
  }
  return lines();
}

async function jsonLine(
  deps: HttpDeps,
  { record, ...more }: Found,
  proofs: boolean,
): Promise<string> {
  const proof = proofs ? { proof: (await deps.tree?.proof(record.id)) ?? null } : {};
  return `${JSON.stringify({ ...record, ...more, ...proof })}\n`;
}
