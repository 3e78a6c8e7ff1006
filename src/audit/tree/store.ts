import type { Database, Sql } from '../../store/database.ts';
import type { Finding } from '../check.ts';
import { Edge, type GrownTile } from './edge.ts';
import type { Subtrees } from './merkle.ts';
import { subtreesOf, tilesNeeded, WIDTH, type TileName } from './tile.ts';

/** A record on its way into the tree. */
export type Entry = {
  readonly writer: string;
  readonly seq: number;
  readonly leaf: Buffer;
  readonly hash: Buffer;
};
/** How far a writer's chain is in the tree; `seq` 0 and an empty hash before its first record. */
export type Reached = { readonly seq: number; readonly hash: Buffer };
/** What is known of a writer's signatures: the verifier key that it has announced, and what is wrong. */
export type Signing = { readonly key: string | null; readonly flag: string | null };
export type Found = { readonly from: Reached & Signing; readonly entries: readonly Entry[] };

const PER_WRITER = 1_000;

/** What every writer has written since, in the order of each, at most 1,000 of one. Writers with a problem are left out. */
export async function readNew(sql: Sql): Promise<ReadonlyMap<string, Found>> {
  const { rows } = await sql.query<
    Entry & Signing & { seq: string; reached: string; last: Buffer }
  >(
    `with recursive writers as (
       (select writer from countersign.record order by writer limit 1)
       union all
       select (select r.writer from countersign.record r where r.writer > w.writer order by r.writer limit 1)
       from writers w where w.writer is not null
     )
     select r.writer, r.seq, r.leaf, r.hash, coalesce(t.seq, 0) as reached, coalesce(t.hash, '') as last, t.key, t.flag
     from writers w left join countersign.tree_writer t using (writer)
     cross join lateral (select * from countersign.record where writer = w.writer and seq > coalesce(t.seq, 0)
       order by seq limit ${PER_WRITER}) r
     where w.writer is not null and t.problem is null order by r.writer, r.seq`,
  );
  const found = new Map<string, Found & { entries: Entry[] }>();
  for (const { writer, seq, leaf, hash, reached, last, key, flag } of rows) {
    const from = { seq: Number(reached), hash: last, key, flag };
    const one = found.get(writer) ?? { from, entries: [] };
    one.entries.push({ writer, seq: Number(seq), leaf, hash });
    found.set(writer, one);
  }
  return found;
}

/** How far the tree has come. */
export async function treeSize(
  db: Pick<Database, 'pool'>,
): Promise<{ readonly size: number; readonly signed: number }> {
  const { rows } = await db.pool.query<{ size: string; signed: string | null }>(
    'select size, (select max(size) from countersign.tree_checkpoint) as signed from countersign.tree_head',
  );
  return { size: Number(rows[0]?.size ?? 0), signed: Number(rows[0]?.signed ?? 0) };
}

/** What the log is called in its checkpoints: the first name it was given, for good. */
export async function fixedOrigin(db: Pick<Database, 'pool'>, origin: string): Promise<string> {
  const { rows } = await db.pool.query<{ origin: string }>(
    'update countersign.tree_head set origin = coalesce(origin, $1) returning origin',
    [origin],
  );
  return rows[0]?.origin ?? origin;
}

/** The end of the tree as it is stored. */
export async function readEdge(sql: Sql): Promise<Edge> {
  const { rows } = await sql.query<{ size: string }>('select size from countersign.tree_head');
  const size = Number(rows[0]?.size ?? 0);
  const partial: Buffer[] = [];
  for (let level = 0; WIDTH ** level <= size; level += 1) {
    const index = Math.floor(size / WIDTH ** (level + 1));
    // oxlint-disable-next-line no-await-in-loop -- four levels hold 4 billion records
    const bytes = await readTile(sql, level, index);
    partial.push(bytes ?? Buffer.alloc(0));
  }
  return new Edge(size, partial);
}

