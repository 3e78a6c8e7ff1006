import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
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
import { keyOf, readVectors } from './vectors.ts';

describe('checkpoints, cosignatures and proof files, by transparency-dev/formats and Go', () => {
  const notes = readVectors(
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
