import type { Database } from '../store/database.ts';
import type { Requests } from './port.ts';
import type { Wake } from './wake.ts';

const PERIOD_MS = 1_000;

type SweepParts = Pick<Requests, 'end' | 'finish'> & {
  readonly db: Database;
  readonly wake: Wake;
  readonly doubtful: Map<string, () => Promise<unknown>>;
  readonly onError: (error: Error) => void;
};

/**
 * Every second: ends what is overdue, ends what a dead gateway left, ends what an unconfirmed write may have made, and
 * wakes everybody who waits, in case a NOTIFY was lost. Any number of processes may sweep: each end is a compare-and-set.
 */
export function startSweep(parts: SweepParts): { stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  const schedule = () => {
    timer = setTimeout(() => {
      running = sweepOnce(parts)
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

async function sweepOnce({ db, end, finish, wake, doubtful, onError }: SweepParts): Promise<void> {
  wake.wake();
  for (const [id, settle] of doubtful) {
    await settle().then(() => doubtful.delete(id), onError);
  }
  const { rows } = await db.pool.query<{ id: string; state: string; overdue: boolean }>(LEFT);
  for (const { id, state, overdue } of rows) {
    if (state === 'running') await finish(id, 'unknown');
    else if (overdue) await end(id, 'expired', 'nobody decided and ran it in time');
    else await end(id, 'abandoned', 'the gateway that held it went away');
  }
}

// A request whose gateway has no row at all belongs to nobody's lease; only its own expiry ends it.
const LEFT = `select r.id, r.state, r.expires_at <= clock_timestamp() as overdue
  from countersign.request r left join countersign.gateway g on g.name = r.gateway
  where (r.state in ('pending', 'approved') and r.expires_at <= clock_timestamp())
     or (r.state in ('pending', 'approved', 'running') and g.name is not null
         and (g.epoch > r.epoch or g.lease_until <= clock_timestamp()))
  order by r.created_at limit 100`;
