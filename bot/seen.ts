import type { Database } from '#src/store/database.ts';
import type { BotLog } from './log.ts';

const FORGET_MS = 3_600_000;

export type Seen = {
  /** Runs `handle`, unless a call of this key is being handled or was: Slack's retry, or a replay of signed bytes. */
  once(key: string, handle: () => Promise<void>): Promise<'handled' | 'seen'>;
  close(): void;
};

/**
 * Remembers for a day which calls were handled. A key is kept only once its call is through: what a dead process left
 * half done, Slack may send again, and the request's compare-and-set sees to it that a vote counts once.
 */
export function openSeen(db: Database, log: BotLog): Seen {
  const running = new Set<string>();
  const forget = setInterval(() => {
    db.pool
      .query("delete from countersign.chat_seen where at < clock_timestamp() - interval '1 day'")
      .catch((error: unknown) => log.warn({ err: error }, 'old clicks were not forgotten'));
  }, FORGET_MS).unref();
  const isKept = async (key: string) => {
    const { rowCount } = await db.pool.query('select from countersign.chat_seen where key = $1', [
      key,
    ]);
    return rowCount === 1;
  };
  return {
    async once(key, handle) {
      if (running.has(key)) return 'seen';
      running.add(key);
      try {
        if (await isKept(key)) return 'seen';
        await handle();
        await db.pool.query(
          'insert into countersign.chat_seen (key) values ($1) on conflict do nothing',
          [key],
        );
        return 'handled';
      } finally {
        running.delete(key);
      }
    },
    close: () => clearInterval(forget),
  };
}
