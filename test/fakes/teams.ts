import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { SignJWT } from 'jose';
import { checkCard } from './teams-card.ts';

export const APP_ID = '11111111-1111-4111-8111-111111111111';
export const TENANT = '22222222-2222-4222-8222-222222222222';
export const OTHER_TENANT = '99999999-9999-4999-8999-999999999999';
export const BOT = `28:${APP_ID}`;
const ISSUER = 'https://api.botframework.com';
const OUR_TOKEN = 'token-of-the-bot';

export type FakeMember = {
  readonly id: string;
  readonly aadObjectId: string;
  readonly name: string;
  readonly tenantId?: string;
  readonly userRole?: string;
  readonly userPrincipalName?: string;
};
export type FakeCard = {
  readonly id: string;
  readonly conversation: string;
  card: unknown;
  summary: string;
  edits: number;
};
/** `lost`: done, but the reply never comes. `status`: refused with this code. `moved`: sent elsewhere. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  | { readonly kind: '429'; readonly seconds: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'moved'; readonly to: string };

type Body = {
  readonly attachments?: readonly { readonly content: unknown }[];
  readonly summary?: string;
  readonly isGroup?: boolean;
  readonly members?: readonly { readonly id: string }[];
  readonly channelData?: { readonly channel?: { readonly id: string } };
  readonly activity?: Body;
  readonly tenantId?: string;
};
type Made = { readonly status: number; readonly code?: string; readonly [key: string]: unknown };

type Claims = { iss?: string; aud?: string; serviceurl?: string | null; exp?: number };

/**
 * The Bot Connector of Teams and the keys it signs with, as far as the bot uses them. It refuses what it does not know,
 * what has not the bot's token, and cards that are wrong.
 */
