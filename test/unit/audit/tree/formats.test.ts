import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { checkpointText, parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
import {
  COSIGNATURE,
  cosignText,
  ED25519,
  formatNote,
  formatVkey,
  Malformed,
  noteKey,
  parseNote,
  parseVkey,
  signatureLine,
  signedBy,
  signText,
} from '#src/audit/tree/note.ts';
import { formatProof, parseProof } from '#src/audit/tree/proof.ts';
import { entryBundle, parseBundle, parseTilePath, tilePath } from '#src/audit/tree/tile.ts';
import { distrust, parseTrust } from '#src/audit/tree/trust.ts';

const ORIGIN = 'example.com/log';
const key = (seed: number) =>
  createPrivateKey({
    key: Buffer.concat([
      Buffer.from('302e020100300506032b657004220420', 'hex'),
      Buffer.alloc(32, seed),
    ]),
    format: 'der',
    type: 'pkcs8',
  });
const logKey = key(1);
const witnessKeys = [2, 3, 4].map(key);
const text = checkpointText({ origin: ORIGIN, size: 5, root: Buffer.alloc(32, 7) });
const log = noteKey(ORIGIN, ED25519, logKey);
const witnesses = witnessKeys.map((one, at) => noteKey(`w${at}.example`, COSIGNATURE, one));
const signed = formatNote({ text, signatures: [signText(text, ORIGIN, logKey)] });
const cosigned =
  signed +
  witnessKeys
    .map((one, at) => signatureLine(cosignText(text, `w${at}.example`, one, 1_700_000_000)))
    .join('');

const noteOf = (count: number) =>
  parseNote(
    signed +
      cosigned
        .split('\n')
        .slice(5, 5 + count)
        .map((line) => `${line}\n`)
        .join(''),
  );

describe('signed notes', () => {
  test('the example of the specification of notes and its key are read, and its signature holds', () => {
    // golang.org/x/mod/sumdb/note: the example of the documentation of the package.
    const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
    const example =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n" +
      '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
    assert.equal(signedBy(parseNote(example), parseVkey(vkey)), true);
    assert.equal(signedBy(parseNote(example.replace('answer', 'Answer')), parseVkey(vkey)), false);
  });

  test('a key is written and read again', () => {
    for (const one of [log, ...witnesses]) {
      const again = parseVkey(formatVkey(one));
      assert.deepEqual({ ...again, key: undefined }, { ...one, key: undefined });
    }
  });

  test('what is no key is refused', () => {
    const vkey = formatVkey(log);
    const others = [
      '',
      'a+b',
      vkey.replace('example', 'Example'),
      vkey.slice(0, -4),
      formatVkey(log).replace('+', '+0'),
      `x ${vkey}`,
    ];
    for (const other of others) assert.throws(() => parseVkey(other), Malformed, other);
    const { privateKey } = generateKeyPairSync('x25519');
    assert.throws(() => noteKey('a', ED25519, privateKey), Malformed);
    assert.throws(() => noteKey('a b', ED25519, logKey), Malformed);
  });

  test('signatures of log and witnesses hold for this text and name alone', () => {
    const note = parseNote(cosigned);
    assert.equal(signedBy(note, log), true);
    for (const witness of witnesses) assert.equal(signedBy(note, witness), 1_700_000_000n);
    const changed = parseNote(cosigned.replace('\n5\n', '\n6\n'));
    for (const one of [log, ...witnesses]) assert.equal(signedBy(changed, one), false);
    assert.equal(signedBy(note, noteKey('other.example', ED25519, logKey)), false);
    assert.equal(signedBy(note, noteKey(ORIGIN, COSIGNATURE, logKey)), false);
  });

  test('a note that is not one is refused', () => {
    const others = [
      '',
      text,
      `${text}\n`,
      signed.slice(0, -1),
      signed.replace('— ', '- '),
      `${signed}\u0000\n`,
      signed.replace('\n5', '\r\n5'),
      `${signed}— a b c\n`,
      `${signed}— a AAAA\n`,
    ];
    for (const other of others)
      assert.throws(() => parseNote(other), Malformed, JSON.stringify(other));
  });
});

describe('checkpoints', () => {
  test('written and read, with extension lines passed over', () => {
    assert.deepEqual(parseCheckpoint(text), { origin: ORIGIN, size: 5, root: Buffer.alloc(32, 7) });
    assert.equal(parseCheckpoint(`${text}more\n`).size, 5);
  });
  test('what is none is refused', () => {
    for (const other of [
      '',
      ORIGIN,
      text.replace('5', '05'),
      text.replace('5', '-5'),
      text.replace('5', '9007199254740993'),
      text.slice(0, -3),
      `\n${text}`,
      `${text}\nmore\n`,
    ])
      assert.throws(() => parseCheckpoint(other), Malformed, JSON.stringify(other));
  });
});

describe('proofs', () => {
  const proof = {
    index: 3,
    hashes: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)],
    checkpoint: cosigned,
  };
  test('written and read, with and without extra data', () => {
    assert.deepEqual(parseProof(formatProof(proof)), proof);
    const more = { ...proof, extra: Buffer.from('{"a":1}') };
    assert.deepEqual(parseProof(formatProof(more)), more);
    const empty = { ...proof, index: 0, hashes: [] };
    assert.deepEqual(parseProof(formatProof(empty)), empty);
  });
  test('what is none is refused', () => {
    const good = formatProof(proof);
    for (const other of [
      '',
      good.slice(1),
      good.replace('index 3', 'index 03'),
      good.replace('index 3', ''),
      good.replace('AQEB', 'AQ=B'),
      good.replace('index', 'extra !\nindex'),
      good.replace('\n\n', '\n'),
    ])
      assert.throws(() => parseProof(other), Malformed, JSON.stringify(other));
  });
});

