import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { canonical } from '#src/audit/canonical.ts';
import { leafHash } from '#src/audit/chain.ts';
import { parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
import { emptyRoot, nodeHash, verifyConsistency, verifyInclusion } from '#src/audit/tree/merkle.ts';
import {
  cosignText,
  formatNote,
  formatVkey,
  Malformed,
  parseNote,
  parseVkey,
  signedBy,
  signText,
} from '#src/audit/tree/note.ts';
import { formatProof, parseProof } from '#src/audit/tree/proof.ts';
import { distrust, parseTrust } from '#src/audit/tree/trust.ts';

function read<T>(name: string, schema: z.ZodType<T>): readonly T[] {
  const file = new URL(`../../../fixtures/vectors/${name}.ndjson`, import.meta.url);
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => schema.parse(JSON.parse(line)));
}

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
const merkle = read('merkle', merkleCase);

const holds = (one: z.infer<typeof merkleCase>): boolean =>
  one.kind === 'inclusion'
    ? verifyInclusion(one.leaf, one.index, one.size, one.proof, one.root)
    : verifyConsistency(one.size1, one.size2, one.proof, one.root1, one.root2);

describe('proofs of RFC 6962 and RFC 9162, by transparency-dev/merkle', () => {
  // They take any first root for a tree without leaves; here that is the one of the empty tree.
  const stricter = (one: z.infer<typeof merkleCase>): boolean =>
    one.kind === 'consistency' && one.size1 === 0 && one.size2 > 0 && one.good;

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
    const leaf = (text: string) => leafHash(Buffer.from(text, 'hex'));
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
  const cases = read(
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
    const double = (bits: string) => Buffer.from(bits, 'hex').readDoubleBE();
    for (const [bits, text] of numbers) assert.equal(canonical(double(bits)), text, bits);
    for (const bits of ['7fffffffffffffff', '7ff0000000000000'])
      assert.throws(() => canonical(double(bits)), TypeError, bits);
  });
});

