import { setTimeout as sleep } from 'node:timers/promises';
import { claimAlerts, deferAlert, finishAlert, type Alert } from '#src/audit/search/alerts.ts';
import type { Database } from '#src/store/database.ts';
import type { Post } from './model.ts';
import type { Say } from './say.ts';
import { oneLine } from './text.ts';

const EVERY_MS = 1_000;

export type AlertParts = {
  readonly db: Pick<Database, 'pool' | 'transaction'>;
  readonly say: Pick<Say, 'say'>;
  readonly publicUrl: string;
  readonly onError: (error: Error) => void;
  readonly everyMs?: number;
};

/** Tells channels of what matches views: how much, and where to read it; nothing of what it says. Once each. */
export function startAlerts(parts: AlertParts): { close(): Promise<void> } {
  const stopping = new AbortController();
  const done = run(parts, stopping.signal);
  return {
    async close() {
      stopping.abort();
      await done;
    },
  };
}

async function run(parts: AlertParts, signal: AbortSignal): Promise<void> {
  const { db, onError, everyMs = EVERY_MS } = parts;
  while (!signal.aborted) {
    // oxlint-disable no-await-in-loop -- one after the other
    try {
      for (const alert of await claimAlerts(db.pool)) await deliver(parts, alert);
    } catch (cause) {
      onError(new Error('a channel was not told of a view; it is tried again', { cause }));
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    // oxlint-enable no-await-in-loop
  }
}

/** Said and ticked off in one transaction; a channel that is in no chat any more is told nothing. */
async function deliver({ db, say, publicUrl, onError }: AlertParts, alert: Alert): Promise<void> {
  try {
    await db.transaction(async (sql) => {
      const { id, channel } = alert;
      await say.say(
        { key: `alert:${id}`, to: { channel }, post: alertPost(alert, publicUrl) },
        sql,
      );
      await finishAlert(sql, id);
    });
  } catch (cause) {
    await deferAlert(db.pool, alert);
    onError(new Error('a channel was not told of a view; it is tried again', { cause }));
  }
}

/** The name of a view is somebody's words. */
export function alertPost(
  { view, name, matches }: Pick<Alert, 'view' | 'name' | 'matches'>,
  publicUrl: string,
): Post {
  const what = matches === 1 ? 'one more record matches' : `${matches} more records match`;
  return {
    summary: `A view has news: ${what}`,
    parts: [
      {
        kind: 'text',
        line: [
          { text: oneLine(name), style: 'bold' },
          `: ${what}. `,
          { text: 'Open in the console', link: `${publicUrl}/views/${view}` },
        ],
      },
    ],
  };
}