describe('tiles', () => {
  test('names of tiles, and nothing that only looks like one', () => {
    for (const [name, path] of [
      [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
      [{ level: 3, index: 1_234_067, width: 256 }, 'tile/3/x001/x234/067'],
      [{ level: 'entries' as const, index: 5, width: 7 }, 'tile/entries/005.p/7'],
    ] as const) {
      assert.equal(tilePath(name), path);
      assert.deepEqual(parseTilePath(path), name);
    }
    for (const path of [
      'tile/64/000',
      'tile/00/000',
      'tile/0/0',
      'tile/0/x000/001',
      'tile/0/001/002',
      'tile/0/000.p/256',
      'tile/0/000.p/0',
      'tile/0/000.p/07',
      'tile/-1/000',
      'tile/0/000/',
      'tile/0/../0',
    ])
      assert.equal(parseTilePath(path), undefined, path);
  });
  test('entry bundles are written and read, and cut ones are refused', () => {
    const entries = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(65_535, 1)];
    const bundle = entryBundle(entries);
    assert.deepEqual(parseBundle(bundle), entries);
    assert.equal(parseBundle(bundle.subarray(0, -1)), undefined);
    assert.throws(() => entryBundle([Buffer.alloc(65_536)]), RangeError);
  });
});

describe('whom to trust', () => {
  const lines = [
    `log ${formatVkey(log)} https://example.com/log`,
    ...witnesses.map((one, at) => `witness w${at} ${formatVkey(one)}`),
  ];
  const file = (...more: string[]) => [...lines, ...more, ''].join('\n');

  test('a quorum of groups counts who has signed', () => {
    const trust = parseTrust(file('# two of three', 'group two 2 w0 w1 w2', 'quorum two'));
    assert.equal(distrust(trust, noteOf(3), ORIGIN), undefined);
    assert.equal(distrust(trust, noteOf(2), ORIGIN), undefined);
    assert.match(
      distrust(trust, noteOf(1), ORIGIN) ?? '',
      /too few witnesses have cosigned it: w0 of 3/,
    );
    assert.match(distrust(trust, noteOf(3), 'example.com/other') ?? '', /no log of the policy/);
    assert.equal(distrust(parseTrust(file('quorum none')), noteOf(0), ORIGIN), undefined);
    assert.match(distrust(parseTrust('quorum none\n'), noteOf(3), ORIGIN) ?? '', /no log/);
    const nested = parseTrust(file('group a any w0 w1', 'group b all a w2', 'quorum b'));
    assert.equal(nested.quorum(new Set(['w1', 'w2'])), true);
    assert.equal(nested.quorum(new Set(['w0', 'w1'])), false);
  });

  test('every problem of a policy is named by its line', () => {
    const bad = file(
      'quorum nobody',
      'group g 3 w0 w1',
      'group h all w2',
      'group i all w2',
      'log x',
      'what',
      `witness z ${formatVkey(log)}`,
      `log ${formatVkey(log)}`,
    );
    assert.throws(
      () => parseTrust(bad),
      (error: Error) => {
        assert.ok(error instanceof Malformed);
        for (const line of [5, 6, 8, 9, 10, 11, 12])
          assert.match(error.message, new RegExp(`^line ${line}: `, 'm'));
        assert.match(error.message, /there is no quorum line/);
        return true;
      },
    );
    assert.throws(() => parseTrust(file('quorum none', 'quorum none')), /second quorum/);
  });
});
