import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt, decodeProtectedHeader, type JWTHeaderParameters } from 'jose';
import { Provider, type Session } from 'oidc-provider';
import { Store } from '#gateway/provider/store.ts';
import { ScriptedBrowser, type Visited } from './idp/browser.ts';
import { clientsOf, configure, type Registration } from './idp/configure.ts';
import { makeKey, signWith, type SigningKey } from './idp/keys.ts';
import { personPage } from './idp/pages.ts';
import { rewriteJson } from './idp/rewrite.ts';
import { type Claims, type IdpPerson, PRODUCTS, type Product, type Shape } from './idp/shapes.ts';

export type { Claims, IdpPerson, Shape } from './idp/shapes.ts';
export { guidOf, TENANT } from './idp/shapes.ts';

export type IdpOptions = {
  readonly shape?: Shape;
  readonly people: readonly IdpPerson[];
  readonly clientId?: string;
  /** `null`: a public client. */
  readonly clientSecret?: string | null;
  readonly redirectUris?: readonly string[];
  /** Says `auth_time` where the product does not by itself. */
  readonly authTime?: boolean;
  /** Seconds that an access token and an id token live. */
  readonly tokenSeconds?: number;
};

/** Changes an id token, a logout token or a JWT access token on its way out, to try what a broken or hostile provider would send. */
export type Forge = (
  claims: Claims,
  header: JWTHeaderParameters,
) => Claims | string | undefined | Promise<Claims | string | undefined>;

export type Idp = {
  readonly shape: Shape;
  /** As in `iss`; the configuration document is below it. */
  readonly issuer: string;
  readonly origin: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  /** `METHOD /path` of every request that came. */
  readonly asked: string[];
  /** Answers everything with 503. */
  down: boolean;
  /** Applied to every token that is signed, when set: claims in its place, or a whole token. */
  forge: Forge | undefined;
  /** Adds to what the client may do; callbacks are known only when the gateway runs. */
  register(more: Partial<Registration>): void;
  /** Follows an authorization URL as this person; resolves with the callback's URL, which is not fetched. */
  signIn(url: string, email: string, browser?: ScriptedBrowser): Promise<string>;
  /** Opens `verification_uri_complete`, confirms, and signs in. Resolves with the last page's text. */
  approveDevice(url: string, email: string, browser?: ScriptedBrowser): Promise<string>;
  /** Follows an `end_session_endpoint` URL and confirms; resolves with where the browser lands. */
  signOut(url: string, browser: ScriptedBrowser): Promise<string>;
  /** From now on; what was issued stays as it is. */
  change(email: string, now: Partial<Omit<IdpPerson, 'email' | 'subject'>>): void;
  /** Signs in no more; refresh fails with invalid_grant. */
  disable(email: string): void;
  subjectOf(email: string): string;
  /** Ends the person's sessions here and tells the registered clients by back-channel logout. Resolves with how many were told. */
  logout(email: string): Promise<number>;
  /** A new signing key; with `drop`, the old one is published no more. */
  rotateKeys(drop?: boolean): Promise<void>;
  /** Signs any claims with the provider's key; `header` goes over the usual one. */
  sign(claims: Claims, header?: Partial<JWTHeaderParameters>): Promise<string>;
  /** A JWT access token of this person for an audience, shaped as the product's, without a flow. */
  accessToken(email: string, audience: string, more?: Claims): Promise<string>;
  /** The same for a client of its own: client credentials. */
  machineToken(clientId: string, audience: string, more?: Claims): Promise<string>;
  close(): Promise<void>;
};