export async function startFakeTeams({
  withoutToken = false,
}: {
  /** As the stand-ins for Teams: it believes whoever calls. */
  readonly withoutToken?: boolean;
} = {}) {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = {
    ...keys.publicKey.export({ format: 'jwk' }),
    kid: 'k1',
    use: 'sig',
    endorsements: ['msteams'],
  };
  const messages: FakeCard[] = [];
  const members = new Map<string, FakeMember>();
  /** Conversations that the bot is in, by id; a person's chat is named after the person. */
  const conversations = new Set<string>();
  /** Object ids of people who have added the app. */
  const installed = new Set<string>();
  const calls: {
    readonly method: string;
    readonly path: string;
    readonly token: string | undefined;
  }[] = [];
  const wrong: string[] = [];
  const faults: { readonly method: string; readonly fault: Fault }[] = [];
  const watchers = new Set<() => void>();
  let count = 0;

  const server = createServer((request, response) => {
    void answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const url = `http://127.0.0.1:${bound !== null && typeof bound !== 'string' ? bound.port : 0}/`;

  const planned = (method: string): Fault | undefined => {
    const at = faults.findIndex((one) => one.method === method);
    return at < 0 ? undefined : faults.splice(at, 1)[0]?.fault;
  };
  const isOurs = (token: string | undefined): boolean =>
    withoutToken || token === `Bearer ${OUR_TOKEN}`;
  /** Keys are for everybody; all else needs the bot's token, and may go wrong as planned. */
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url: path = '', method = '', headers } = request;
    const chunks: Buffer[] = [];
    for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    const open = { '/meta': { issuer: ISSUER, jwks_uri: `${url}jwks` }, '/jwks': { keys: [jwk] } }[
      path
    ];
    if (open) return send(response, 200, open);
    calls.push({ method, path, token: headers.authorization });
    if (!isOurs(headers.authorization)) return refuse(response, 401, 'Unauthorized');
    const fault = planned(method);
    if (fault && fault.kind !== 'lost') return goWrong(response, fault);
    const { status, code, ...made } = act(method, path, bodyOf(chunks));
    for (const watcher of watchers) watcher();
    if (fault) response.destroy();
    else if (code === undefined) send(response, status, made);
    else refuse(response, status, code);
  };

  const act = (method: string, path: string, body: Body): Made => {
    const [, , ...parts] = path.split('/').map(decodeURIComponent);
    const [kind, conversation = '', what, id = ''] = parts;
    if (kind !== 'conversations') return { status: 404, code: 'NotFound' };
    if (conversation === '') return create(body);
    if (what === 'members') return memberOf(conversation, id);
    const [place = ''] = conversation.split(';');
    if (!conversations.has(place)) return { status: 404, code: 'ConversationNotFound' };
    if (method === 'POST') return say(conversation, body);
    const message = messages.find(
      (one) => one.id === id && one.conversation.split(';')[0] === place,
    );
    if (!message) return { status: 404, code: 'ActivityNotFound' };
    const card = cardOf(body);
    if (card === undefined) return { status: 400, code: 'BadSyntax' };
    message.card = card;
    message.summary = body.summary ?? '';
    message.edits += 1;
    return { status: 200, id };
  };
  const create = (body: Body): Made => {
    const channel = body.channelData?.channel?.id;
    if (body.isGroup === true && channel !== undefined) {
      if (!conversations.has(channel)) return { status: 403, code: 'BotNotInConversationRoster' };
      const made = say(channel, body.activity ?? {});
      return {
        ...made,
        ...(made.status === 201 && {
          id: `${channel};messageid=${String(made['id'])}`,
          activityId: made['id'],
        }),
      };
    }
    const [person] = body.members ?? [];
    if (person === undefined || body.tenantId === undefined)
      return { status: 400, code: 'BadArgument' };
    if (!installed.has(person.id)) return { status: 403, code: 'ForbiddenOperationException' };
    const id = `a:${person.id}`;
    conversations.add(id);
    return { status: 201, id };
  };
  const say = (conversation: string, body: Body): Made => {
    const card = cardOf(body);
    if (card === undefined) return { status: 400, code: 'BadSyntax' };
    const id = String(1_700_000_000_000 + ++count);
    messages.push({ id, conversation, card, summary: body.summary ?? '', edits: 0 });
    return { status: 201, id };
  };
  const memberOf = (conversation: string, id: string): Made => {
    const member = members.get(id);
    return member && conversations.has(conversation.split(';')[0] ?? '')
      ? { status: 200, ...member }
      : { status: 404, code: 'MemberNotFoundInConversation' };
  };
  const cardOf = (body: Body): unknown => {
    const card = body.attachments?.[0]?.content;
    const mistakes = checkCard(card);
    wrong.push(...mistakes);
    return mistakes.length === 0 ? card : undefined;
  };

  return {
    url,
    messages,
    members,
    conversations,
    installed,
    calls,
    /** What was wrong with cards that it refused. */
    wrong,
    fail: (method: string, fault: Fault) => void faults.push({ method, fault }),
    /** How the Bot Framework SDK finds these keys instead of Microsoft's, and the bot's own token. */
    elsewhere: {
      settings: {
        ToChannelFromBotLoginUrl: 'https://login.microsoftonline.com/botframework.com',
        ToChannelFromBotOAuthScope: ISSUER,
        ToBotFromChannelTokenIssuer: ISSUER,
        OAuthUrl: 'https://api.botframework.com',
        ToBotFromChannelOpenIdMetadataUrl: `${url}meta`,
        ToBotFromEmulatorOpenIdMetadataUrl: `${url}meta`,
        CallerId: '',
      },
      credentials: {
        isValidAppId: (id: string) => Promise.resolve(id === APP_ID),
        isAuthenticationDisabled: () => Promise.resolve(false),
        createCredentials: () =>
          Promise.resolve({
            signRequest<T extends { headers: { set(name: string, value: string): void } }>(
              request: T,
            ) {
              request.headers.set('authorization', `Bearer ${OUR_TOKEN}`);
              return Promise.resolve(request);
            },
          }),
      },
    },
    /** A token as Teams sends it; `null` leaves a claim out. */
    token(
      { serviceurl = url, exp, ...claims }: Claims = {},
      header: { kid?: string; stranger?: true } = {},
    ) {
      const now = Math.floor(Date.now() / 1_000);
      return new SignJWT({
        iss: ISSUER,
        aud: APP_ID,
        ...(serviceurl !== null && { serviceurl }),
        ...claims,
      })
        .setProtectedHeader({ alg: 'RS256', kid: header.kid ?? 'k1' })
        .setIssuedAt(now - 10)
        .setNotBefore(now - 10)
        .setExpirationTime(exp ?? now + 600)
        .sign(header.stranger ? stranger.privateKey : keys.privateKey);
    },
    /** Resolves with what `find` finds, as soon as it does. */
    async until<T>(find: () => T | undefined): Promise<T> {
      const signal = AbortSignal.timeout(8_000);
      for (;;) {
        const found = find();
        if (found !== undefined) return found;
        signal.throwIfAborted();
        const { promise, resolve } = Promise.withResolvers<void>();
        watchers.add(resolve);
        const timer = setTimeout(resolve, 50);
        // oxlint-disable-next-line no-await-in-loop -- until it is there
        await promise;
        clearTimeout(timer);
        watchers.delete(resolve);
      }
    },
    newId: () => `f:${randomUUID()}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close').catch(() => undefined);
    },
  };
}

const send = (response: ServerResponse, status: number, body: object, headers = {}): void =>
  void response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify(body));
const refuse = (response: ServerResponse, status: number, code: string, headers = {}): void =>
  send(response, status, { error: { code, message: code } }, headers);

function goWrong(response: ServerResponse, fault: Exclude<Fault, { kind: 'lost' }>): void {
  if (fault.kind === '429') refuse(response, 429, 'Throttled', { 'retry-after': fault.seconds });
  else if (fault.kind === 'moved') response.writeHead(307, { location: fault.to }).end();
  else refuse(response, fault.status, fault.code);
}

function bodyOf(chunks: readonly Buffer[]): Body {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what of it is used is looked at where it is used
  return (chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString())) as Body;
}

export type FakeTeams = Awaited<ReturnType<typeof startFakeTeams>>;
