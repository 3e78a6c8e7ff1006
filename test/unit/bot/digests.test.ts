import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { postDigests, type DigestParts } from '#bot/reviewing/digests.ts';
import type { Said } from '#bot/say.ts';
import type { DigestConfig } from '#src/config/config.ts';
import { openSummaries, type Summaries } from '#src/audit/summary/summary.ts';
import { startStore, type TestStore } from '../store/store.ts';

const at = (text: string): number => Date.parse(text);
/** A Friday, and the Monday after. */
const FRIDAY = '2026-11-20T09:00:20Z';
const MONDAY = '2026-11-23T09:00:20Z';

let store: TestStore;
let summaries: Summaries;
let said: Said[] = [];
let asked: { channel: string; from: string; to: string; target: string }[] = [];
before(async () => {
  store = await startStore();
  await store.db.pool.query("select countersign.search_month('202611')");
  summaries = openSummaries({ url: store.db.url, onError: assert.ifError });
  for (const [target, person] of [
    ['prod-eu', 'ada@example.com'],
    ['payroll', 'hedy@example.com'],
  ]) {
    await store.db.pool.query(
      `with f as (insert into countersign.search_facet (key, kind, person, target, verdicts, tables)
         values ($1, 'statement', $2, $1, '{hold}', '{public.salaries}') returning id)
       insert into countersign.search_record (at, id, index, facet)
       select '2026-11-22T08:00:00Z', gen_random_uuid(), 1, id from f`,
      [target, person],
    );
  }
});
after(async () => {
  await summaries.close();
  await store.close();
});
beforeEach(async () => {
  [said, asked] = [[], []];
  await store.db.pool.query('truncate countersign.chat_digest');
});

const DAILY: DigestConfig = {
  channel: 'ops',
  at: 'Mon-Fri 09:00',
  timeZone: 'UTC',
  target: 'prod-*',
};

const partsOf = (digests: readonly DigestConfig[], fails = false): DigestParts => ({
  db: store.db,
  say: {
    async say(one) {
      if (fails) throw new Error('the store is away');
      said.push(one);
      return true;
    },
  },
  office: {
    async digest(channel, part) {
      const { from, to, target } = part;
      const [since, until] = [from, to].map((one) => new Date(one).toISOString());
      asked.push({ channel, from: since ?? '', to: until ?? '', target });
      return { summary: await summaries.summary(part), charted: await summaries.charted(part) };
    },
  },
  config: { publicUrl: 'https://cs.example', chat: { channels: new Map(), digests } },
});

test('a digest that was never seen waits for its time, and then covers all since the time before', async () => {
  const parts = partsOf([DAILY]);
  await postDigests(parts, at('2026-11-20T14:00:00Z'));
  assert.equal(said.length, 0);
  await postDigests(parts, at('2026-11-23T09:00:05Z'));
  assert.equal(said.length, 0, 'what is counted is some seconds behind');
  await postDigests(parts, at(MONDAY));
  await postDigests(parts, at('2026-11-23T09:01:00Z'));
  assert.deepEqual(asked, [
    {
      channel: 'ops',
      from: '2026-11-20T09:00:00.000Z',
      to: '2026-11-23T09:00:00.000Z',
      target: 'prod-*',
    },
  ]);
  assert.equal(said.length, 1);
  assert.deepEqual(said[0]?.to, { channel: 'ops' });
});

test('several bots post it once', async () => {
  const parts = partsOf([DAILY]);
  await postDigests(parts, at(FRIDAY));
  await Promise.all(Array.from({ length: 5 }, () => postDigests(parts, at(MONDAY))));
  assert.equal(said.length, 1);
});

test('what fell due while no bot ran is made up for once, within twelve hours', async () => {
  const daily = partsOf([{ ...DAILY, at: 'daily 09:00', coversMs: 3_600_000 }]);
  await postDigests(daily, at('2026-11-20T09:30:00Z'));
  await postDigests(daily, at('2026-11-23T20:59:00Z'));
  await postDigests(daily, at('2026-11-23T20:59:30Z'));
  assert.deepEqual(
    asked.map(({ from, to }) => [from, to]),
    [['2026-11-23T08:00:00.000Z', '2026-11-23T09:00:00.000Z']],
    'one of three that were missed',
  );
  await postDigests(daily, at('2026-11-24T21:01:00Z'));
  assert.equal(said.length, 1, 'that of the 24th is too old');
  await postDigests(daily, at('2026-11-25T09:00:20Z'));
  assert.equal(said.length, 2);
});

test('what could not be said is said later, and keeps no other from being said', async () => {
  const other = { ...DAILY, channel: 'dba' };
  await postDigests(partsOf([DAILY, other]), at(FRIDAY));
  await assert.rejects(postDigests(partsOf([DAILY, other], true), at(MONDAY)), /away/);
  assert.equal(said.length, 0);
  await postDigests(partsOf([DAILY, other]), at(MONDAY));
  assert.deepEqual(
    said.map(({ to }) => to),
    [{ channel: 'ops' }, { channel: 'dba' }],
  );
});

test('a channel is shown the targets that its digest is for, and nothing of others', async () => {
  const parts = partsOf([DAILY, { ...DAILY, channel: 'hr', target: 'payroll' }]);
  await postDigests(parts, at(FRIDAY));
  await postDigests(parts, at(MONDAY));
  const [ops, hr] = said.map(({ post }) => JSON.stringify(post));
  assert.match(ops ?? '', /ada@example\.com/);
  assert.doesNotMatch(ops ?? '', /payroll|hedy/);
  assert.match(hr ?? '', /hedy@example\.com/);
  assert.doesNotMatch(hr ?? '', /prod-eu|ada/);
  assert.match(ops ?? '', /target%3Aprod-\*/, 'and its links ask for these alone');
  assert.doesNotMatch(JSON.stringify(said.map(({ post }) => post.summary)), /ada|hedy/);
});
