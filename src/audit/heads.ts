import type { Database } from '../store/database.ts';

/** The newest record of a writer, as other writers' records name it; `hash` in hex. */
export type Head = { readonly writer: string; readonly seq: number; readonly hash: string };

/** The newest record of every chain: what a record has seen cannot be cut off unnoticed (FORMAT.md). */
export async function readHeads(db: Pick<Database, 'pool'>): Promise<readonly Head[]> {
  const { rows } = await db.pool.query<{ writer: string; seq: string; hash: Buffer }>({
    name: 'log-heads',
    text: `with recursive w (writer) as (
       select min(writer) from countersign.record
       union all
       select (select min(r.writer) from countersign.record r where r.writer > w.writer) from w where w.writer is not null)
     select r.writer, r.seq, r.hash from w cross join lateral (
       select * from countersign.record r where r.writer = w.writer order by seq desc limit 1) r`,
  });
  return rows.map(({ writer, seq, hash }) => ({
    writer,
    seq: Number(seq),
    hash: hash.toString('hex'),
  }));
}
