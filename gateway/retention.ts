import { resumeErasures } from '#src/audit/erasure/erase.ts';
import { type Holds, openHolds } from '#src/audit/erasure/holds.ts';
import type { EraseParts } from '#src/audit/erasure/job.ts';
import { applyRetention } from '#src/audit/retention.ts';
import type { RetentionRule } from '#src/config/config.ts';
import { startTidy } from '#src/identity/tidy.ts';
import type { ChunkStore } from '#src/recording/port.ts';
import { type Database, openDatabase } from '#src/store/database.ts';
import type { Core } from './core.ts';

/** What removes what is over: rows that have expired, and what the rules of retention say. `opened` ends it. */
export function openRetention(
  core: Core &
    Pick<Parameters<typeof startTidy>[0], 'signIns'> & {
      readonly chunks: Pick<ChunkStore, 'remove'>;
    },
  opened: AsyncDisposableStack,
): Retention & { readonly legalHolds: Holds } {
  const { reload, directory, chunks } = core;
  opened.defer(startTidy(core));
  const job = startRetention({
    ...core,
    rules: () => reload.config.retention ?? [],
    configured: () => directory.configured(),
    removeChunks: (session) => chunks.remove(session),
  });
  opened.adopt(job, (running) => running.close());
  return { ...job, legalHolds: openHolds(core.db, core.audit) };
}

type Parts = Pick<Core, 'db' | 'ownerUrl' | 'audit' | 'log' | 'onError'> & {
  readonly rules: () => readonly RetentionRule[];
  readonly configured: () => readonly string[];
  readonly removeChunks: EraseParts['removeChunks'];
  /** How often; default one hour, the first time after a minute. */
  readonly everyMs?: number;
};

type Retention = {
  /** What this process has removed since its start, by `months`, `records` and `recordings`, and runs that `failed`. */
  readonly removed: Readonly<Record<string, number>>;
  close(): Promise<void>;
};

const HOUR_MS = 3_600_000;
const FIRST_MS = 60_000;
const PAUSE_MS = 50;
/** Any constant; of all gateways on the store one applies the rules. */
const LOCK = 0x7265_7465;

/**
 * Makes the months to come, goes on with erasures that a process which died has left, and applies the rules of
 * retention. It erases as the owner of the store, over connections that it has only meanwhile.
 */
function startRetention(parts: Parts): Retention {
  const removed = { months: 0, records: 0, recordings: 0, failed: 0 };
  let closed = false;
  let running: Promise<void> = Promise.resolve();
  const turn = async (): Promise<void> => {
    try {
      await parts.db.pool.query('select countersign.make_months()');
      const kept = await run(parts, () => closed);
      removed.months += kept.months.length;
      removed.records += kept.records;
      removed.recordings += kept.recordings;
    } catch (error) {
      removed.failed += 1;
      parts.onError(new Error('what is kept too long could not be removed', { cause: error }));
    }
  };
  const everyMs = parts.everyMs ?? HOUR_MS;
  let timer: NodeJS.Timeout;
  const plan = (ms: number): void => {
    timer = setTimeout(() => {
      running = turn().finally(() => {
        if (!closed) plan(everyMs);
      });
    }, ms).unref();
  };
  plan(Math.min(FIRST_MS, everyMs));
  return {
    removed,
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}

const NOTHING = { months: [], records: 0, recordings: 0, holds: [] };

async function run(parts: Parts, closed: () => boolean) {
  const rules = parts.rules();
  if (rules.length === 0 && !(await leftOver(parts.db))) return NOTHING;
  const owner = openDatabase(parts.ownerUrl, { max: 3, onError: parts.onError });
  const leader = await owner.connect().catch(async (error: unknown) => {
    await owner.close();
    throw error;
  });
  try {
    const { rows } = await leader.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(${LOCK}) as locked`,
    );
    if (!rows[0]?.locked) return NOTHING;
    const { audit, removeChunks, log } = parts;
    // A gateway that stops leaves the rest for the next one.
    const failpoint = () => {
      if (closed()) throw new Stopped('the gateway stops');
    };
    const erasing = {
      owner,
      audit,
      configured: parts.configured(),
      removeChunks,
      failpoint,
      pauseMs: PAUSE_MS,
    };
    await resumeErasures(erasing);
    if (rules.length === 0) return NOTHING;
    const kept = await applyRetention({ ...erasing, rules, now: Date.now() });
    if (kept.holds.length > 0)
      log.info({ holds: kept.holds }, 'legal holds keep what the rules of retention would remove');
    return kept;
  } catch (error) {
    if (error instanceof Stopped) return NOTHING;
    throw error;
  } finally {
    await leader.end();
    await owner.close();
  }
}

class Stopped extends Error {}

async function leftOver({ pool }: Pick<Database, 'pool'>): Promise<boolean> {
  const { rowCount } = await pool.query(
    `select from countersign.erasure where state in ('planned', 'recorded') limit 1`,
  );
  return rowCount !== 0;
}
