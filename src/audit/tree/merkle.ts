import { hash } from 'node:crypto';

/**
 * The hash of the perfect subtree of 2^`level` leaves that begins at leaf `index` × 2^`level`; level 0 are leaf hashes.
 * Throws when it is not known.
 */
export type Subtrees = (level: number, index: number) => Buffer;

const HASH = 32;

/** RFC 6962, section 2.1: SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(1 + 2 * HASH);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + HASH);
  return Buffer.from(hash('sha256', input, 'binary'), 'binary');
}

/** The root of a tree without leaves: SHA-256 of nothing. */
export const emptyRoot: Buffer = Buffer.from(hash('sha256', Buffer.alloc(0), 'hex'), 'hex');

/** The Merkle tree hash over leaves `[start, end)` (RFC 6962, section 2.1). Sizes are at most 2^53. */
export function rangeHash(subtrees: Subtrees, start: number, end: number): Buffer {
  const size = end - start;
  if (size === 0) return emptyRoot;
  const split = below(size);
  if (split * 2 === size && start % size === 0) return subtrees(Math.log2(size), start / size);
  return nodeHash(
    rangeHash(subtrees, start, start + split),
    rangeHash(subtrees, start + split, end),
  );
}

/** The largest power of two below `size`; 1/2 for 1. */
function below(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return size === 1 ? 0.5 : power;
}

/** The audit path of a leaf, from its sibling up (RFC 6962, section 2.1.1). Throws RangeError when the tree has no such leaf. */
export function inclusionProof(subtrees: Subtrees, index: number, size: number): Buffer[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`a tree of ${size} has no leaf ${index}`);
  const path = (start: number, end: number): Buffer[] => {
    if (end - start === 1) return [];
    const middle = start + below(end - start);
    return index < middle
      ? [...path(start, middle), rangeHash(subtrees, middle, end)]
      : [...path(middle, end), rangeHash(subtrees, start, middle)];
  };
  return path(0, size);
}

/** That a tree of `old` leaves is the beginning of one of `size` (RFC 6962, section 2.1.2); empty for 0 and for equal sizes. */
export function consistencyProof(subtrees: Subtrees, old: number, size: number): Buffer[] {
  if (!(old >= 0 && old <= size))
    throw new RangeError(`a tree of ${size} has no beginning of ${old}`);
  if (old === 0 || old === size) return [];
  const part = (start: number, end: number, whole: boolean): Buffer[] => {
    if (old === end) return whole ? [] : [rangeHash(subtrees, start, end)];
    const middle = start + below(end - start);
    return old <= middle
      ? [...part(start, middle, whole), rangeHash(subtrees, middle, end)]
      : [...part(middle, end, false), rangeHash(subtrees, start, middle)];
  };
  return part(0, size, true);
}

/** True when `leaf` (its hash) is at `index` of the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2). */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || leaf.length !== HASH) return false;
  return (
    climb(BigInt(index), BigInt(size) - 1n, [Buffer.from(leaf)], proof)[0]?.equals(root) ?? false
  );
}

/** True when the tree of `old` leaves is the beginning of that of `size` (RFC 9162, section 2.1.4.2). */
export function verifyConsistency(
  old: number,
  size: number,
  proof: readonly Uint8Array[],
  oldRoot: Uint8Array,
  root: Uint8Array,
): boolean {
  if (!isSize(old) || !isSize(size) || old > size) return false;
  const before = Buffer.from(oldRoot);
  const expected = old === size ? root : old === 0 ? emptyRoot : undefined;
  if (expected) return proof.length === 0 && before.equals(expected);
  // Where the old tree is one perfect subtree, its root is what the path begins with.
  const [ofOld, ofNew] = climbTwice(old, size, isPowerOfTwo(old) ? [before, ...proof] : proof);
  return ofOld !== undefined && ofNew !== undefined && ofOld.equals(before) && ofNew.equals(root);
}

/** From the subtree where both trees part: the root of the old one, and that of the new. */
function climbTwice(
  old: number,
  size: number,
  [first, ...rest]: readonly Uint8Array[],
): readonly Buffer[] {
  if (first?.length !== HASH) return [];
  let index = BigInt(old) - 1n;
  let last = BigInt(size) - 1n;
  while (index & 1n) [index, last] = [index >> 1n, last >> 1n];
  const start = Buffer.from(first);
  return climb(index, last, [start, start], rest);
}

/**
 * Goes up from node `index` of a level whose last node is `last`. The last hash is that of the whole tree; one before
 * it takes only what stands to the left, and so becomes the hash of the tree that ended here. Empty when the path does not fit.
 */
function climb(
  index: bigint,
  last: bigint,
  hashes: readonly [...Buffer[], Buffer],
  path: readonly Uint8Array[],
): readonly Buffer[] {
  let now: readonly Buffer[] = hashes;
  for (const sibling of path) {
    if (sibling.length !== HASH || last === 0n) return [];
    if (index & 1n || index === last) {
      now = now.map((own) => nodeHash(sibling, own));
      while (!(index & 1n) && index !== 0n) [index, last] = [index >> 1n, last >> 1n];
    } else now = now.map((own, at) => (at === now.length - 1 ? nodeHash(own, sibling) : own));
    [index, last] = [index >> 1n, last >> 1n];
  }
  return last === 0n ? now : [];
}

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));
