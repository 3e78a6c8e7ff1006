import { emptyRoot, nodeHash } from './merkle.ts';
import { foldHashes, WIDTH } from './tile.ts';

const HASH = 32;

/** A tile as it stands now; `hashes` holds 1 to 256 of them. */
export type GrownTile = { readonly level: number; readonly index: number; readonly hashes: Buffer };

/** The right edge of a tree: the tiles that still grow, and all that is needed to append and to know the root. */
export class Edge {
  #size: number;
  /** Per level the hashes of its last tile, while that is not full. */
  readonly #partial: Buffer[][];

  /** `partial` holds for each level the bytes of its partial tile, empty where there is none. Throws when they do not fit `size`. */
  constructor(size = 0, partial: readonly Buffer[] = []) {
    this.#size = size;
    this.#partial = partial.map((bytes) => hashesIn(bytes));
    for (let level = 0, rest = size; rest > 0 || level < partial.length; level += 1) {
      if ((this.#partial[level]?.length ?? 0) !== rest % WIDTH)
        throw new Error(`the partial tile of level ${level} does not fit a tree of ${size}`);
      rest = Math.floor(rest / WIDTH);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Appends leaf hashes; returns every tile that grew, full ones included. */
  append(leaves: readonly Buffer[]): readonly GrownTile[] {
    const grown = new Map<string, GrownTile>();
    for (const leaf of leaves) this.#push(0, this.#size++, leaf, grown);
    this.#partial.forEach((hashes, level) => {
      if (hashes.length > 0 && leaves.length > 0) this.#note(level, hashes, grown);
    });
    return [...grown.values()];
  }

  root(): Buffer {
    const subtrees = this.#partial.flatMap((hashes) => perfect(hashes).toReversed());
    const [smallest, ...larger] = subtrees;
    if (!smallest) return emptyRoot;
    return larger.reduce((right, left) => nodeHash(left, right), smallest);
  }

  #push(level: number, index: number, hash: Buffer, grown: Map<string, GrownTile>): void {
    const hashes = (this.#partial[level] ??= []);
    hashes.push(hash);
    if (hashes.length < WIDTH) return;
    const full = Buffer.concat(hashes);
    const tile = Math.floor(index / WIDTH);
    grown.set(`${level}/${tile}`, { level, index: tile, hashes: full });
    this.#partial[level] = [];
    this.#push(level + 1, tile, foldHashes(full), grown);
  }

  #note(level: number, hashes: readonly Buffer[], grown: Map<string, GrownTile>): void {
    const index = Math.floor(Math.floor(this.#size / WIDTH ** level) / WIDTH);
    grown.set(`${level}/${index}`, { level, index, hashes: Buffer.concat(hashes) });
  }
}

function hashesIn(bytes: Buffer): Buffer[] {
  if (bytes.length % HASH !== 0) throw new Error('a tile is not a whole number of hashes');
  return Array.from({ length: bytes.length / HASH }, (_, at) =>
    Buffer.from(bytes.subarray(at * HASH, (at + 1) * HASH)),
  );
}

/** The perfect subtrees that a row of equal subtrees falls into, largest first. */
function perfect(hashes: readonly Buffer[]): Buffer[] {
  const roots: Buffer[] = [];
  let at = 0;
  for (let size = WIDTH / 2; size >= 1; size /= 2) {
    if (!(hashes.length & size)) continue;
    roots.push(foldHashes(Buffer.concat(hashes.slice(at, at + size))));
    at += size;
  }
  return roots;
}
