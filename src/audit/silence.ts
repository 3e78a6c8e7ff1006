import type { Database } from '../store/database.ts';
import { readAnnouncement } from './announcement.ts';
import { MISSED } from './heartbeat.ts';

/** A writer of which heartbeats are to be expected: it has announced them, and neither stopped nor been recovered since. */
export type LiveWriter = {
  readonly writer: string;
  /** Of its newest record. */
  readonly seq: number;
  readonly at: Date;
  /** Seconds since then, by the store's clock. */
  readonly seconds: number;
  /** That is longer than its heartbeats allow. */
  readonly silent: boolean;
};

type Row = {
  readonly writer: string;
  readonly seq: string;
  readonly at: Date;
  readonly seconds: number;
  readonly said: string | null;
};

/** How long each live writer has written nothing, by what the store holds now; `verify` looks at the whole past. */
export async function liveWriters(db: Pick<Database, 'pool'>): Promise<readonly LiveWriter[]> {
  const { rows } = await db.pool.query<Row>({ name: 'log-live', text: LIVE });
  return rows.flatMap(({ writer, seq, at, seconds, said }) => {
    const announced = said === null ? undefined : readAnnouncement(said);
    if (announced?.event !== 'start' || announced.heartbeat === undefined) return [];
    const silent = seconds * 1_000 > MISSED * announced.heartbeat;
    return [{ writer, seq: Number(seq), at, seconds: Math.max(0, seconds), silent }];
  });
}

// `said` is the newest of the newest epoch: whoever started again began with a record of its own.
const LIVE = `
  with recursive w (writer) as (
    select min(writer) from countersign.record
    union all
    select (select min(r.writer) from countersign.record r where r.writer > w.writer) from w where w.writer is not null)
  select w.writer, r.seq, b.at, extract(epoch from clock_timestamp() - b.at)::float8 as seconds, said.body as said
  from w
  cross join lateral (select id, seq from countersign.record where writer = w.writer order by seq desc limit 1) r
  join countersign.record_body b on b.id = r.id
  cross join lateral (select max(epoch) as epoch from countersign.record_body where writer = w.writer) latest
  cross join lateral (
    select s.body from countersign.record_body s join countersign.record p on p.id = s.id
    where s.writer = w.writer and s.kind = 'writer' and s.epoch = latest.epoch order by p.seq desc limit 1) said
  where w.writer is not null and not exists (
    select from countersign.gateway g where g.name = w.writer and g.recovered >= latest.epoch)`;

/** Writers whose chain or signatures the sequencer has found to be wrong; it stays so. */
export async function flaggedWriters(
  db: Pick<Database, 'pool'>,
): Promise<readonly { readonly writer: string; readonly why: string }[]> {
  const { rows } = await db.pool.query<{ writer: string; why: string }>(
    `select writer, concat_ws('; ', problem, flag) as why from countersign.tree_writer
     where problem is not null or flag is not null order by writer`,
  );
  return rows;
}
