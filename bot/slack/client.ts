import { LogLevel, type Logger, webApi } from '@slack/bolt';
import type { SlackConfig } from '#src/config/config.ts';
import type { BotLog } from '../log.ts';
import { Refused } from '../platform.ts';

/** The client that posts and edits cards. It never retries by itself: a lost reply would post twice. */
export function postingClient(config: SlackConfig, log: BotLog): webApi.WebClient {
  return new webApi.WebClient(config.botToken, { ...clientOptions(config, log), ...ONCE });
}

/** The client that asks for Socket Mode addresses. Whoever uses it tries again in its own time. */
export function appClient(config: SlackConfig, appToken: string, log: BotLog): webApi.WebClient {
  return new webApi.WebClient(appToken, { ...clientOptions(config, log), ...ONCE });
}

const ONCE: webApi.WebClientOptions = { retryConfig: { retries: 0 }, timeout: 10_000 };

export function clientOptions(config: SlackConfig, log: BotLog): webApi.WebClientOptions {
  return {
    rejectRateLimitedCalls: true,
    logger: boltLogger(log),
    ...(config.apiUrl === undefined ? {} : { slackApiUrl: config.apiUrl }),
  };
}

/** What Slack itself answered, as its code; undefined when it did not answer. */
export function platformError(error: unknown): string | undefined {
  if (error instanceof Refused) return error.code;
  return error instanceof webApi.WebAPIPlatformError ? error.data.error : undefined;
}

/** Bolt's own words, without its debug output, which would hold payloads. */
export function boltLogger(log: BotLog): Logger {
  return {
    debug() {},
    info() {},
    warn: (...parts) => log.warn({ from: 'bolt' }, parts.map(String).join(' ')),
    error: (...parts) => log.error({ from: 'bolt' }, parts.map(String).join(' ')),
    setLevel() {},
    getLevel: () => LogLevel.WARN,
    setName() {},
  };
}
