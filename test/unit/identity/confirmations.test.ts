import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { openConfirmations, type Confirmations } from '#src/identity/confirmations.ts';
import { startStore, type TestStore } from '../store/store.ts';

describe('connections that wait for a word', () => {
  let store: TestStore;
  let audit: OpenAuditLog;
  let confirmations: Confirmations;
  let heard: ((id: string | undefined) => void) | undefined;
  before(async () => {
    store = await startStore();
    const onError = assert.ifError;
    audit = await openAuditLog({
      db: store.db,
      writer: 'test',
      epoch: 1,
      held: () => true,
      onError,
    });
    const notices = {
      on: (_channel: string, listener: (payload: string | undefined) => void) => {
        heard = listener;
        return () => undefined;
      },
    };
    confirmations = openConfirmations({ db: store.db, audit, notices });
  });
  after(async () => {
    await audit.close();
    await store.close();
  });
  beforeEach(() => store.db.pool.query('delete from countersign.confirmation'));

  const ask = (more: object = {}) =>
    confirmations.open({
      person: 'Ada@example.com',
      proven: false,
      address: '192.0.2.1',
      target: 'shop',
      database: 'shop',
      application: 'psql',
      ...more,
    });
  const by = { person: 'ada@example.com', from: '192.0.2.9' };
  const never = new AbortController().signal;

  test('the code finds it in any spelling, for its person alone, and is stored hashed', async () => {
    const asked = await ask({ agent: 'bot' });
    assert.ok(asked);
    const { code, match, id } = asked;
    assert.match(code, /^[B-Z]{4}-[B-Z]{4}-[B-Z]{4}$/);
    for (const spelled of [code, code.toLowerCase(), code.replaceAll('-', '')])
      assert.equal((await confirmations.find(spelled, 'ADA@example.com'))?.id, id);
    for (const [spelled, person] of [
      [code, 'eve@example.com'],
      [code.slice(0, -1), 'ada@example.com'],
      ['', 'ada@example.com'],
      ['%', 'ada@example.com'],
    ] as const)
      assert.equal(await confirmations.find(spelled, person), undefined);
    const found = await confirmations.find(code, 'ada@example.com');
    assert.deepEqual([found?.match, found?.agent, found?.proven], [match, 'bot', false]);
    const kept = await store.db.pool.query(
      `select c::text || coalesce((select string_agg(body, '') from countersign.record_body), '') as all
       from countersign.confirmation c`,
    );
    assert.ok(!kept.rows[0].all.includes(code.replaceAll('-', '')));
    assert.ok(!kept.rows[0].all.includes(code));
  });

  test('of many who decide and claim at once, one does', async () => {
    const { id } = (await ask()) ?? { id: '' };
    const decided = await Promise.all([
      confirmations.decide(id, 'confirm', by),
      confirmations.decide(id, 'deny', by),
      confirmations.decide(id, 'confirm', by),
    ]);
    assert.equal(decided.filter(Boolean).length, 1);
    await store.db.pool.query(`update countersign.confirmation set state = 'confirmed'`);
    const claimed = await Promise.all(Array.from({ length: 5 }, () => confirmations.claim(id)));
    assert.equal(claimed.filter(Boolean).length, 1);
    assert.equal(await confirmations.settled(id, never), 'expired', 'it was spent');
    for (const [other, decider] of [
      [id, { ...by, person: 'eve@example.com' }],
      ['no id', by],
    ] as const)
      assert.equal(await confirmations.decide(other, 'confirm', decider), false);
  });

  test('whoever waits hears of it at once, and stops when asked to', async () => {
    const { id } = (await ask()) ?? { id: '' };
    const answer = confirmations.settled(id, never);
    await confirmations.decide(id, 'deny', by);
    heard?.(id);
    assert.equal(await answer, 'denied');
    const next = (await ask()) ?? { id: '' };
    const stop = new AbortController();
    const waiting = confirmations.settled(next.id, stop.signal);
    stop.abort(new Error('the client went away'));
    await assert.rejects(waiting, /went away/);
    await confirmations.end(next.id);
    assert.equal(await confirmations.settled(next.id, never), 'expired');
  });

  test('what was asked of one person and address lately is counted, however often it was given up', async () => {
    for (let i = 0; i < 5; i += 1) {
      const asked = await ask({ address: `2001:db8:0:1::${i}` });
      await confirmations.end(asked?.id ?? '');
    }
    // An IPv6 address is counted by its /64, in every spelling.
    for (const address of [
      '2001:db8:0:1:ffff::1',
      '2001:0db8::0001:0:0:0:9',
      '2001:DB8:0:1::a%eth0',
    ])
      assert.equal(await ask({ address }), undefined, address);
    for (const more of [
      { address: '2001:db8:0:2::1' },
      { address: '192.0.2.1' },
      { address: '2001:db8:0:1::1', person: 'grace@example.com' },
      { address: '2001:db8:0:1::1', proven: true },
    ])
      assert.ok(await ask(more), JSON.stringify(more));
    await store.db.pool.query(
      `update countersign.confirmation set created_at = created_at - interval '11 minutes'`,
    );
    assert.ok(await ask({ address: '2001:db8:0:1::1' }));
  });

  test('many at once do not slip through, and an IPv4 address is itself however it is written', async () => {
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        ask({ address: i % 2 ? '192.0.2.7' : '::ffff:192.0.2.7' }),
      ),
    );
    assert.equal(all.filter((asked) => asked !== undefined).length, 5);
    const records = await store.db.pool.query(
      `select count(*)::int as n from countersign.record_body where body like '%192.0.2.7%'`,
    );
    assert.equal(records.rows[0].n, 5, 'a refused one leaves no record');
  });
});
