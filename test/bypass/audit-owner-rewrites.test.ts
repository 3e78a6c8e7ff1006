import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, test } from 'node:test';
import { signingKey } from '#src/audit/tree/signing-key.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { cutTo, rechain, reroot, retree, saying, signChains, type Forged } from './audit-forger.ts';
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
    await movedBodies(scene);
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

  for (const [name, change] of Object.entries(WAYS))
    test(`${name}, and removes the checkpoints over it: its writer’s signature tells`, async () => {
      for (const seq of [IN.signed, IN.durable]) {
        await scene.reset();
        await forge(seq, change);
        await scene.sql.query('delete from tree_checkpoint where size > 300');
        await isFound(
          /east: record \d+: (signature: its signature was not made with the key|removed: there is a signature over it)/,
        );
      }
    });

  test('rewrites, and removes the signatures too: after ten seconds what is not signed is named', async () => {
    await rechain(scene, 'east', (records) =>
      records.map((one, index) => (index < IN.signed - 1 ? one : hourAgo(one))),
    );
    await movedBodies(scene);
    await retree(scene);
    await scene.sql.query('delete from tree_checkpoint where size > 300');
    await scene.sql.query(
      `delete from record_signature where writer = 'east' and seq >= ${IN.signed}`,
    );
    await isFound(
      /east: record \d+: unsigned: it and those up to 168 are not signed by their writer/,
    );
  });

  test('rewrites, and signs with a key of their own: it is not the one that the writer has announced', async () => {
    await forge(IN.signed, (record) => [saying(record, 'select 2')]);
    await scene.sql.query('delete from tree_checkpoint where size > 300');
    await signChains(scene, generateKeyPairSync('ed25519').privateKey);
    await isFound(
      /east: record 168: signature: it is signed with the key [\da-f]{8}, and [\da-f]{8} is the one/,
    );
  });

  test('begins a chain anew with a key of their own: it is named by who has kept the real one', async () => {
    const { lines } = await scene.cli('audit', 'writers');
    await writeFile(scene.path('writers'), `${lines.join('\n')}\n`);
    const { privateKey } = generateKeyPairSync('ed25519');
    const keys = { current: signingKey(privateKey), retired: [], close: () => Promise.resolve() };
    await scene.sql.query(`delete from record where writer = 'east'`);
    await scene.sql.query(`delete from record_body where writer = 'east'`);
    await scene.sql.query('truncate record_signature');
    const log = await openAuditLog({
      db: scene.db,
      writer: 'east',
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
      signing: { keys },
    });
    await write(log, 1);
    await log.close();
    const { code, lines: said } = await scene.cli(
      'audit',
      'verify',
      '--trust',
      scene.path('trust-key'),
      '--writers',
      scene.path('writers'),
    );
    assert.equal(code, 1);
    assert.match(
      said.join('\n'),
      /east: record 1.*writer-key: its writer begins with the key .*, which is not a known one/,
    );
  });

  test('cuts off the end of every chain, with its checkpoints: signatures are left over', async () => {
    await cutTo(scene, STEPS.witnessed + 4);
    await scene.sql.query('delete from tree_checkpoint where size > 300');
    await isFound(
      /east: record 168: removed: there is a signature over it, and it is not there any more/,
    );
  });

  test('cuts off the end of every chain, with checkpoints and signatures: the signer refuses as soon as a gateway starts', async () => {
    await cutTo(scene, STEPS.witnessed);
    await scene.sql.query('delete from tree_checkpoint where size > 300');
    await scene.sql.query(
      'delete from record_signature s where not exists (select from record r where r.writer = s.writer and r.seq = s.seq)',
    );
    await isNotFound();
    await (await scene.writer('east')).close();
    await scene.sequenceTo(STEPS.witnessed + 2);
    assert.match(
      (await scene.checkpoint({ witnessed: false })).join('\n'),
      /a tree of 320 records was signed before, and the store has 302/,
    );
  });

  test('cuts off what is signed, and leaves its checkpoint: audit verify says how many are missing', async () => {
    await cutTo(scene, STEPS.witnessed + 4);
    await isFound(
      /a tree of 320 records was signed, and only 304 are there: the newest were removed/,
    );
  });

  test('cuts off what is in no tree yet, while its writer goes on: its next record does not follow', async () => {
    const log = await scene.writer('east');
    await cutTo(scene, STEPS.signed);
    await scene.sql.query('truncate record_signature');
    await write(log, 1);
    await log.close();
    await isFound(/east: record \d+ .*removed: \d records from 161 on are missing/);
  });

  test('sets the store back to an old backup: the signer refuses at its next turn, and who kept a checkpoint knows', async () => {
    await scene.snapshot('backup');
    const log = await scene.writer('east');
    await write(log, 10);
    await log.close();
    const size = STEPS.durable + 2 + 12;
    await scene.sequenceTo(size);
    assert.deepEqual(await scene.checkpoint({ witnessed: true }), []);
    await scene.cli('audit', 'mirror', scene.path('newer'));
    await scene.restore('backup');
    await isNotFound();
    assert.match(
      (await scene.checkpoint({ witnessed: false })).join('\n'),
      new RegExp(`a tree of ${size} records was signed before, and the store has 330`),
    );
    const seen = await scene.cli(
      'audit',
      'verify',
      '--trust',
      scene.path('trust-key'),
      '--seen',
      scene.path('newer'),
    );
    assert.equal(seen.code, 1);
    assert.match(
      seen.lines.join('\n'),
      new RegExp(`a tree of ${size} records was seen, and only 330 are there`),
    );
  });

  test('makes the whole log anew: it is never signed', async () => {
    await rechain(scene, 'east', (records) => records.map((one) => saying(one, 'select 2')));
    await rechain(scene, 'west', (records) => records.map((one) => saying(one, 'select 2')));
    await retree(scene);
    await scene.sql.query('truncate tree_checkpoint cascade');
    await isFound(/the tree has no signed checkpoint/);
    assert.match((await scene.checkpoint({ witnessed: false })).join('\n'), /does not continue/);
  });
});

const HOUR = 3_600_000;
const hourAgo = (record: Forged): Forged => ({
  ...record,
  time: new Date(Date.parse(record.time) - HOUR).toISOString(),
});

/** The column of each body says the time of its leaf again. */
async function movedBodies(scene: Scene): Promise<void> {
  await scene.sql.query(
    `update record_body b set at = (convert_from(r.leaf, 'UTF8')::jsonb ->> 'time')::timestamptz from record r where r.id = b.id`,
  );
}
