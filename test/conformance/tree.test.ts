import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { ED25519, formatVkey, noteKey } from '#src/audit/tree/note.ts';
import { placeOf, recordProof, verifyProof } from '#src/audit/tree/record-proof.ts';
import { parseTrust } from '#src/audit/tree/trust.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { eventually } from '../fakes/gateway.ts';
import { ORIGIN, TreeWorld, write } from './tree-world.ts';

describe('the tree over all records', () => {
  test('records of several writers get their places, each writer’s in order, and the tree is what they make', async () => {
    await using world = await TreeWorld.start();
    const logs = [await world.writer(), await world.writer(), await world.writer()];
    world.sequence();
    for (let round = 0; round < 5; round += 1) await Promise.all(logs.map((log) => write(log, 60)));
    await world.reaches(900);
    const found = await verifyTree(world.store.db);
    assert.deepEqual(found.problems, []);
    assert.equal(found.size, 900);
    assert.equal(found.waiting, 0);
    assert.deepEqual(world.errors, []);
  });

  test('of two sequencers one leads, and the other goes on when that ends', async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    const first = world.sequence();
    await eventually('a leader', () => first.leading(), 10);
    const second = world.sequence();
    await write(log, 300);
    await world.reaches(300);
    assert.equal(second.leading(), false);
    await first.close();
    await write(log, 300);
    await world.reaches(600);
    assert.equal(second.leading(), true);
    assert.deepEqual((await verifyTree(world.store.db)).problems, []);
  });

  for (const point of ['before', 'after'] as const)
    test(`a sequencer that fails ${point} a write loses nothing and places nothing twice`, async () => {
      await using world = await TreeWorld.start();
      const log = await world.writer();
      let left = 4;
      world.sequence({
        failpoint: (now) => {
          if (now === point && left-- > 0) throw new Error('injected');
        },
      });
      for (let round = 0; round < 6; round += 1) await write(log, 100);
      await world.reaches(600);
      assert.deepEqual((await verifyTree(world.store.db)).problems, []);
      assert.ok(world.errors.length > 0);
    });

  test('a connection that is cut in the middle loses nothing and places nothing twice', async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    let cuts = 5;
    world.sequence({
      failpoint: async () => {
        if (cuts-- <= 0) return;
        await world.store.db.pool.query(
          `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 1953654117 and granted`,
        );
      },
    });
    for (let round = 0; round < 6; round += 1) await write(log, 100);
    await world.reaches(600);
    assert.deepEqual((await verifyTree(world.store.db)).problems, []);
  });

  test('a record that is changed before it is placed ends its chain, and the others go on', async () => {
    await using world = await TreeWorld.start();
    const [bad, good] = [await world.writer('gateway-bad'), await world.writer('gateway-good')];
    await Promise.all([write(bad, 5), write(good, 5)]);
    await world.tamper(
      `update countersign.record set leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'statement', 'decision'), 'UTF8')
       where writer = 'gateway-bad' and seq = 3`,
    );
    world.sequence();
    await eventually('a finding', () => world.findings.length > 0, 10);
    await write(good, 5);
    await world.reaches(12);
    assert.deepEqual(
      world.findings.map(({ writer: who, finding }) => [who, finding.seq, finding.problem]),
      [['gateway-bad', 3, 'changed']],
    );
  });

  test('checkpoints are signed, cosigned and anchored, and a record shows how far it has come', async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    const [receipt] = await write(log, 10);
    const id = receipt?.record ?? '';
    assert.equal((await placeOf(world.store.db, id))?.state, 'durable');
    world.sequence();
    await world.reaches(10);
    assert.equal((await placeOf(world.store.db, id))?.state, 'sequenced');
    await (await world.signer()).close();
    const key = await world.key();
    const witnesses = [
      await world.witness('one.example', key),
      await world.witness('two.example', key),
    ];
    const laid: string[] = [];
    const lay = (note: string) => Promise.resolve(String(laid.push(note)));
    world.checkpoint({ witnesses, quorum: 2 });
    world.anchor({ place: 'here', everyMs: 60_000, lay });
    await eventually(
      'anchored',
      async () => (await placeOf(world.store.db, id))?.state === 'anchored',
      20,
    );
    await write(log, 400);
    await eventually('signed again', async () => (await world.signed())?.size === 410, 20);
    await eventually('witnessed again', async () => (await world.signed())?.witnessed, 20);
    assert.equal(laid.length, 1);
    const trust = parseTrust(
      [
        `log ${formatVkey(key)}`,
        ...witnesses.map((one) => `witness ${one.name} ${formatVkey(one.key)}`),
        'group both all one.example two.example',
        'quorum both',
        '',
      ].join('\n'),
    );
    const found = await verifyTree(world.store.db, { trust });
    assert.deepEqual(found.problems, []);
    assert.equal(found.signed?.size, 410);

    const proof = (await recordProof(world.store.db, id)) ?? '';
    const proven = verifyProof(proof, trust);
    assert.deepEqual(proven.problems, []);
    assert.equal(proven.leaf.id, id);
    assert.equal(proven.size, 410);
    const other = parseTrust(
      `log ${formatVkey(noteKey(ORIGIN, ED25519, await openKeyFile(join(world.folder, 'other.pem'))))}\nquorum none\n`,
    );
    assert.match(verifyProof(proof, other).problems.join(), /no log of the policy has signed it/);
    const forged = proof.replace(/^extra (.*)$/m, (_, text: string) => {
      const carried = Buffer.from(text, 'base64')
        .toString()
        .replace(/\\"n\\":\d+/, String.raw`\"n\":99`);
      return `extra ${Buffer.from(carried).toString('base64')}`;
    });
    assert.notEqual(forged, proof);
    assert.match(verifyProof(forged, trust).problems.join(), /not what the record commits to/);
    assert.deepEqual(world.errors.map(String), []);
  });

  test('a tree that was rewritten below what was signed is neither signed nor cosigned, and is named', async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer('gateway-a');
    world.sequence();
    world.checkpoint();
    await write(log, 20);
    await eventually('signed', async () => (await world.signed())?.size === 20, 20);
    const trust = parseTrust(`log ${formatVkey(await world.key())}\nquorum none\n`);
    await world.closeAll();
    // The whole log anew: everything that the database holds agrees with itself.
    await world.tamper(
      'truncate countersign.record, countersign.record_body, countersign.tree_entry, countersign.tree_tile, countersign.tree_writer',
    );
    await world.tamper('update countersign.tree_head set size = 0');
    const again = await world.writer('gateway-b');
    world.sequence();
    await write(again, 30);
    await world.reaches(30);
    assert.equal((await verifyLog(world.store.db)).ok, true);
    assert.match(
      (await verifyTree(world.store.db, { trust })).problems.join(),
      /not those that were signed/,
    );
    world.checkpoint();
    await world.heard(/does not continue/);
    assert.equal((await world.signed())?.size, 20);
    // Without its checkpoints the store agrees with itself; what the signer remembers does not.
    await world.tamper('truncate countersign.tree_checkpoint cascade');
    assert.deepEqual((await verifyTree(world.store.db)).problems, []);
    assert.match(
      (await verifyTree(world.store.db, { trust })).problems.join(),
      /no signed checkpoint/,
    );
    // Set back to before what was signed: refused as well.
    await world.tamper('update countersign.tree_head set size = 10');
    await world.heard(/20 records was signed before/);
    assert.equal(await world.signed(), undefined);
  });

  test('the signer and a witness agree to nothing that does not continue what they know', async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    world.sequence();
    await write(log, 5);
    await world.reaches(5);
    const one = world.adopt(await world.signer());
    const root = Buffer.alloc(32, 1);
    const note = await one.sign({ old: 0, size: 5, root, proof: [] });
    assert.ok(typeof note === 'string');
    assert.equal(await one.sign({ old: 0, size: 6, root, proof: [] }), 5);
    await assert.rejects(one.sign({ old: 5, size: 6, root, proof: [root] }), /does not continue/);
    await assert.rejects(
      one.sign({ old: 5, size: 5, root: Buffer.alloc(32, 2), proof: [] }),
      /does not continue/,
    );
    const watch = await world.witness('three.example', await world.key());
    const post = async (body: string) => {
      const answer = await fetch(`${watch.url}/add-checkpoint`, { method: 'POST', body });
      return [answer.status, (await answer.text()).trim()];
    };
    assert.equal((await post('old x\n\n'))[0], 400);
    assert.equal((await post(`old 6\n\n${note}`))[0], 400);
    assert.equal((await post(`old 0\n\n${note.replace(ORIGIN, 'other')}`))[0], 404);
    assert.equal((await post(`old 0\n\n${note.replace('\n5\n', '\n7\n')}`))[0], 403);
    assert.equal((await post(`old 0\n${root.toString('base64')}\n\n${note}`))[0], 422);
    const [status, line] = await post(`old 0\n\n${note}`);
    assert.equal(status, 200);
    assert.match(String(line), /^— three\.example /);
    assert.deepEqual(await post(`old 0\n\n${note}`), [409, '5']);
    assert.equal((await post(`old 5\n\n${note}`))[0], 200);
    assert.equal((await fetch(`${watch.url}/add-checkpoint`)).status, 405);
    assert.equal((await fetch(watch.url)).status, 404);
    assert.equal((await post('x'.repeat(100_000)))[0], 413);
  });
});
