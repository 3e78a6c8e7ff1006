import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { NotRecorded } from '#src/audit/log.ts';
import { openKeys } from '#src/audit/tree/keys.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { eventually } from '../fakes/gateway.ts';
import { rechain, retree, saying, signChains } from './audit-forger.ts';
import type { Scene } from './audit-scene.ts';
import { AuditWorld, IN } from './audit-world.ts';

const ENTRY = { kind: 'statement', person: 'eve@example.com', body: { text: 'select 3' } } as const;

describe('who has stolen the key that a gateway signs its records with, or the gateway itself', () => {
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

  const verified = async () => {
    const { code, lines } = await scene.verify();
    return { code, text: lines.join('\n') };
  };
  const isFound = async (words: RegExp): Promise<void> => {
    const { code, text } = await verified();
    assert.equal(code, 1, text);
    assert.match(text, words);
  };
  const isNotFound = async (): Promise<void> => {
    const { code, text } = await verified();
    assert.equal(code, 0, text);
  };
  const rewrite = async (seq: number): Promise<void> => {
    await rechain(scene, 'east', (records) =>
      records.map((one, at) => (at === seq - 1 ? saying(one, 'select 2') : one)),
    );
    await retree(scene);
    await signChains(scene, await scene.writerKey());
  };

  test('and owns the database: what the log has signed stays signed, whatever the writer’s key says', async () => {
    await rewrite(IN.signed);
    await isFound(/the first 320 records are not those that were signed/);
    await scene.sql.query('delete from tree_checkpoint where size > 300');
    await isNotFound();
    assert.match((await scene.checkpoint({ witnessed: false })).join('\n'), /does not continue/);
  });

  test('and owns the database: what the log has not signed yet can be rewritten, and nobody sees it', async () => {
    await rewrite(IN.sequenced);
    await isNotFound();
    assert.deepEqual(await scene.checkpoint({ witnessed: true }), []);
    await isNotFound();
  });

  test('writes a record of what never happened: it is a record like any other', async () => {
    const log = await scene.writer('east');
    await log.append(ENTRY);
    await log.close();
    await isNotFound();
  });

  test('writes as another gateway that is at work: that one notices, and refuses everything', async () => {
    const heard: Error[] = [];
    const open = async (epoch: number) =>
      openAuditLog({
        db: scene.db,
        writer: 'west',
        epoch,
        held: () => true,
        onError: (error) => heard.push(error),
        signing: { keys: await openKeys(scene.path('writer.pem'), assert.fail) },
      });
    const real = await open(2);
    await real.append(ENTRY);
    const thief = await open(2);
    await thief.append({ ...ENTRY, body: { text: 'select 4' } });
    await assert.rejects(real.append(ENTRY), NotRecorded);
    await eventually('the gateway to notice', () => heard.some(({ name }) => name === 'Fenced'));
    await assert.rejects(real.append(ENTRY), /the log cannot be written/);
    await real.close();
    await thief.close();
  });

  test('lets a gateway fall silent, as one does that logs nothing any more: it is named, and since when', async () => {
    const keys = await openKeys(scene.path('writer.pem'), assert.fail);
    await openAuditLog({
      db: scene.db,
      writer: 'north',
      epoch: 1,
      held: () => true,
      onError: () => undefined,
      signing: { keys, heartbeatMs: 50 },
    });
    const found = await eventually('a silence', async () => {
      const { text } = await verified();
      return /north: record \d+: silent: .*/.exec(text)?.[0];
    });
    assert.match(found, /nothing follows it since .* and its writer did not say that it stops/);
  });
});
