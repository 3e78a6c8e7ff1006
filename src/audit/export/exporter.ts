import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Database } from '../../store/database.ts';
import { ocsfEvents, type OcsfEvent, type Product } from './ocsf.ts';
import type { ExportedRecord } from './ocsf-parts.ts';

/** Somewhere that records are sent to. */
export type Sink = {
  readonly name: string;
  /** Where it begins: with the first record there is, or with the next. */
  readonly since: 'start' | 'now';
  /** Resolves when the other side has taken all of them; rejects when it is not known that it has. */
  deliver(events: readonly OcsfEvent[]): Promise<void>;
  close?(): Promise<void>;
};

export type ExportOptions = {
  readonly db: Pick<Database, 'pool'>;
  readonly sinks: readonly Sink[];
  readonly product: Product;
  /** True in the one process that sends. */
  readonly leading: () => boolean;
  readonly onError: (error: Error) => void;
  /** How often to look for new records; default 1 s. */
  readonly everyMs?: number;
};

const BATCH = 500;
const EVERY_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Sends every record to every sink, in the order of the tree and at least once: the cursor of a sink moves on when it has
 * taken a batch. A sink that does not answer is tried again, ever more slowly, and keeps nobody else waiting.
 */
export function startExport(options: ExportOptions): { close(): Promise<void> } {
  const stopping = new AbortController();
  const done = Promise.all(options.sinks.map((sink) => send(sink, options, stopping.signal)));
  return {
    async close() {
      stopping.abort();
      await done;
    },
  };
}

async function send(sink: Sink, options: ExportOptions, signal: AbortSignal): Promise<void> {
  const { everyMs = EVERY_MS, leading, onError } = options;
  let wait = everyMs;
  let said = '';
  while (!signal.aborted) {
    // oxlint-disable no-await-in-loop -- one batch after the other
    let full = false;
    try {
      if (leading()) full = (await step(sink, options)) === BATCH;
      [wait, said] = [everyMs, ''];
    } catch (cause) {
      wait = Math.min(LONGEST_PAUSE_MS, Math.max(wait * 2, everyMs));
      const message = cause instanceof Error ? cause.message : String(cause);
      // The same again is not news.
      if (message !== said)
        onError(new Error(`records wait for ${sink.name}: ${message}`, { cause }));
      said = message;
    }
    if (!full) await sleep(wait, undefined, { signal }).catch(() => undefined);
    // oxlint-enable no-await-in-loop
  }
  await sink.close?.();
}

/** Sends the next batch; resolves with the number of records in it. */
async function step(sink: Sink, { db, product }: ExportOptions): Promise<number> {
  const from = await cursorOf(db, sink);
  const records = await readRecords(db, from);
  const last = records.at(-1);
  if (!last) return 0;
  await sink.deliver(records.flatMap((record) => ocsfEvents(record, product)));
  await db.pool.query(
    'update countersign.export_cursor set index = $2, at = clock_timestamp() where sink = $1',
    [sink.name, last.index + 1],
  );
  return records.length;
}

async function cursorOf(
  db: Pick<Database, 'pool'>,
  { name, since }: Pick<Sink, 'name' | 'since'>,
): Promise<number> {
  const look = () =>
    db.pool.query<{ index: string }>(
      'select index from countersign.export_cursor where sink = $1',
      [name],
    );
  const { rows } = await look();
  if (rows[0]) return Number(rows[0].index);
  await db.pool.query(
    `insert into countersign.export_cursor (sink, index)
     select $1, case when $2 then size else 0 end from countersign.tree_head on conflict do nothing`,
    [name, since === 'now'],
  );
  return Number((await look()).rows[0]?.index ?? 0);
}

type Row = {
  index: string;
  id: string;
  writer: string;
  time: number;
  kind: string;
  hash: Buffer;
  session: string | null;
  statement: string | null;
  request: string | null;
  person: string | null;
  agent: string | null;
  target: string | null;
  verdict: string | null;
  body: string | null;
};

async function readRecords(
  db: Pick<Database, 'pool'>,
  from: number,
): Promise<readonly ExportedRecord[]> {
  const { rows } = await db.pool.query<Row>({
    name: 'export-records',
    text: `select e.index, r.id, r.writer, extract(epoch from b.at)::float8 * 1000 as time, b.kind, r.hash, b.session, b.statement,
        b.request, b.person, b.agent, b.target, b.verdict, b.body
      from countersign.tree_entry e join countersign.record r using (writer, seq)
      join countersign.record_body b using (id) where e.index >= $1 order by e.index limit ${BATCH}`,
    values: [from],
  });
  return rows.map(exported);
}

const committed = z.object({ body: z.record(z.string(), z.json()) });

function exported({ index, time, hash, body, ...rest }: Row): ExportedRecord {
  const { session, statement, request, person, agent, target, verdict, ...place } = rest;
  return {
    ...place,
    index: Number(index),
    time: Math.round(time),
    hash: hash.toString('hex'),
    ...(session !== null && { session }),
    ...(statement !== null && { statement }),
    ...(request !== null && { request }),
    ...(person !== null && { person }),
    ...(agent !== null && { agent }),
    ...(target !== null && { target }),
    ...(verdict !== null && { verdict }),
    ...(body !== null && { body: committed.parse(JSON.parse(body)).body }),
  };
}

/** How many records each sink has still to get. */
export async function exportLag(
  db: Pick<Database, 'pool'>,
): Promise<readonly { readonly sink: string; readonly records: number }[]> {
  const { rows } = await db.pool.query<{ sink: string; records: number }>(
    'select sink, greatest(0, size - index)::float8 as records from countersign.export_cursor, countersign.tree_head',
  );
  return rows;
}
