import type { webApi } from '@slack/bolt';
import type { Problems } from '../problems.ts';
import { tokenProblem } from './problems.ts';

const PART = 'the bot token';
const CALM_MS = 300_000;
const FIRST_MS = 1_000;
const LAST_MS = 60_000;

/**
 * Asks Slack now and then whether the bot token is good, so that a revoked one is known before the next card needs it.
 * `doubt` takes what a call to Slack failed with, and asks at once if that could be the token; `check` asks at once.
 */
export function watchToken(
  client: webApi.WebClient,
  problems: Problems,
): { doubt(error: unknown): void; check(): void; close(): void } {
  let closed = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;

  const next = (ms: number) => {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(() => void ask(), ms).unref();
  };
  const ask = async () => {
    const error = await client.auth.test().then(
      () => undefined,
      (caught: unknown) => caught,
    );
    if (closed) return;
    const text = tokenProblem('bot', error);
    if (text !== undefined) problems.set(PART, text);
    // A Slack that could not be reached has said nothing of the token.
    else if (error === undefined) problems.clear(PART);
    failures = text === undefined ? 0 : failures + 1;
    next(failures === 0 ? CALM_MS : Math.min(LAST_MS, FIRST_MS * 2 ** (failures - 1)));
  };
  void ask();
  return {
    check: () => next(0),
    doubt(error) {
      if (failures === 0 && tokenProblem('bot', error) !== undefined) next(0);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
