import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { canonical } from '#src/audit/canonical.ts';
import { leafHash } from '#src/audit/chain.ts';
import { emptyRoot, nodeHash, verifyConsistency, verifyInclusion } from '#src/audit/tree/merkle.ts';
import { readVectors } from './vectors.ts';

const hex = z.string().transform((text) => Buffer.from(text, 'hex'));
const number = z.string().transform(Number);
const common = { desc: z.string(), proof: z.array(hex), good: z.boolean() };
const merkleCase = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('inclusion'),
    index: number,
    size: number,
    leaf: hex,
    root: hex,
    ...common,
  }),
  z.strictObject({
    kind: z.literal('consistency'),
    size1: number,
    size2: number,
    root1: hex,
    root2: hex,
    ...common,
  }),
]);
const merkle = readVectors('merkle', merkleCase);

const holds = (one: z.infer<typeof merkleCase>): boolean =>
  one.kind === 'inclusion'
    ? verifyInclusion(one.leaf, one.index, one.size, one.proof, one.root)
    : verifyConsistency(one.size1, one.size2, one.proof, one.root1, one.root2);

const leaf = (text: string) => leafHash(Buffer.from(text, 'hex'));
// They take any first root for a tree without leaves; here that is the one of the empty tree.
const stricter = (one: z.infer<typeof merkleCase>): boolean =>
  one.kind === 'consistency' && one.size1 === 0 && one.size2 > 0 && one.good;
const double = (bits: string) => Buffer.from(bits, 'hex').readDoubleBE();

describe('proofs of RFC 6962 and RFC 9162, by transparency-dev/merkle', () => {
  test('98 of inclusion and 97 of consistency get their verdict, but for one where we are stricter', () => {
    assert.equal(merkle.filter(({ kind }) => kind === 'inclusion').length, 98);
    assert.equal(merkle.filter(({ kind }) => kind === 'consistency').length, 97);
    assert.equal(merkle.filter(({ good }) => good).length, 14);
    assert.equal(merkle.filter(stricter).length, 1);
    for (const one of merkle)
      assert.equal(holds(one), one.good && !stricter(one), JSON.stringify(one));
  });

  test('edges: no hash of another length, no leaf in an empty tree, nothing but the empty root before the first leaf', () => {
    const none = Buffer.alloc(0);
    const root = Buffer.alloc(32, 1);
    for (const odd of [none, root.subarray(1), Buffer.alloc(33, 1)]) {
      assert.equal(verifyInclusion(odd, 0, 1, [], odd), false);
      assert.equal(verifyInclusion(root, 0, 2, [odd], nodeHash(root, root)), false);
      assert.equal(verifyConsistency(1, 2, [odd], root, nodeHash(root, root)), false);
    }
    assert.equal(verifyInclusion(emptyRoot, 0, 0, [], emptyRoot), false);
    assert.equal(verifyConsistency(0, 5, [], emptyRoot, root), true);
    assert.equal(verifyConsistency(0, 5, [], root, root), false);
    assert.equal(verifyConsistency(0, 5, [root], emptyRoot, root), false);
    assert.equal(verifyConsistency(5, 5, [root], root, root), false);
    assert.equal(verifyConsistency(5, 5, [], root, emptyRoot), false);
  });

  test('its hashes of leaves and nodes are ours', () => {
    assert.equal(
      leaf('').toString('hex'),
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    const [a, b] = [nodeHash(leaf('10'), leaf('2021')), nodeHash(leaf('3031'), leaf('40414243'))];
    assert.equal(
      a.toString('hex'),
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
    );
    assert.equal(
      b.toString('hex'),
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
    );
  });
});

describe('canonical JSON, by the authors of RFC 8785', () => {
  const cases = readVectors(
    'jcs',
    z.strictObject({ name: z.string(), input: z.string(), output: z.string() }),
  );

  for (const { name, input, output } of cases)
    test(`testdata ${name}`, () => assert.equal(canonical(JSON.parse(input)), output));

  test('all numbers of appendix B, and those that it refuses', () => {
    const numbers: readonly (readonly [string, string])[] = [
      ['0000000000000000', '0'],
      ['8000000000000000', '0'],
      ['0000000000000001', '5e-324'],
      ['8000000000000001', '-5e-324'],
      ['7fefffffffffffff', '1.7976931348623157e+308'],
      ['ffefffffffffffff', '-1.7976931348623157e+308'],
      ['4340000000000000', '9007199254740992'],
      ['c340000000000000', '-9007199254740992'],
      ['4430000000000000', '295147905179352830000'],
      ['44b52d02c7e14af5', '9.999999999999997e+22'],
      ['44b52d02c7e14af6', '1e+23'],
      ['44b52d02c7e14af7', '1.0000000000000001e+23'],
      ['444b1ae4d6e2ef4e', '999999999999999700000'],
      ['444b1ae4d6e2ef4f', '999999999999999900000'],
      ['444b1ae4d6e2ef50', '1e+21'],
      ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
      ['3eb0c6f7a0b5ed8d', '0.000001'],
      ['41b3de4355555553', '333333333.3333332'],
      ['41b3de4355555554', '333333333.33333325'],
      ['41b3de4355555555', '333333333.3333333'],
      ['41b3de4355555556', '333333333.3333334'],
      ['41b3de4355555557', '333333333.33333343'],
      ['becbf647612f3696', '-0.0000033333333333333333'],
      ['43143ff3c1cb0959', '1424953923781206.2'],
    ];
    for (const [bits, text] of numbers) assert.equal(canonical(double(bits)), text, bits);
    for (const bits of ['7fffffffffffffff', '7ff0000000000000'])
      assert.throws(() => canonical(double(bits)), TypeError, bits);
  });
});