/** A whole OpenID provider on loopback, in memory, which speaks as a product does. Real tokens, real keys, real flows. */
export async function startIdp(options: IdpOptions): Promise<Idp> {
  const { shape = 'plain', clientId = 'countersign', tokenSeconds = 900 } = options;
  const product = PRODUCTS[shape];
  const clientSecret =
    options.clientSecret === null
      ? undefined
      : (options.clientSecret ?? randomBytes(24).toString('base64url'));
  const people = new Map(options.people.map((each) => [each.email.toLowerCase(), each]));
  const person = (email: string): IdpPerson => {
    const found = people.get(email.toLowerCase());
    if (!found) throw new Error(`the fake provider has no ${email}`);
    return found;
  };
  const subjectOf = (email: string): string =>
    person(email).subject ?? product.subject(email.toLowerCase());
  const bySubject = (subject: unknown): IdpPerson | undefined =>
    [...people.values()].find(({ email }) => subjectOf(email) === subject);

  const store = new Store();
  const clients = clientsOf(store, {
    clientId,
    clientSecret,
    redirectUris: options.redirectUris ?? [],
    postLogoutRedirectUris: [],
  });
  let keys: readonly SigningKey[] = [await makeKey()];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = `${origin}${product.path}`;
  const make = (): Provider =>
    new Provider(
      issuer,
      configure({
        product,
        keys,
        clients,
        tokenSeconds,
        mayEnter: (id) => mayEnter(bySubject(id)),
      }),
    );
  let provider = make();
  let answer = provider.callback();

  const signed = async (claims: Claims, header: JWTHeaderParameters): Promise<string> => {
    const forged = await idp.forge?.({ ...claims }, header);
    if (typeof forged === 'string') return forged;
    return signWith(keys[0], forged ?? claims, header);
  };
  const reshape = shaper(product, options.authTime ?? product.authTime, bySubject, signed);

  const idp: Idp = {
    shape,
    issuer,
    origin,
    clientId,
    clientSecret,
    asked: [],
    down: false,
    forge: undefined,
    register: clients.register,
    async signIn(url, email, browser = new ScriptedBrowser()) {
      const page = await walk(browser, url, origin, subjectOf(email));
      if (!page.left) throw new Error(`the sign-in ended at ${page.url}: ${textOf(page)}`);
      return page.url;
    },
    async approveDevice(url, email, browser = new ScriptedBrowser()) {
      return textOf(await walk(browser, url, origin, subjectOf(email)));
    },
    async signOut(url, browser) {
      return (await walk(browser, url, origin, '')).url;
    },
    change: (email, now) => void people.set(email.toLowerCase(), { ...person(email), ...now }),
    disable: (email) => idp.change(email, { disabled: true }),
    subjectOf,
    async logout(email) {
      if (!product.backchannel) throw new Error(`${shape} has no back-channel logout`);
      const subject = subjectOf(email);
      const sessions = store
        .live()
        .filter(
          ([key, { payload }]) => key.startsWith('Session:') && payload.accountId === subject,
        );
      let told = 0;
      for (const [, { payload }] of sessions) {
        const session = await provider.Session.findByUid(String(payload.uid));
        if (session) told += await endSession(session, subject, idp, clients.registration());
      }
      return told;
    },
    async rotateKeys(drop = false) {
      keys = [await makeKey(), ...(drop ? [] : keys)];
      provider = make();
      answer = provider.callback();
    },
    sign: (claims, header = {}) => signWith(keys[0], claims, header),
    accessToken(email, audience, more = {}) {
      const base = { ...claimsOf(issuer, audience, tokenSeconds), sub: subjectOf(email) };
      const claims = { ...base, client_id: clientId, scope: 'access', auth_time: base.iat };
      return signed({ ...product.accessToken(claims, person(email)), ...more }, AT_JWT);
    },
    machineToken(id, audience, more = {}) {
      const base = { ...claimsOf(issuer, audience, tokenSeconds), sub: id, client_id: id };
      return signed({ ...product.accessToken(base, undefined), ...more }, AT_JWT);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', origin);
    idp.asked.push(`${request.method} ${url.pathname}`);
    if (idp.down) return void response.writeHead(503).end('down');
    if (!url.pathname.startsWith(`${product.path}/`)) return void response.writeHead(404).end();
    const path = url.pathname.slice(product.path.length);
    if (path === '/auth') refuseUnknownScope(product, url);
    const tail = (request.url ?? '').slice(product.path.length);
    const own = tail + (asksToRefresh(path, url) ? '&offline=yes' : '');
    Object.assign(request, { originalUrl: product.path + own, url: own });
    if (path.startsWith('/interaction/'))
      return personPage(provider, request, response, [...people.values()], {
        subjectOf: ({ email }) => subjectOf(email),
        mayEnter,
      });
    const change = reshape[path];
    if (change) rewriteJson(response, change);
    await answer(request, response);
  };
  server.on('request', (request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(400);
      response.end(String(error));
    });
  });
  return idp;
}

const AT_JWT = { alg: 'RS256', typ: 'at+jwt' } as const;
const mayEnter = (person: IdpPerson | undefined): boolean =>
  person !== undefined && !person.disabled;

