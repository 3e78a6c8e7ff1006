import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { cutTo, rechain, resign, retree, saying, signChains } from './audit-forger.ts';
import type { Said, Scene } from './audit-scene.ts';
import { AuditWorld, IN, STEPS } from './audit-world.ts';

describe('who owns the database and has every key of the gateway’s machine, and its signer’s memory', () => {
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

  /** Changes a record and all that follows, and signs that. */
  const rewrite = async (seq: number): Promise<void> => {
    await rechain(scene, 'east', (records) =>
      records.map((one, at) => (at === seq - 1 ? saying(one, 'select 2') : one)),
    );
    await retree(scene);
    await signChains(scene, await scene.writerKey());
    await resign(scene, STEPS.signed);
  };
  test('rewrites what was witnessed: who believes the key alone sees nothing, who asks for the witness does, and it never cosigns', async () => {
    await rewrite(IN.witnessed);
    passes(await scene.verify('trust-key'));
    fails(await scene.verify('trust'), /too few witnesses have cosigned it: none of 1/);
    fails(await scene.mirrored('trust'), /too few witnesses have cosigned it: none of 1/);
    const errors = await scene.checkpoint({ witnessed: true });
    assert.match(
      errors.join('\n'),
      /witness.example.com: .*422: the tree does not continue the one that was cosigned before/,
    );
    fails(await scene.verify('trust'), /too few witnesses/);
  });

  test('cuts off what was witnessed: the witness never cosigns', async () => {
    await cutTo(scene, 250);
    await signChains(scene, await scene.writerKey());
    await resign(scene, 250);
    passes(await scene.verify('trust-key'));
    const errors = await scene.checkpoint({ witnessed: true });
    assert.match(errors.join('\n'), /it has cosigned a tree of 300, the store has 250/);
    fails(await scene.verify('trust'), /too few witnesses/);
  });

  test('has the log’s key without the writers’: a rewritten chain is named by its writer’s signature', async () => {
    const { rows } = await scene.sql.query('select * from record_signature');
    await rewrite(IN.signed);
    await scene.sql.query('truncate record_signature');
    for (const row of rows)
      await scene.sql.query('insert into record_signature values ($1, $2, $3, $4, $5)', [
        row.writer,
        row.seq,
        row.key,
        row.signature,
        row.at,
      ]);
    fails(
      await scene.verify('trust-key'),
      /east: record \d+: signature: its signature was not made/,
    );
  });

  test('puts the cosigned checkpoint back over a rewritten tree: audit verify says which records are not those', async () => {
    const { rows } = await scene.sql.query('select * from tree_checkpoint where size = 300');
    await rewrite(IN.witnessed);
    await scene.sql.query('truncate tree_checkpoint cascade');
    await scene.sql.query(
      'insert into tree_checkpoint (size, root, note, witnessed_at) values ($1, $2, $3, now())',
      [rows[0].size, rows[0].root, rows[0].note],
    );
    fails(await scene.verify('trust'), /the first 300 records are not those that were signed/);
    fails(await scene.mirrored('trust'), /the entries do not make the root that was signed/);
  });

  test('rewrites what is signed and not witnessed yet: the witness cosigns it, and it stays hidden from all who have no older checkpoint', async () => {
    const { lines } = await scene.cli('audit', 'mirror', scene.path('kept-mirror'));
    assert.match(lines.join('\n'), /320 records/);
    await rewrite(IN.signed);
    assert.deepEqual(await scene.checkpoint({ witnessed: true }), []);
    passes(await scene.verify('trust'));
    passes(await scene.mirrored('trust'));
    fails(
      await scene.cli(
        ...VERIFY,
        '--trust',
        scene.path('trust'),
        '--seen',
        scene.path('kept-mirror'),
      ),
      /the first 320 records are not those of the checkpoint that was seen/,
    );
  });

  test('shows two readers two trees of the same size: each believes the key, and their checkpoints do not go together', async () => {
    await scene.cli('audit', 'mirror', scene.path('one'));
    await rewrite(IN.witnessed);
    await scene.cli('audit', 'mirror', scene.path('other'));
    const verify = (place: string, ...more: string[]) =>
      scene.cli(
        ...VERIFY,
        '--tiles',
        scene.path(place),
        '--trust',
        scene.path('trust-key'),
        ...more,
      );
    passes(await verify('one'));
    passes(await verify('other'));
    fails(
      await verify('other', '--seen', scene.path('one')),
      /the first 320 records are not those of the checkpoint that was seen/,
    );
    fails(
      await verify('other', '--seen', scene.path('seen')),
      /the first 300 records are not those/,
    );
    passes(await verify('one', '--seen', scene.path('seen')));
  });
});

const VERIFY = ['audit', 'verify'] as const;

const passes = ({ code, lines }: Said): void => assert.equal(code, 0, lines.join('\n'));
const fails = ({ code, lines }: Said, words: RegExp): void => {
  assert.equal(code, 1);
  assert.match(lines.join('\n'), words);
};
