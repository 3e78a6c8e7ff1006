import { setTimeout as sleep } from 'node:timers/promises';
import { webApi } from '@slack/bolt';
import { claimAlerts, deferAlert, finishAlert, type Alert } from '#src/audit/search/alerts.ts';
import type { Config } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import { oneLine } from './text.ts';

const EVERY_MS = 1_000;

export type AlertParts = {
  readonly db: Pick<Database, 'pool'>;
  readonly client: Pick<webApi.WebClient, 'chat'>;
  readonly config: Pick<Config, 'chat' | 'publicUrl'>;
  readonly onError: (error: Error) => void;
  readonly everyMs?: number;
};

/** Tells channels of what matches views: how much, and where to read it; nothing of what it says. At least once each. */
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

async function deliver({ db, client, config, onError }: AlertParts, alert: Alert): Promise<void> {
  const channel = config.chat.channels.get(alert.channel)?.slack;
  if (channel === undefined) return finishAlert(db.pool, alert.id);
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
    await client.chat.postMessage({
      channel,
      text: alertText(alert, config.publicUrl),
      unfurl_links: false,
      unfurl_media: false,
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
    });
    await finishAlert(db.pool, alert.id);
  } catch (cause) {
    const late = cause instanceof webApi.WebAPIRateLimitedError ? cause.retryAfter : undefined;
    await deferAlert(db.pool, alert, late);
    if (late === undefined)
      onError(new Error('a channel was not told of a view; it is tried again', { cause }));
  }
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** mrkdwn. A name is somebody's words: nothing in it is read as a link or a mention. */
export function alertText({ view, name, matches }: Alert, publicUrl: string): string {
  const plain = oneLine(name)
    .replaceAll(/[&<>]/g, (sign) => escapes[sign] ?? '')
    .replaceAll(/[*_~`]/g, ' ');
  const what = matches === 1 ? 'one more record matches' : `${matches} more records match`;
  return `*${plain}*: ${what}. <${publicUrl}/views/${view}|Open in the console>`;
}
