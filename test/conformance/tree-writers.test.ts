import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { signingKey, type Keys } from '#src/audit/tree/signing-key.ts';
import { flaggedWriters } from '#src/audit/silence.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { eventually } from '../fakes/gateway.ts';
import { TreeWorld, write } from './tree-world.ts';

const someKeys = (): Keys => ({
  current: signingKey(generateKeyPairSync('ed25519').privateKey),
  retired: [],
  close: () => Promise.resolve(),
});
const signing = (world: TreeWorld, writer: string, keys = someKeys(), epoch = 1) =>
  openAuditLog({
    db: world.store.db,
    writer,
    epoch,
    held: () => true,
    onError: () => undefined,
    signing: { keys },
  });

describe('the sequencer and the signatures of writers', () => {
  test('what is signed is placed, over many batches, starts and changes of who leads', async () => {
    await using world = await TreeWorld.start();
    const keys = someKeys();
    const first = await signing(world, 'gateway', keys);
    const leading = world.sequence();
    await write(first, 60);
    await world.reaches(61);
    await first.close();
    await world.reaches(62);
    await leading.close();
    const second = await signing(world, 'gateway', keys, 2);
    world.sequence();
    for (let round = 0; round < 4; round += 1) await write(second, 30);
    await second.close();
    await world.reaches(62 + 122);
    assert.deepEqual(await flaggedWriters(world.store.db), []);
    assert.deepEqual((await verifyTree(world.store.db)).problems, []);
    const { rows } = await world.store.db.pool.query('select key from countersign.tree_writer');
    assert.match(rows[0].key, /^gateway\+[\da-f]{8}\+/);
  });

  test('what nobody signs waits, is placed at last, and its writer is flagged while it is so', async () => {
    await using world = await TreeWorld.start();
    const flags: string[] = [];
    const keys = someKeys();
    let works = true;
    const moody: Keys = {
      ...keys,
      current: {
        ...keys.current,
        sign: (text) => (works ? keys.current.sign(text) : Promise.reject(new Error('no KMS'))),
      },
    };
    const log = await signing(world, 'moody', moody);
    world.sequence({ patienceMs: 300, onFlag: (writer, flag) => flags.push(`${writer}: ${flag}`) });
    await write(log, 5);
    await world.reaches(6);
    works = false;
    await write(log, 5);
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(await world.size(), 6);
    await world.reaches(11);
    // So much a crash leaves behind, too.
    assert.deepEqual(flags, []);
    works = true;
    await write(log, 5);
    await world.reaches(16);
    await log.close();
    assert.deepEqual(await flaggedWriters(world.store.db), []);
  });

  test('a kept key that somebody has changed flags its writer, and stops nothing', async () => {
    await using world = await TreeWorld.start();
    const log = await signing(world, 'gateway');
    const leading = world.sequence();
    await write(log, 5);
    await world.reaches(6);
    await leading.close();
    await world.tamper(`update countersign.tree_writer set key = 'nonsense'`);
    world.sequence();
    await write(log, 2_500);
    await world.reaches(2_506);
    const [flagged] = await flaggedWriters(world.store.db);
    assert.match(flagged?.why ?? '', /signature/);
    await log.close();
  });

  test('a signature of another key flags its writer for good, and keeps no record out of the tree', async () => {
    await using world = await TreeWorld.start();
    const flags: string[] = [];
    const log = await signing(world, 'gateway');
    await write(log, 5);
    await eventually('a signature', async () => {
      const { rows } = await world.store.db.pool.query(
        'select from countersign.record_signature where seq = 6',
      );
      return rows.length > 0;
    });
    await world.tamper(
      `update countersign.record_signature set signature = '\\x${'00'.repeat(64)}'::bytea where seq = 6`,
    );
    world.sequence({ onFlag: (_, flag) => flags.push(flag) });
    await world.reaches(6);
    await write(log, 5);
    await world.reaches(11);
    assert.equal(flags.length, 1);
    assert.match(flags[0] ?? '', /^record 6: signature: /);
    const flagged = await flaggedWriters(world.store.db);
    assert.deepEqual(flagged, [{ writer: 'gateway', why: flags[0] }]);
    await log.close();
  });
});
