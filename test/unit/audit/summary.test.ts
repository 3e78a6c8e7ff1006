import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSummaries, type Summaries, SummarySlow } from '#src/audit/summary/summary.ts';
import { parseQuery } from '#src/audit/search/query.ts';
import { startStore, type TestStore } from '../store/store.ts';
import { type Act, actedIn } from './acted.ts';

const DAY = 86_400_000;
/** A Wednesday. */
const NOW = Date.UTC(2026, 10, 18, 12);
const HOURS = { from: '07:00', to: '19:00', days: [1, 2, 3, 4, 5], timeZone: 'Europe/Zurich' };

const onError = (): void => undefined;

let store: TestStore;
let summaries: Summaries;
before(async () => {
  store = await startStore();
  for (const month of ['202610', '202611'])
    await store.db.pool.query('select countersign.search_month($1)', [month]);
  summaries = openSummaries({ url: store.db.url, hours: HOURS, onError });
});
after(async () => {
  await summaries.close();
  await store.close();
});

const acted = (...acts: readonly Act[]) => actedIn(store.db, ...acts);

const clear = () =>
  store.db.pool.query(
    'truncate countersign.search_record, countersign.search_facet, countersign.search_tally',
  );
const local = (text: string) => Date.parse(`${text}:00+01:00`);
const day = { from: NOW - DAY, to: NOW };
const short = (lines: readonly { value: string; count: number }[]) =>
  lines.map(({ value, count }) => [value, count]);

test('counts by target, person and verdict, and every line says how to search for it', async () => {
  await clear();
  await acted(
    { at: NOW - 3_600_000, person: 'a@x.y', times: 3 },
    { at: NOW - 3_600_000, person: 'b@x.y', target: 'prod-eu', verdicts: ['deny'], times: 2 },
    { at: NOW - 2 * DAY, person: 'a@x.y', times: 9 },
    { at: NOW, person: 'a@x.y' },
  );
  const found = await summaries.summary(day);
  assert.equal(found.statements, 5);
  assert.deepEqual(short(found.targets), [
    ['shop', 3],
    ['prod-eu', 2],
  ]);
  assert.deepEqual(short(found.people), [
    ['a@x.y', 3],
    ['b@x.y', 2],
  ]);
  assert.deepEqual(short(found.verdicts), [
    ['allow', 3],
    ['deny', 2],
  ]);
  assert.deepEqual(short(found.refused), [['b@x.y on prod-eu', 2]]);
  assert.equal(
    found.refused[0]?.query,
    'kind:statement person:b@x.y target:prod-eu verdict:deny after:2026-11-17T12:00:00.000Z before:2026-11-18T12:00:00.000Z',
  );
  const all = [...found.targets, ...found.people, ...found.verdicts, ...found.refused, found.held];
  for (const { query } of all) {
    const parsed = parseQuery(query, NOW);
    assert.equal(parsed.ok, true, `${query}: ${JSON.stringify(parsed)}`);
  }
  assert.deepEqual(found.held.approvers, []);
  assert.equal(found.held.times, undefined);
});

test('a target may be a pattern, and a person sees only their own', async () => {
  const some = await summaries.summary({ ...day, target: 'prod-*' });
  assert.deepEqual(short(some.people), [['b@x.y', 2]]);
  assert.match(some.people[0]?.query ?? '', /person:b@x\.y target:prod-\* after:/);
  for (const target of ['prod_eu', 'prod%', '%', ''])
    assert.equal((await summaries.summary({ ...day, target })).statements, 0, target);
  const own = await summaries.summary({ ...day, person: 'a@x.y' });
  assert.deepEqual(short(own.people), [['a@x.y', 3]]);
  assert.deepEqual(own.refused, []);
  assert.match(own.targets[0]?.query ?? '', /target:shop person:a@x\.y after:/);
});

