import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { OidcConfig } from '#src/config/identity.ts';

export type Claims = Record<string, unknown>;
type Signing = { readonly kid: string; readonly key: CryptoKey; readonly jwk: JWK };

/** An OpenID provider that lies on demand: what the real ones never do, and an attacker would. */
export type FakeIssuer = {
  readonly url: string;
  readonly config: OidcConfig;
  /** What it says of who signs in; changed by tests. */
  person: Claims;
  /** What the next ID tokens say, made from what they should say. */
  idToken: (claims: Claims) => Claims | Promise<Claims>;
  /** In place of the ID token that would be signed. */
  instead: ((claims: Claims) => string | Promise<string>) | undefined;
  /** Claims that only userinfo tells. */
  userinfo: Claims;
  metadata: Claims;
  /** Code of the error that a refresh meets. */
  refusesRefresh: string | undefined;
  down: boolean;
  readonly now: () => number;
  /** Paths that were asked, in order. */
  readonly asked: string[];
  readonly refreshTokens: Set<string>;
  /** Another key from now on; the old one is no longer shown. */
  rotate(): Promise<void>;
  jwks(): JWK[];
  /** Signed as the provider signs, with these headers added. */
  sign(claims: Claims, header?: Record<string, unknown>): Promise<string>;
  logoutToken(claims: Claims): Promise<string>;
  /** The browser at the authorization endpoint: where it is sent back to. */
  authorize(url: URL, change?: (back: URL) => void): URL;
  stop(): Promise<void>;
};

const CLIENT = 'countersign';
const SECRET = 'the client’s secret & more';

export async function startIssuer(
  options: {
    readonly name?: string;
    readonly config?: Partial<OidcConfig>;
    readonly tls?: { readonly key: string; readonly cert: string };
  } = {},
): Promise<FakeIssuer> {
  let signing = await newKey();
  const codes = new Map<string, { readonly challenge: string; readonly nonce: string }>();
  const handle: RequestListener = (request, reply) => {
    if (issuer.down) {
      request.socket.destroy();
      return;
    }
    answer(request).then(
      ({ status = 200, body, location }) => {
        if (location !== undefined) reply.writeHead(303, { location }).end();
        else
          reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      },
      (error: unknown) => {
        reply.writeHead(500).end();
        throw error;
      },
    );
  };
  const server: Server = options.tls ? createHttps(options.tls, handle) : createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const name = options.name ?? 'acme';

  const issuer: FakeIssuer = {
    url,
    config: {
      name,
      label: 'Acme',
      protocol: 'oidc',
      issuer: url,
      clientId: CLIENT,
      clientSecret: () => Promise.resolve(SECRET),
      scopes: ['openid', 'profile', 'email', 'offline_access'],
      claims: { email: 'email', name: 'name', groups: 'groups' },
      verifiedEmail: 'required',
      clockSkewMs: 30_000,
      ...options.config,
    },
    person: {
      sub: 'subject-1',
      email: 'approver@example.com',
      email_verified: true,
      name: 'Approver',
      groups: ['dba', 'engineering'],
    },
    idToken: (claims) => claims,
    instead: undefined,
    userinfo: {},
    metadata: {},
    refusesRefresh: undefined,
    down: false,
    now: () => Math.floor(Date.now() / 1_000),
    asked: [],
    refreshTokens: new Set(),
    async rotate() {
      signing = await newKey();
    },
    jwks: () => [signing.jwk],
    sign: (claims, header = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid: signing.kid, ...header })
        .sign(signing.key, { crit: { x: true } }),
    logoutToken: (claims) =>
      issuer.sign(
        {
          iss: url,
          aud: CLIENT,
          iat: issuer.now(),
          exp: issuer.now() + 120,
          jti: randomUUID(),
          events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
          ...claims,
        },
        { typ: 'logout+jwt' },
      ),
    authorize(asked, change = () => undefined) {
      const of = (name_: string): string => asked.searchParams.get(name_) ?? '';
      const code = randomUUID();
      codes.set(code, { challenge: of('code_challenge'), nonce: of('nonce') });
      const back = new URL(of('redirect_uri'));
      back.searchParams.set('code', code);
      back.searchParams.set('state', of('state'));
      back.searchParams.set('iss', url);
      change(back);
      return back;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };

  async function answer(request: IncomingMessage): Promise<Answer> {
    const asked = new URL(request.url ?? '/', url);
    issuer.asked.push(asked.pathname);
    switch (asked.pathname) {
      case '/.well-known/openid-configuration':
        return { body: { ...metadataOf(url), ...issuer.metadata } };
      case '/keys':
        return { body: { keys: issuer.jwks() } };
      case '/authorize':
        return { location: issuer.authorize(asked).href };
      case '/token':
        return token(request);
      case '/userinfo':
        return { body: { sub: issuer.person['sub'], ...issuer.userinfo } };
      case '/logout':
        return { location: asked.searchParams.get('post_logout_redirect_uri') ?? '/' };
      default:
        return { status: 404, body: {} };
    }
  }

  async function token(request: IncomingMessage): Promise<Answer> {
    const form = new URLSearchParams(await text(request));
    if (!authenticated(request)) return { status: 401, body: { error: 'invalid_client' } };
    if (form.get('grant_type') === 'refresh_token') {
      if (issuer.refusesRefresh !== undefined)
        return { status: 400, body: { error: issuer.refusesRefresh } };
      if (!issuer.refreshTokens.delete(form.get('refresh_token') ?? ''))
        return { status: 400, body: { error: 'invalid_grant' } };
      return { body: await tokens({}) };
    }
    const code = form.get('code') ?? '';
    const known = codes.get(code);
    codes.delete(code);
    const verifier = form.get('code_verifier') ?? '';
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (!known || challenge !== known.challenge)
      return { status: 400, body: { error: 'invalid_grant' } };
    return { body: await tokens({ nonce: known.nonce, auth_time: issuer.now() }) };
  }

  async function tokens(more: Claims): Promise<Claims> {
    const iat = issuer.now();
    const usual = { iss: url, aud: CLIENT, iat, exp: iat + 300, ...issuer.person, ...more };
    const claims = await issuer.idToken(usual);
    const refresh = randomUUID();
    issuer.refreshTokens.add(refresh);
    return {
      access_token: randomUUID(),
      token_type: 'Bearer',
      expires_in: 300,
      refresh_token: refresh,
      id_token: issuer.instead ? await issuer.instead(claims) : await issuer.sign(claims),
    };
  }

  return issuer;
}

type Answer = { readonly status?: number; readonly body?: unknown; readonly location?: string };

export async function newKey(kid: string = randomUUID()): Promise<Signing> {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  return { kid, key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } };
}

function metadataOf(url: string): Claims {
  return {
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    userinfo_endpoint: `${url}/userinfo`,
    end_session_endpoint: `${url}/logout`,
    jwks_uri: `${url}/keys`,
    response_types_supported: ['code'],
    id_token_signing_alg_values_supported: ['RS256'],
    authorization_response_iss_parameter_supported: true,
  };
}

/** RFC 6749, 2.3.1: both halves are form-encoded first. */
function authenticated(request: IncomingMessage): boolean {
  const encoded = [CLIENT, SECRET].map((part) => new URLSearchParams({ part }).toString().slice(5));
  const expected = `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`;
  return request.headers.authorization === expected;
}

async function text(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