describe('checkpoints, cosignatures and proof files, by transparency-dev/formats and Go', () => {
  const notes = read(
    'notes',
    z.strictObject({
      log: z.string(),
      witness: z.string(),
      text: z.string(),
      note: z.string(),
      time: z.int(),
      size: z.string(),
      proof: z.string(),
    }),
  );
  const keyOf = (seed: number) =>
    createPrivateKey({
      key: Buffer.concat([
        Buffer.from('302e020100300506032b657004220420', 'hex'),
        Buffer.alloc(32, seed),
      ]),
      format: 'der',
      type: 'pkcs8',
    });

  test('their signatures hold, and ours are the same bytes', () => {
    for (const [at, { log, witness, text, note, time, size }] of notes.entries()) {
      const parsed = parseNote(note);
      assert.equal(parsed.text, text);
      assert.equal(parseCheckpoint(text).size, Number(size));
      const [logKey, witnessKey] = [parseVkey(log), parseVkey(witness)];
      assert.deepEqual([formatVkey(logKey), formatVkey(witnessKey)], [log, witness]);
      assert.equal(signedBy(parsed, logKey), true);
      assert.equal(signedBy(parsed, witnessKey), BigInt(time));
      const own = formatNote({
        text,
        signatures: [
          signText(text, logKey.name, keyOf(at + 1)),
          cosignText(text, witnessKey.name, keyOf(at + 101), time),
        ],
      });
      assert.equal(own, note);
    }
  });

  test('a changed text, a swapped key and a moved time are seen', () => {
    const [one, other] = notes;
    assert.ok(one && other);
    const changed = parseNote(one.note.replace('\n0\n', '\n1\n'));
    assert.equal(signedBy(changed, parseVkey(one.log)), false);
    assert.equal(signedBy(changed, parseVkey(one.witness)), false);
    assert.equal(signedBy(parseNote(one.note), parseVkey(other.log)), false);
    const { text, signatures } = parseNote(one.note);
    const later = signatures.map((line, at) => {
      const bytes = Buffer.from(line.bytes);
      if (at === 1) bytes.writeBigUInt64BE(BigInt(one.time + 1));
      return { ...line, bytes };
    });
    assert.equal(signedBy({ text, signatures: later }, parseVkey(one.witness)), false);
  });

  test('their proof files are read, and ours are the same text', () => {
    for (const { proof, note } of notes) {
      const parsed = parseProof(proof);
      assert.equal(parsed.checkpoint, note);
      assert.equal(parsed.extra?.toString(), 'extra');
      assert.deepEqual(
        parsed.hashes.map((hash) => hash[0]),
        [1, 2],
      );
      assert.equal(formatProof(parsed), proof);
    }
    const head = 'c2sp.org/tlog-proof@v1\n';
    for (const bad of [
      'wrong-header\nindex 0\n\nx\n',
      `${head}extra !!notbase64!!\nindex 0\n\nx\n`,
      `${head}\n\nx\n`,
      `${head}index notanumber\n\nx\n`,
      `${head}index -5\n\nx\n`,
      `${head}index 05\n\nx\n`,
      `${head}index 0\n!!notbase64!!\n\nx\n`,
      `${head}index 0\n${Buffer.alloc(64).toString('base64')}\n\nx\n`,
    ])
      assert.throws(() => parseProof(bad), Malformed, bad);
  });

  test('the checkpoint and the cosigned checkpoint of the documents are read', () => {
    const head =
      'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
    const log =
      '— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n';
    const witness =
      '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n';
    const note = parseNote(`${head}\n${log}${witness}`);
    assert.equal(parseCheckpoint(note.text).size, 20_852_163);
    assert.deepEqual(
      note.signatures.map(({ bytes }) => bytes.length),
      [64, 72],
    );
    // The document tells the time beside it.
    assert.equal(note.signatures[1]?.bytes.readBigUInt64BE(), 1_679_315_147n);
    assert.equal(formatNote(note), `${head}\n${log}${witness}`);
    const quasimodo = parseNote(
      'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n',
    );
    assert.match(quasimodo.text, /sole:\n\ned/);
  });

  /** The example of tlog-policy, with keys where the document leaves them out. */
  const policy = (vkeys: readonly string[]): string =>
    [
      `log ${notes[0]?.log}`,
      '',
      ...vkeys.map((vkey, at) => ` witness ${at < 3 ? 'X' : 'Y'}${(at % 3) + 1}\t${vkey} `),
      'group X-witnesses 2 X1 X2 X3',
      '  # a comment',
      'group Y-witnesses any Y1 Y2 Y3',
      'group X-and-Y all X-witnesses Y-witnesses',
      'quorum X-and-Y',
      '',
    ].join('\n');

  test('the policy of the document asks for two of the X and one of the Y', () => {
    const keys = Array.from({ length: 6 }, (_, at) => keyOf(50 + at));
    const text = notes[0]?.text ?? '';
    const signatures = keys.map((key, at) =>
      cosignText(text, `w${at}.example`, key, 1_700_000_000),
    );
    const vkeys = keys.map((key, at) => {
      const id = signatures[at]?.id.toString(16).padStart(8, '0');
      const raw = key.export({ format: 'jwk' }).x ?? '';
      const bytes = Buffer.concat([Buffer.from([4]), Buffer.from(raw, 'base64url')]);
      return `w${at}.example+${id}+${bytes.toString('base64')}`;
    });
    const trust = parseTrust(policy(vkeys));
    const signed = parseNote(notes[0]?.note ?? '').signatures.slice(0, 1);
    const believed = (chosen: readonly number[]): boolean => {
      const more = chosen.flatMap((at) => signatures[at] ?? []);
      const note = { text, signatures: [...signed, ...more] };
      return distrust(trust, note, 'vectors.example.com/log0') === undefined;
    };
    for (const good of [
      [0, 1, 3],
      [1, 2, 5],
      [0, 2, 4],
      [0, 1, 2, 3, 4, 5],
    ])
      assert.equal(believed(good), true, String(good));
    for (const bad of [[], [0, 1], [0, 3], [3, 4, 5], [0, 3, 4, 5], [0, 0, 3]])
      assert.equal(believed(bad), false, String(bad));
  });

  test('the edges of tlog-policy: names, members, thresholds and quorum', () => {
    const [log, first, second] = [notes[0]?.log, notes[0]?.witness, notes[1]?.witness];
    const start = `log ${log}\nwitness w1 ${first}\nwitness w2 ${second}\n`;
    for (const [end, good] of [
      ['quorum none\n', true],
      ['quorum w1', true],
      ['group g 2 w1 w2\nquorum g\n', true],
      // None is no member; a name is a member once, and stands above; a threshold is decimal and can be reached.
      ['group g any none\nquorum g\n', false],
      ['group g all w1 w1\nquorum g\n', false],
      ['group g any w1\ngroup h any w1 w2\nquorum h\n', false],
      ['quorum g\ngroup g any w1\n', false],
      ['group g 3 w1 w2\nquorum g\n', false],
      ['group g 0 w1 w2\nquorum g\n', false],
      ['group g 0x1 w1 w2\nquorum g\n', false],
      ['group g 1e0 w1 w2\nquorum g\n', false],
      ['group g -1 w1 w2\nquorum g\n', false],
      ['group g all\nquorum g\n', false],
      ['group none any w1\nquorum none\n', false],
      ['', false],
      ['quorum w1\nquorum w1\n', false],
      [`witness w3 ${first}\nquorum w3\n`, false],
      [`log ${log}\nquorum none\n`, false],
      ['quorum\u00a0none\n', false],
      ['quorum none\u000b\n', false],
      ['quorum none\r\n', false],
    ] as const)
      if (good) assert.doesNotThrow(() => parseTrust(start + end), end);
      else assert.throws(() => parseTrust(start + end), Malformed, end);
  });
});
