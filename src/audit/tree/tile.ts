import { nodeHash, type Subtrees } from './merkle.ts';

/** Hashes in a full tile. */
export const WIDTH = 256;
const HASH = 32;

/** The name of a tile or entry bundle; `width` is 1 to 256, and less than that only at the right edge. */
export type TileName = {
  readonly level: number | 'entries';
  readonly index: number;
  readonly width: number;
};

/** `tile/<L>/<N>[.p/<W>]`, as C2SP tlog-tiles names it below the log's prefix. */
export function tilePath({ level, index, width }: TileName): string {
  const groups = [String(index % 1_000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1_000); rest > 0; rest = Math.floor(rest / 1_000))
    groups.unshift(`x${String(rest % 1_000).padStart(3, '0')}`);
  return `tile/${level}/${groups.join('/')}${width === WIDTH ? '' : `.p/${width}`}`;
}

const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** Undefined for anything that is not the one name of a tile. */
export function parseTilePath(path: string): TileName | undefined {
  const match = PATH.exec(path);
  if (!match) return undefined;
  const [, kind = '', groups = '', partial] = match;
  const name = {
    level: kind === 'entries' ? ('entries' as const) : Number(kind),
    index: Number(groups.replace(/[x/]/g, '')),
    width: partial === undefined ? WIDTH : Number(partial),
  };
  return tilePath(name) === path && (name.level === 'entries' || name.level < 64)
    ? name
    : undefined;
}

/** Tiles that a tree of `size` leaves has at `level`, the last of which may be partial. */
export function tileWidth(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / WIDTH ** level) - index * WIDTH;
  return Math.max(0, Math.min(WIDTH, hashes));
}

/** Where the hash of a perfect subtree stands: it is computed from `count` hashes of one tile. */
function placeOf(level: number, index: number) {
  const tileLevel = level >> 3;
  const count = 2 ** (level & 7);
  const first = index * count;
  const tile = Math.floor(first / WIDTH);
  return { tileLevel, tile, first: first - tile * WIDTH, count };
}

/** The bytes of a tile (32 a hash), or undefined when it is not there. */
export type Tiles = (level: number, index: number) => Buffer | undefined;

/** Reads subtrees out of tiles. What it gives throws when a tile is missing or too short. */
export function subtreesOf(tiles: Tiles): Subtrees {
  return (level, index) => {
    const place = placeOf(level, index);
    const bytes = tiles(place.tileLevel, place.tile);
    const end = (place.first + place.count) * HASH;
    if (!bytes || bytes.length < end)
      throw new Error(`the hashes of tile ${place.tileLevel}/${place.tile} are missing`);
    return foldHashes(bytes.subarray(place.first * HASH, end));
  };
}

/** The root over a power of two of hashes, laid one behind the other. */
export function foldHashes(hashes: Buffer): Buffer {
  let row: Buffer[] = [];
  for (let at = 0; at < hashes.length; at += HASH) row.push(hashes.subarray(at, at + HASH));
  while (row.length > 1) {
    const next: Buffer[] = [];
    for (let at = 0; at + 1 < row.length; at += 2) {
      const [left, right] = [row[at], row[at + 1]];
      if (left && right) next.push(nodeHash(left, right));
    }
    row = next;
  }
  return Buffer.from(row[0] ?? Buffer.alloc(0));
}

/** The tiles that `compute` reads, found by letting it run over a tree in which every hash is the same. */
export function tilesNeeded(compute: (subtrees: Subtrees) => unknown): readonly TileName[] {
  const needed = new Map<string, TileName>();
  const blank = Buffer.alloc(HASH);
  compute((level, index) => {
    const { tileLevel, tile, first, count } = placeOf(level, index);
    const key = `${tileLevel}/${tile}`;
    const width = Math.max(first + count, needed.get(key)?.width ?? 0);
    needed.set(key, { level: tileLevel, index: tile, width });
    return blank;
  });
  return [...needed.values()];
}

/** An entry bundle: each entry behind its length in two bytes. Throws RangeError for an entry over 65,535 bytes. */
export function entryBundle(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(entry.length);
      return [length, entry];
    }),
  );
}

/** The entries of a bundle; undefined when its bytes are not a whole number of them. */
export function parseBundle(bytes: Buffer): Buffer[] | undefined {
  const entries: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 2 > bytes.length) return undefined;
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) return undefined;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
