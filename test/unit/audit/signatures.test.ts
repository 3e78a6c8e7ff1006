import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { headText, readAnnouncement } from '#src/audit/announcement.ts';
import { parseVkey } from '#src/audit/tree/note.ts';
import { signingKey, type Keys } from '#src/audit/tree/signing-key.ts';
import { openAuditLog, type AuditOptions } from '#src/audit/writer.ts';
import { eventually } from '../../fakes/gateway.ts';
import { startStore, type TestStore } from '../store/store.ts';

export const someKeys = (...retired: Keys[]): Keys => ({
  current: signingKey(generateKeyPairSync('ed25519').privateKey),
  retired: retired.map(({ current }) => current),
  close: () => Promise.resolve(),
});

describe('the signatures of a writer', () => {
  let store: TestStore;
  before(async () => {
    store = await startStore();
  });
  after(() => store.close());

  const open = (writer: string, keys: Keys, more: Partial<AuditOptions> = {}) =>
    openAuditLog({
      db: store.db,
      writer,
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
      signing: { keys },
      ...more,
    });
  type Signed = { seq: number; key: string; signature: Buffer; hash: Buffer };
  const signatures = async (writer: string): Promise<Signed[]> => {
    const { rows } = await store.db.pool.query<Signed>(
      `select seq::int, key, signature, hash from countersign.record_signature
       join countersign.record using (writer, seq) where writer = $1 order by seq`,
      [writer],
    );
    return rows;
  };
  const said = async (writer: string) => {
    const { rows } = await store.db.pool.query<{ seq: number; body: string }>(
      `select r.seq::int, b.body from countersign.record_body b join countersign.record r using (id)
       where b.writer = $1 and b.kind = 'writer' order by r.seq`,
      [writer],
    );
    return rows.map(({ seq, body }) => {
      const announced = readAnnouncement(body);
      assert.ok(announced);
      return { seq, ...announced };
    });
  };

  test('the newest record is signed after a short quiet, and an orderly stop is signed too', async () => {
    const keys = someKeys();
    const log = await open('quiet', keys);
    await log.append({ kind: 'statement', verdict: 'allow', body: {} });
    await eventually('a signature', async () => (await signatures('quiet')).at(-1)?.seq === 2);
    await log.append({ kind: 'statement', verdict: 'allow', body: {} });
    await log.close();
    const [start, stop, ...more] = await said('quiet');
    assert.ok(start?.event === 'start' && start.seq === 1);
    assert.ok(stop?.event === 'stop' && stop.seq === 4);
    assert.equal(more.length, 0);
    const announced = parseVkey(start.key);
    const made = await signatures('quiet');
    assert.equal(made.at(-1)?.seq, 4);
    for (const { seq, hash, signature, key } of made) {
      assert.equal(Number.parseInt(key, 16), announced.id);
      const text = Buffer.from(headText('quiet', { seq, hash }));
      assert.ok(verify(undefined, text, announced.key, signature));
    }
    await assert.rejects(log.append({ kind: 'look', body: {} }), /closed/);
  });

  test('in busy times signatures travel with batches, and far fewer are made than there are batches', async () => {
    const log = await open('busy', someKeys());
    const until = performance.now() + 400;
    let batches = 0;
    while (performance.now() < until) {
      // oxlint-disable-next-line no-await-in-loop -- one session at a time
      await log.append({ kind: 'statement', verdict: 'allow', body: { batches } });
      batches += 1;
    }
    const made = (await signatures('busy')).length;
    assert.ok(made > 0 && made <= 17, `${made} signatures over ${batches} batches`);
    await log.close();
  });

  test('a new key is announced with the word of the old one; without that key nothing is written', async () => {
    const [first, stranger] = [someKeys(), someKeys()];
    await (await open('rotated', first)).close();
    const second = someKeys(first);
    await (await open('rotated', second, { epoch: 2 })).close();
    const starts = (await said('rotated')).filter((one) => one.event === 'start');
    assert.equal(starts[1]?.previous?.key, starts[0]?.key);
    const count = (await signatures('rotated')).length;
    await assert.rejects(
      open('rotated', stranger, { epoch: 3 }),
      /which this process does not have: bring back/,
    );
    // The key before the last cannot say what follows.
    await assert.rejects(open('rotated', someKeys(first), { epoch: 4 }), /does not have/);
    assert.equal((await signatures('rotated')).length, count);
    assert.equal((await said('rotated')).length, 4);
  });

  test('a key that cannot be asked holds nothing up, and is said to be late', async () => {
    const keys = someKeys();
    const errors: string[] = [];
    let works = false;
    const moody: Keys = {
      ...keys,
      current: {
        ...keys.current,
        sign: (text) => (works ? keys.current.sign(text) : Promise.reject(new Error('no KMS'))),
      },
    };
    const log = await open('moody', moody, {
      onError: ({ message, cause }) => errors.push(`${message}: ${String(cause)}`),
    });
    await log.append({ kind: 'statement', verdict: 'allow', body: {} });
    await eventually('an error', () => errors.length > 0);
    await log.append({ kind: 'statement', verdict: 'allow', body: {} });
    assert.deepEqual(errors, ['records are not signed now: Error: no KMS']);
    assert.equal((await signatures('moody')).length, 0);
    assert.equal(log.unsigned(), false);
    works = true;
    await eventually('a signature', async () => (await signatures('moody')).at(-1)?.seq === 3);
    await log.close();
  });
});
