import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openHolds } from '#src/audit/erasure/holds.ts';
import { applyRetention, planRetention } from '#src/audit/retention.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { writerKey } from '#src/config/audit.ts';
import type { RetentionRule } from '#src/config/config.ts';
import { type Eraser, openEraser } from '../fakes/erasure.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';

const DAY_MS = 86_400_000;
const rule = (target: string, kind: RetentionRule['kind'], days: number): RetentionRule => ({
  target,
  kind,
  keepMs: days * DAY_MS,
});

describe('rules of retention over the whole product', () => {
  let gateway: TestGateway;
  let eraser: Eraser;
  before(async () => {
    gateway = await startGateway();
    const { postgres } = gateway.config.store;
    eraser = await openEraser(postgres === 'embedded' ? '' : postgres.url, {
      keys: writerKey(gateway.config),
    });
    const client = await gateway.open();
    await client.query('select id as kept_for_long from customers limit 3');
    await client.end();
    await ended();
  });
  after(async () => {
    await eraser.close();
    await gateway.stop();
  });

  const ended = (left = 0) =>
    eventually('the ends of sessions and recordings', async () => {
      const { rows } = await gateway.storeSql.query(
        `select (select count(*) from countersign.session where ended_at is null)
           + (select count(*) from countersign.recording where ended_at is null) as open`,
      );
      return Number(rows[0].open) <= left;
    });
  const later = (days: number, ...rules: RetentionRule[]) => ({
    ...eraser,
    rules,
    now: Date.now() + days * DAY_MS,
  });
  const left = async (where: string) =>
    (
      await gateway.storeSql.query(
        `select from countersign.record_body where body is not null and ${where}`,
      )
    ).rowCount;
  const good = async () => {
    const found = await verifyLog(eraser.owner);
    assert.equal(found.ok, true, JSON.stringify(found));
    assert.deepEqual((await verifyTree(eraser.owner)).problems, []);
  };

  test('nothing goes before its time, and a dry run changes nothing', async () => {
    const young = later(29, rule('*', 'records', 30));
    assert.deepEqual(await planRetention(young), {
      months: [],
      records: 0,
      recordings: 0,
      holds: [],
    });
    const old = later(31, rule('shop', 'records', 400), rule('*', 'records', 30));
    const plan = await planRetention(old);
    assert.ok(plan.records > 0);
    const { rowCount } = await gateway.storeSql.query(
      'select from countersign.record_body where erased_by is not null',
    );
    assert.equal(rowCount, 0);
  });

  test('the first rule that fits counts; a session that goes on and what is held stay', async () => {
    const client = await gateway.open();
    await client.query('select 1 as goes_on');
    const holds = openHolds(eraser.owner, eraser.audit);
    await holds.place(
      'case-1',
      { person: 'approver@example.com' },
      'a case',
      'security@example.com',
    );
    await gateway.api('approver', '/records?q=x');
    await gateway.api('oncall', '/records?q=x');
    const rules = later(31, rule('shop', 'records', 400), rule('*', 'records', 30));
    const kept = await applyRetention(rules);
    assert.deepEqual([kept.months, kept.holds], [[], ['case-1']]);
    assert.ok(kept.records > 0);
    assert.ok(((await left(`target = 'shop'`)) ?? 0) > 0);
    assert.deepEqual(
      [
        await left(`kind = 'look' and person like 'approver%'`),
        await left(`kind = 'look' and person like 'oncall%'`),
      ],
      [1, 0],
    );
    await good();
    await applyRetention(later(500, rule('*', 'records', 400)));
    assert.equal(await left(`body like '%goes_on%'`), 1);
    assert.equal(await left(`body like '%kept_for_long%'`), 0);
    await good();
    await holds.release('case-1', 'over', 'security@example.com');
    await client.end();
    await ended();
  });

  test('recordings go before their records, and those say so', async () => {
    const kept = await applyRetention(
      later(31, rule('shop', 'recordings', 30), rule('*', 'records', 400)),
    );
    assert.deepEqual([kept.records, kept.recordings], [0, 1]);
    const { rows } = await gateway.storeSql.query(
      'select count(*) filter (where key is not null)::int as keys, (select count(*)::int from countersign.recording_chunk) as chunks from countersign.recording',
    );
    assert.deepEqual(rows[0], { keys: 0, chunks: 0 });
    await good();
  });

  test('a month that is over goes as a whole, and the gateway works on', async () => {
    const all = later(500, rule('*', 'records', 400));
    const plan = await planRetention(all);
    assert.equal(plan.months.length, 1);
    await applyRetention(all);
    await good();
    assert.equal(
      await left(`kind not in ('erasure', 'legal-hold', 'recovery', 'writer', 'heartbeat')`),
      0,
    );
    await gateway.running.tokens.issue('engineer@example.com', ['connect'], 'later', 60_000);
    await good();
    await gateway.restart();
    await good();
  });
});
