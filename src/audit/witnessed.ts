import { z } from 'zod';
import type { Database } from '../store/database.ts';
import type { StoredRecord } from './check.ts';
import type { Head } from './heads.ts';

const head = z.object({ writer: z.string(), seq: z.int(), hash: z.string() });
const seen = z.object({
  body: z.object({
    gateway: z.string().optional(),
    epoch: z.int(),
    heads: z.array(head),
  }),
});

/** What recovery and heartbeat records say of other chains: where these ended then, and who had gone away. */
export class Witnessed {
  /** Newest records that were seen and are not there any more. */
  readonly missing: Head[] = [];
  readonly #recovered = new Map<string, number>();

  /** Takes what a page of records says. */
  async read(db: Pick<Database, 'pool'>, page: readonly StoredRecord[]): Promise<void> {
    const heads: Head[] = [];
    for (const { writer, kind, body } of page) {
      if (body === null || (kind !== 'recovery' && kind !== 'heartbeat')) continue;
      const value: unknown = JSON.parse(body);
      const said = seen.safeParse(value).data?.body;
      if (!said) continue;
      heads.push(...said.heads);
      const { gateway, epoch } = said;
      if (gateway !== undefined && gateway !== writer)
        this.#recovered.set(gateway, Math.max(epoch, this.recovered(gateway)));
    }
    if (heads.length > 0) this.missing.push(...(await absent(db, heads)));
  }

  /** The newest epoch of a writer that another writer has recovered; 0 when none has. */
  recovered(writer: string): number {
    return this.#recovered.get(writer) ?? 0;
  }
}

async function absent(db: Pick<Database, 'pool'>, heads: readonly Head[]): Promise<Head[]> {
  const { rows } = await db.pool.query<Head & { seq: string }>(
    `select h.writer, h.seq, h.hash from unnest($1::text[], $2::bigint[], $3::text[]) as h (writer, seq, hash)
     where not exists (select from countersign.record r
       where r.writer = h.writer and r.seq = h.seq and encode(r.hash, 'hex') = h.hash)`,
    [heads.map(({ writer }) => writer), heads.map(({ seq }) => seq), heads.map(({ hash }) => hash)],
  );
  return rows.map(({ writer, seq, hash }) => ({ writer, seq: Number(seq), hash }));
}