/** Puts entries behind the tree of `size`, whole or not at all with the transaction that `sql` is in. Throws when somebody else did. */
export async function writeEntries(
  sql: Sql,
  size: number,
  entries: readonly Entry[],
  tiles: readonly GrownTile[],
): Promise<void> {
  const { rowCount } = await sql.query(
    'update countersign.tree_head set size = $2 where size = $1',
    [size, size + entries.length],
  );
  if (rowCount !== 1) throw new Error('somebody else has put records into the tree');
  await sql.query({
    name: 'tree-entries',
    text: `insert into countersign.tree_entry (index, writer, seq)
      select $1 + at - 1, writer, seq from unnest($2::text[], $3::bigint[]) with ordinality as e (writer, seq, at)`,
    values: [size, entries.map(({ writer }) => writer), entries.map(({ seq }) => seq)],
  });
  await sql.query({
    name: 'tree-tiles',
    text: `insert into countersign.tree_tile (level, index, width, hashes)
      select * from unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bytea[])
      on conflict (level, index) do update set width = excluded.width, hashes = excluded.hashes`,
    values: [
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ hashes }) => hashes.length / 32),
      tiles.map(({ hashes }) => hashes),
    ],
  });
}

export const inWords = ({ seq, problem, detail }: Finding): string =>
  `record ${seq}: ${problem}: ${detail}`;

export async function writeReached(
  sql: Sql,
  reached: ReadonlyMap<string, Reached & Signing & { readonly bad?: Finding }>,
): Promise<void> {
  const all = [...reached];
  await sql.query({
    name: 'tree-writers',
    text: `insert into countersign.tree_writer (writer, seq, hash, problem, key, flag)
      select * from unnest($1::text[], $2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::text[])
      on conflict (writer) do update set seq = excluded.seq, hash = excluded.hash, problem = excluded.problem,
        key = excluded.key, flag = excluded.flag`,
    values: [
      all.map(([writer]) => writer),
      all.map(([, { seq }]) => seq),
      all.map(([, { hash }]) => hash),
      all.map(([, { bad }]) => bad && inWords(bad)),
      all.map(([, { key }]) => key),
      all.map(([, { flag }]) => flag),
    ],
  });
}

/** The hashes of a tile as far as it has grown; undefined when it is not there. */
export async function readTile(
  sql: Sql,
  level: number,
  index: number,
): Promise<Buffer | undefined> {
  const { rows } = await sql.query<{ hashes: Buffer }>({
    name: 'tree-tile',
    text: 'select hashes from countersign.tree_tile where level = $1 and index = $2',
    values: [level, index],
  });
  return rows[0]?.hashes;
}

/** The newest signed checkpoint with all its signatures; undefined when nothing is signed yet. */
export async function newestNote(db: Pick<Database, 'pool'>): Promise<string | undefined> {
  const { rows } = await db.pool.query<{ note: string }>(
    'select note from countersign.tree_checkpoint order by size desc limit 1',
  );
  return rows[0]?.note;
}

/** The leaves of a bundle: entries from `index` × 256 on, `width` of them; fewer when the tree ends before. */
export async function readLeaves(sql: Sql, index: number, width: number): Promise<Buffer[]> {
  const { rows } = await sql.query<{ leaf: Buffer }>({
    name: 'tree-leaves',
    text: `select r.leaf from countersign.tree_entry e join countersign.record r using (writer, seq)
      where e.index >= $1 and e.index < $2 order by e.index`,
    values: [index * WIDTH, index * WIDTH + width],
  });
  return rows.map(({ leaf }) => leaf);
}

/** Computes over the stored tree: reads the tiles that `compute` needs, then runs it. */
export async function overTree<T>(
  db: Pick<Database, 'pool'>,
  compute: (subtrees: Subtrees) => T,
): Promise<T> {
  const needed: readonly TileName[] = tilesNeeded(compute);
  const tiles = new Map<string, Buffer>();
  await Promise.all(
    needed.map(async ({ level, index }) => {
      const bytes = await readTile(db.pool, Number(level), index);
      if (bytes) tiles.set(`${level}/${index}`, bytes);
    }),
  );
  return compute(subtreesOf((level, index) => tiles.get(`${level}/${index}`)));
}
