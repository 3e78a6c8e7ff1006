import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkMessage, checkView } from './blockkit.ts';
import { APP_METHOD_SCOPES, METHOD_SCOPES } from './slack-scopes.ts';
import { slackSocket } from './slack-socket.ts';

export type FakeUser = {
  email?: string;
  team?: string;
  is_bot?: boolean;
  deleted?: boolean;
  is_restricted?: boolean;
  is_ultra_restricted?: boolean;
  is_stranger?: boolean;
};
export type FakeMessage = {
  ts: string;
  channel: string;
  text: string;
  blocks: Block[];
  metadata?: unknown;
  edits: number;
};
export type Block = {
  type: string;
  elements?: { action_id?: string; value?: string; url?: string }[];
};
/** `lost`: done, but the reply never comes. `slow`: done and answered after `ms`. `late`: done at once, answered after `ms`. */
export type Fault =
  | { kind: '429'; seconds: number }
  | { kind: '500' }
  | { kind: 'lost' }
  | { kind: 'slow' | 'late'; ms: number }
  | { kind: 'error'; error: string };
type Args = Record<string, string>;
type Answer = { ok?: boolean; [key: string]: unknown };

const TRIGGER_MS = 3_000;
export const TEAM = 'T0123456';

/** Of the bot, and of the app for Socket Mode. Change them, and what we hold is refused. */
type Tokens = { bot: string; app: string };

/**
 * Slack's Web API and Socket Mode as far as the bot uses them: tokens, scopes, block limits, one-use trigger ids that
 * expire, and faults. It refuses what it does not know.
 */