test('says what was held, who decided, and how fast', async () => {
  await clear();
  const held = { person: 'a@x.y', verdicts: ['hold'] };
  const at = NOW - 3_600_000;
  await acted(
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => ({
      at: at + n,
      person: 'a@x.y',
      verdicts: ['approved', 'hold'],
      decision: 'approved',
      by: ['dba@x.y'],
      waited: n * 1_000,
    })),
    { ...held, at, decision: 'denied', by: ['sec@x.y'], waited: 100_000 },
    { ...held, at, decision: 'expired', waited: 900_000, times: 2 },
    { ...held, at, decision: 'waiting' },
  );
  const { held: found } = await summaries.summary(day);
  assert.equal(found.count, 14);
  assert.deepEqual(short(found.decisions), [
    ['approved', 10],
    ['expired', 2],
    ['denied', 1],
    ['waiting', 1],
  ]);
  // Of those that somebody decided: 1 s to 10 s, and 100 s.
  assert.deepEqual(found.times, { medianMs: 6_000, p90Ms: 10_000 });
  assert.deepEqual(
    found.approvers.map(({ value, approved, denied, medianMs, p90Ms }) => [
      value,
      approved,
      denied,
      medianMs,
      p90Ms,
    ]),
    [
      ['dba@x.y', 10, 0, 5_500, 9_100],
      ['sec@x.y', 0, 1, 100_000, 100_000],
    ],
  );
  assert.match(found.approvers[0]?.query ?? '', /^kind:statement decided-by:dba@x\.y /);
});

test('names the first use of a table, by whom has been here before, and nothing that was refused', async () => {
  await clear();
  await acted(
    { at: NOW - 9 * DAY, person: 'a@x.y', tables: ['public.orders'] },
    { at: NOW - 9 * DAY, person: 'a@x.y', tables: ['public.refused'], verdicts: ['deny'] },
    { at: NOW - 9 * DAY, person: 'b@x.y', tables: ['public.salaries'] },
    {
      at: NOW - 5_000_000,
      person: 'a@x.y',
      tables: ['public.orders', 'public.salaries'],
      times: 2,
    },
    {
      at: NOW - 4_000_000,
      person: 'a@x.y',
      tables: ['public.refused'],
      verdicts: ['hold', 'approved'],
    },
    { at: NOW - 4_000_000, person: 'a@x.y', tables: ['public.never'], verdicts: ['deny'] },
    { at: NOW - 4_000_000, person: 'new@x.y', tables: ['public.orders'] },
    { at: NOW - 4_000_000, person: 'b@x.y', target: 'other', tables: ['public.salaries'] },
  );
  const { unusual } = await summaries.summary(day);
  assert.deepEqual(
    unusual.map(({ kind, person, target, table, count }) => [kind, person, target, table, count]),
    [
      ['first-use', 'a@x.y', 'shop', 'public.salaries', 2],
      ['first-use', 'a@x.y', 'shop', 'public.refused', 1],
      ['first-use', 'b@x.y', 'other', 'public.salaries', 1],
    ],
  );
  assert.match(unusual[0]?.query ?? '', /person:a@x\.y target:shop table:public\.salaries/);
});

test('names work outside of the configured hours, in their zone, over a weekend and over a night', async () => {
  await clear();
  await acted(
    { at: local('2026-11-13T06:59'), person: 'early@x.y' },
    { at: local('2026-11-13T07:00'), person: 'usual@x.y' },
    { at: local('2026-11-13T18:59'), person: 'usual@x.y' },
    { at: local('2026-11-13T19:00'), person: 'late@x.y' },
    { at: local('2026-11-14T12:00'), person: 'saturday@x.y', times: 3 },
    { at: local('2026-11-16T12:00'), person: 'usual@x.y' },
  );
  const { unusual } = await summaries.summary({ from: NOW - 7 * DAY, to: NOW });
  assert.deepEqual(
    unusual.map(({ kind, person, count }) => [kind, person, count]),
    [
      ['off-hours', 'saturday@x.y', 3],
      ['off-hours', 'early@x.y', 1],
      ['off-hours', 'late@x.y', 1],
    ],
  );
  const without = openSummaries({ url: store.db.url, onError });
  assert.deepEqual((await without.summary({ from: NOW - 7 * DAY, to: NOW })).unusual, []);
  await without.close();
});

/** What is told of volume. */
const volumes = async () =>
  (await summaries.summary(day)).unusual
    .filter(({ kind }) => kind === 'rows' || kind === 'statements')
    .map(({ kind, person, count, usual }) => [kind, person, count, usual]);

