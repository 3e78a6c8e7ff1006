import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leafHash } from '#src/audit/chain.ts';
import { Edge, type GrownTile } from '#src/audit/tree/edge.ts';
import {
  consistencyProof,
  emptyRoot,
  inclusionProof,
  nodeHash,
  rangeHash,
  verifyConsistency,
  verifyInclusion,
  type Subtrees,
} from '#src/audit/tree/merkle.ts';
import { subtreesOf, tilesNeeded, tileWidth } from '#src/audit/tree/tile.ts';

// The leaves and roots that the tests of Certificate Transparency's own implementations share.
const INPUTS = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'].concat(
  '606162636465666768696a6b6c6d6e6f',
);
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const known = INPUTS.map((input) => leafHash(Buffer.from(input, 'hex')));
const many = Array.from({ length: 70_000 }, (_, at) => leafHash(Buffer.from(`entry ${at}`)));

/** RFC 6962 section 2.1, word by word, over the leaves themselves. */
function naive(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves;
  if (!first) return emptyRoot;
  if (leaves.length === 1) return first;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(naive(leaves.slice(0, split)), naive(leaves.slice(split)));
}

const overLeaves =
  (leaves: readonly Buffer[]): Subtrees =>
  (level, index) =>
    naive(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));

test('the roots of the known leaves are the known ones', () => {
  ROOTS.forEach((root, at) => {
    const leaves = known.slice(0, at + 1);
    assert.equal(rangeHash(overLeaves(leaves), 0, leaves.length).toString('hex'), root);
    const edge = new Edge();
    edge.append(leaves);
    assert.equal(edge.root().toString('hex'), root);
  });
  assert.deepEqual(new Edge().root(), emptyRoot);
});

test('every leaf of every small tree has its proof, and no other place takes it', () => {
  for (let size = 1; size <= 20; size += 1) {
    const leaves = many.slice(0, size);
    const root = naive(leaves);
    leaves.forEach((leaf, index) => {
      const proof = inclusionProof(overLeaves(leaves), index, size);
      assert.ok(verifyInclusion(leaf, index, size, proof, root));
      for (let other = 0; other <= size; other += 1)
        if (other !== index) assert.ok(!verifyInclusion(leaf, other, size, proof, root));
      assert.ok(!verifyInclusion(leaf, index, size, [...proof, leaf], root));
      assert.ok(
        !verifyInclusion(leaf, index, size, proof.slice(0, -1), size > 1 ? root : emptyRoot),
      );
      assert.ok(!verifyInclusion(leaf, index, size, proof, emptyRoot));
    });
  }
});

test('every beginning of every small tree is consistent with it, and a changed one is not', () => {
  for (let size = 0; size <= 20; size += 1)
    for (let old = 0; old <= size; old += 1) {
      const [before, after] = [naive(many.slice(0, old)), naive(many.slice(0, size))];
      const proof = consistencyProof(overLeaves(many.slice(0, size)), old, size);
      assert.ok(verifyConsistency(old, size, proof, before, after), `${old} of ${size}`);
      const wrong = naive([leafHash(Buffer.from('changed')), ...many.slice(1, old)]);
      assert.ok(!verifyConsistency(old, size, proof, wrong, after), `${old} of ${size}`);
      assert.ok(!verifyConsistency(old, size, [...proof, before], before, after));
      if (proof.length > 0) {
        assert.ok(!verifyConsistency(old, size, proof.slice(1), before, after));
        assert.ok(!verifyConsistency(old, size, proof, before, wrong));
      }
    }
});

test('a proof with an entry that is not 32 bytes, or for a place that is no number, is refused', () => {
  const leaves = many.slice(0, 2);
  const [leaf = emptyRoot] = leaves;
  const root = naive(leaves);
  const [sibling = emptyRoot] = inclusionProof(overLeaves(leaves), 0, 2);
  for (const bad of [sibling.subarray(1), Buffer.concat([sibling, sibling])])
    assert.ok(!verifyInclusion(leaf, 0, 2, [bad], root));
  for (const place of [-1, 0.5, Number.NaN, 2 ** 53])
    assert.ok(!verifyInclusion(leaf, place, 2 ** 53, [sibling], root));
  assert.throws(() => inclusionProof(overLeaves(leaves), 2, 2), RangeError);
  assert.throws(() => consistencyProof(overLeaves(leaves), 3, 2), RangeError);
});

/** Tiles as a store keeps them: the newest of each name. */
function grow(edge: Edge, leaves: readonly Buffer[], tiles: Map<string, GrownTile>): void {
  for (const tile of edge.append(leaves)) tiles.set(`${tile.level}/${tile.index}`, tile);
}

test('70,000 leaves make the tiles that the specification counts', () => {
  const edge = new Edge();
  const tiles = new Map<string, GrownTile>();
  for (let at = 0; at < many.length; at += 1_000) grow(edge, many.slice(at, at + 1_000), tiles);
  const widths = (level: number) =>
    [...tiles.values()]
      .filter((tile) => tile.level === level)
      .map(({ hashes }) => hashes.length / 32);
  assert.equal(widths(0).filter((width) => width === 256).length, 273);
  assert.deepEqual(
    widths(0).filter((width) => width < 256),
    [112],
  );
  assert.deepEqual(
    widths(1).toSorted((a, b) => b - a),
    [256, 17],
  );
  assert.deepEqual(widths(2), [1]);
  for (const { level, index, hashes } of tiles.values())
    assert.equal(hashes.length / 32, tileWidth(level, index, 70_000));
  assert.deepEqual(edge.root(), naive(many));
});

test('however a tree grows, its tiles hold every proof, and its edge can be read back from them', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), (steps, a, b) => {
      let edge = new Edge();
      const tiles = new Map<string, GrownTile>();
      let size = 0;
      for (const step of steps) {
        grow(edge, many.slice(size, size + step), tiles);
        size += step;
        const partial = [0, 1, 2].map((level) => {
          const index = Math.floor(size / 256 ** (level + 1));
          return tiles.get(`${level}/${index}`)?.hashes ?? Buffer.alloc(0);
        });
        edge = new Edge(size, partial);
      }
      const root = naive(many.slice(0, size));
      assert.deepEqual(edge.root(), root);
      const stored = subtreesOf((level, index) => tiles.get(`${level}/${index}`)?.hashes);
      const index = a % size;
      const inclusion = inclusionProof(stored, index, size);
      assert.ok(verifyInclusion(many[index] ?? root, index, size, inclusion, root));
      const old = b % (size + 1);
      const compute = (subtrees: Subtrees) => consistencyProof(subtrees, old, size);
      assert.ok(verifyConsistency(old, size, compute(stored), naive(many.slice(0, old)), root));
      for (const { level, index: at, width } of tilesNeeded(compute))
        assert.ok((tiles.get(`${level}/${at}`)?.hashes.length ?? 0) >= width * 32);
    }),
    { numRuns: 50 },
  );
});
