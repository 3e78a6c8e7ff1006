import type { Database } from '#src/store/database.ts';

/** A statement as the search has it. */
export type Act = {
  readonly at: number;
  readonly person: string;
  readonly target?: string;
  readonly verdicts?: readonly string[];
  readonly decision?: string;
  readonly by?: readonly string[];
  readonly tables?: readonly string[];
  readonly rows?: number;
  readonly waited?: number;
  /** So many of them, a minute apart. */
  readonly times?: number;
};

export async function actedIn(
  { pool }: Pick<Database, 'pool'>,
  ...acts: readonly Act[]
): Promise<void> {
  for (const act of acts) {
    const { target = 'shop', verdicts = ['allow'], by = [], tables = [], times = 1 } = act;
    const decision = act.decision ?? null;
    const facts = [act.person, target, verdicts, decision, tables, by] as const;
    const { rows } = await pool.query<{ id: number }>(
      `insert into countersign.search_facet (key, kind, person, target, verdicts, decision, tables, decided_by)
       values (md5($1), 'statement', $2, $3, $4, $5, $6, $7)
       on conflict (key) do update set key = excluded.key returning id`,
      [JSON.stringify(facts), ...facts],
    );
    await pool.query(
      `insert into countersign.search_record (at, id, index, facet, rows, waited_ms)
       select to_timestamp($1 / 1000.0) + n * interval '1 minute', gen_random_uuid(), n, $2, $3, $4
       from generate_series(0, $5 - 1) n`,
      [act.at, rows[0]?.id, act.rows ?? null, act.waited ?? null, times],
    );
  }
}
