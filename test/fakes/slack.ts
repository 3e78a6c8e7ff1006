import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, webMethods } from './slack-methods.ts';
import { APP_METHOD_SCOPES, METHOD_SCOPES } from './slack-scopes.ts';
import { slackSocket } from './slack-socket.ts';
import { slackState } from './slack-state.ts';

export { BOT_USER, TEAM } from './slack-state.ts';
export type { Block, FakeChannel, FakeMessage, FakeView } from './slack-state.ts';

/** `lost`: done, but the reply never comes. `slow`: done and answered after `ms`. `late`: done at once, answered after `ms`. */
export type Fault =
  | { kind: '429'; seconds: number }
  | { kind: '500' }
  | { kind: 'lost' }
  | { kind: 'slow' | 'late'; ms: number }
  | { kind: 'error'; error: string };

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
  const calls: { method: string; at: number; ok: boolean }[] = [];
  const faults: { method: string; fault: Fault }[] = [];
  const scopes = new Set(options.scopes);
  const watchers = new Set<() => void>();
  const state = slackState(scopes);
  const { refuse, methods: web } = webMethods(
    state,
    (file) => `http://127.0.0.1:${port}/upload/${file}`,
  );
  const methods: typeof web = {
    ...web,
    'apps.connections.open': () => ({ url: `${socketUrl()}/link?ticket=${socket.ticket()}` }),
  };
  let everyMs = 0;

  const answer = (
    method: string,
    token: string | undefined,
    args: Record<string, string>,
  ): Answer => {
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
    const [, file] = /^\/upload\/(\w+)$/.exec(request.url ?? '') ?? [];
    const method = file === undefined ? (request.url ?? '').replace('/api/', '') : 'upload';
    const body = await bodyOf(request);
    const args = Object.fromEntries(new URLSearchParams(body.toString('utf8')));
    const at = faults.findIndex((planted) => planted.method === method);
    const fault = at < 0 ? undefined : faults.splice(at, 1)[0]?.fault;
    if (everyMs > 0) await sleep(everyMs);
    const ok = await reply(request, response, fault, () =>
      file === undefined
        ? answer(method, request.headers.authorization, args)
        : uploaded(file, body),
    );
    calls.push({ method, at: Date.now(), ok });
    for (const watcher of watchers) watcher();
  };

  const uploaded = (id: string, bytes: Buffer): Answer => {
    const file = state.files.get(id);
    if (!file) return refuse('file_not_found');
    file.bytes = bytes;
    return { ok: true };
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
  const { port } = bound;
  const socketUrl = () => `ws://127.0.0.1:${port}`;
  return {
    url: `http://127.0.0.1:${port}/api/`,
    ...state,
    scopes,
    socket,
    tokens,
    appScopes,
    calls,
    /** From now on every method answers after so many milliseconds. */
    slowDown: (ms: number) => void (everyMs = ms),
    /** The next post with pictures is refused so many times, as while Slack looks at a new file. */
    slowFiles: (times: number) => void (state.slowFiles = times),
    fault: (method: string, fault: Fault) => void faults.push({ method, fault }),
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

export type FakeSlack = Awaited<ReturnType<typeof startFakeSlack>>;

function say(response: ServerResponse, answer: Answer): boolean {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  return answer.ok === true;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
