import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, beforeEach, describe, mock, test } from 'node:test';
import { checkpointText } from '#src/audit/tree/checkpoint.ts';
import { formatNote, signText } from '#src/audit/tree/note.ts';
import { ORIGIN, type Scene } from './audit-scene.ts';
import { AuditWorld, STEPS, write } from './audit-world.ts';

/** What every sequencer takes. */
const SEQUENCER_LOCK = 0x7472_6565;

/** What they do to the tables of the tree alone, and by what `audit verify` names it. */
const FOUND: Readonly<Record<string, readonly [sql: string, RegExp]>> = {
  'changes a hash in a full tile': [
    `update tree_tile set hashes = overlay(hashes placing '\\x00'::bytea from 100) where level = 0 and index = 0`,
    /tile 0\/0 is not what its records make: changed/,
  ],
  'changes a hash in the tile that still grows': [
    `update tree_tile set hashes = overlay(hashes placing '\\x00'::bytea from 100) where level = 0 and index = 1`,
    /tile 0\/1 is not what its records make: changed/,
  ],
  'changes a hash of the upper level': [
    `update tree_tile set hashes = sha256(hashes) where level = 1`,
    /tile 1\/0 is not what its records make: changed/,
  ],
  'cuts a tile short': [
    `update tree_tile set hashes = substr(hashes, 1, 320), width = 10 where level = 0 and index = 0`,
    /tile 0\/0 is not what its records make: changed/,
  ],
  'removes a tile': [
    'delete from tree_tile where level = 0 and index = 0',
    /tile 0\/0 is not what its records make: changed/,
  ],
  'swaps two entries': [
    `create temp table two as select * from tree_entry where index in (10, 299); delete from tree_entry where index in (10, 299);
     insert into tree_entry select 309 - index, writer, seq from two`,
    /entry 10 of the tree is record \d+ of (east|west), and \d+ comes next: reordered/,
  ],
  'takes an entry out': [
    'delete from tree_entry where index = 10',
    /entry 10 of the tree is missing: removed/,
  ],
  'takes an entry out and moves up what follows': [
    `delete from tree_entry where index = 10; update tree_entry set index = -index where index > 10;
     update tree_entry set index = -index - 1 where index < 0; update tree_head set size = size - 1`,
    /entry \d+ of the tree is record \d+ of (east|west), and \d+ comes next: reordered or removed/,
  ],
  'puts an entry of no record behind the last': [
    `insert into tree_entry values (${STEPS.sequenced}, 'north', 1)`,
    /record 1 of north is not there: removed/,
  ],
  'takes the newest entries out, and says that the tree is smaller': [
    `delete from tree_entry where index >= 310; update tree_head set size = 310`,
    /a tree of 320 records was signed, and only 310 are there: the newest were removed/,
  ],
  'takes the newest entries out that are not signed yet': [
    'delete from tree_entry where index >= 325',
    /the tree says that it has 330 records, and has 325/,
  ],
  'changes the root of a checkpoint': [
    'update tree_checkpoint set root = sha256(root) where size = 320',
    /the checkpoint of 320 records is not what was signed/,
  ],
  'changes the root of an older checkpoint': [
    'update tree_checkpoint set root = sha256(root) where size = 300',
    /the first 300 records are not those that were signed/,
  ],
  'changes the note of a checkpoint': [
    `update tree_checkpoint set note = replace(note, '320', '321') where size = 320`,
    /not trusted|not what was signed/,
  ],
  'puts the note of one checkpoint in place of another': [
    'update tree_checkpoint set note = (select note from tree_checkpoint where size = 300) where size = 320',
    /the checkpoint of 320 records is not what was signed/,
  ],
  'puts something that is no note in place of a checkpoint': [
    `update tree_checkpoint set note = 'signed, really' where size = 320`,
    /cannot be read/,
  ],
  'makes a checkpoint of a tree that never was': [
    `insert into tree_checkpoint (size, root, note) select 400, root, replace(note, '320', '400') from tree_checkpoint where size = 320`,
    /a tree of 400 records was signed, and only 330 are there/,
  ],
  'removes every checkpoint': [
    'truncate tree_checkpoint cascade',
    /the tree has no signed checkpoint/,
  ],
};

