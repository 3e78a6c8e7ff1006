import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { Address, TeamsConfig } from '#src/config/config.ts';
import type { BotLog } from '../log.ts';
import { Activity, tenantOf } from './activity.ts';
import { type Framework, Unauthorized } from './framework.ts';
import { isAllowed } from './service-url.ts';

const PATH = '/api/messages';
const BODY_MAX = 262_144;
const READ_MS = 10_000;
const CLOSE_MS = 3_000;

/** A call that is not taken: its HTTP status, and why, for the log. */
class NotTaken extends Error {
  readonly status: number;
  constructor(status: number, why: string) {
    super(why);
    this.status = status;
  }
}

/** An activity from Teams, of one of our tenants. */
export type Call = { readonly activity: Activity; readonly tenant: string };

type Parts = {
  readonly config: TeamsConfig;
  readonly framework: Framework;
  readonly log: BotLog;
  /** Resolves with what Teams is answered; undefined: nothing but that it was taken. */
  readonly handle: (call: Call) => Promise<object | undefined>;
};

/**
 * Takes what Teams sends. An activity comes further only when Microsoft signed it for this bot, it comes from a tenant
 * that is allowed, and its answers would go to a service that is allowed.
 */
export async function listenForTeams(
  parts: Parts,
): Promise<{ readonly address: Address; close(): Promise<void> }> {
  const { listen } = parts.config;
  const server = createServer({ requestTimeout: READ_MS }, (request, response) => {
    take(parts, request)
      .then((answer) => sendAnswer(response, answer))
      .catch((error: unknown) => refuse(response, parts.log, error));
  });
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  const bound = server.address();
  const port = bound === null || typeof bound === 'string' ? listen.port : bound.port;
  return {
    address: { host: listen.host, port },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const impatient = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
      await closed;
      clearTimeout(impatient);
    },
  };
}

async function take(
  { config, framework, handle }: Parts,
  request: IncomingMessage,
): Promise<object | undefined> {
  if (request.method !== 'POST' || request.url !== PATH) throw new NotTaken(404, 'not our address');
  // Also keeps web pages out: a browser asks before it sends this type elsewhere.
  if (request.headers['content-type']?.split(';')[0]?.trim() !== 'application/json')
    throw new NotTaken(415, 'its type is not application/json');
  const body = parsed(await readBody(request));
  const read = Activity.safeParse(body);
  if (!read.success) throw new NotTaken(400, 'it is no activity of Teams');
  const activity = read.data;
  if (!isAllowed(activity.serviceUrl, config.serviceUrls))
    throw new NotTaken(
      403,
      `its answers would go to ${shown(activity.serviceUrl)}: if that is Teams, add it to chat.teams.serviceUrls`,
    );
  await framework.verify(body, request.headers.authorization ?? '');
  const tenant = tenantOf(activity);
  if (tenant === undefined || !config.tenants.includes(tenant))
    throw new NotTaken(
      403,
      `it comes from ${tenant ?? 'no'} tenant, not from one of chat.teams.tenants`,
    );
  return await handle({ activity, tenant });
}

/** What somebody made up goes into the log in part, and as one line. */
const shown = (text: string): string => JSON.stringify(text.slice(0, 200));

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > BODY_MAX) throw new NotTaken(413, `it is longer than ${BODY_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sendAnswer(response: ServerResponse, answer: object | undefined): void {
  if (!answer) response.writeHead(200).end();
  else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
}

function refuse(response: ServerResponse, log: BotLog, error: unknown): void {
  const status =
    error instanceof NotTaken ? error.status : error instanceof Unauthorized ? 401 : 500;
  if (error instanceof NotTaken || error instanceof Unauthorized)
    log.warn({ status }, `a call to ${PATH} was refused: ${error.message}`);
  else log.error({ err: error }, 'a call from Teams failed');
  if (!response.headersSent) response.writeHead(status, { connection: 'close' }).end();
}
