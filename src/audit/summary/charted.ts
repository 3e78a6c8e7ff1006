import type { Sql } from '../../store/database.ts';
import { PART, valuesOf, type Asked } from './part.ts';

/** Statements of a stretch of time, each counted once: as refused, else as held, else as allowed. */
export type Bin = {
  /** ISO 8601. */
  readonly at: string;
  readonly allow: number;
  readonly hold: number;
  readonly deny: number;
};

/** What a chart shows, empty stretches with it. */
export type Charted = {
  readonly binMs: number;
  readonly bins: readonly Bin[];
  /** How many holds were decided within so long (`uptoMs`), and not faster; the last has no end. */
  readonly waited: readonly { readonly uptoMs?: number; readonly count: number }[];
};

const HOUR_MS = 3_600_000;
const WAITED_MS = [60_000, 300_000, 900_000, 3_600_000];

/** Hours up to two days, a quarter of a day up to two weeks, else days. */
const binOf = (ms: number): number =>
  ms <= 48 * HOUR_MS ? HOUR_MS : ms <= 336 * HOUR_MS ? 6 * HOUR_MS : 24 * HOUR_MS;

export async function chartedOf(sql: Sql, asked: Asked): Promise<Charted> {
  const binMs = binOf(asked.to - asked.from);
  const first = Math.floor(asked.from / binMs);
  const { rows } = await sql.query<{ bin: number; verdict: 'allow' | 'hold' | 'deny'; n: string }>(
    `select floor(extract(epoch from at) * 1000 / $5::float8)::float8 as bin,
       case when 'deny' = any (verdicts) then 'deny' when 'hold' = any (verdicts) then 'hold' else 'allow' end as verdict,
       count(*) as n from (${PART}) p group by 1, 2`,
    [...valuesOf(asked), binMs],
  );
  const bins = Array.from({ length: Math.ceil(asked.to / binMs) - first }, (_, i) => ({
    at: new Date((first + i) * binMs).toISOString(),
    allow: 0,
    hold: 0,
    deny: 0,
  }));
  for (const { bin, verdict, n } of rows) {
    const one = bins[bin - first];
    if (one) one[verdict] = Number(n);
  }
  return { binMs, bins, waited: await waitedOf(sql, asked) };
}

async function waitedOf(sql: Sql, asked: Asked): Promise<Charted['waited']> {
  const { rows } = await sql.query<{ step: number; n: string }>(
    `select width_bucket(waited_ms::float8, $5::float8[]) as step, count(*) as n from (${PART}) p
     where decision in ('approved', 'denied') and waited_ms is not null group by 1`,
    [...valuesOf(asked), WAITED_MS],
  );
  return [...WAITED_MS, undefined].map((uptoMs, step) => ({
    ...(uptoMs !== undefined && { uptoMs }),
    count: Number(rows.find((row) => row.step === step)?.n ?? 0),
  }));
}
