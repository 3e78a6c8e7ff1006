import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { App, HTTPReceiver, LogLevel, type Logger, webApi } from '@slack/bolt';
import { z } from 'zod';
import type { Address, SlackConfig } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import type { BotLog } from '../log.ts';
import { type ActionParts, registerActions } from './actions.ts';

const FUTURE_S = 60;
const BODY_MAX = 1_048_576;
const CLOSE_MS = 3_000;
const FORGET_MS = 3_600_000;

const Sender = z.object({
  api_app_id: z.string(),
  team: z.object({ id: z.string() }),
  event_id: z.string().optional(),
});

export type SlackApp = { readonly address: Address; close(): Promise<void> };

/** The client that posts and edits cards. It never retries by itself: a lost reply would post twice. */
export function postingClient(config: SlackConfig, log: BotLog): webApi.WebClient {
  return new webApi.WebClient(config.botToken, {
    ...clientOptions(config, log),
    retryConfig: { retries: 0 },
    timeout: 10_000,
  });
}

/**
 * Bolt over HTTP on `config.listen`. Bolt checks the signature and the age; the future, the sender and repetition are
 * checked here. Answers come after handlers are through, so a process that dies has not claimed to have handled a click.
 */
export async function startSlackApp(
  config: SlackConfig,
  parts: Omit<ActionParts, 'teams'>,
): Promise<SlackApp> {
  const { db, log } = parts;
  const receiver = new HTTPReceiver({
    signingSecret: config.signingSecret,
    processBeforeResponse: true,
    bodyLimit: BODY_MAX,
    logger: boltLogger(log),
    customPropertiesExtractor: (request) => ({ seenKey: signedBytes(request, request.rawBody) }),
  });
  const app = new App({
    receiver,
    // Not `token`: Bolt would ask Slack who it is at once, and end the process when Slack says no.
    authorize: () => Promise.resolve({ botToken: config.botToken }),
    clientOptions: { ...clientOptions(config, log), retryConfig: { retries: 1 }, timeout: 2_500 },
    convoStore: false,
    logger: boltLogger(log),
  });
  app.error((error) => {
    log.error({ err: error }, 'a call from Slack failed');
    return Promise.reject(error);
  });
  app.use(async ({ body, context, next, ...rest }) => {
    const sender = Sender.safeParse(body);
    const ack = 'ack' in rest ? rest.ack : undefined;
    if (!sender.success || !isExpected(config, sender.data)) {
      log.warn({}, 'a signed call from Slack came from an app or workspace that is not configured');
      await ack?.();
    } else if (await isFirst(db, sender.data.event_id ?? String(context['seenKey']))) await next();
    else await ack?.();
  });
  registerActions(app, { ...parts, teams: config.teams });

  const server = createServer((request, response) => {
    receive(receiver, request, response);
  });
  server.listen(config.listen.port, config.listen.host);
  await once(server, 'listening');
  const forget = setInterval(() => {
    forgetSeen(db).catch((error: unknown) =>
      log.warn({ err: error }, 'old clicks were not forgotten'),
    );
  }, FORGET_MS).unref();
  const bound = server.address();
  const port = bound === null || typeof bound === 'string' ? config.listen.port : bound.port;
  return {
    address: { host: config.listen.host, port },
    async close() {
      clearInterval(forget);
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const impatient = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
      await closed;
      clearTimeout(impatient);
    },
  };
}

function receive(receiver: HTTPReceiver, request: IncomingMessage, response: ServerResponse): void {
  const at = Number(request.headers['x-slack-request-timestamp']);
  // Bolt refuses only what is old; a signature made for later would stay good for as long.
  if (at > Date.now() / 1_000 + FUTURE_S) {
    response.writeHead(401).end();
    return;
  }
  try {
    receiver.requestListener(request, response);
  } catch {
    response.writeHead(404).end();
  }
}

function isExpected(config: SlackConfig, sender: z.infer<typeof Sender>): boolean {
  const app = config.appId === undefined || config.appId === sender.api_app_id;
  return app && config.teams.includes(sender.team.id);
}

/** False for a call that was handled before: Slack's retry, or a replay of signed bytes. */
async function isFirst(db: Database, key: string): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    'insert into countersign.chat_seen (key) values ($1) on conflict do nothing',
    [`slack ${key}`],
  );
  return rowCount === 1;
}

async function forgetSeen(db: Database): Promise<void> {
  await db.pool.query(
    "delete from countersign.chat_seen where at < clock_timestamp() - interval '1 day'",
  );
}

function signedBytes(request: IncomingMessage, body: Buffer): string {
  return createHash('sha256')
    .update(`${String(request.headers['x-slack-request-timestamp'])}:`)
    .update(body)
    .digest('hex');
}

function clientOptions(config: SlackConfig, log: BotLog): webApi.WebClientOptions {
  return {
    rejectRateLimitedCalls: true,
    logger: boltLogger(log),
    ...(config.apiUrl === undefined ? {} : { slackApiUrl: config.apiUrl }),
  };
}

/** Bolt's own words, without its debug output, which would hold payloads. */
function boltLogger(log: BotLog): Logger {
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
