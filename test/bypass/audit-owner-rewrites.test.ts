import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { cutTo, rechain, reroot, retree, saying, type Forged } from './audit-forger.ts';
import type { Scene } from './audit-scene.ts';
import { AuditWorld, IN, STEPS, write } from './audit-world.ts';

const at =
  (seq: number, change: (record: Forged) => readonly Forged[]) =>
  (records: readonly Forged[]): readonly Forged[] =>
    records.flatMap((record, index) => (index === seq - 1 ? change(record) : [record]));

const WAYS: Readonly<Record<string, (record: Forged) => readonly Forged[]>> = {
  'changes what a record says': (record) => [saying(record, 'select 2')],
  'removes a record': () => [],
  'back-dates a record': (record) => [{ ...record, time: '2020-01-01T00:00:00.000Z' }],
};

describe('who owns the database, without the log’s key, and makes all that it holds agree', () => {
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

  const isFound = async (words: RegExp): Promise<void> => {
    const { code, lines } = await scene.verify();
    assert.equal(code, 1, lines.join('\n'));
    assert.match(lines.join('\n'), words);
  };
  /** What the database holds agrees with itself: `audit verify` of it alone has nothing to say. */
  const isNotFound = async (): Promise<void> => {
    const { code, lines } = await scene.verify();
    assert.equal(code, 0, lines.join('\n'));
  };
  const forge = async (seq: number, change: (record: Forged) => readonly Forged[]) => {
    await rechain(scene, 'east', at(seq, change));
    await scene.sql.query(
      `update record_body b set at = '2020-01-01T00:00:00Z' from record r where r.id = b.id and convert_from(r.leaf, 'UTF8') like '%"2020-01-01T%'`,
    );
    await retree(scene);
  };

  for (const [name, change] of Object.entries(WAYS)) {
    test(`${name} that is signed: audit verify says which tree was signed`, async () => {
      await forge(IN.witnessed, change);
      await isFound(/the first 300 records are not those that were signed/);
      await scene.reset();
      await forge(IN.signed, change);
      await isFound(/the first 320 records are not those that were signed/);
    });

    test(`${name} that is signed, and puts the new root beside the old note: still found`, async () => {
      await forge(IN.signed, change);
      await reroot(scene);
      await isFound(/checkpoint of 320 .*not what was signed|not those that were signed/);
      assert.equal((await scene.mirrored()).code, 1);
    });
  }

  const PROOF = `select note from tree_checkpoint where size = $1`;

  for (const [name, change] of Object.entries(WAYS))
    test(`${name} that is signed, and removes the checkpoints over it: the signer refuses at its next turn`, async () => {
      await forge(IN.signed, change);
      await scene.sql.query('delete from tree_checkpoint where size > 300');
      await isNotFound();
      const errors = await scene.checkpoint({ witnessed: false });
      assert.match(errors.join('\n'), /signer: .*does not continue/);
      const { rows } = await scene.sql.query(PROOF, [STEPS.sequenced]);
      assert.deepEqual(rows, []);
    });

  test('cuts off what is signed, with its checkpoints: the signer refuses at its next turn', async () => {
    await cutTo(scene, STEPS.witnessed + 4);
    await scene.sql.query('delete from tree_checkpoint where size > 300');
    await isNotFound();
    assert.match(
      (await scene.checkpoint({ witnessed: false })).join('\n'),
      /a tree of 320 records was signed before, and the store has 304/,
    );
  });

  test('cuts off what is signed, and leaves its checkpoint: audit verify says how many are missing', async () => {
    await cutTo(scene, STEPS.witnessed + 4);
    await isFound(
      /a tree of 320 records was signed, and only 304 are there: the newest were removed/,
    );
  });

  test('cuts off what is not signed yet: the next record of its writer does not follow', async () => {
    const log = await scene.writer('east');
    await cutTo(scene, STEPS.signed);
    await write(log, 1);
    await log.close();
    await isFound(/east: record 168 .*removed: 7 records from 161 on are missing/);
  });

  test('sets the store back to an old backup: the signer refuses at its next turn', async () => {
    await scene.snapshot('backup');
    const log = await scene.writer('east');
    await write(log, 10);
    await log.close();
    await scene.sequence();
    assert.deepEqual(await scene.checkpoint({ witnessed: true }), []);
    await scene.restore('backup');
    await isNotFound();
    assert.match(
      (await scene.checkpoint({ witnessed: false })).join('\n'),
      /a tree of 344 records was signed before, and the store has 330/,
    );
  });

  test('makes the whole log anew, with the signer’s folder out of their reach: it is never signed', async () => {
    await rechain(scene, 'east', (records) => records.map((one) => saying(one, 'select 2')));
    await rechain(scene, 'west', (records) => records.map((one) => saying(one, 'select 2')));
    await retree(scene);
    await scene.sql.query('truncate tree_checkpoint cascade');
    await isFound(/the tree has no signed checkpoint/);
    assert.match((await scene.checkpoint({ witnessed: false })).join('\n'), /does not continue/);
    await isFound(/the tree has no signed checkpoint/);
  });
});
