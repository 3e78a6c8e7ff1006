import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Database } from '../../store/database.ts';
import { readLeaf } from '../chain.ts';
import { linkProblem, type Finding } from '../check.ts';
import type { Edge } from './edge.ts';
import { SignedEntries } from './signed-entries.ts';
import {
  readEdge,
  readNew,
  writeEntries,
  writeReached,
  type Entry,
  type Found,
  type Reached,
  type Signing,
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
  /** Something is wrong with the signatures of a writer; its records are placed all the same. */
  readonly onFlag?: (writer: string, flag: string) => void;
  /** How long a record waits for its writer to sign it; default 10 s. */
  readonly patienceMs?: number;
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
    // Known anew with each connection: another process may have led meanwhile.
    const signed = new SignedEntries(this.#options.patienceMs);
    while (!signal.aborted) {
      // oxlint-disable no-await-in-loop -- one turn after the other
      edge ??= await this.#lead(client);
      const more = edge !== undefined && (await this.#step(client, edge, signed));
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
  async #step(client: pg.Client, edge: Edge, signed: SignedEntries): Promise<boolean> {
    const { failpoint, onGrown } = this.#options;
    const found = await readNew(client);
    if (found.size === 0) return false;
    const reached = await follow(client, found, signed);
    if (reached.size === 0) return false;
    const entries = inOrder(
      [...reached].map(([writer, { from, seq }]) =>
        (found.get(writer)?.entries ?? []).slice(0, seq - from.seq),
      ),
    );
    const { size } = edge;
    const tiles = edge.append(entries.map(({ hash }) => hash));
    await failpoint?.('before');
    await client.query('begin');
    await writeEntries(client, size, entries, tiles);
    await writeReached(client, reached);
    await client.query('commit');
    await failpoint?.('after');
    this.#tell(reached);
    if (entries.length > 0) onGrown?.(edge.size, edge.root());
    return true;
  }

  #tell(reached: ReadonlyMap<string, Walked>): void {
    const { onProblem, onFlag } = this.#options;
    for (const [writer, { bad, flag, from }] of reached) {
      if (bad) onProblem(writer, bad);
      if (flag !== null && flag !== from.flag) onFlag?.(writer, flag);
    }
  }
}

type Walked = Reached & Signing & { readonly bad?: Finding; readonly from: Found['from'] };

/** How far each writer's records are good, and are to be placed now; those of which none is are left out. */
async function follow(
  client: pg.Client,
  found: ReadonlyMap<string, Found>,
  signed: SignedEntries,
): Promise<ReadonlyMap<string, Walked>> {
  const walked = [...found].map(([writer, { from, entries }]) => {
    const { seq, bad } = walk(writer, from, entries);
    return { writer, from, entries: entries.slice(0, seq - from.seq), bad };
  });
  const placing = await signed.place(client, new Map(walked.map((one) => [one.writer, one])));
  const reached = new Map<string, Walked>();
  for (const { writer, from, entries, bad } of walked) {
    const { count, key, flag } = placing.get(writer) ?? { ...from, count: 0 };
    const { seq, hash } = entries[count - 1] ?? from;
    // What is wrong is told when all before it has been placed.
    const ends = bad && count === entries.length;
    if (count > 0 || ends)
      reached.set(writer, { seq, hash, key, flag, from, ...(ends && { bad }) });
  }
  return reached;
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
function inOrder(writers: readonly (readonly Entry[])[]): readonly Entry[] {
  const [only, ...others] = writers;
  if (only && others.length === 0) return only;
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
