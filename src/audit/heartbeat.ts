import type { Database } from '../store/database.ts';
import { readHeads } from './heads.ts';
import type { OpenAuditLog } from './writer.ts';

export type HeartbeatOptions = {
  readonly db: Pick<Database, 'pool'>;
  readonly audit: Pick<OpenAuditLog, 'append' | 'seq'>;
  readonly writer: string;
  readonly epoch: number;
  readonly everyMs: number;
  /** Sessions that are open now. */
  readonly sessions: () => number;
};

export type Heartbeat = {
  /** Whole seconds since the last beat was durable, when that is longer than verify allows; else undefined. */
  silentSeconds(): number | undefined;
  close(): Promise<void>;
};

/** So many intervals may pass before a writer is called silent. */
export const MISSED = 3;

/**
 * Records at each interval that this writer is there, where its chain ends, and what has become of the others' since the
 * beat before: whoever cuts records off has to explain the beats that saw them. What fails is tried at the next interval.
 */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { everyMs } = options;
  const seen = new Map<string, number>();
  let last = performance.now();
  let beating: Promise<void> | undefined;
  const timer = setInterval(() => {
    // A store that does not answer is asked once at a time; the log says that it does not.
    beating ??= beat(options, seen)
      .then(
        () => void (last = performance.now()),
        () => undefined,
      )
      .finally(() => (beating = undefined));
  }, everyMs);
  return {
    silentSeconds() {
      const ms = performance.now() - last;
      return ms > MISSED * everyMs ? Math.floor(ms / 1_000) : undefined;
    },
    async close() {
      clearInterval(timer);
      await beating;
    },
  };
}

async function beat(
  { db, audit, writer, epoch, sessions }: HeartbeatOptions,
  seen: Map<string, number>,
): Promise<void> {
  const heads = (await readHeads(db)).filter(
    (head) => head.writer !== writer && seen.get(head.writer) !== head.seq,
  );
  const body = { epoch, seq: audit.seq(), sessions: sessions(), heads };
  await audit.append({ kind: 'heartbeat', body });
  for (const head of heads) seen.set(head.writer, head.seq);
}
