import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { parseQuery, type Query } from '#src/audit/search/query.ts';
import { openSearch } from '#src/audit/search/search.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { migrate } from '#src/store/migrate.ts';
import { startPostgres } from '../fakes/postgres.ts';

/** Fills a store with so many projected rows, and measures what a person waits for a mix of searches. */
const { values: asked } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '20' },
    explain: { type: 'boolean' },
    write: { type: 'boolean' },
  },
});
const ROWS = Number(asked.rows);
const ROUNDS = Number(asked.rounds);

/** 30 days of 60 people on 12 targets: few do much, most is read, some is held, few tables are in most statements. */
const FACETS = `insert into countersign.search_facet (key, kind, person, target, verdicts, decision, effects, tables, masked, decided_by)
  select 'f' || n, case when n % 25 = 0 then 'session-start' else 'statement' end,
    'person' || p || '@example.com', 'prod-' || t,
    case v when 0 then '{hold,approved}'::text[] when 1 then '{deny}' else '{allow}' end,
    case v when 0 then 'approved' end,
    case v when 0 then case when n % 2 = 0 then '{delete}'::text[] else '{update,write}' end else '{read,select}' end,
    array['public.table' || (n % 40)], case when n % 7 = 0 then '{public.customers.card,last}'::text[] else '{}' end,
    case v when 0 then array['person' || (p + 1) % 60 || '@example.com'] else '{}' end
  from (select n, (sqrt(n % 3600))::int as p, (n / 7) % 12 as t, case when n % 30 = 0 then 0 when n % 47 = 0 then 1 else 2 end as v
    from generate_series(1, 6000) n) x`;

const FILL = `insert into countersign.search_record (at, id, index, facet, session, statement, rows, duration_ms, code, client, text, output)
  select clock.now - (${ROWS} - n) * (interval '29 days' / ${ROWS}), gen_random_uuid(), n,
    1 + (6000 * power(random(), 2.5))::int % 6000, gen_random_uuid(), gen_random_uuid(),
    (exp(random() * 9))::int, exp(random() * 8), case when n % 60 = 0 then (array['42501', '42P01', '23505'])[1 + n % 3] end,
    '10.0.' || n % 200 || '.' || n % 250,
    'select id, name, status, total from public.table' || n % 40 || ' where customer_id = ' || n || ' and status = ''' ||
      (array['open', 'paid', 'refunded', 'shipped'])[1 + n % 4] || ''' order by created_at desc limit 50' ||
      case when n % 997 = 0 then ' /* incident-' || n % 31 || ' */' else '' end,
    case when n % 5 = 0 then 'id name status total' || chr(10) || n || ' Person ' || md5(n::text) || ' paid [email] ' || n % 977 end
  from generate_series($1::int, $2::int) n, (select clock_timestamp() as now offset 0) clock`;

const SEARCHES: Readonly<Record<string, string>> = {
  'the newest': '',
  'one person': 'person:person12',
  'a rare person, held': 'person:person59 verdict:held',
  'globs and a negation': 'target:prod-1* -target:prod-11 effect:delete',
  'held, by whom': 'verdict:held decided-by:person13',
  'a table, masked': 'table:table7 masked:card after:7d',
  'rows and time': 'rows:>5000 duration:>2s',
  'an error': 'error:42501 target:prod-3',
  'a common word': 'customer_id',
  'a rare word': '"incident-17"',
  'a word of one person': 'person:person30 refunded after:7d',
  'words that are nowhere': 'zebra crossing',
  'what came back': '0cc175b9c0f1',
};

const database = await fill();
try {
  const results = await measure(database.db);
  const all = results.flatMap(({ ms }) => ms).toSorted((a, b) => a - b);
  const report = {
    rows: ROWS,
    cpus: cpus().length,
    fillSeconds: database.seconds,
    p50: at(all, 0.5),
    p95: at(all, 0.95),
    searches: Object.fromEntries(
      results.map(({ what, ms }) => [what, { p50: at(ms, 0.5), p95: at(ms, 0.95) }]),
    ),
  };
  console.log(JSON.stringify(report, undefined, 2));
  if (asked.write) {
    const folder = new URL('results/', import.meta.url);
    await mkdir(folder, { recursive: true });
    await writeFile(new URL('search.json', folder), `${JSON.stringify(report, undefined, 2)}\n`);
  }
} finally {
  await database.db.close();
  await database.stop();
}

async function fill() {
  const server = await startPostgres({
    settings: { shared_buffers: '512MB', max_wal_size: '4GB' },
  });
  const db = openDatabase(server.url, { onError: () => undefined });
  await migrate(db);
  const began = performance.now();
  const { rows } = await db.pool.query<{ month: string }>(
    `select to_char(now() - n * interval '29 days', 'YYYYMM') as month from generate_series(0, 1) n`,
  );
  for (const { month } of rows) await db.pool.query('select countersign.search_month($1)', [month]);
  await db.pool.query(FACETS);
  const step = 100_000;
  for (let from = 1; from <= ROWS; from += step)
    await db.pool.query(FILL, [from, Math.min(ROWS, from + step - 1)]);
  await db.pool.query('vacuum analyze countersign.search_record');
  await db.pool.query('analyze countersign.search_facet');
  const seconds = Math.round((performance.now() - began) / 1_000);
  return { db, seconds, stop: () => server.stop() };
}

async function measure(db: Database) {
  const search = openSearch(db.url, () => undefined);
  const results: { what: string; ms: number[] }[] = [];
  const timed = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const ms: number[] = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const began = performance.now();
      await work();
      if (round > 0) ms.push(performance.now() - began);
    }
    results.push({ what, ms: ms.toSorted((a, b) => a - b) });
  };
  try {
    for (const [what, text] of Object.entries(SEARCHES)) {
      await timed(what, () => search.searchRecords(read(text), { scope: {}, limit: 51 }));
      await timed(`${what}: counts`, () => search.counts(read(text), {}));
    }
    const mine = { person: 'person20@example.com' };
    await timed('own acts', () => search.searchRecords(read(''), { scope: mine, limit: 51 }));
    await timed('own acts: counts', () => search.counts(read(''), mine));
    return results;
  } finally {
    await search.close();
  }
}

function read(text: string): Query {
  const parsed = parseQuery(text, Date.now());
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.query;
}

function at(sorted: readonly number[], part: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
}
