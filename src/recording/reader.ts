import { z } from 'zod';
import { commitment, readLeaf } from '../audit/chain.ts';
import type { Vault } from '../identity/vault.ts';
import type { Database } from '../store/database.ts';
import { eventsOf } from './lines.ts';
import type { ChunkStore, GapEvent, RecordingEvent } from './port.ts';
import { findRecording, type RecordingRow } from './rows.ts';
import { digestOf, openChunk } from './seal.ts';

type Parts = {
  readonly db: Pick<Database, 'pool'>;
  readonly chunks: ChunkStore;
  readonly vault: Vault;
};

/** What records say of one chunk; `digest` is undefined where the record was changed or erased. */
type ChunkRecord = { readonly from: number; readonly digest: string | undefined };
type Records = {
  readonly chunks: ReadonlyMap<number, ChunkRecord>;
  /** How many chunks there are, once that is known. */
  readonly all?: number;
  /** The end of it was lost with its process. */
  readonly lost: boolean;
};

/** A recording whose key is there. */
type Opened = { readonly session: string; readonly key: Buffer; readonly records: Records };

/** What a recording's key is wrapped for. */
export const wrappedFor = (session: string): string => `recording ${session}`;

/** Reads stored recordings, each chunk checked against its record in the log. */
export class Reader {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  find(session: string): Promise<RecordingRow | undefined> {
    return findRecording(this.#parts.db, session);
  }

  /** All events of the chunks from `first` on, up to `until` or to the last that is recorded; returns which comes next. */
  async *read(session: string, first = 0, until?: number): AsyncGenerator<RecordingEvent, number> {
    const row = await this.find(session);
    if (!row) return first;
    const records = await recordsOf(this.#parts.db, session);
    const key = this.#keyOf(row);
    if (typeof key === 'string') {
      if (first === 0) yield { t: 0, k: 'gap', reason: key };
      return first;
    }
    const opened = { session, key, records };
    const end = until ?? records.all ?? highest(records.chunks, first);
    let t = 0;
    for (let chunk = first; chunk < end; chunk += 1) {
      // oxlint-disable-next-line no-await-in-loop -- in order, and no more in memory than one
      for (const event of await this.#chunk(opened, chunk, t)) {
        ({ t } = event);
        yield event;
      }
    }
    if (records.lost && until === undefined) yield { t, k: 'gap', reason: 'lost' };
    return end;
  }

  async chunk(session: string, chunk: number): Promise<readonly RecordingEvent[]> {
    const row = await this.find(session);
    if (!row) return [];
    const key = this.#keyOf(row);
    if (typeof key === 'string') return [{ t: 0, k: 'gap', reason: key, chunk }];
    const records = await recordsOf(this.#parts.db, session, chunk);
    return this.#chunk({ session, key, records }, chunk, 0);
  }

  async #chunk(
    { session, key, records }: Opened,
    chunk: number,
    t: number,
  ): Promise<readonly RecordingEvent[]> {
    const record = records.chunks.get(chunk);
    const gap = (reason: GapEvent['reason']): readonly RecordingEvent[] => [
      { t: Math.max(t, record?.from ?? 0), k: 'gap', reason, chunk },
    ];
    const sealed = await this.#parts.chunks.get(session, chunk);
    if (!sealed || !record) return gap('missing');
    if (digestOf(sealed) !== record.digest) return gap('changed');
    const text = await openChunk(key, { session, chunk }, sealed).catch(() => undefined);
    return text === undefined ? gap('changed') : eventsOf(text);
  }

  #keyOf({ id, key }: RecordingRow): Buffer | 'erased' | 'locked' {
    if (!key) return 'erased';
    const text = this.#parts.vault.open(key, wrappedFor(id));
    return text === undefined ? 'locked' : Buffer.from(text, 'base64');
  }
}

/** While a session goes on, the log does not say how many there are. */
const highest = (chunks: ReadonlyMap<number, ChunkRecord>, first: number): number =>
  Math.max(first, ...Array.from(chunks.keys(), (chunk) => chunk + 1));

const said = z.object({
  body: z.union([
    z.object({ chunk: z.int().min(0), from: z.number(), digest: z.string() }),
    z.object({ chunks: z.int().min(0), lost: z.literal(true).optional() }),
  ]),
});
type Row = { readonly body: string | null; readonly salt: Buffer | null; readonly leaf: Buffer };

/** What the log says of a session's chunks, or of one. A body that its leaf does not commit to says nothing. */
export async function recordsOf(
  { pool }: Pick<Database, 'pool'>,
  session: string,
  only?: number,
): Promise<Records> {
  const { rows } = await pool.query<Row>(
    `select b.body, b.salt, r.leaf from countersign.record_body b join countersign.record r using (id)
     where b.session = $1 and b.kind = 'recording' and ($2::text is null or b.body like $2) order by b.at`,
    [session, only === undefined ? null : `%"chunk":${only},%`],
  );
  const chunks = new Map<number, ChunkRecord>();
  let all: number | undefined;
  let lost = false;
  for (const row of rows) {
    const body = bodyOf(row);
    if (!body) continue;
    if ('chunk' in body) chunks.set(body.chunk, body);
    else {
      all = body.chunks;
      lost ||= body.lost === true;
    }
  }
  return { chunks, lost, ...(all !== undefined && { all }) };
}

function bodyOf({ body, salt, leaf }: Row) {
  if (body === null || salt === null) return undefined;
  if (readLeaf(leaf)?.commit !== commitment(salt, body)) return undefined;
  return said.safeParse(JSON.parse(body)).data?.body;
}
