import { setTimeout as sleep } from 'node:timers/promises';
import { type App, type Receiver, webApi } from '@slack/bolt';
import type { SlackSocketConfig } from '#src/config/config.ts';
import type { BotLog } from '../log.ts';
import { appClient, platformError } from './client.ts';
import { type Envelope, type Line, type LineTiming, openLine, TIMING } from './line.ts';
import type { Problems } from '../problems.ts';
import { tokenProblem } from './problems.ts';
import { eventKey, give, type Transport } from './transport.ts';

/**
 * Slack sends each call on one of the lines, and does not send a click again that was lost: with two, one stays while
 * the other breaks. Slack allows ten for an app.
 */
const LINES = 2;
/** A line that Slack wants to replace is kept this long beside the new one, for what is still on its way. */
const DRAIN_MS = 30_000;
/** A line that lived this long was no failure; one that did not, but had begun, is tried again within two seconds. */
const STEADY_MS = 10_000;
const BEGUN = 3;
const FIRST_MS = 500;
const LAST_MS = 60_000;
const CLOSE_MS = 3_000;
const PART = 'Socket Mode';

export type SocketParts = {
  readonly log: BotLog;
  readonly problems: Problems;
  readonly timing?: LineTiming;
};

/** Slack's calls over Socket Mode: nothing listens here, and no failure to connect ends the process. */
export function overSocket(config: SlackSocketConfig, parts: SocketParts): Transport {
  const { log, problems, timing = TIMING } = parts;
  const client = appClient(config, config.appToken, log);
  const stop = new AbortController();
  const lines = new Set<Line>();
  const loops: Promise<void>[] = [];
  const running = new Set<Promise<void>>();
  let app: App | undefined;
  let up = 0;

  const onEnvelope = (envelope: Envelope) => {
    // What comes while we leave is not acked, so that nobody believes it was handled.
    if (stop.signal.aborted) return;
    const work = handle(app, envelope, log).finally(() => running.delete(work));
    running.add(work);
  };

  /** Resolves when the line has to be replaced, with how many failures that makes, after those before. */
  const carry = async (line: Line, failures: number): Promise<number> => {
    const since = performance.now();
    lines.add(line);
    up += 1;
    if (lines.size === 1) log.info({ slack: PART }, 'connected to Slack');
    problems.clear(PART);
    const reason = await line.leaving;
    up -= 1;
    const linger = isRefresh(reason) ? DRAIN_MS : 0;
    setTimeout(() => {
      line.close();
      lines.delete(line);
    }, linger).unref();
    if (!isRefresh(reason)) report(new Lost(reason));
    if (performance.now() - since > STEADY_MS) return 0;
    return isUnwanted(reason) ? failures + 1 : Math.min(BEGUN, failures + 1);
  };

  const report = (error: unknown) => {
    if (stop.signal.aborted) return;
    const text = problemOf(error);
    if (up === 0) problems.set(PART, text);
    else log.warn({ slack: PART }, `one of ${LINES} lines to Slack is down: ${text}`);
  };

  const keep = async (): Promise<void> => {
    for (let failures = 0; !stop.signal.aborted;) {
      let wait = 0;
      try {
        const url = await address(client, config);
        if (stop.signal.aborted) return;
        const line = await openLine(url, onEnvelope, timing);
        if (stop.signal.aborted) line.close();
        else failures = await carry(line, failures);
      } catch (error) {
        failures += 1;
        report(error);
        if (error instanceof webApi.WebAPIRateLimitedError) wait = error.retryAfter * 1_000;
      }
      await sleep(Math.max(wait, pause(failures)), undefined, { signal: stop.signal }).catch(
        () => undefined,
      );
    }
  };

  const receiver: Receiver = {
    init: (made) => void (app = made),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
  return {
    receiver,
    start() {
      for (let i = 0; i < LINES; i += 1) loops.push(keep());
      return Promise.resolve(undefined);
    },
    async close() {
      stop.abort();
      const enough = sleep(CLOSE_MS, undefined, { ref: false });
      await Promise.race([Promise.all(running), enough]);
      for (const line of lines) line.close();
      // A line that was being opened is closed as soon as it is there.
      await Promise.race([Promise.all(loops), enough]);
    },
  };
}

async function handle(app: App | undefined, envelope: Envelope, log: BotLog): Promise<void> {
  try {
    await give(app, {
      body: envelope.payload,
      ...(envelope.retry !== undefined && { retryNum: envelope.retry }),
      customProperties: { seenKey: eventKey(envelope.payload) ?? `envelope ${envelope.id}` },
      ack(answer: unknown) {
        if (!envelope.ack(answer))
          log.warn({}, 'a line to Slack broke before it took an answer; the person sees no answer');
        return Promise.resolve();
      },
    });
  } catch {
    // Bolt's error handler has logged it; what is not acked, Slack shows as failed.
  }
}

/** A line that ended in another way than being refreshed. */
class Lost extends Error {}

const isRefresh = (reason: string) => reason === 'warning' || reason === 'refresh_requested';

const isUnwanted = (reason: string) =>
  reason === 'link_disabled' || reason === 'too_many_websockets';

async function address(client: webApi.WebClient, config: SlackSocketConfig): Promise<string> {
  const { url = '' } = await client.apps.connections.open({});
  if (url.startsWith('wss://') || (config.apiUrl !== undefined && url.startsWith('ws://')))
    return url;
  throw new Error('Slack gave no wss:// address to connect to');
}

/** 0 for the first, then doubled from half a second to a minute, less up to a half by chance. */
function pause(failures: number): number {
  if (failures === 0) return 0;
  return Math.min(LAST_MS, FIRST_MS * 2 ** (failures - 1)) * (1 - Math.random() / 2);
}

function problemOf(error: unknown): string {
  const said = tokenProblem('app', error);
  if (said !== undefined) return said;
  const reason = error instanceof Lost ? error.message : (platformError(error) ?? '');
  switch (reason) {
    case 'link_disabled':
      return 'Socket Mode is switched off in the settings of the Slack app: switch it on, or use chat.slack.mode: http; until then requests are decided in the console';
    case 'too_many_websockets':
      return 'the Slack app has more than ten Socket Mode connections: stop other processes that use its app token; until then requests are decided in the console';
    case '':
      return `Slack's Socket Mode cannot be reached (${error instanceof Error ? error.message : 'no answer'}); it is tried again, and requests are decided in the console`;
    default:
      return `the Socket Mode connection to Slack was lost (${reason}); it is tried again`;
  }
}
