import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { verifyProof } from '#src/audit/tree/record-proof.ts';
import { parseTrust } from '#src/audit/tree/trust.ts';
import { logFiles, verifyFiles } from '#src/audit/tree/verify-files.ts';
import { need, without } from '../../fakes/need.ts';
import { logFixture } from '../../fixtures/make-log.ts';

const LOG = join(import.meta.dirname, '../../fixtures/log');
const VERIFIER = join(import.meta.dirname, 'verify_log.py');
const skip = without('python3');

const trust = async () => parseTrust(await readFile(join(LOG, 'trust'), 'utf8'));

type Said = { readonly code: number; readonly text: string };
const verify = (place: string): Promise<Said> =>
  new Promise((resolve) => {
    const python = need('python3') ?? 'python3';
    execFile(python, [VERIFIER, place], { timeout: 60_000 }, (error, out, err) =>
      resolve({ code: error ? 1 : 0, text: out + err }),
    );
  });

const swap =
  (from: string | RegExp, to: string) =>
  (bytes: Buffer): Buffer =>
    Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1');
const lines =
  (change: (all: string[]) => string[]) =>
  (bytes: Buffer): Buffer =>
    Buffer.from(`${change(bytes.toString().trimEnd().split('\n')).join('\n')}\n`);

describe('the test vectors of FORMAT.md', () => {
  test('are what their script makes, file by file', async () => {
    const made = logFixture();
    const there = await readdir(LOG, { recursive: true, withFileTypes: true });
    const names = there
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(LOG.length + 1));
    assert.deepEqual(names.toSorted(), [...made.keys()].toSorted());
    for (const [name, bytes] of made)
      assert.ok((await readFile(join(LOG, name))).equals(bytes), `${name}: run make-log.ts`);
  });

  test('hold for our own verifier', async () => {
    const report = await verifyFiles(logFiles(LOG), await trust());
    assert.deepEqual(report.problems, []);
    assert.equal(report.size, 264);
    for (const [index, shown] of [
      [6, true],
      [50, false],
      [257, true],
    ] as const) {
      const text = await readFile(join(LOG, `${index}.tlog-proof`), 'utf8');
      const proof = verifyProof(text, await trust());
      assert.deepEqual(proof.problems, []);
      assert.equal(proof.index, index);
      assert.equal(proof.body !== undefined, shown);
    }
  });
});

describe('a verifier in another language, written from FORMAT.md alone', { skip }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-format-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('agrees to the whole log, to both heads, to the bodies and to the proofs', async () => {
    const { code, text } = await verify(LOG);
    assert.equal(code, 0, text);
    for (const line of [
      /^264 records of 2 writers/m,
      /^the first 100 are/m,
      /^bodies hold, 2 erased/m,
      /^the proof of entry 257 holds/m,
    ])
      assert.match(text, line);
  });

  for (const [what, file, change, found] of [
    ['a changed entry', 'tile/entries/000', swap('outcome', 'outcone'), /do not make the root/],
    ['a cut bundle', 'tile/entries/001.p/8', (bytes: Buffer) => bytes.subarray(0, -9), /cut off/],
    [
      'a changed tile',
      'tile/0/000',
      (bytes: Buffer) => Buffer.concat([bytes.subarray(1), bytes.subarray(0, 1)]),
      /tile 0\/0 differs/,
    ],
    ['another size', 'checkpoint', swap('\n264\n', '\n263\n'), /has not signed/],
    ['no cosignature', 'checkpoint', swap(/\n[^\n]+\n$/, '\n'), /has not cosigned/],
    ['a fork before', 'checkpoint.100', swap('\n100\n', '\n101\n'), /has not signed/],
    ['a changed body', 'bodies.ndjson', swap('select 1\\"', 'select 2\\"'), /commits to/],
    ['a body that is gone', 'bodies.ndjson', lines((all) => all.slice(1)), /1 records without/],
    [
      'a body twice',
      'bodies.ndjson',
      lines((all) => [...all, all[0] ?? '']),
      /a body without a record/,
    ],
    [
      'a proof of another place',
      '257.tlog-proof',
      swap('index 257', 'index 256'),
      /not in the tree/,
    ],
  ] as const)
    test(`${what} is found and named`, async () => {
      const place = join(folder, what.replaceAll(' ', '-'));
      await cp(LOG, place, { recursive: true });
      const path = join(place, file);
      const bytes = await readFile(path);
      const changed = change(bytes);
      assert.ok(!changed.equals(bytes));
      await writeFile(path, changed);
      const { code, text } = await verify(place);
      assert.equal(code, 1, text);
      assert.match(text, found);
    });
});
