import { randomBytes } from 'node:crypto';
import { createServer as createTlsServer } from 'node:https';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JWTHeaderParameters } from 'jose';
import { Provider } from 'oidc-provider';
import type { Certificate } from './certificates.ts';
import { Store } from '#gateway/provider/store.ts';
import { ScriptedBrowser, textOf, walk } from './idp/browser.ts';
import { clientsOf, configure, type Registration } from './idp/configure.ts';
import { makeKey, signWith, type SigningKey } from './idp/keys.ts';
import { claimsOf, endSession } from './idp/logout.ts';
import { personPage } from './idp/pages.ts';
import { rewriteJson } from './idp/rewrite.ts';
import { shaper } from './idp/shaper.ts';
import { type Claims, type IdpPerson, PRODUCTS, type Product, type Shape } from './idp/shapes.ts';

export type { Claims, IdpPerson, Shape } from './idp/shapes.ts';

export type IdpOptions = {
  readonly shape?: Shape;
  readonly people: readonly IdpPerson[];
  /** The product's real address, https; whoever asks must be led here (`leadTo`). Default: http on loopback, below the product's path. */
  readonly issuer?: string;
  readonly certificate?: Certificate;
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
  /** Where it listens on 127.0.0.1. */
  readonly port: number;
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
  const { certificate } = options;
  const server = certificate ? createTlsServer(certificate) : createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const issuer = options.issuer ?? `http://127.0.0.1:${port}${product.path}`;
  const { origin } = new URL(issuer);
  const base = issuer.slice(origin.length);
  const make = (): Provider =>
    new Provider(
      issuer,
      configure({
        product,
        base,
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
    port,
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
      const usual = { ...claimsOf(issuer, audience, tokenSeconds), sub: subjectOf(email) };
      const claims = { ...usual, client_id: clientId, scope: 'access', auth_time: usual.iat };
      return signed({ ...product.accessToken(claims, person(email)), ...more }, AT_JWT);
    },
    machineToken(id, audience, more = {}) {
      const claims = { ...claimsOf(issuer, audience, tokenSeconds), sub: id, client_id: id };
      return signed({ ...product.accessToken(claims, undefined), ...more }, AT_JWT);
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
    if (!url.pathname.startsWith(`${base}/`)) return void response.writeHead(404).end();
    const path = url.pathname.slice(base.length);
    if (path === '/auth') refuseUnknownScope(product, url);
    const tail = (request.url ?? '').slice(base.length);
    const own = tail + (asksToRefresh(path, url) ? '&offline=yes' : '');
    Object.assign(request, { originalUrl: base + own, url: own });
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
