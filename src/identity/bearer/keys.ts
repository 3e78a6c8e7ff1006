import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import { isLoopback } from '../../config/units.ts';

/** The issuer cannot be asked for its keys now: nothing of it is believed until it can. */
export class CannotCheck extends Error {
  override name = 'CannotCheck';
}

export type Fetch = (url: string, options: RequestInit) => Promise<Response>;

const TIMEOUT_MS = 5_000;
const LARGEST = 512 * 1024;
/** Tokens that name a key nobody knows make the keys be fetched again, this often at most. */
const COOLDOWN_MS = 30_000;
/** A key that the issuer has taken back is believed this long at most. */
const KEYS_MS = 10 * 60_000;
const DISCOVERY_MS = 60 * 60_000;
/** So that tokens of strangers do not hammer an issuer that is down. */
const AFTER_FAILURE_MS = 5_000;

type Discovered = { readonly keys: Promise<JWTVerifyGetKey>; readonly until: number };

/** Keys of issuers, fetched when they are needed and kept for a while. */
export class Keys {
  readonly #fetch: Fetch;
  readonly #discovered = new Map<string, Discovered>();
  readonly #sets = new Map<string, JWTVerifyGetKey>();
  readonly #failed = new Map<string, number>();

  constructor(fetch: Fetch = (url, options) => globalThis.fetch(url, options)) {
    this.#fetch = fetch;
  }

  /** By OpenID Connect Discovery 1.0. Rejects with CannotCheck. */
  async ofIssuer(issuer: string): Promise<JWTVerifyGetKey> {
    const known = this.#discovered.get(issuer);
    if (known && known.until > performance.now()) return await known.keys;
    const keys = this.#discover(issuer);
    this.#discovered.set(issuer, { keys, until: performance.now() + DISCOVERY_MS });
    keys.catch(() => this.#discovered.delete(issuer));
    return await keys;
  }

  /** At an address that the configuration names (RFC 7517). */
  at(url: string): JWTVerifyGetKey {
    const known = this.#sets.get(url);
    if (known) return known;
    const set = createRemoteJWKSet(new URL(url), {
      timeoutDuration: TIMEOUT_MS,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: KEYS_MS,
      [customFetch]: async (address, options) => {
        const found = await this.#get(address, options);
        return Response.json({ keys: listOf(found, 'keys').map(forSignatures) });
      },
    });
    this.#sets.set(url, set);
    return set;
  }

  async #discover(issuer: string): Promise<JWTVerifyGetKey> {
    const url = `${issuer.replace(/\/$/u, '')}/.well-known/openid-configuration`;
    const found = await this.#get(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const named = textOf(found, 'issuer');
    if (named !== issuer)
      throw new CannotCheck(`${url} is of another issuer, ${JSON.stringify(named)}`);
    const jwks = textOf(found, 'jwks_uri') ?? '';
    if (!isSafe(jwks)) throw new CannotCheck(`${url} names no safe jwks_uri`);
    return this.at(jwks);
  }

  async #get(url: string, options: RequestInit): Promise<unknown> {
    const failed = this.#failed.get(url);
    if (failed !== undefined && performance.now() - failed < AFTER_FAILURE_MS)
      throw new CannotCheck(`${url} did not answer a moment ago`);
    try {
      const found = await this.#ask(url, options);
      this.#failed.delete(url);
      return found;
    } catch (cause) {
      this.#failed.set(url, performance.now());
      throw new CannotCheck(`${url} cannot be read`, { cause });
    }
  }

  async #ask(url: string, options: RequestInit): Promise<unknown> {
    const headers = { accept: 'application/json, application/jwk-set+json' };
    const answer = await this.#fetch(url, { ...options, headers, redirect: 'error' });
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > LARGEST) throw new Error('the answer is too large');
    }
    return JSON.parse(text);
  }
}

/** A SPIFFE bundle says `jwt-svid` where RFC 7517 says `sig`; its `x509-svid` keys sign no tokens. */
function forSignatures(key: unknown): unknown {
  return textOf(key, 'use') === 'jwt-svid' ? { ...Object(key), use: 'sig' } : key;
}

/** https, or http that does not leave this machine. */
function isSafe(url: string): boolean {
  const { protocol, hostname } = URL.parse(url) ?? { protocol: '', hostname: '' };
  return (
    protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/gu, '')))
  );
}

function textOf(value: unknown, name: string): string | undefined {
  const found: unknown = Object(value)[name];
  return typeof found === 'string' ? found : undefined;
}

function listOf(value: unknown, name: string): readonly unknown[] {
  const found: unknown = Object(value)[name];
  return Array.isArray(found) ? found : [];
}
