import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Database } from '../../store/database.ts';
import { readLeaf } from '../chain.ts';
import { linkProblem, type Finding } from '../check.ts';
import type { Edge } from './edge.ts';
import {
  readEdge,
  readNew,
  writeEntries,
  writeReached,
  type Entry,
  type Reached,
} from './store.ts';

export type SequencerOptions = {
  readonly db: Database;
  /** How often to look for new records; default 200 ms. */
  readonly everyMs?: number;
  /** How often to try to lead, and how long to wait after an error; default 1 s. */
  readonly followMs?: number;
  readonly onError: (error: Error) => void;
  /** A record is not as its writer wrote it; none of that writer after it goes into the tree. */
  readonly onProblem: (writer: string, finding: Finding) => void;
  /** The tree has grown. */
  readonly onGrown?: (size: number, root: Buffer) => void;
  /** Tests: called before and after each write. */
  readonly failpoint?: (point: 'before' | 'after') => void | Promise<void>;
};

export type Sequencer = {
  /** True while this process is the one that gives records their place. */
  leading(): boolean;
  /** Resolves when what is under way is written, and lets another process lead. */
  close(): Promise<void>;
};

/** Any constant; everybody who sequences takes this lock. */
const LOCK = 0x7472_6565;
const FOLLOW_MS = 1_000;
const EVERY_MS = 200;

/**
 * Gives the records of all writers their places in one tree. Of all processes that run one, the holder of a lock works;
 * the lock and every write share a connection, so that whoever has lost the one can no longer do the other.
 */
export function startSequencer(options: SequencerOptions): Sequencer {
  return new Running(options);
}

class Running implements Sequencer {
  readonly #options: SequencerOptions;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  #leading = false;

  constructor(options: SequencerOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  leading(): boolean {
    return this.#leading;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { db, onError } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let client: pg.Client | undefined;
      try {
        // oxlint-disable no-await-in-loop -- one turn after the other
        client = await db.connect();
        await this.#turns(client);
      } catch (error) {
        onError(new Error('records are not put into the tree now', { cause: error }));
      } finally {
        this.#leading = false;
        await client?.end().catch(() => undefined);
      }
      await pause(this.#options.followMs ?? FOLLOW_MS, signal);
      // oxlint-enable no-await-in-loop
    }
  }

  /** Waits for the lock, then works until the connection is lost. */
  async #turns(client: pg.Client): Promise<void> {
    const { signal } = this.#stopping;
    const { everyMs = EVERY_MS, followMs = FOLLOW_MS } = this.#options;
    let edge: Edge | undefined;
    while (!signal.aborted) {
      // oxlint-disable no-await-in-loop -- one turn after the other
      edge ??= await this.#lead(client);
      const more = edge !== undefined && (await this.#step(client, edge));
      if (!more) await pause(edge ? everyMs : followMs, signal);
      // oxlint-enable no-await-in-loop
    }
  }

  async #lead(client: pg.Client): Promise<Edge | undefined> {
    const { rows } = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(${LOCK}) as locked`,
    );
    if (!rows[0]?.locked) return undefined;
    this.#leading = true;
    return readEdge(client);
  }

  /** True when there may be more at once. */
  async #step(client: pg.Client, edge: Edge): Promise<boolean> {
    const { failpoint, onProblem, onGrown } = this.#options;
    const found = await readNew(client);
    if (found.size === 0) return false;
    const reached = new Map<string, Reached & { readonly bad?: Finding }>();
    const good: Entry[][] = [];
    for (const [writer, { from, entries }] of found) {
      const walked = walk(writer, from, entries);
      reached.set(writer, walked);
      good.push(entries.slice(0, walked.seq - from.seq));
    }
    const entries = inOrder(good);
    const { size } = edge;
    const tiles = edge.append(entries.map(({ hash }) => hash));
    await failpoint?.('before');
    await client.query('begin');
    await writeEntries(client, size, entries, tiles);
    await writeReached(client, reached);
    await client.query('commit');
    await failpoint?.('after');
    for (const [writer, { bad }] of reached) if (bad) onProblem(writer, bad);
    if (entries.length > 0) onGrown?.(edge.size, edge.root());
    return true;
  }
}

/** As far as the chain is good. */
function walk(
  writer: string,
  from: Reached,
  entries: readonly Entry[],
): Reached & { readonly bad?: Finding } {
  let { seq, hash } = from;
  for (const entry of entries) {
    const wrong = linkProblem(entry, { writer, seq, hash });
    if (wrong) return { seq, hash, bad: { seq: entry.seq, problem: wrong[0], detail: wrong[1] } };
    ({ seq, hash } = entry);
  }
  return { seq, hash };
}

/** By time, each writer's in its own order: a clock may go back, a chain does not. */
function inOrder(writers: readonly (readonly Entry[])[]): Entry[] {
  const timed = writers.flatMap((entries) => {
    let latest = '';
    return entries.map((entry) => {
      const time = readLeaf(entry.leaf)?.time ?? latest;
      if (time > latest) latest = time;
      return { entry, time: latest };
    });
  });
  // The sort is stable, and entries of one writer stand in their order already.
  timed.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  return timed.map(({ entry }) => entry);
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch(() => undefined);
