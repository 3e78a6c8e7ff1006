import type { Database } from '../store/database.ts';
import type { Requests } from './port.ts';
import type { Wake } from './wake.ts';

const PERIOD_MS = 1_000;
const TIDY_EVERY = 60;

type SweepParts = Pick<Requests, 'end'> & {
  readonly db: Database;
  readonly wake: Wake;
  readonly doubtful: Map<string, () => Promise<unknown>>;
  readonly onError: (error: Error) => void;
  /** Lets others decide as well where nobody has for too long. */
  readonly escalate: (stopped: () => boolean) => Promise<void>;
};

/**
 * Every second: wakes who waits for a request that has moved, in case a NOTIFY was lost, ends what an unconfirmed write may have made, and
 * ends what is overdue. Any number of processes may sweep: each end is a compare-and-set. (What a dead gateway left is
 * ended by recovery, which looks at its records too.) Every minute it clears what chat has shown a day ago.
 */
export function startSweep(parts: SweepParts): { stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  let round = 0;
  const once = async () => {
    if (round++ % TIDY_EVERY === 0) await parts.db.pool.query(SHOWN);
    await sweepOnce(parts, () => stopped);
  };
  const schedule = () => {
    timer = setTimeout(() => {
      running = once()
        .catch(parts.onError)
        .finally(() => {
          if (!stopped) schedule();
        });
    }, PERIOD_MS);
    timer.unref();
  };
  schedule();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

async function sweepOnce(
  { db, end, wake, doubtful, onError, escalate }: SweepParts,
  stopped: () => boolean,
): Promise<void> {
  const moved = await db.pool.query<{ id: string }>(MOVED, [wake.waiting()]);
  for (const { id } of moved.rows) wake.wake(id);
  // Each may wait for a store that is away; who stops does not wait for all of them.
  for (const [id, settle] of doubtful) {
    if (stopped()) return;
    await settle().then(() => doubtful.delete(id), onError);
  }
  const { rows } = await db.pool.query<{ id: string }>(OVERDUE);
  for (const { id } of rows) {
    if (stopped()) return;
    await end(id, 'expired', 'nobody decided and ran it in time');
  }
  if (!stopped()) await escalate(stopped);
}

const MOVED = `select id from countersign.request where id = any($1) and state <> 'pending'`;
const OVERDUE = `select id from countersign.request
  where state in ('pending', 'approved') and expires_at <= clock_timestamp() order by created_at limit 100`;

const SHOWN = `delete from countersign.outbox where done_at < clock_timestamp() - interval '1 day'`;
