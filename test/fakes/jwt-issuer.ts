import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';

export type Signing = {
  readonly alg?: string;
  readonly kid?: string;
  readonly typ?: string | null;
};

/** An issuer of JSON web tokens with discovery and keys, on a free port of 127.0.0.1. Call `stop()` in `after`. */
export class JwtIssuer {
  readonly #server: Server;
  readonly #keys = new Map<string, CryptoKey>();
  /** What `/keys` serves. */
  jwks: JWK[] = [];
  /** Paths that were asked for, in order. */
  readonly asked: string[] = [];
  /** Answer everything with this status. */
  failing: number | undefined;
  /** In place of its own, in the discovery document. */
  named: string | undefined;
  jwksUri: string | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<JwtIssuer> {
    const server = createServer((request, response) => {
      issuer.asked.push(request.url ?? '');
      const found = issuer.#answer(request.url ?? '');
      response.writeHead(issuer.failing ?? (found ? 200 : 404), {
        'content-type': 'application/json',
      });
      response.end(JSON.stringify(found ?? {}));
    });
    const issuer = new JwtIssuer(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await issuer.addKey('first');
    return issuer;
  }

  #answer(path: string): object | undefined {
    if (path === '/.well-known/openid-configuration')
      return { issuer: this.named ?? this.url, jwks_uri: this.jwksUri ?? `${this.url}/keys` };
    return path === '/keys' ? { keys: this.jwks } : undefined;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  async addKey(kid: string, alg = 'RS256', more: JWK = {}): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    this.#keys.set(kid, privateKey);
    this.jwks.push({ ...(await exportJWK(publicKey)), kid, ...more });
  }

  /** Signed with the key `kid`; `iss`, `iat` and `exp` (five minutes) unless they are given. `typ: null` leaves it out. */
  async sign(
    claims: Readonly<Record<string, unknown>>,
    { alg = 'RS256', kid = 'first', typ = 'JWT' }: Signing = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    const key = this.#keys.get(kid) ?? this.#keys.get('first');
    if (!key) throw new Error('no key');
    const payload = { iss: this.url, iat: now, exp: now + 300, ...claims };
    for (const [name, value] of Object.entries(payload))
      if (value === undefined) Reflect.deleteProperty(payload, name);
    return await new SignJWT(payload)
      .setProtectedHeader({ alg, kid, ...(typ !== null && { typ }) })
      .sign(key);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Another header and other claims in front of the same signature. */
export function forged(jwt: string, header: object, claims?: object): string {
  const [, body = '', signature = ''] = jwt.split('.');
  return `${part(header)}.${claims ? part(claims) : body}.${signature}`;
}
