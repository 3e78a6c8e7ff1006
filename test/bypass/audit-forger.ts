import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonical } from '#src/audit/canonical.ts';
import { commitment, leafBytes, leafHash, parseLeaf } from '#src/audit/chain.ts';
import { sign, type KeyObject } from 'node:crypto';
import { headText } from '#src/audit/announcement.ts';
import { checkpointText } from '#src/audit/tree/checkpoint.ts';
import { Edge } from '#src/audit/tree/edge.ts';
import { ED25519, formatNote, hexId, noteKey, signText } from '#src/audit/tree/note.ts';
import { ORIGIN, type Scene } from './audit-scene.ts';

/** A record as a forger sees it: what its leaf says, and what it commits to. */
export type Forged = {
  readonly id: string;
  readonly time: string;
  readonly kind: string;
  readonly salt: Buffer;
  readonly body: string;
};

/**
 * Writes a writer's chain anew from its records, changed as is said, so that everything in it agrees with itself: bodies,
 * commitments, leaves, links. Columns of bodies stay; only what is committed to under the same columns may change.
 */
export async function rechain(
  scene: Scene,
  writer: string,
  change: (records: readonly Forged[]) => readonly Forged[],
): Promise<void> {
  const { rows } = await scene.sql.query(
    'select r.leaf, b.salt, b.body from record r join record_body b using (id) where r.writer = $1 order by r.seq',
    [writer],
  );
  const before = rows.flatMap(({ leaf, salt, body }) => {
    const parsed = parseLeaf(leaf);
    return parsed ? [{ id: parsed.id, time: parsed.time, kind: parsed.kind, salt, body }] : [];
  });
  const after = change(before);
  const kept = new Set(after.map(({ id }) => id));
  let hash: Buffer = Buffer.alloc(0);
  const forged = after.map(({ id, time, kind, salt, body }, at) => {
    const prev = hash.toString('base64');
    const commit = commitment(salt, body);
    const leaf = leafBytes({ writer, seq: at + 1, prev, time, kind, id, commit });
    hash = leafHash(leaf);
    return { seq: at + 1, id, leaf, hash, salt, body };
  });
  await scene.sql.query('delete from record where writer = $1', [writer]);
  await scene.sql.query(
    `insert into record (writer, seq, id, leaf, hash) select $1, * from unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[])`,
    [
      writer,
      forged.map(({ seq }) => seq),
      forged.map(({ id }) => id),
      forged.map(({ leaf }) => leaf),
      forged.map((one) => one.hash),
    ],
  );
  await scene.sql.query(
    `update record_body set salt = n.salt, body = n.body from unnest($1::uuid[], $2::bytea[], $3::text[]) n (id, salt, body) where record_body.id = n.id`,
    [forged.map(({ id }) => id), forged.map(({ salt }) => salt), forged.map(({ body }) => body)],
  );
  const gone = before.filter(({ id }) => !kept.has(id)).map(({ id }) => id);
  await scene.sql.query('delete from record_body where id = any($1)', [gone]);
}

/** The same record, with other words in its body. */
export function saying(record: Forged, text: string): Forged {
  const whole = JSON.parse(record.body);
  return { ...record, body: canonical({ ...whole, body: { ...whole.body, text } }) };
}

/** Makes the tables of the tree what the records make, in the order in which they stood; what is gone leaves no gap. */
export async function retree(scene: Scene): Promise<void> {
  const { sql } = scene;
  const { rows: order } = await sql.query('select writer from tree_entry order by index');
  const { rows } = await sql.query('select writer, seq::int, hash from record order by seq');
  const left = Map.groupBy(rows, ({ writer }) => writer);
  const placed = order.flatMap(({ writer }) => left.get(writer)?.shift() ?? []);
  const tiles = new Edge().append(placed.map(({ hash }) => hash));
  await sql.query('truncate tree_entry, tree_tile, tree_writer');
  await sql.query(
    'insert into tree_entry (index, writer, seq) select at - 1, writer, seq from unnest($1::text[], $2::bigint[]) with ordinality e (writer, seq, at)',
    [placed.map(({ writer }) => writer), placed.map(({ seq }) => seq)],
  );
  await sql.query(
    'insert into tree_tile (level, index, width, hashes) select * from unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bytea[])',
    [
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ hashes }) => hashes.length / 32),
      tiles.map(({ hashes }) => hashes),
    ],
  );
  await sql.query('update tree_head set size = $1', [placed.length]);
  await sql.query(
    `insert into tree_writer (writer, seq, hash) select distinct on (writer) writer, seq, hash from tree_entry join record using (writer, seq) order by writer, seq desc`,
  );
}

/** The root over the first `size` entries. */
export async function rootOf(scene: Scene, size: number): Promise<Buffer> {
  const { rows } = await scene.sql.query(
    'select hash from tree_entry join record using (writer, seq) where index < $1 order by index',
    [size],
  );
  const edge = new Edge();
  edge.append(rows.map(({ hash }) => hash));
  return edge.root();
}

/** Puts the root of the tree as it is now into the column of each checkpoint; its note stays. */
export async function reroot(scene: Scene): Promise<void> {
  const { rows } = await scene.sql.query('select size::int from tree_checkpoint');
  for (const { size } of rows)
    await scene.sql.query('update tree_checkpoint set root = $2 where size = $1', [
      size,
      await rootOf(scene, size),
    ]);
}

/** Cuts off every record that is not among the first `size` of the tree, and makes the tree anew. */
export async function cutTo(scene: Scene, size: number): Promise<void> {
  await scene.sql.query(
    `with gone as (delete from record r where not exists (
       select from tree_entry e where e.writer = r.writer and e.seq = r.seq and e.index < $1) returning id)
     delete from record_body where id in (select id from gone)`,
    [size],
  );
  await retree(scene);
}

/** Signs the tree as it is with the log's stolen key, and puts that in place of every checkpoint and of the signer's memory. */
export async function resign(scene: Scene, size: number): Promise<string> {
  const root = await rootOf(scene, size);
  const text = checkpointText({ origin: ORIGIN, size, root });
  const note = formatNote({ text, signatures: [signText(text, ORIGIN, await scene.logKey())] });
  await scene.sql.query('truncate tree_checkpoint cascade');
  await scene.sql.query('insert into tree_checkpoint (size, root, note) values ($1, $2, $3)', [
    size,
    root,
    note,
  ]);
  const [file = ''] = await readdir(scene.path('signed'));
  const memory = { origin: ORIGIN, size, root: root.toString('base64') };
  await writeFile(join(scene.path('signed'), file), JSON.stringify(memory));
  return note;
}

/** Signs the end of each chain as its writer would, with a key that was stolen or made, in place of all signatures. */
export async function signChains(scene: Scene, key: KeyObject): Promise<void> {
  const { rows } = await scene.sql.query(
    'select distinct on (writer) writer, seq::int, hash from record order by writer, seq desc',
  );
  await scene.sql.query('truncate record_signature');
  for (const { writer, seq, hash } of rows)
    await scene.sql.query(
      'insert into record_signature (writer, seq, key, signature) values ($1, $2, $3, $4)',
      [
        writer,
        seq,
        hexId(noteKey(writer, ED25519, key).id),
        sign(undefined, Buffer.from(headText(writer, { seq, hash })), key),
      ],
    );
}