/** The library forgets this scope unless there is a consent page too; the products do not. */
const asksToRefresh = (path: string, { searchParams }: URL): boolean =>
  path === '/auth' && searchParams.get('scope')?.split(' ').includes('offline_access') === true;

/** Google refuses what it does not know; the others pass over it. */
function refuseUnknownScope(product: Product, url: URL): void {
  if (product.refresh !== 'access_type') return;
  const unknown = (url.searchParams.get('scope') ?? '')
    .split(' ')
    .filter((scope) => !product.scopes.includes(scope));
  if (unknown.length > 0)
    throw new Error(
      `Error 400: invalid_scope. Some requested scopes were invalid: ${unknown.join(' ')}`,
    );
}

function claimsOf(issuer: string, audience: string, seconds: number) {
  const now = Math.floor(Date.now() / 1000);
  return { iss: issuer, aud: audience, iat: now, exp: now + seconds, jti: randomUUID() };
}

/** Follows redirects, picks the person where the provider asks, and confirms what else it asks. */
async function walk(
  browser: ScriptedBrowser,
  url: string,
  origin: string,
  subject: string,
): Promise<Visited> {
  let page = await browser.go(url, origin);
  for (let step = 0; step < 6 && !page.left && page.html.includes('<form'); step++)
    page = await browser.submit(
      page,
      origin,
      page.html.includes('name="person"') ? { person: subject } : { confirm: 'yes', logout: 'yes' },
    );
  return page;
}

const textOf = ({ html }: Visited): string =>
  html
    .replaceAll(/<(script|style)[\s\S]*?<\/\1>|<[^>]+>/gu, ' ')
    .replaceAll(/\s+/gu, ' ')
    .trim();

/** What the product would have answered in place of what the library does, by path. */
function shaper(
  product: Product,
  withAuthTime: boolean,
  bySubject: (subject: unknown) => IdpPerson | undefined,
  signed: (claims: Claims, header: JWTHeaderParameters) => Promise<string>,
): Readonly<Record<string, (body: Claims) => Promise<Claims> | Claims>> {
  const again = async (
    token: string,
    shape: (base: Claims, person: IdpPerson | undefined) => Claims,
  ): Promise<string> => {
    const base: Claims = decodeJwt(token);
    const shaped = shape(base, bySubject(base['sub']));
    if (!withAuthTime) delete shaped['auth_time'];
    return signed(shaped, decodeProtectedHeader(token) as JWTHeaderParameters);
  };
  return {
    '/token': async (body) => {
      const { id_token: id, access_token: access } = body;
      return {
        ...body,
        ...(typeof id === 'string' && {
          id_token: await again(id, (base, person) =>
            person ? product.idToken(base, person) : base,
          ),
        }),
        ...(typeof access === 'string' &&
          access.split('.').length === 3 && {
            access_token: await again(access, product.accessToken),
          }),
      };
    },
    '/me': (body) => {
      const person = bySubject(body['sub']);
      return person ? { ...product.userinfo(person), sub: body['sub'] } : body;
    },
    // Five seconds, which is meant else, is long for a test.
    '/device/auth': (body) => ({ ...body, interval: 1 }),
    '/.well-known/openid-configuration': (body) => {
      const known = { ...body };
      if (!product.endSession) delete known['end_session_endpoint'];
      if (!product.backchannel)
        for (const name of Object.keys(known))
          if (name.startsWith('backchannel_logout')) delete known[name];
      return known;
    },
  };
}

async function endSession(
  session: Session,
  subject: string,
  idp: Idp,
  { clientId, backchannelLogoutUri }: Registration,
): Promise<number> {
  const sid = session.sidFor(clientId);
  await session.destroy();
  if (backchannelLogoutUri === undefined) return 0;
  const { iss, aud, iat, exp, jti } = claimsOf(idp.issuer, clientId, 120);
  const event = 'http://schemas.openid.net/event/backchannel-logout';
  const claims = { iss, aud, iat, exp, jti, sub: subject, sid, events: { [event]: {} } };
  const forged = await idp.forge?.(claims, { alg: 'RS256', typ: 'logout+jwt' });
  const token =
    typeof forged === 'string' ? forged : await idp.sign(forged ?? claims, { typ: 'logout+jwt' });
  const answer = await fetch(backchannelLogoutUri, {
    method: 'POST',
    body: new URLSearchParams({ logout_token: token }),
  });
  if (!answer.ok)
    throw new Error(`back-channel logout answered ${answer.status}: ${await answer.text()}`);
  return 1;
}