test('names who did far more than in their own two weeks before', async () => {
  await clear();
  await acted(
    ...Array.from({ length: 14 }, (_, n) => ({
      at: NOW - (n + 2) * DAY + 1,
      person: 'a@x.y',
      rows: 10,
      times: 50,
    })),
    { at: NOW - 5 * DAY, person: 'b@x.y', rows: 100, times: 14 },
    { at: NOW - DAY / 2, person: 'a@x.y', rows: 10, times: 149 },
    { at: NOW - DAY / 2, person: 'b@x.y', rows: 20_000 },
    { at: NOW - DAY / 2, person: 'new@x.y', rows: 1, times: 500 },
  );
  assert.deepEqual(await volumes(), [['rows', 'b@x.y', 20_000, 100]]);
  await acted({ at: NOW - DAY / 4, person: 'a@x.y', rows: 10, times: 2 });
  assert.deepEqual(await volumes(), [
    ['rows', 'b@x.y', 20_000, 100],
    ['statements', 'a@x.y', 151, 50],
  ]);
});

test('names who broke the glass, what was done while it was broken, and who reviewed it', async () => {
  await clear();
  await acted(
    { at: NOW - 2 * 3_600_000 + 60_000, person: 'Ann@x.y', times: 4 },
    { at: NOW - 6 * 3_600_000, person: 'Ann@x.y', times: 2 },
    { at: NOW - 2 * 3_600_000 + 60_000, person: 'Ann@x.y', target: 'other' },
  );
  const broken = (target: string, hours: number, kind = 'break-glass') =>
    store.db.pool.query(
      `insert into countersign.access_grant (id, person, target, role, kind, starts_at, ends_at, reviewed_by)
       values (gen_random_uuid(), 'ann@x.y', $1, 'admin', $2, to_timestamp($3 / 1000.0), to_timestamp($3 / 1000.0) + interval '1 hour', $4)`,
      [target, kind, NOW - hours * 3_600_000, target === 'shop' ? 'sec@x.y' : null],
    );
  await broken('shop', 2);
  await broken('quiet', 3);
  await broken('shop', 40);
  await broken('shop', 4, 'access');
  const { breakGlass } = await summaries.summary(day);
  assert.deepEqual(
    breakGlass.map(({ target, count, reviewedBy }) => [target, count, reviewedBy]),
    [
      ['shop', 4, 'sec@x.y'],
      ['quiet', 0, undefined],
    ],
  );
  for (const { query } of breakGlass) assert.ok(parseQuery(query, NOW).ok, query);
  assert.equal((await summaries.summary({ ...day, person: 'bob@x.y' })).breakGlass.length, 0);
});

test('100,000 statements are summed up in time, and what takes too long is stopped with a hint', async () => {
  await clear();
  await store.db.pool.query(
    `insert into countersign.search_facet (key, kind, person, target, verdicts, decision, tables, decided_by)
     select n::text, 'statement', 'p' || n % 40 || '@x.y', 't' || n % 5, case when n % 9 = 0 then '{deny}' when n % 7 = 0 then '{approved,hold}' else '{allow}' end::text[],
       case when n % 9 <> 0 and n % 7 = 0 then 'approved' end, array['public.t' || n % 100], case when n % 7 = 0 then '{dba@x.y}' else '{}' end::text[]
     from generate_series(1, 1000) n`,
  );
  await store.db.pool.query(
    `insert into countersign.search_record (at, id, index, facet, rows, waited_ms)
     select to_timestamp($1 / 1000.0) - n * interval '18 seconds', gen_random_uuid(), n, f.id, n % 50, 1000
     from generate_series(1, 100000) n join countersign.search_facet f on f.key = (1 + n % 1000)::text`,
    [NOW],
  );
  await store.db.pool.query('analyze countersign.search_record, countersign.search_facet');
  const week = await summaries.summary({ from: NOW - 7 * DAY, to: NOW });
  assert.equal(week.statements, 33_600);
  assert.equal(week.targets.length, 5);
  assert.equal(week.people.length, 20);
  assert.equal(week.held.approvers[0]?.value, 'dba@x.y');
  const blocker = await store.db.connect();
  await blocker.query('begin; lock table countersign.search_facet in access exclusive mode');
  const hurried = openSummaries({ url: store.db.url, onError, timeoutMs: 200 });
  await assert.rejects(hurried.summary(day), (error: Error) => {
    assert.ok(error instanceof SummarySlow);
    assert.match(error.message, /ask for a shorter time/);
    return true;
  });
  await hurried.close();
  await blocker.end();
});
