import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { App } from '@slack/bolt';
import type { SlackHttpConfig } from '#src/config/config.ts';
import type { BotLog } from '../log.ts';
import { eventKey, give, type Transport } from './transport.ts';

const PATH = '/slack/events';
const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const PAST_S = 300;
const FUTURE_S = 60;
const BODY_MAX = 1_048_576;
const READ_MS = 10_000;
const CLOSE_MS = 3_000;

/** A call that is not taken: its HTTP status, and why, for the log. */
class Refused extends Error {
  readonly status: number;
  constructor(status: number, why: string) {
    super(why);
    this.status = status;
  }
}

/**
 * Slack's calls over HTTP on `config.listen`. Not Bolt's own receiver: that one takes signatures from the future, and a
 * signed `null` ends the process.
 */
export function overHttp(config: SlackHttpConfig, log: BotLog): Transport {
  let app: App | undefined;
  const server = createServer({ requestTimeout: READ_MS }, (request, response) => {
    take(request, response).catch((error: unknown) => refuse(response, log, error));
  });
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const call = await readCall(request, config.signingSecret);
    // Slack asks once whether this address is ours.
    if (call.payload['type'] === 'url_verification')
      return sendAnswer(response, { challenge: call.payload['challenge'] });
    await give(app, {
      body: call.payload,
      customProperties: { seenKey: call.key },
      ack(answer: unknown) {
        sendAnswer(response, answer);
        return Promise.resolve();
      },
    });
    if (!response.headersSent) throw new Refused(404, 'nothing here handles it');
  };
  return {
    receiver: {
      init: (made) => void (app = made),
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    },
    async start() {
      server.listen(config.listen.port, config.listen.host);
      await once(server, 'listening');
      const bound = server.address();
      const port = bound === null || typeof bound === 'string' ? config.listen.port : bound.port;
      return { host: config.listen.host, port };
    },
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

type Call = { readonly payload: Record<string, unknown>; readonly key: string };

/** Rejects with `Refused` unless it is a signed call of the last minutes with a JSON object as its payload. */
async function readCall(request: IncomingMessage, secret: string): Promise<Call> {
  if (request.method !== 'POST' || request.url !== PATH) throw new Refused(404, 'not our address');
  const type = request.headers['content-type']?.split(';')[0]?.trim();
  if (type !== FORM && type !== JSON_TYPE)
    throw new Refused(415, `its type is neither ${FORM} nor ${JSON_TYPE}`);
  const body = await readBody(request);
  const at = String(request.headers['x-slack-request-timestamp']);
  checkTime(at);
  checkSignature(at, body, String(request.headers['x-slack-signature']), secret);
  const text = body.toString('utf8');
  const payload = type === FORM ? ofForm(new URLSearchParams(text)) : parsed(text);
  if (!payload) throw new Refused(400, 'its payload is not a JSON object');
  const key = createHash('sha256').update(`${at}:`).update(body).digest('hex');
  return { payload, key: eventKey(payload) ?? key };
}

/** A click comes as JSON in a field of the form, a command as the form itself. */
function ofForm(form: URLSearchParams): Record<string, unknown> | undefined {
  return form.has('command') ? Object.fromEntries(form) : parsed(form.get('payload') ?? '');
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > BODY_MAX) throw new Refused(413, `it is longer than ${BODY_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function checkTime(at: string): void {
  if (!/^\d{1,12}$/.test(at)) throw new Refused(401, 'it does not say when it was signed');
  const age = Date.now() / 1_000 - Number(at);
  if (age > PAST_S || age < -FUTURE_S)
    throw new Refused(
      401,
      `it was signed ${Math.abs(Math.round(age))} s ${age > 0 ? 'ago' : 'ahead'}: is the clock right?`,
    );
}

/** https://docs.slack.dev/authentication/verifying-requests-from-slack */
function checkSignature(at: string, body: Buffer, signature: string, secret: string): void {
  const own = createHmac('sha256', secret).update(`v0:${at}:`).update(body).digest();
  const given = Buffer.from(/^v0=([0-9a-f]{64})$/.exec(signature)?.[1] ?? '', 'hex');
  if (given.length !== own.length || !timingSafeEqual(given, own))
    throw new Refused(401, 'its signature is wrong: is chat.slack.signingSecret right?');
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function sendAnswer(response: ServerResponse, answer: unknown): void {
  if (answer === undefined || answer === '') response.writeHead(200).end();
  else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
}

/** What failed inside has been logged where it failed, and Slack shows its person that nothing came of the click. */
function refuse(response: ServerResponse, log: BotLog, error: unknown): void {
  const status = error instanceof Refused ? error.status : 500;
  if (error instanceof Refused)
    log.warn({ status }, `a call to ${PATH} was refused: ${error.message}`);
  if (!response.headersSent) response.writeHead(status, { connection: 'close' }).end();
}
