import pg from 'pg';
import type { Database } from '../store/database.ts';
import { Prepared } from './append.ts';
import { insertValues, seal, type Draft, type Tail } from './draft.ts';
import type { RecordKind, Within } from './log.ts';
import type { Signature, Signatures } from './signatures.ts';
import { Stored, type Insert } from './stored.ts';

/** Another process owns this writer; nothing can be appended any more. */
export class Fenced extends Error {
  override name = 'Fenced';
}

/** The store answered that nothing was written; the chain is where it was. */
export class Refused extends Error {
  override name = 'Refused';
}

/** `within` threw; its error is the cause, and nothing was written. */
export class WithinFailed extends Error {
  override name = 'WithinFailed';
}

/** Tests throw here: `before` a write nothing was sent, `after` it the reply is lost. */
export type Failpoint = (
  point: 'before' | 'after',
  kinds: readonly RecordKind[],
) => void | Promise<void>;

export type LaneOptions = {
  readonly db: Database;
  /** Name of the chain: the gateway's lease name, or one that nobody else can use at the same time. */
  readonly writer: string;
  readonly epoch: number;
  readonly failpoint?: Failpoint;
};

const CONNECT_MS = 2_000;
const EMPTY: Tail = { seq: 0, hash: Buffer.alloc(0) };

// Held as long as the connection lives: whoever has it knows that no older write of this writer is still under way.
const KEY = `hashtextextended('countersign log ' || $1, 0)`;
const HOLDERS = `
  select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 1
    and database = (select oid from pg_database where datname = current_database())
    and (classid::bigint << 32 | objid::bigint) = ${KEY}`;

