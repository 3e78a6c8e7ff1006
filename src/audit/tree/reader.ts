import type { Database } from '../../store/database.ts';
import { placeOf, recordProof, type RecordPlace } from './record-proof.ts';
import { newestNote, readLeaves, readTile } from './store.ts';
import { entryBundle, parseTilePath, WIDTH } from './tile.ts';

/** The tree as it is read from outside. */
export type Tree = {
  /** How far a record has come; undefined when there is none. */
  place(id: string): Promise<RecordPlace | undefined>;
  /** Its proof file; undefined as long as no checkpoint holds it. */
  proof(id: string): Promise<string | undefined>;
  /** A file of the log by its name in C2SP tlog-tiles (`checkpoint`, `tile/0/000`); undefined when there is none. */
  file(name: string): Promise<Buffer | undefined>;
};

export function openTreeReader(db: Pick<Database, 'pool'>): Tree {
  return {
    place: (id) => placeOf(db, id),
    proof: (id) => recordProof(db, id),
    async file(name) {
      if (name !== 'checkpoint') return tileFile(db, name);
      const note = await newestNote(db);
      return note === undefined ? undefined : Buffer.from(note);
    },
  };
}

/** Only what is as wide as was asked for: a narrower file would not stay what it is. */
async function tileFile(db: Pick<Database, 'pool'>, path: string): Promise<Buffer | undefined> {
  const name = parseTilePath(path);
  if (!name || name.index > Number.MAX_SAFE_INTEGER / WIDTH) return undefined;
  const { level, index, width } = name;
  if (level === 'entries') {
    const leaves = await readLeaves(db.pool, index, width);
    return leaves.length === width ? entryBundle(leaves) : undefined;
  }
  const hashes = await readTile(db.pool, level, index);
  return hashes && hashes.length >= width * 32 ? hashes.subarray(0, width * 32) : undefined;
}