export async function startFakeSlack(options: {
  scopes: readonly string[];
  token: string;
  appToken?: string;
}) {
  const tokens: Tokens = { bot: options.token, app: options.appToken ?? 'nobody has this' };
  const appScopes = new Set(['connections:write']);
  const messages: FakeMessage[] = [];
  const ephemerals: { channel: string; user: string; text: string }[] = [];
  const views: { private_metadata: string; callback_id: string }[] = [];
  const calls: { method: string; at: number; ok: boolean }[] = [];
  const refusals: string[] = [];
  const users = new Map<string, FakeUser>();
  const faults: { method: string; fault: Fault }[] = [];
  const triggers = new Map<string, number>();
  const scopes = new Set(options.scopes);
  const watchers = new Set<() => void>();
  let count = 0;

  const refuse = (error: string, why: readonly string[] = []): Answer => {
    refusals.push([error, ...why].join(' '));
    return { ok: false, error, response_metadata: { messages: why } };
  };
  const posted = (args: Args) =>
    messages.find((one) => one.ts === args['ts'] && one.channel === args['channel']);

  const methods: Record<string, (args: Args) => Answer> = {
    'auth.test': () => ({ team_id: TEAM, user_id: 'UCOUNTERSIGN', bot_id: 'BCOUNTERSIGN' }),
    'apps.connections.open': () => ({ url: `${socketUrl()}/link?ticket=${socket.ticket()}` }),
    'chat.postMessage'(args) {
      const body = content(args);
      const bad = checkMessage(body);
      if (bad.length > 0) return refuse('invalid_blocks', bad);
      count += 1;
      const ts = `1700000000.${String(count).padStart(6, '0')}`;
      messages.push({
        ...body,
        ts,
        channel: args['channel'] ?? '',
        metadata: json(args['metadata'], undefined),
        edits: 0,
      });
      return { ts, channel: args['channel'] };
    },
    'chat.update'(args) {
      const message = posted(args);
      if (!message) return refuse('message_not_found');
      const body = content(args);
      const bad = checkMessage(body);
      if (bad.length > 0) return refuse('invalid_blocks', bad);
      Object.assign(message, body, { edits: message.edits + 1 });
      return { ts: message.ts, channel: message.channel };
    },
    'chat.postEphemeral'(args) {
      ephemerals.push({
        channel: args['channel'] ?? '',
        user: args['user'] ?? '',
        text: args['text'] ?? '',
      });
      return { message_ts: '1' };
    },
    'conversations.history': (args) => ({
      messages: messages
        .filter((one) => one.channel === args['channel'])
        .map(({ ts, metadata }) => ({ ts, metadata })),
    }),
    'users.info'(args) {
      const user = users.get(args['user'] ?? '');
      if (!user) return refuse('user_not_found');
      const { email, team, ...flags } = user;
      const profile = scopes.has('users:read.email') ? { email } : {};
      return {
        user: { id: args['user'], team_id: team ?? TEAM, is_bot: false, ...flags, profile },
      };
    },
    'views.open'(args) {
      const made = triggers.get(args['trigger_id'] ?? '');
      if (made === undefined) return refuse('invalid_trigger_id');
      triggers.delete(args['trigger_id'] ?? '');
      if (Date.now() - made > TRIGGER_MS) return refuse('expired_trigger_id');
      const view = json<(typeof views)[number] | undefined>(args['view'], undefined);
      const bad = checkView(view);
      if (bad.length > 0 || !view) return refuse('invalid_arguments', bad);
      views.push(view);
      return { view: { id: `V${views.length}` } };
    },
  };

  const answer = (method: string, token: string | undefined, args: Args): Answer => {
    const own = methods[method];
    if (!own) return refuse('unknown_method', [method]);
    const ofApp = Object.hasOwn(APP_METHOD_SCOPES, method);
    if (token !== `Bearer ${ofApp ? tokens.app : tokens.bot}`) return refuse('invalid_auth');
    const needed = { ...METHOD_SCOPES, ...APP_METHOD_SCOPES }[method] ?? ['nobody has this'];
    const granted = ofApp ? appScopes : scopes;
    if (needed.length > 0 && !needed.some((scope) => granted.has(scope)))
      return { ok: false, error: 'missing_scope', needed: needed.join() };
    return { ok: true, ...own(args) };
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const method = (request.url ?? '').replace('/api/', '');
    const args = Object.fromEntries(new URLSearchParams(await bodyOf(request)));
    const at = faults.findIndex((planted) => planted.method === method);
    const fault = at < 0 ? undefined : faults.splice(at, 1)[0]?.fault;
    const ok = await reply(request, response, fault, () =>
      answer(method, request.headers.authorization, args),
    );
    calls.push({ method, at: Date.now(), ok });
    for (const watcher of watchers) watcher();
  };

  /** Says whether the method was done and said so. */
  const reply = async (
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
    work: () => Answer,
  ): Promise<boolean> => {
    switch (fault?.kind) {
      case '429':
        response.writeHead(429, { 'retry-after': String(fault.seconds) }).end();
        return false;
      case '500':
        response.writeHead(500).end();
        return false;
      case 'lost':
        work();
        request.socket.destroy();
        return false;
      case 'slow':
        await sleep(fault.ms);
        break;
      case 'late': {
        const done = work();
        for (const watcher of watchers) watcher();
        await sleep(fault.ms);
        return say(response, done);
      }
      case 'error':
      case undefined:
    }
    return say(response, fault?.kind === 'error' ? refuse(fault.error) : work());
  };

  const socket = slackSocket(() => {
    for (const watcher of watchers) watcher();
  });
  const server = createServer((request, response) => void handle(request, response));
  server.on('upgrade', (request, tcp) => socket.upgrade(request, tcp));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  const socketUrl = () => `ws://127.0.0.1:${bound.port}`;
  return {
    url: `http://127.0.0.1:${bound.port}/api/`,
    socket,
    tokens,
    appScopes,
    messages,
    ephemerals,
    views,
    calls,
    /** What Slack found wrong with calls of the bot. */
    refusals,
    users,
    scopes,
    fault: (method: string, fault: Fault) => void faults.push({ method, fault }),
    /** A trigger id as a click carries it; `age` in milliseconds. */
    trigger(age = 0): string {
      count += 1;
      triggers.set(`trigger-${count}`, Date.now() - age);
      return `trigger-${count}`;
    },
    /** Resolves with `find`'s value once it has one; rejects after 8 s. */
    async until<T>(find: () => T | undefined | false): Promise<T> {
      const signal = AbortSignal.timeout(8_000);
      for (;;) {
        const value = find();
        if (value !== undefined && value !== false) return value;
        await new Promise<void>((resolve, reject) => {
          const stop = () => reject(new Error('Slack was not called in time'));
          signal.addEventListener('abort', stop, { once: true });
          const watcher = () => {
            watchers.delete(watcher);
            signal.removeEventListener('abort', stop);
            resolve();
          };
          watchers.add(watcher);
        });
      }
    },
    async close() {
      socket.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function content(args: Args) {
  return { text: args['text'] ?? '', blocks: json<Block[]>(args['blocks'], []) };
}

export type FakeSlack = Awaited<ReturnType<typeof startFakeSlack>>;

function say(response: ServerResponse, answer: Answer): boolean {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  return answer.ok === true;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function json<T>(text: string | undefined, missing: T): T {
  return text === undefined ? missing : (JSON.parse(text) as T);
}