describe('who owns the database, without the log’s key, at the tables of the tree', () => {
  let world: AuditWorld;
  let scene: Scene;
  before(async () => {
    world = await AuditWorld.start();
    scene = await world.scene();
  });
  after(async () => {
    await scene[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });
  beforeEach(() => scene.reset());

  for (const [name, [sql, words]] of Object.entries(FOUND))
    test(`${name}: audit verify names it`, async () => {
      await scene.sql.query(sql);
      const { code, lines } = await scene.verify();
      assert.equal(code, 1, lines.join('\n'));
      assert.match(lines.join('\n'), words);
    });

  test('signs a checkpoint with a key of their own: no log of the trust file has signed it', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const { rows } = await scene.sql.query('select root from tree_checkpoint where size = 320');
    const text = checkpointText({ origin: ORIGIN, size: 320, root: rows[0].root });
    const note = formatNote({ text, signatures: [signText(text, ORIGIN, privateKey)] });
    await scene.sql.query('update tree_checkpoint set note = $1 where size = 320', [note]);
    for (const said of [await scene.verify(), await scene.mirrored()]) {
      assert.equal(said.code, 1);
      assert.match(said.lines.join('\n'), /no log of the policy has signed it/);
    }
  });

  test('says that a checkpoint is witnessed when it is not: the trust file tells', async () => {
    await scene.sql.query('update tree_checkpoint set witnessed_at = now() where size = 320');
    const { code, lines } = await scene.verify('trust');
    assert.equal(code, 1);
    assert.match(lines.join('\n'), /too few witnesses have cosigned it: none of 1/);
  });

  test('changes a tile or an entry: what is mirrored from it does not verify, nor does a proof that needs it', async () => {
    await scene.sql.query(
      `update tree_tile set hashes = overlay(hashes placing '\\x00'::bytea from 100) where level = 0 and index = 0`,
    );
    const mirrored = await scene.mirrored();
    assert.equal(mirrored.code, 1);
    assert.match(mirrored.lines.join('\n'), /entry \d+ is not the one that its tile says: changed/);
    const { rows } = await scene.sql.query(
      'select writer, seq::int from tree_entry where index = 2',
    );
    const proven = await scene.proof(rows[0].writer, rows[0].seq);
    assert.equal(proven.code, 1);
    assert.match(
      proven.lines.join('\n'),
      /the record is not entry \d+ of the 300 that were signed/,
    );
  });

  test('keeps the newest records of a writer out of the tree: they are named when others have gone on for a minute', async (t) => {
    t.after(() => mock.timers.reset());
    await scene.sql.query(`update tree_writer set problem = 'gone' where writer = 'west'`);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 120_000 });
    const log = await scene.writer('east');
    await write(log, 3);
    await log.close();
    mock.timers.reset();
    await scene.sequenceTo(STEPS.sequenced + 8);
    const { code, lines } = await scene.verify();
    assert.equal(code, 1);
    assert.match(
      lines.join('\n'),
      /west: record 166 and those after it are not in the tree, where records of others are that were written a minute later/,
    );
  });

  test('keeps the sequencer from its work: statements go on, and audit verify says how many records wait', async () => {
    await scene.sql.query('select pg_advisory_lock($1)', [SEQUENCER_LOCK]);
    const log = await scene.writer('east');
    await write(log, 3);
    await log.close();
    assert.deepEqual(await scene.sequence(), []);
    await scene.sql.query('select pg_advisory_unlock($1)', [SEQUENCER_LOCK]);
    assert.equal(await scene.size(), STEPS.sequenced);
    assert.match(
      (await scene.verify()).lines.join('\n'),
      /330 records are in the tree, 11 not yet/,
    );
  });
});
