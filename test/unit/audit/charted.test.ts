import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSummaries, type Summaries } from '#src/audit/summary/summary.ts';
import { startStore, type TestStore } from '../store/store.ts';
import { actedIn } from './acted.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 18, 12);
const day = { from: NOW - DAY, to: NOW };

let store: TestStore;
let summaries: Summaries;
before(async () => {
  store = await startStore();
  await store.db.pool.query("select countersign.search_month('202611')");
  summaries = openSummaries({ url: store.db.url, onError: assert.ifError });
});
after(async () => {
  await summaries.close();
  await store.close();
});

test('a chart counts each statement once, in hours, quarters of a day or days', async () => {
  await actedIn(
    store.db,
    { at: NOW - 7_200_000, person: 'a@x.y', times: 3 },
    { at: NOW - 3_600_000, person: 'b@x.y', target: 'prod-eu', verdicts: ['deny'], times: 2 },
    {
      at: NOW - 3_600_000,
      person: 'a@x.y',
      verdicts: ['hold', 'approved'],
      decision: 'approved',
      waited: 60_000,
    },
  );
  const { binMs, bins, waited } = await summaries.charted(day);
  assert.equal(binMs, 3_600_000);
  assert.equal(bins.length, 24);
  assert.deepEqual(bins.slice(-2), [
    { at: '2026-11-18T10:00:00.000Z', allow: 3, hold: 0, deny: 0 },
    { at: '2026-11-18T11:00:00.000Z', allow: 0, hold: 1, deny: 2 },
  ]);
  assert.deepEqual(waited, [
    { uptoMs: 60_000, count: 0 },
    { uptoMs: 300_000, count: 1 },
    { uptoMs: 900_000, count: 0 },
    { uptoMs: 3_600_000, count: 0 },
    { count: 0 },
  ]);
  const own = await summaries.charted({ ...day, person: 'b@x.y', target: 'prod-*' });
  assert.equal(
    own.bins.reduce((sum, { allow, hold, deny }) => sum + allow + hold + deny, 0),
    2,
  );
  assert.equal((await summaries.charted({ from: NOW - 7 * DAY, to: NOW })).binMs, 21_600_000);
  assert.equal((await summaries.charted({ from: NOW - 60 * DAY, to: NOW })).bins.length, 61);
});
