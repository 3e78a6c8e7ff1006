import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { writers } from '#cli/doctor/writers.ts';
import { signingKey } from '#src/audit/tree/signing-key.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { inDatabase } from '../fakes/shop.ts';

describe('writers of the log that fall silent', () => {
  let gateway: TestGateway;
  let db: Database;
  let stuck = false;
  before(async () => {
    gateway = await startGateway({
      config: {
        audit: {
          heartbeatMs: 1_000,
          witnesses: [],
          quorum: 0,
          anchors: [],
          export: [],
          serve: true,
        },
      },
      failpoint: (point, kinds) => {
        if (stuck && point === 'before' && kinds.includes('heartbeat')) throw new Error('stuck');
      },
    });
    db = openDatabase(inDatabase(gateway.store.url, 'countersign'), { onError: () => undefined });
  });
  after(async () => {
    await db.close();
    await gateway.stop();
  });

  const get = async (path: string) => {
    const answer = await fetch(`${gateway.running.console}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  const silentFor = async (writer: string): Promise<number | undefined> => {
    const { text } = await get('/metrics');
    const name = 'countersign_log_writer_silent_seconds';
    const found = new RegExp(`^${name}\\{writer="${writer}"\\} (\\S+)$`, 'm').exec(text);
    return found ? Number(found[1]) : undefined;
  };

  test('a gateway beats with its sessions, and nothing is wrong', async () => {
    const session = await gateway.open();
    const beat = await eventually('a heartbeat with a session', async () => {
      const beats = await gateway.records('heartbeat');
      return beats.find(({ json }) => json.body.sessions === 1);
    });
    assert.equal(beat.json.body.epoch, 1);
    assert.ok(beat.json.body.seq > 0);
    await session.end();
    const { status } = await get('/readyz');
    assert.equal(status, 200);
    assert.equal((await writers(db)).state, 'ok');
    await gateway.verify();
  });

  test('a process that is gone is named by metric, doctor and verify, until it is heard of again', async () => {
    const keys = {
      current: signingKey(generateKeyPairSync('ed25519').privateKey),
      retired: [],
      close: () => Promise.resolve(),
    };
    const open = (epoch: number) =>
      openAuditLog({
        db,
        writer: 'gone',
        epoch,
        held: () => true,
        onError: () => undefined,
        signing: { keys, heartbeatMs: 1_000 },
      });
    const log = await open(1);
    await eventually('silence', async () => ((await silentFor('gone')) ?? 0) > 3);
    const check = await writers(db);
    assert.equal(check.state, 'fail');
    assert.match(check.found, /^gone is silent since .* did not say that it stops$/);
    const silent = (await verifyLog(db)).writers.find(({ writer }) => writer === 'gone');
    assert.equal(silent?.bad?.problem, 'silent');
    // The gateway's own beats have seen where that chain ends.
    const seen = await gateway.records('heartbeat');
    assert.ok(seen.some(({ json }) => json.body.heads.some((head: any) => head.writer === 'gone')));
    await (await open(2)).close();
    await log.close().catch(() => undefined);
    assert.equal(await silentFor('gone'), undefined);
    assert.equal((await writers(db)).state, 'ok');
    const { ok, writers: all } = await verifyLog(db);
    assert.equal(ok, true);
    const [silence] = all.find(({ writer }) => writer === 'gone')?.silences ?? [];
    assert.equal(silence?.why, 'it ended without saying so');
  });

  test('a gateway that cannot beat says so of itself', async () => {
    stuck = true;
    const answer = await eventually('not ready', async () => {
      const now = await get('/readyz');
      return now.text.includes('heartbeat') ? now : undefined;
    });
    assert.equal(answer.status, 503);
    assert.match(answer.text, /has recorded no heartbeat for \d+ s/);
    stuck = false;
    await eventually('ready', async () => (await get('/readyz')).status === 200);
  });

  test('an orderly stop and start leave no silence', async () => {
    await gateway.restart();
    await gateway.verify();
    const said = await gateway.records('writer');
    const own = said.filter(({ writer }) => writer === 'test').map(({ json }) => json.body.event);
    assert.deepEqual(own, ['start', 'stop', 'start']);
  });
});