/** One writer's connection and its place in the chain. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #signatures: Signatures | undefined;
  #client: pg.Client | undefined;
  #prepared: Prepared | undefined;
  #tail: Tail | undefined;
  /** Where the tail is if the write of unknown fate did happen. */
  #unknown: Tail | undefined;
  #pid: number | undefined;
  readonly #stored = new Stored();

  constructor(options: LaneOptions, signatures?: Signatures) {
    this.#options = options;
    this.#signatures = signatures;
  }

  get connected(): boolean {
    return this.#client !== undefined;
  }

  /** The newest record. */
  get tail(): Tail {
    return this.#tail ?? EMPTY;
  }

  /**
   * Connects, waits until no older connection of this writer can write, and reads the stored tail.
   * True when the write whose fate was open is in it. Rejects with Fenced when the tail is not ours.
   */
  async connect(): Promise<boolean> {
    this.drop();
    const client = await this.#options.db.connect();
    const timer = setTimeout(() => client.connection.stream.destroy(), CONNECT_MS);
    try {
      const pid = await this.#own(client);
      const stored = await this.#readTail(client);
      const happened = this.#unknown !== undefined && same(stored, this.#unknown);
      if (this.#tail && !happened && !same(stored, this.#tail))
        throw new Fenced(`somebody else has written as ${this.#options.writer}`);
      const gone = () => {
        if (this.#client === client) this.#client = undefined;
      };
      client.once('error', gone).once('end', gone);
      [this.#client, this.#pid, this.#tail, this.#unknown] = [client, pid, stored, undefined];
      this.#prepared = new Prepared(client);
      if (happened) this.#signatures?.written(stored);
      return happened;
    } catch (error) {
      client.connection.stream.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Breaks the connection at once; what is under way rejects. */
  drop(): void {
    this.#client?.connection.stream.destroy();
    this.#client = undefined;
  }

  async end(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  /**
   * Appends the drafts in one statement that commits by itself.
   * Refused and WithinFailed: nothing was written. Any other rejection leaves the fate open until `connect`.
   */
  async write(drafts: readonly Draft[]): Promise<void> {
    return this.#place(drafts, (_, prepared, insert) => prepared.run(insert));
  }

  /** Like write, for one draft and what `within` writes in the same transaction. */
  async transact(draft: Draft, within: Within): Promise<void> {
    return this.#place([draft], async (client, prepared, insert) => {
      await client.query('begin');
      try {
        await prepared.run(insert);
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
      try {
        await within(client, draft.id);
      } catch (error) {
        await client.query('rollback');
        throw new WithinFailed('within', { cause: error });
      }
      const { command } = await client.query('commit');
      if (command !== 'COMMIT') throw new Refused('the transaction had failed');
    });
  }

  async #place(
    drafts: readonly Draft[],
    commit: (client: pg.Client, prepared: Prepared, insert: Insert) => Promise<void>,
  ): Promise<void> {
    const { failpoint } = this.#options;
    const client = this.#client;
    const prepared = this.#prepared;
    if (!client || !prepared || !this.#tail) throw new Error('the store is not connected');
    const signature = this.#signatures?.ready;
    const { insert, after } = this.#sealed(drafts, this.#tail, signature);
    const kinds = failpoint && drafts.map((draft) => draft.entry.kind);
    this.#unknown = after;
    try {
      if (kinds) await failpoint('before', kinds);
      await untilLost(client, commit(client, prepared, insert));
      if (kinds) await failpoint('after', kinds);
    } catch (error) {
      const clear = verdictOf(error);
      if (clear) this.#unknown = undefined;
      throw clear ?? error;
    }
    this.#unknown = undefined;
    this.#tail = after;
    this.#stored.add(insert.digests);
    this.#signatures?.written(after, signature);
  }

  #sealed(drafts: readonly Draft[], before: Tail, signature: Signature | undefined) {
    const { writer, epoch } = this.#options;
    const sealed = seal(drafts, writer, before);
    const values = insertValues(writer, epoch, sealed);
    return {
      insert: this.#stored.insert(drafts, values, signature),
      after: sealed.at(-1)?.tail ?? before,
    };
  }

  async #own(client: pg.Client): Promise<number> {
    const { writer, epoch } = this.#options;
    const newer = await client.query(
      'select from countersign.gateway where name = $1 and epoch > $2',
      [writer, epoch],
    );
    if (newer.rowCount) throw new Fenced(`a newer process has taken over ${writer}`);
    const holders = await client.query<{ pid: number }>(HOLDERS, [writer]);
    for (const { pid } of holders.rows) {
      // At the start the lease has made us the owner; later on only our own old connection may be in the way.
      if (this.#pid !== undefined && this.#pid !== pid)
        throw new Fenced(`another process writes as ${writer}`);
      await client.query('select pg_terminate_backend($1, 1000)', [pid]);
    }
    await client.query(`select pg_advisory_lock(${KEY})`, [writer]);
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    return rows[0]?.pid ?? 0;
  }

  async #readTail(client: pg.Client): Promise<Tail> {
    const { rows } = await client.query<{ seq: string; hash: Buffer }>(
      'select seq, hash from countersign.record where writer = $1 order by seq desc limit 1',
      [this.#options.writer],
    );
    const last = rows[0];
    return last ? { seq: Number(last.seq), hash: last.hash } : EMPTY;
  }
}

/** Breaks the connection of a writer whose epoch has been raised, so that nothing it has under way is written later. */
export async function fence(db: Database, writer: string): Promise<void> {
  await db.pool.query(`select pg_terminate_backend(pid, 2000) from (${HOLDERS}) holder`, [writer]);
}

function same(a: Tail, b: Tail): boolean {
  return a.seq === b.seq && a.hash.equals(b.hash);
}

/** Rejects as soon as the connection is gone, even if `work` waits for something else. */
async function untilLost(client: pg.Client, work: Promise<void>): Promise<void> {
  let end: (() => void) | undefined;
  const lost = new Promise<never>((_, reject) => {
    end = () => reject(new Error('the connection to the store was lost'));
    client.once('end', end);
  });
  try {
    await Promise.race([work, lost]);
  } finally {
    if (end) client.off('end', end);
  }
}

/** The error that says for sure that nothing was written; undefined when the fate is open (FATAL, a broken line). */
function verdictOf(error: unknown): Error | undefined {
  if (error instanceof Refused || error instanceof WithinFailed) return error;
  if (!(error instanceof pg.DatabaseError) || error.severity !== 'ERROR') return undefined;
  if (error.code === '23505' && error.constraint === 'record_pkey')
    return new Fenced('another process writes as this writer', { cause: error });
  return new Refused(`the store refused the record: ${error.message}`, { cause: error });
}
