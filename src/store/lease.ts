import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Database } from './database.ts';

/** One process at a time holds a gateway's name; every holder has a higher epoch than the one before. */
export type Lease = {
  readonly gateway: string;
  readonly epoch: number;
  /** False as soon as somebody else could hold the name; true again only if nobody has taken it meanwhile. */
  held(): boolean;
  /** Lets the name go at once. */
  release(): Promise<void>;
};

export type LeaseOptions = {
  readonly name: string;
  /** Where this gateway's own console is; other gateways send reviewers there. */
  readonly console?: string;
  readonly ttlMs?: number;
  /** Takes over at once, when it is known that the old process is dead. */
  readonly takeOver?: boolean;
  /** Somebody else has taken the name: this process must stop. Called once. */
  readonly onLost: (error: Error) => void;
  /** Stops waiting for the lease to come free. */
  readonly signal?: AbortSignal;
};

/** Times of one validity, by the monotonic clock and by the wall clock: the first stands still while a machine sleeps. */
type Until = { readonly monotonic: number; readonly wall: number };

/** Waits until the name is free, takes it with the next epoch, and renews it every third of `ttlMs` (default 10 s). */
export async function openLease(db: Database, options: LeaseOptions): Promise<Lease> {
  const ttlMs = options.ttlMs ?? 10_000;
  const { epoch, until } = await take(db, options, ttlMs);
  return new HeldLease(db, options, ttlMs, epoch, until);
}

async function take(db: Database, options: LeaseOptions, ttlMs: number) {
  for (;;) {
    const until = untilFromNow(ttlMs);
    const { rows } = await db.pool.query<{ epoch: string }>(
      `insert into countersign.gateway as g (name, epoch, lease_until, console)
       values ($1, 1, clock_timestamp() + $2 * interval '1 ms', $4)
       on conflict (name) do update
         set epoch = g.epoch + 1, lease_until = excluded.lease_until, console = excluded.console
         where g.lease_until <= clock_timestamp() or $3
       returning epoch`,
      [options.name, ttlMs, options.takeOver ?? false, options.console ?? null],
    );
    if (rows[0]) return { epoch: Number(rows[0].epoch), until };
    await sleep(Math.min(ttlMs / 10, 500), undefined, { signal: options.signal });
  }
}

class HeldLease implements Lease {
  readonly gateway: string;
  readonly epoch: number;
  readonly #db: Database;
  readonly #options: LeaseOptions;
  readonly #ttlMs: number;
  #until: Until;
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(db: Database, options: LeaseOptions, ttlMs: number, epoch: number, until: Until) {
    this.gateway = options.name;
    this.epoch = epoch;
    this.#db = db;
    this.#options = options;
    this.#ttlMs = ttlMs;
    this.#until = until;
    this.#plan(ttlMs / 3);
  }

  held(): boolean {
    return (
      !this.#ended && performance.now() < this.#until.monotonic && Date.now() < this.#until.wall
    );
  }

  async release(): Promise<void> {
    if (this.#ended) return;
    this.#end();
    await this.#db.pool.query(
      'update countersign.gateway set lease_until = clock_timestamp() where name = $1 and epoch = $2',
      [this.gateway, this.epoch],
    );
  }

  #plan(ms: number): void {
    this.#timer = setTimeout(() => void this.#renew(), ms);
  }

  async #renew(): Promise<void> {
    const until = untilFromNow(this.#ttlMs);
    // A store that does not answer must not keep the next attempt waiting.
    const watchdog = setTimeout(() => this.#drop(), this.#ttlMs / 3);
    try {
      this.#client ??= await this.#db.connect();
      // A lapsed lease may be renewed as long as nobody has raised the epoch: nothing was taken from us then.
      const { rowCount } = await this.#client.query(
        `update countersign.gateway set lease_until = clock_timestamp() + $3 * interval '1 ms'
         where name = $1 and epoch = $2`,
        [this.gateway, this.epoch, this.#ttlMs],
      );
      if (this.#ended) this.#drop();
      else if (rowCount === 0) this.#lose();
      else {
        this.#until = until;
        this.#plan(this.#ttlMs / 3);
      }
    } catch {
      this.#drop();
      if (!this.#ended) this.#plan(Math.min(this.#ttlMs / 10, 500));
    } finally {
      clearTimeout(watchdog);
    }
  }

  #lose(): void {
    this.#end();
    this.#options.onLost(
      new Error(
        `another process has taken over the gateway ${this.gateway}; give each running gateway its own name`,
      ),
    );
  }

  #end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#drop();
  }

  #drop(): void {
    this.#client?.connection.stream.destroy();
    this.#client = undefined;
  }
}

function untilFromNow(ttlMs: number): Until {
  return { monotonic: performance.now() + ttlMs, wall: Date.now() + ttlMs };
}
